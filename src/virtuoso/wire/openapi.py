"""Answers as OpenAPI says them: schemas made from the very structs that are sent."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

import msgspec

from virtuoso.wire.health import Nothing, Problem
from virtuoso.wire.schema import field_notes

VERSION: Final = "3.1.0"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
REFERENCE: Final = "#/components/schemas/{name}"

MEANINGS: Final[Mapping[int, str]] = {
    304: "What you hold is still the newest (If-None-Match).",
    400: "The request cannot be meant for this server, or names what cannot be.",
    401: "Sign in, or show a token that is known.",
    403: "Not for this caller, or not from this page; a change needs the write token.",
    404: "There is no such thing here.",
    409: "It is not in a state that allows this.",
    412: "Something else is in force meanwhile (If-Match): read it again.",
    415: "A change needs a body of the type application/json.",
    428: "A change needs If-Match with the ETag of what was read.",
    406: "None of the forms you accept is offered.",
    411: "A body needs a Content-Length.",
    413: "The body is larger than this server accepts.",
    431: "The address or the headers are larger than this server accepts.",
    422: "A parameter is not of its kind; nothing of the request is repeated.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "The server failed; its log says why.",
    503: "Nothing true can be said; the reasons are in the body.",
}

STATES: Final = """Numbers come with what is needed to judge them. `state`: `live`, `delayed`,
`stale` or `absent`. A number that is not known is null and has a `reason`: `no_feed`, `stale`,
`warming_up`, `gap`, `crossed_book`, `not_applicable`, `too_few` or `unproven`. `as_of` is the
venue's time of the oldest input a number needed. Times are milliseconds UTC; `timestamp` is
ISO 8601 UTC. Percentages are percent, shares 0..1, basis points 1/100 of a percent. `source` names
where the data come from; `simulator` is SIMULATED and no market. Nothing is written by GET."""


SCHEMES: Final[Mapping[str, Any]] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The read token or the write token.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "virtuoso_session",
        "description": "What POST /api/session gives to a browser.",
    },
}
TO_READ: Final[Sequence[Mapping[str, Sequence[str]]]] = ({}, {"token": []}, {"session": []})
"""Where no read token and no password is set, this computer reads without one."""
TO_CHANGE: Final[Sequence[Mapping[str, Sequence[str]]]] = ({"token": []}, {"session": []})


def reference(kind: type) -> dict[str, str]:
    """How another schema points to a struct's."""
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def content(kind: type) -> dict[str, Any]:
    """A JSON body of this kind."""
    return {JSON: {"schema": reference(kind)}}


def refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Say what each of these refusals means; a 503 has its reasons in a body of its own."""
    found: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        said: dict[str, Any] = {"description": MEANINGS[code]}
        if code == 503:
            said["content"] = {
                JSON: {"schema": reference(Nothing)},
                PROBLEM: {"schema": reference(Problem)},
            }
        elif code != 304:
            said["content"] = {PROBLEM: {"schema": reference(Problem)}}
        found[code] = said
    return found


def finish(document: dict[str, Any], kinds: Iterable[type]) -> dict[str, Any]:
    """Put the schemas of the structs in the place of what FastAPI makes up by itself."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas |= components(kinds)
    document["components"]["securitySchemes"] = SCHEMES
    examples = recorded_examples()
    refused = refusals(422)[422]
    for path in document["paths"].values():
        for operation in path.values():
            _exemplify(operation["responses"]["200"], examples)
            if "422" in operation["responses"]:
                operation["responses"]["422"] = refused
    return document


def recorded_examples() -> dict[str, Any]:
    """Answers of a run on the simulator, by the struct that they are of."""
    text = files("virtuoso.wire").joinpath("examples.json").read_bytes()
    return msgspec.json.decode(text, type=dict[str, Any])


def _exemplify(response: dict[str, Any], examples: Mapping[str, Any]) -> None:
    body = response["content"].get(JSON, {})
    name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
    if name in examples:
        body["example"] = examples[name]


def components(kinds: Iterable[type]) -> dict[str, Any]:
    """The schemas of these structs and of all they are made of, with what each field means.

    Every field is always sent, so every field is required.
    """
    wanted = tuple(dict.fromkeys((*kinds, Nothing, Problem)))
    _, schemas = msgspec.json.schema_components(wanted, ref_template=REFERENCE)
    classes = _classes(wanted)
    for name, schema in schemas.items():
        kind = classes.get(name)
        notes = field_notes(kind) if kind is not None else {}
        if schema.get("type") == "object" and "properties" in schema:
            schema["required"] = list(schema["properties"])
            for field, part in schema["properties"].items():
                part.pop("default", None)
                if field in notes:
                    schema["properties"][field] = {**part, "description": notes[field]}
        elif kind is not None and "prefixItems" in schema:
            schema["minItems"] = len(schema["prefixItems"])
            fields = kind.__struct_fields__
            schema["prefixItems"] = [
                {**part, "title": field, **_described(notes.get(field))}
                for field, part in zip(fields, schema["prefixItems"], strict=True)
            ]
    return schemas


def _described(note: str | None) -> dict[str, str]:
    return {} if note is None else {"description": note}


def _classes(kinds: Iterable[type]) -> dict[str, type[msgspec.Struct]]:
    """Every struct that these are made of, by name."""
    found: dict[str, type[msgspec.Struct]] = {}

    def visit(kind: msgspec.inspect.Type) -> None:
        if isinstance(kind, msgspec.inspect.StructType):
            if kind.cls.__name__ in found:
                return
            found[kind.cls.__name__] = kind.cls
            for field in kind.fields:
                visit(field.type)
        elif isinstance(kind, msgspec.inspect.UnionType):
            for part in kind.types:
                visit(part)
        elif isinstance(kind, msgspec.inspect.VarTupleType | msgspec.inspect.ListType):
            visit(kind.item_type)
        elif isinstance(kind, msgspec.inspect.TupleType):
            for part in kind.item_types:
                visit(part)
        elif isinstance(kind, msgspec.inspect.DictType):
            visit(kind.value_type)

    for each in msgspec.inspect.multi_type_info(tuple(kinds)):
        visit(each)
    return found
