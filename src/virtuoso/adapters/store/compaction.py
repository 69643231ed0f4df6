"""Thinning: of old rows the first of each interval stays, as it was said; nothing is averaged.

What a chart of that spacing shows is therefore the same before and after.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Connection, Table, and_, delete, func, select

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.rows import minutes_of
from virtuoso.domain.history import Retention
from virtuoso.domain.time import DAY, HOUR, MINUTE, Millis, Timeframe

MIDDLE_MS: Final = 5 * MINUTE
COARSE_MS: Final = HOUR
PIECE_MS: Final = 2 * DAY
"""Some six thousand rows of one symbol: a few milliseconds, for which a call may have to wait."""

_KEYS: Final[tuple[tuple[Table, Column[int] | Column[str]], ...]] = (
    (tables.scores, tables.scores.c.series_id),
    (tables.derivatives, tables.derivatives.c.series_id),
    (tables.overview, tables.overview.c.source),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some days of one series, and what becomes of them."""

    table: Table
    key: Column[int] | Column[str]
    value: int | str
    start: int
    end: int
    step_ms: int
    """Of each such interval the first row stays; 0: none does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be thinned out now."""

    pieces: tuple[Piece, ...]
    done_to: Millis
    """When it is done, the next one begins here."""


def pieces(link: Connection, now: Millis, retention: Retention, since: Millis | None) -> Plan:
    """Say what is to be thinned out; `since`: `done_to` of the last plan of this process."""
    fine = _days_ago(now, retention.fine_days)
    found: list[Piece] = []
    for table, key in _KEYS:
        bounds = select(key, func.min(table.c.at)).group_by(key)
        for value, first in link.execute(bounds).all():
            for start, end, step_ms in _tiers(now, retention):
                begin = max(first - first % DAY, start)
                if since is not None and step_ms:
                    # what had become old at the last time is thin already
                    begin = max(begin, end - (fine - since) - PIECE_MS)
                found += (
                    Piece(table, key, value, at, min(at + PIECE_MS, end), step_ms)
                    for at in range(begin, end, PIECE_MS)
                )
    return Plan(tuple(found), Millis(fine))


def _tiers(now: Millis, retention: Retention) -> Iterator[tuple[int, int, int]]:
    """Give start, end and spacing of what is not kept as it was recorded."""
    fine, middle = (_days_ago(now, each) for each in (retention.fine_days, retention.middle_days))
    last = 0 if retention.coarse_days is None else _days_ago(now, retention.coarse_days)
    if last:
        yield 0, last, 0
    yield last, middle, COARSE_MS
    yield max(last, middle), fine, MIDDLE_MS


def _days_ago(now: Millis, days: float) -> int:
    at = now - round(days * DAY)
    return max(0, at - at % HOUR)


def thin_out(piece: Piece, link: Connection) -> int:
    """Thin out one piece; gives how many rows went. Doing it again changes nothing."""
    at = piece.table.c.at
    here = and_(piece.key == piece.value, at >= piece.start, at < piece.end)
    statement = delete(piece.table).where(here)
    if piece.step_ms:
        firsts = select(func.min(at)).where(here).group_by(at // piece.step_ms)
        statement = statement.where(at.not_in(firsts))
    return link.execute(statement).rowcount


def old_candles(link: Connection, now: Millis, retention: Retention) -> int:
    """Remove short candles that are too old, and deliveries that ended long ago."""
    gone = 0
    kept = tables.candles.c
    for timeframe, days in (
        (Timeframe.M1, retention.minute_candle_days),
        (Timeframe.M5, retention.five_minute_candle_days),
    ):
        gone += link.execute(
            delete(tables.candles).where(
                kept.series_id.in_(select(tables.series.c.id)),
                kept.minutes == minutes_of(timeframe),
                kept.open_time < now - round(days * DAY),
            )
        ).rowcount
    sent = tables.deliveries.c
    gone += link.execute(
        delete(tables.deliveries).where(
            sent.ended.is_(True), sent.created_at < now - round(retention.delivery_days * DAY)
        )
    ).rowcount
    return gone
