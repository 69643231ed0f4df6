"""Which settings may be changed over the API, what they mean, and in what they are measured."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias, get_args, get_origin

import msgspec

from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import default_path
from virtuoso.domain.secret import SecretText

Tightens: TypeAlias = Literal["lower", "higher"]

EDITABLE: Final = (
    "scoring.profile",
    "scoring.coverage_floor",
    "scoring.weights.*",
    "scoring.timeframes.*",
    "scoring.direction.*",
    "scoring.windows.*",
    "scoring.symbols",
    "universe.size",
    "universe.pinned",
    "universe.refresh_seconds",
)
"""All that is not here is refused: credentials, addresses, paths, servers, switches of safety."""

NEVER: Final = frozenset(
    {"app", "feed", "cache", "broker", "engine", "state", "security", "store", "simulator"}
)
"""Sections that no entry of EDITABLE may name, whatever is added to it."""

RISK_LIMITS: Final[Mapping[str, Tightens]] = MappingProxyType({})
"""Limits of risk, by the direction that makes them tighter; over the API they go no other way."""

_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "scoring.coverage_floor": "share, 0 to 1",
        "scoring.weights": "any, in proportion",
        "scoring.timeframes": "any, in proportion",
        "scoring.direction.enter": "points from 50",
        "scoring.direction.leave": "points from 50",
        "scoring.direction.confirmations": "minutes",
        "scoring.direction.minimum_seconds": "s of each minute",
        "scoring.windows.candles": "candles",
        "scoring.windows.candles_minimum": "candles",
        "scoring.windows.candles_minimum_sizes": "values",
        "scoring.windows.stream": "values",
        "scoring.windows.stream_minimum": "s",
        "scoring.windows.stream_minimum_sizes": "values",
        "universe.size": "symbols",
        "security.session_hours": "h",
    }
)
_ENDINGS: Final = (("_seconds", "s"), ("_ms", "ms"), ("_bytes", "bytes"), ("_hours", "h"))

_TABLE: Final = re.compile(r"\[([a-z_.]+)\]")
_LINE: Final = re.compile(r"([a-z0-9_]+) *= .*?# (.*)")
_MORE: Final = re.compile(r" +# (.*)")


class Leaf(NamedTuple):
    """One setting of the tree."""

    key: str
    kind: Any
    secret: bool


def is_editable(key: str) -> bool:
    """Whether the API may change this key."""
    if key.partition(".")[0] in NEVER:
        return False
    return any(
        key == each or (each.endswith(".*") and _is_child(key, each[:-2])) for each in EDITABLE
    )


def _is_child(key: str, table: str) -> bool:
    head, _, last = key.rpartition(".")
    return head == table and bool(last)


def unit_of(key: str) -> str | None:
    """What its number counts; None where it is no number, or a bare one."""
    known = _UNITS.get(key) or _UNITS.get(key.rpartition(".")[0])
    return known or next((unit for end, unit in _ENDINGS if key.endswith(end)), None)


def leaves() -> tuple[Leaf, ...]:
    """Every setting, in the order of the tree; exceptions of symbols are one."""
    return tuple(_leaves(Settings, ""))


def _leaves(struct: type[msgspec.Struct], path: str) -> Iterator[Leaf]:
    for field in msgspec.structs.fields(struct):
        key, kind = f"{path}{field.encode_name}", field.type
        bare = get_args(kind)[0] if get_origin(kind) is Annotated else kind
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            yield from _leaves(bare, f"{key}.")
        elif get_origin(bare) is dict and key != "scoring.symbols":
            names, value = get_args(bare)
            yield from (Leaf(f"{key}.{name.value}", value, secret=False) for name in names)
        else:
            yield Leaf(key, kind, secret=bare is SecretText)


def schema_of(leaf: Leaf) -> dict[str, Any]:
    """JSON Schema of one setting's value, for a form."""
    if leaf.secret:
        return {"type": "string", "writeOnly": True}
    return msgspec.json.schema(leaf.kind)


def descriptions() -> dict[str, str]:
    """What config/default.toml says beside each key: it is said there and nowhere else."""
    found: dict[str, str] = {}
    table = last = ""
    for line in default_path().read_text("utf-8").splitlines():
        if (match := _TABLE.match(line)) is not None:
            table = last = match[1]
            said = line.partition("#")[2].strip()
            if said:
                found[table] = said
        elif (match := _LINE.match(line)) is not None:
            last = f"{table}.{match[1]}"
            found[last] = match[2].strip()
        elif last and (match := _MORE.match(line)) is not None:
            found[last] = f"{found.get(last, '')} {match[1].strip()}".strip()
        else:
            last = ""
    return found


def flattened(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """A tree of tables by dotted key; exceptions of symbols stay one value."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{path}{name}"
        if isinstance(value, Mapping) and key != "scoring.symbols":
            found |= flattened(value, f"{key}.")
        else:
            found[key] = value
    return found


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """The tree that `flattened` came from."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *tables, name = key.split(".")
        table = tree
        for each in tables:
            table = table.setdefault(each, {})
        table[name] = value
    return tree


def loosened(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    limits: Mapping[str, Tightens] = RISK_LIMITS,
) -> tuple[str, ...]:
    """The limits of risk that would be looser than they are; taking one away loosens it.

    before, after: what is in force, by dotted key. A restore is judged as any other change.
    """
    found = []
    for key, tighter in limits.items():
        old, new = before.get(key), after.get(key)
        if old is None or old == new:
            continue
        if new is None or (new > old if tighter == "lower" else new < old):
            found.append(key)
    return tuple(found)
