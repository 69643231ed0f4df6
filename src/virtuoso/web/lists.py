"""The list of symbols filtered, sorted and cut to a page; nothing in a record is changed."""

from dataclasses import dataclass
from math import ceil
from typing import Any, Final, Literal, TypeAlias

import msgspec

from virtuoso.web.export import Row
from virtuoso.wire.lists import PageInfo
from virtuoso.wire.symbols import ComponentValues, DimensionValues, SymbolRecord

DEFAULT_PER_PAGE: Final = 50
MOST_PER_PAGE: Final = 500

SortKey: TypeAlias = Literal[
    "symbol",
    "-symbol",
    "score",
    "-score",
    "pressure",
    "-pressure",
    "confidence",
    "-confidence",
    "change_24h",
    "-change_24h",
    "price",
    "-price",
    "volume",
    "-volume",
]
"""A minus sorts the largest first. `pressure` is the distance of the score from 50."""

FIELDS: Final = SymbolRecord.__struct_fields__

Record: TypeAlias = dict[str, Any]


class SymbolsBody(msgspec.Struct):
    """The published document with its records as plain values."""

    status: str
    timestamp: str
    as_of: int | None
    source: str
    data_source: str
    symbols: list[Record]
    reasons: list[str] = []
    epoch: str = ""
    seq: int = 0
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records of the list are asked for, and how."""

    direction: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    min_volume: float | None = None
    text: str | None = None
    fields: tuple[str, ...] = ()
    sort: str | None = None
    page: int = 1
    per_page: int = DEFAULT_PER_PAGE

    def passes(self, record: Record) -> bool:
        """Whether a record passes the filters; what is not known does not pass one on it."""
        score, volume = record["confluence_score"], record["volume"]
        return not (
            (self.direction is not None and record["direction"] != self.direction)
            or (self.min_score is not None and (score is None or score < self.min_score))
            or (self.max_score is not None and (score is None or score > self.max_score))
            or (self.min_volume is not None and (volume is None or volume < self.min_volume))
            or (self.text is not None and self.text.upper() not in record["symbol"])
        )


def matching(records: list[Record], wanted: Wanted) -> list[Record]:
    """The records that pass, in the order asked for; without one in that of the board."""
    found = [each for each in records if wanted.passes(each)]
    if wanted.sort is None:
        return found
    key = wanted.sort.removeprefix("-")
    down = wanted.sort.startswith("-")
    if key == "symbol":
        return sorted(found, key=lambda each: str(each["symbol"]), reverse=down)
    valued = [(_sort_value(each, key), each) for each in found]
    known = [(value, each) for value, each in valued if value is not None]
    # symbols of one value stand by name, whichever way; those without a value are last
    known.sort(key=lambda pair: (-pair[0] if down else pair[0], pair[1]["symbol"]))
    return [each for _, each in known] + [each for value, each in valued if value is None]


def _sort_value(record: Record, key: str) -> float | None:
    if key == "pressure":
        score = record["confluence_score"]
        return None if score is None else abs(float(score) - 50.0)
    value = record["confluence_score" if key == "score" else key]
    return None if value is None else float(value)


def page_of(body: SymbolsBody, wanted: Wanted) -> bytes:
    """The document of one page."""
    found = matching(body.symbols, wanted)
    first = (wanted.page - 1) * wanted.per_page
    shown = [_part(each, wanted.fields) for each in found[first : first + wanted.per_page]]
    page = PageInfo(
        page=wanted.page,
        per_page=wanted.per_page,
        pages=ceil(len(found) / wanted.per_page),
        matched=len(found),
        total=len(body.symbols),
    )
    return msgspec.json.encode({**msgspec.structs.asdict(body), "symbols": shown, "page": page})


def _part(record: Record, fields: tuple[str, ...]) -> Record:
    if not fields:
        return record
    return {key: value for key, value in record.items() if key == "symbol" or key in fields}


FLAT: Final = (
    *(each for each in FIELDS if each not in {"components", "dimensions", "quality", "outlook"}),
    *(f"components.{each}" for each in ComponentValues.__struct_fields__),
    *(f"dimensions.{each}" for each in DimensionValues.__struct_fields__),
)
"""Columns of a file of records."""


def columns_of(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of the fields asked for; all without any."""
    if not fields:
        return tuple(each for each in FLAT if each not in {"source", "as_of"})
    wanted = {"symbol", *fields} - {"source", "as_of"}
    return tuple(each for each in FLAT if each.split(".")[0] in wanted)


def flat(record: Record) -> Row:
    """A record as a row; its own `as_of` is `record_as_of`, the file's is beside it."""
    row: Row = dict(record)
    for part in ("components", "dimensions"):
        for name, value in (record[part] or {}).items():
            row[f"{part}.{name}"] = value
    return row
