"""The parameters that several routes take, each with its unit, bounds and an example."""

from typing import Annotated, Final, Literal, TypeAlias

from fastapi import Path, Query

from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Timeframe

SYMBOL_PATTERN: Final = "^[A-Z0-9]{2,30}([:_-][A-Z0-9]{1,15}){0,2}$"
MOST_ROWS: Final = 5_000
STEPS: Final = {
    "raw": 0,
    "30s": 30 * SECOND,
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}
"""Resolutions of the past, in milliseconds."""

_DAY: Final = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))"
)
TIME_PATTERN: Final = (
    f"^(19[7-9][0-9]|20[0-9]{{2}})-{_DAY}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(\.[0-9]{1,6})?Z$"
)
"""What is documented; 29 February and offsets are understood too."""

SymbolPath: TypeAlias = Annotated[
    str,
    Path(
        description="The symbol as the venue writes it.",
        examples=["BTCUSDT"],
        json_schema_extra={"pattern": SYMBOL_PATTERN},
    ),
]
TimeframeQuery: TypeAlias = Annotated[
    str,
    Query(
        description="Length of a candle.",
        examples=["5m"],
        json_schema_extra={"enum": [str(each) for each in Timeframe]},
    ),
]
FromQuery: TypeAlias = Annotated[
    str | None,
    Query(
        alias="from",
        description="Earliest time, ISO 8601 UTC, inclusive.",
        examples=["2026-07-19T12:00:00Z"],
        json_schema_extra={"anyOf": [{"type": "string", "pattern": TIME_PATTERN}]},
    ),
]
ToQuery: TypeAlias = Annotated[
    str | None,
    Query(
        alias="to",
        description="Latest time, ISO 8601 UTC, exclusive.",
        examples=["2026-07-19T13:00:00Z"],
        json_schema_extra={"anyOf": [{"type": "string", "pattern": TIME_PATTERN}]},
    ),
]
LimitQuery: TypeAlias = Annotated[
    int | None,
    Query(
        ge=1,
        le=MOST_ROWS,
        description="At most so many rows, the newest of those that match.",
        examples=[100],
        json_schema_extra={"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_ROWS}]},
    ),
]
FormatName: TypeAlias = Literal["json", "csv", "parquet"]
FormatQuery: TypeAlias = Annotated[
    FormatName | None,
    Query(
        description="Form of the answer; without it the Accept header chooses.",
        examples=["csv"],
        json_schema_extra={"anyOf": [{"type": "string", "enum": ["json", "csv", "parquet"]}]},
    ),
]
InstantQuery: TypeAlias = Annotated[
    str,
    Query(
        max_length=40,
        description="An instant, ISO 8601 UTC.",
        examples=["2026-07-19T12:00:00Z"],
        json_schema_extra={"pattern": TIME_PATTERN},
    ),
]
ResolutionQuery: TypeAlias = Annotated[
    str,
    Query(
        max_length=10,
        description="The first row of each such interval; `raw` gives every row.",
        examples=["5m"],
        json_schema_extra={"enum": ["auto", *STEPS]},
    ),
]
SourcesQuery: TypeAlias = Annotated[
    str,
    Query(
        alias="source",
        max_length=20,
        description="Whose rows: `live` for all venues; without it what the board shows.",
        examples=["simulator"],
        json_schema_extra={"enum": ["", "live", *Source]},
    ),
]
VolumeQuery: TypeAlias = Annotated[
    float,
    Query(
        ge=0,
        allow_inf_nan=False,
        description="Least 24 h turnover in quote currency; one that is not known does not pass.",
        examples=[1_000_000],
    ),
]
