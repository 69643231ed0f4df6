"""Rows of the domain as rows of the tables, and back."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, Table

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.tables import points_of, score_of
from virtuoso.domain.history import (
    Gap,
    GapKind,
    GapReason,
    HistoryRow,
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptPart,
    KeptScore,
    Series,
)
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State
from virtuoso.domain.time import MINUTE, Millis, Timeframe

Values: TypeAlias = dict[str, Any]

COMPONENTS: Final = tuple(ComponentName)
_COLUMNS: Final = {name: (score_of(name), points_of(name)) for name in COMPONENTS}
_BY_MINUTES: Final[Mapping[int, Timeframe]] = {each.ms // MINUTE: each for each in Timeframe}
_NOTHING: Final = KeptPart(None, None, Reason.NO_FEED)


def minutes_of(timeframe: Timeframe) -> int:
    """Length of a timeframe as it stands in the table."""
    return timeframe.ms // MINUTE


def series_in(row: HistoryRow) -> Series | None:
    """Whose row it is; None where it is the whole market's."""
    return None if isinstance(row, KeptOverview) else row.series


def values_of(row: HistoryRow, series_id: int) -> tuple[Table, Values]:
    """Give the table that a row goes to, and its columns."""
    match row:
        case KeptScore():
            return tables.scores, _score_values(row, series_id)
        case KeptCandle(candle=candle):
            return tables.candles, {
                "series_id": series_id,
                "minutes": minutes_of(candle.timeframe),
                "open_time": candle.open_time,
                "open": candle.open,
                "high": candle.high,
                "low": candle.low,
                "close": candle.close,
                "volume": candle.volume,
                "taker_buy_volume": candle.taker_buy_volume,
                "backfilled": row.backfilled,
            }
        case KeptDerivatives():
            return tables.derivatives, {"series_id": series_id, **_fields(row)}
        case KeptOverview():
            return tables.overview, row._asdict()
        case Gap():
            return tables.gaps, {
                "series_id": series_id,
                "kind": row.kind,
                "start_at": row.start,
                "reason": row.reason,
                "end_at": row.end,
                "detail": row.detail[:500],
            }


def _fields(row: KeptDerivatives) -> Values:
    fields = row._asdict()
    del fields["series"]
    return fields


def _score_values(row: KeptScore, series_id: int) -> Values:
    values = row._asdict()
    del values["series"]
    parts = values.pop("components") or {}
    values["series_id"] = series_id
    absent = {}
    for name, (score, points) in _COLUMNS.items():
        part = parts.get(name, _NOTHING)
        values[score], values[points] = part.score, part.points
        if part.reason is not None:
            absent[name.value] = part.reason.value
    values["absent"] = json.dumps(absent, separators=(",", ":")) if absent else None
    return values


def score_from(series: Series, row: Row[Any], *, components: bool) -> KeptScore:
    """Read a row of `scores`; its component columns are there when they are wanted."""
    return KeptScore(
        series=series,
        at=Millis(row.at),
        score=row.score,
        reason=None if row.reason is None else Reason(row.reason),
        z=row.z,
        coverage=row.coverage,
        confidence=row.confidence,
        direction=None if row.direction is None else Direction(row.direction),
        state=State(row.state),
        definition=row.definition,
        as_of=None if row.as_of is None else Millis(row.as_of),
        mid=row.mid,
        spread_bp=row.spread_bp,
        price=row.price,
        change_24h=row.change_24h,
        turnover_24h=row.turnover_24h,
        funding_8h=row.funding_8h,
        open_interest_change_1h=row.open_interest_change_1h,
        components=_parts(row) if components else None,
        backfilled=row.backfilled,
    )


def _parts(row: Row[Any]) -> Mapping[ComponentName, KeptPart]:
    absent = json.loads(row.absent) if row.absent else {}
    found = row._mapping  # noqa: SLF001 - the library's own way to read a column by its name
    return {
        name: KeptPart(
            found[score], found[points], Reason(absent[name]) if name in absent else None
        )
        for name, (score, points) in _COLUMNS.items()
    }


def candle_from(series: Series, row: Row[Any]) -> KeptCandle:
    """Read a row of `candles`."""
    candle = Candle(
        _BY_MINUTES[row.minutes],
        Millis(row.open_time),
        row.open,
        row.high,
        row.low,
        row.close,
        row.volume,
        row.taker_buy_volume,
    )
    return KeptCandle(series, candle, row.backfilled)


def derivatives_from(series: Series, row: Row[Any]) -> KeptDerivatives:
    """Read a row of `derivatives`, whose first column is the series."""
    return KeptDerivatives._make((series, *row[1:]))


def overview_from(row: Row[Any]) -> KeptOverview:
    """Read a row of `overview`."""
    return KeptOverview._make((Source(row.source), *row[1:]))


def gap_from(series: Series, row: Row[Any]) -> Gap:
    """Read a row of `gaps`."""
    return Gap(
        series,
        GapKind(row.kind),
        Millis(row.start_at),
        None if row.end_at is None else Millis(row.end_at),
        GapReason(row.reason),
        row.detail,
    )
