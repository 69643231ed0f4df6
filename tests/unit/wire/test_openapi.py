"""What OpenAPI says is made from the structs that are sent."""

import json
from importlib import import_module
from pkgutil import iter_modules

import msgspec
import pytest

from virtuoso import wire
from virtuoso.wire import openapi
from virtuoso.wire.charts import CandlesDocument
from virtuoso.wire.symbols import SymbolsDocument

MODULES = [import_module(f"virtuoso.wire.{each.name}") for each in iter_modules(wire.__path__)]
OF_NO_MARKET = {"AlertList", "RulesDocument", "ConfigDocument", "VersionsDocument"}
EXAMPLES = openapi.recorded_examples()


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_is_a_recorded_answer_of_the_simulator(name: str) -> None:
    """It decodes as what it is an example of, and is no market's."""
    kinds = [vars(each)[name] for each in MODULES if name in vars(each)]
    found = msgspec.convert(EXAMPLES[name], kinds[0])
    if name not in OF_NO_MARKET:
        sources = getattr(found, "sources", None) or (found.source,)
        assert sources == ("simulator",)
    assert json.loads(msgspec.json.encode(found)).keys() >= EXAMPLES[name].keys() - {"page"}


def test_every_field_is_required_because_every_field_is_sent() -> None:
    """No default leaves a reader in doubt whether a key is there."""
    schemas = openapi.components([SymbolsDocument, CandlesDocument])
    assert set(schemas) >= {"SymbolRecord", "Quality", "State", "FormingBar", "Problem", "Nothing"}
    for name, schema in schemas.items():
        if "properties" in schema:
            assert schema["required"] == list(schema["properties"]), name
    bar = schemas["FormingBar"]
    assert [each["title"] for each in bar["prefixItems"]] == [
        "open_time",
        "open",
        "high",
        "low",
        "close",
        "volume",
    ]
    assert bar["minItems"] == 6


def test_fields_carry_their_sentences() -> None:
    """Units stand where a reader of the schema looks."""
    record = openapi.components([SymbolsDocument])["SymbolRecord"]["properties"]
    assert record["change_24h"]["description"] == "Percent."
    assert record["volume"]["description"].startswith("24 h turnover")


def test_a_503_has_its_reasons_and_every_other_refusal_is_a_problem() -> None:
    """One form each."""
    found = openapi.refusals(304, 404, 503)
    assert "content" not in found[304]
    assert list(found[404]["content"]) == ["application/problem+json"]
    assert found[503]["content"]["application/json"]["schema"]["$ref"].endswith("/Nothing")
