"""Documents marked as old, and the answer when there is nothing."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.testing import wire_messages as make
from virtuoso.wire import keys
from virtuoso.wire.dashboards import MobileDocument
from virtuoso.wire.documents import degraded, nothing
from virtuoso.wire.messages import to_json
from virtuoso.wire.symbols import SymbolsDocument

states = st.sampled_from(["live", "delayed", "stale", "absent"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5) | states,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["state", "x", "score"]), inner, max_size=3)
    ),
    max_leaves=20,
)


def test_a_document_of_a_silent_engine_calls_no_price_live() -> None:
    """Whatever the field is called: movers have `price_state`, the ages of inputs `states`."""
    row = {"symbol": "A", "state": "live", "price_state": "live", "score_state": "absent"}
    ages = {"states": ["live", "delayed", "stale", "absent"], "kinds": ["live"]}
    old = json.loads(degraded(json.dumps({"symbols": [row, ages]}).encode(), "silent"))
    assert old["symbols"] == [
        {"symbol": "A", "state": "stale", "price_state": "stale", "score_state": "absent"},
        {"states": ["stale", "stale", "stale", "absent"], "kinds": ["live"]},
    ]


@given(st.dictionaries(st.text(max_size=6), values, max_size=5))
def test_nothing_stays_live_and_everything_else_stays_what_it_was(document: object) -> None:
    """Only states, status and reasons differ, at any depth."""
    assert isinstance(document, dict)
    for name in ("reasons", "status", "state"):
        document.pop(name, None)
    old = json.loads(degraded(json.dumps(document).encode(), "why"))
    assert old.pop("status") == "degraded"
    assert old.pop("reasons") == ["why"]
    _same_but_for_states(document, old)


def _same_but_for_states(before: object, after: object) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        assert before.keys() == after.keys()
        for key, value in before.items():
            if key == "state" and value in ("live", "delayed"):
                assert after[key] == "stale"
            else:
                _same_but_for_states(value, after[key])
    elif isinstance(before, list) and isinstance(after, list):
        assert len(before) == len(after)
        for one, other in zip(before, after, strict=True):
            _same_but_for_states(one, other)
    else:
        assert before == after


def test_a_degraded_document_still_has_the_shape_of_the_contract() -> None:
    """It decodes as the very class it was published as, with its values and reasons kept."""
    whole = msgspec.structs.replace(
        make.symbols_document(make.a_board()), status="degraded", reasons=("one is late",)
    )
    old = msgspec.json.decode(degraded(to_json(whole), "silent"), type=SymbolsDocument)
    assert old.reasons == ("one is late", "silent")
    assert [each.confluence_score for each in old.symbols] == [62.5, 62.5, 62.5]
    assert {each.state for each in old.symbols} == {"stale"}
    assert {each.quality["dimensions"].state for each in old.symbols} == {"absent"}


def test_the_same_document_and_reason_give_the_same_bytes() -> None:
    """A stable body has a stable validator."""
    body = to_json(make.mobile_document(make.a_board()))
    assert degraded(body, "silent") == degraded(body, "silent") != degraded(body, "other")


def test_the_phones_empty_answer_has_every_key_of_the_contract() -> None:
    """M5, with nulls where the owner had zeros."""
    said = msgspec.json.decode(nothing(keys.MOBILE, "2026-07-19T12:00:00.000Z", ("no engine",)))
    whole = msgspec.json.decode(to_json(make.mobile_document(make.a_board())))
    assert isinstance(said, dict)
    assert set(said) == set(whole) | {"error"}
    assert set(said["market_overview"]) == set(whole["market_overview"])
    for field in MobileDocument.__struct_fields__:
        if isinstance(whole[field], list) and field != "reasons":
            assert said[field] == []
    assert (said["status"], said["error"], said["reasons"]) == ("error", "no engine", ["no engine"])


def test_other_empty_answers_have_the_error_only() -> None:
    """Four keys."""
    said = msgspec.json.decode(nothing(keys.SYMBOLS, "2026-07-19T12:00:00.000Z", ("a", "b")))
    assert said == {
        "status": "error",
        "error": "a; b",
        "timestamp": "2026-07-19T12:00:00.000Z",
        "reasons": ["a", "b"],
    }
