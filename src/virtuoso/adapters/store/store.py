"""Rows of history, written by the one engine."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Insert, Table, func, select
from sqlalchemy.dialects import sqlite

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.compaction import old_candles, pieces, thin_out
from virtuoso.adapters.store.database import Place, open_engine
from virtuoso.adapters.store.migrating import migrate
from virtuoso.adapters.store.opening import damage_of, replace_damaged
from virtuoso.adapters.store.rows import gap_from, minutes_of, series_in, values_of
from virtuoso.adapters.store.thread import WriteThread
from virtuoso.domain.history import (
    HistoryRow,
    Newest,
    Retention,
    Series,
    StoreState,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.ports import Clock

ROOM: Final = 200_000
"""Rows that may wait: an hour and more of 500 symbols, some 100 MB."""
FLUSH_S: Final = 30.0


class SqlStore:
    """Hands rows to the thread that writes them."""

    def __init__(
        self,
        place: Place,
        clock: Clock,
        retention: Retention | None = None,
        room: int = ROOM,
        notice: str | None = None,
    ) -> None:
        """The schema must be there. `notice`: what a person must know of how it was opened."""
        self.place = place
        self._clock = clock
        self._retention = retention or Retention()
        self._notice = notice
        self._bulk = open_engine(place, "bulk")
        self._ledger = open_engine(place, "ledger")
        self._ids: dict[Series, int] = {}
        self._definitions: dict[str, str] = {}
        self._compacted_to: Millis | None = None
        self.thread = WriteThread(place, self._bulk, self._ledger, self._write, room, self._mend)

    def put(self, rows: Sequence[HistoryRow]) -> bool:
        """Queue rows to be written; False when there is no room."""
        return self.thread.put(rows) if rows else True

    def define(self, definition: str, text: str) -> None:
        """Keep a definition with the next rows that are written."""
        if definition not in self._definitions:
            self._definitions = {**self._definitions, definition: text}

    @property
    def state(self) -> StoreState:
        """How it fares."""
        counts = self.thread.counts
        now, counter = self._clock.now(), time.perf_counter()

        def wall(at: float | None) -> Millis | None:
            return None if at is None else Millis(now - round((counter - at) * SECOND))

        return StoreState(
            where=str(self.place),
            waiting=counts.waiting,
            room=self.thread.room,
            written=counts.written,
            lost=counts.lost,
            last_written=wall(counts.last_written),
            error=counts.error,
            since=wall(counts.failed_at),
            notice=self._notice,
        )

    async def newest(self, sources: Collection[Source]) -> Newest:
        """Say up to where rows are stored."""
        return await self.thread.call(lambda link: newest_of(link, sources), care=True)

    async def flush(self) -> None:
        """Wait until all that was put before is written."""
        await self.thread.flush(FLUSH_S)

    async def compact(self) -> int:
        """Thin out what is old, piece by piece; gives how many rows went."""
        now = self._clock.now()
        gone = 0
        plan = await self.thread.call(
            lambda link: pieces(link, now, self._retention, self._compacted_to), care=True
        )
        for piece in plan.pieces:
            gone += await self.thread.call(partial(thin_out, piece), care=True)
        gone += await self.thread.call(
            lambda link: old_candles(link, now, self._retention), care=True
        )
        self._compacted_to = plan.done_to
        return gone

    async def keep_snapshot(self, source: str, at: int, value: bytes) -> None:
        """Put the last good documents in the place of those before."""
        row = {"source": source[:200], "at": at, "value": value}

        def keep(link: Connection) -> None:
            link.execute(upsert(link, tables.snapshots, ("at", "value")), [row])

        await self.thread.call(keep)

    async def close(self) -> None:
        """Write what waits, then release connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self.thread.close()
        self._bulk.dispose()
        self._ledger.dispose()

    def _mend(self, trouble: str) -> None:
        """Go on with a new file, or the newest backup; the damaged one is set aside."""
        path = self.place.path
        if path is None:
            return
        self._bulk.dispose()
        self._ledger.dispose()
        self._ids.clear()
        if damage_of(path) is not None:
            self._notice = replace_damaged(path, trouble, self._clock.now())
            migrate(self.place)

    def _write(self, link: Connection, rows: Sequence[HistoryRow]) -> None:
        """Put rows into their tables, in one transaction."""
        fresh = {each for row in rows if (each := series_in(row)) and each not in self._ids}
        ids = self._ids if not fresh else self._ids | series_ids(link, fresh, self._ids)
        known = self._definitions
        if known:
            texts = [{"hash": name, "text": text} for name, text in known.items()]
            link.execute(upsert(link, tables.definitions, ()), texts)
        by_table: dict[Table, list[dict[str, Any]]] = {}
        for row in rows:
            whose = series_in(row)
            table, values = values_of(row, 0 if whose is None else ids[whose])
            by_table.setdefault(table, []).append(values)
        for table, found in by_table.items():
            changing = ("end_at", "detail") if table is tables.gaps else ()
            link.execute(upsert(link, table, changing), found)


def series_ids(
    link: Connection, wanted: Collection[Series], cache: dict[Series, int] | None = None
) -> dict[Series, int]:
    """Give the numbers of series, those without one get it.

    Only those that were there before go into `cache`: a new one may be rolled back.
    """
    found = _known_ids(link, wanted)
    if cache is not None:
        cache.update(found)
    missing = [each._asdict() for each in wanted if each not in found]
    if missing:
        link.execute(upsert(link, tables.series, (), ("symbol", "source", "venue")), missing)
        found |= _known_ids(link, wanted)
    return found


def _known_ids(link: Connection, wanted: Collection[Series]) -> dict[Series, int]:
    table = tables.series
    rows = link.execute(
        select(table).where(table.c.symbol.in_({str(each.symbol) for each in wanted}))
    )
    known = {Series(Source(row.source), row.venue, row.symbol): row.id for row in rows}
    return {each: known[each] for each in wanted if each in known}


def upsert(
    link: Connection,
    table: Table,
    changing: Sequence[str],
    key: Sequence[str] = (),
) -> Insert:
    """Insert rows; of one that is there already only `changing` is replaced."""
    make: Callable[[Table], Any] = sqlite.insert
    if link.dialect.name == "postgresql":
        # loaded with the engine of such a place, and nowhere else
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415

        make = postgresql.insert
    statement = make(table)
    columns = [table.c[name] for name in key] or list(table.primary_key)
    if not changing:
        found: Insert = statement.on_conflict_do_nothing(index_elements=columns)
    else:
        new = {name: statement.excluded[name] for name in changing}
        found = statement.on_conflict_do_update(index_elements=columns, set_=new)
    return found


def newest_of(link: Connection, sources: Collection[Source]) -> Newest:
    """Say up to where rows of these sources are stored."""
    table = tables.series
    wanted = table.c.source.in_(sorted(sources))
    known = {
        row.id: Series(Source(row.source), row.venue, row.symbol)
        for row in link.execute(select(table).where(wanted))
    }
    scores: dict[Series, Millis] = {}
    derivatives: dict[Series, Millis] = {}
    candles: dict[tuple[Series, Timeframe], Millis] = {}
    kept = tables.candles.c
    for number, whose in known.items():
        for rows, into in ((tables.scores, scores), (tables.derivatives, derivatives)):
            last = link.execute(
                select(func.max(rows.c.at)).where(rows.c.series_id == number)
            ).scalar()
            if last is not None:
                into[whose] = Millis(last)
        for timeframe in Timeframe:
            last = link.execute(
                select(func.max(kept.open_time)).where(
                    kept.series_id == number, kept.minutes == minutes_of(timeframe)
                )
            ).scalar()
            if last is not None:
                candles[whose, timeframe] = Millis(last + timeframe.ms)
    market = tables.overview.c
    last = link.execute(
        select(func.max(market.at)).where(market.source.in_(sorted(sources)))
    ).scalar()
    gaps = tables.gaps
    still = link.execute(select(gaps).where(gaps.c.end_at.is_(None), gaps.c.series_id.in_(known)))
    return Newest(
        scores=scores,
        candles=candles,
        derivatives=derivatives,
        overview=None if last is None else Millis(last),
        open_gaps=tuple(gap_from(known[row.series_id], row) for row in still),
    )
