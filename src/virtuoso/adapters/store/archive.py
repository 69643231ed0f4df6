"""Reads what is stored, on threads and connections of its own, each call within a deadline."""

import asyncio
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Row, Select, Table, and_, func, or_, select

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.database import DEADLINE_S, Place, open_engine, translated
from virtuoso.adapters.store.records import (
    acknowledgement_from,
    alert_from,
    delivery_from,
    entry_from,
    event_from,
    result_from,
    signal_from,
    version_from,
)
from virtuoso.adapters.store.rows import (
    candle_from,
    derivatives_from,
    gap_from,
    minutes_of,
    overview_from,
    score_from,
)
from virtuoso.adapters.store.thread import Watchman
from virtuoso.domain.alerts import Acknowledgement, Alert, AlertFilter, Delivery, Waiting
from virtuoso.domain.deeds import ChainedDeed, SettingsVersion
from virtuoso.domain.errors import StoreUnavailableError
from virtuoso.domain.history import (
    Gap,
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptScore,
    Series,
    Snapshot,
)
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.signals import Signal, SignalEvent, SignalFilter, SignalResult
from virtuoso.domain.time import Millis, Timeframe

THREADS: Final = 3
"""Queries at once; the others wait, and those that wait too long are told so."""
WAITING: Final = 64
MOST_ROWS: Final = 50_000
MOST_RESULTS: Final = 200_000
PAGE: Final = 1_000

_PLAIN: Final = tuple(
    column
    for column in tables.scores.c
    if not column.name.endswith(("_score", "_points")) and column.name != "absent"
)

T = TypeVar("T")


class SqlArchive:
    """One reader. It may open a database before the engine made it: then it has nothing yet."""

    def __init__(self, place: Place, threads: int = THREADS) -> None:
        self.place = place
        self._engine = open_engine(place, "read", threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="archive")
        self._watchman = Watchman()
        self._waiting = 0
        self._closed = threading.Event()
        self._inode: int | None = None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Do something with a connection that cannot write. Raises StoreError."""
        if self._waiting >= WAITING or self._closed.is_set():
            msg = f"expected {self.place} to take a question, found {self._waiting} waiting"
            raise StoreUnavailableError(msg)
        self._waiting += 1
        try:
            async with asyncio.timeout(DEADLINE_S):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._threads, self._do, work)
        except TimeoutError as error:
            msg = f"expected {self.place} to answer within {DEADLINE_S:g} s, found it slow"
            raise StoreUnavailableError(msg) from error
        finally:
            self._waiting -= 1

    def _do(self, work: Callable[[Connection], T]) -> T:
        path = self.place.path
        if path is not None and not path.exists():
            msg = f"there is no {path} yet: an engine makes it"
            raise StoreUnavailableError(msg)
        if path is not None:
            self._follow(path)
        with translated(self.place), self._engine.connect() as connection:
            number = self._watchman.begin(connection, DEADLINE_S)
            try:
                with connection.begin():
                    return work(connection)
            except BaseException:
                connection.invalidate()
                raise
            finally:
                self._watchman.end(number)

    def _follow(self, path: Path) -> None:
        """Open the file anew where another one has taken its place."""
        inode = path.stat().st_ino
        if self._inode not in {None, inode}:
            self._engine.dispose()
        self._inode = inode

    async def close(self) -> None:
        """Release connections."""
        self._closed.set()
        self._watchman.close()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._engine.dispose)

    async def scores(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        *,
        step_ms: int = 0,
        components: bool = False,
        limit: int = MOST_ROWS,
    ) -> Sequence[KeptScore]:
        """One symbol's scores, oldest first; with `step_ms` the first of each such interval."""
        columns = tuple(tables.scores.c) if components else _PLAIN

        def work(link: Connection) -> Sequence[KeptScore]:
            found: list[KeptScore] = []
            for number, whose in _numbers(link, sources, symbol).items():
                wanted = _between(tables.scores, columns, number, start, end, step_ms)
                rows = link.execute(wanted.limit(limit))
                found += (score_from(whose, row, components=components) for row in rows)
            return _merged(found, lambda each: each.at, step_ms)[:limit]

        return await self.read(work)

    async def marks(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        step_ms: int = 0,
    ) -> Sequence[tuple[Millis, float | None, str]]:
        """(time, score, definition) alone, oldest first."""
        kept = tables.scores.c

        def work(link: Connection) -> Sequence[tuple[Millis, float | None, str]]:
            found: list[Sequence[tuple[Millis, float | None, str]]] = []
            for number in _numbers(link, sources, symbol):
                columns = (kept.at, kept.score, kept.definition)
                wanted = _between(tables.scores, columns, number, start, end, step_ms)
                # tens of thousands of them: rows are tuples, and are handed on as they are
                rows = cast("Any", link.execute(wanted).all())
                if rows:
                    found.append(rows)
            if len(found) == 1:
                return found[0]
            return _merged(list(chain(*found)), itemgetter(0), step_ms)

        return await self.read(work)

    async def board(
        self, at: int, sources: Collection[Source], within_ms: int
    ) -> Sequence[KeptScore]:
        """Each symbol's last row at or before an instant, no older than `within_ms`."""
        table, series = tables.scores, tables.series
        earlier = table.alias()
        newest = (
            select(func.max(earlier.c.at))
            .where(
                earlier.c.series_id == series.c.id,
                earlier.c.at <= at,
                earlier.c.at > at - within_ms,
            )
            .scalar_subquery()
        )
        wanted = (
            select(table, series.c.source, series.c.venue, series.c.symbol)
            .select_from(series)
            .join(table, and_(table.c.series_id == series.c.id, table.c.at == newest))
            .where(series.c.source.in_(sorted(sources)))
        )

        def work(link: Connection) -> Sequence[KeptScore]:
            newest_of: dict[Symbol, KeptScore] = {}
            for row in link.execute(wanted):
                whose = Series(Source(row.source), row.venue, row.symbol)
                found = score_from(whose, row, components=True)
                known = newest_of.get(whose.symbol)
                if known is None or found.at > known.at:
                    newest_of[whose.symbol] = found
            return list(newest_of.values())

        return await self.read(work)

    async def derivatives(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        step_ms: int = 0,
    ) -> Sequence[KeptDerivatives]:
        """One symbol's derivatives, oldest first."""
        table = tables.derivatives

        def work(link: Connection) -> Sequence[KeptDerivatives]:
            found: list[KeptDerivatives] = []
            for number, whose in _numbers(link, sources, symbol).items():
                wanted = _between(table, tuple(table.c), number, start, end, step_ms)
                rows = link.execute(wanted.limit(MOST_ROWS))
                found += (derivatives_from(whose, row) for row in rows)
            return _merged(found, lambda each: each.at, step_ms)

        return await self.read(work)

    async def overview(
        self, sources: Collection[Source], start: int, end: int, step_ms: int = 0
    ) -> Sequence[KeptOverview]:
        """The market as a whole, oldest first."""
        table = tables.overview

        def work(link: Connection) -> Sequence[KeptOverview]:
            found: list[KeptOverview] = []
            for source in sorted(sources):
                here = and_(table.c.source == source, table.c.at >= start, table.c.at < end)
                wanted = _first_of_each(select(table).where(here), table, here, step_ms)
                rows = link.execute(wanted.order_by(table.c.at).limit(MOST_ROWS))
                found += (overview_from(row) for row in rows)
            return _merged(found, lambda each: each.at, step_ms)

        return await self.read(work)

    async def candles(
        self,
        series: Series,
        timeframe: Timeframe,
        start: int,
        end: int,
        limit: int = 1_000,
    ) -> Sequence[KeptCandle]:
        """The last `limit` candles that opened in that time, oldest first."""
        kept = tables.candles.c

        def work(link: Connection) -> Sequence[KeptCandle]:
            numbers = {each: number for number, each in _numbers(link, (series.source,)).items()}
            wanted = (
                select(tables.candles)
                .where(
                    kept.series_id == numbers.get(series),
                    kept.minutes == minutes_of(timeframe),
                    kept.open_time >= start,
                    kept.open_time < end,
                )
                .order_by(kept.open_time.desc())
                .limit(min(limit, MOST_ROWS))
            )
            return [candle_from(series, row) for row in link.execute(wanted)][::-1]

        return await self.read(work)

    async def gaps(
        self, symbol: Symbol | None, sources: Collection[Source], start: int, end: int
    ) -> Sequence[Gap]:
        """Holes that touch that time, oldest first."""
        table = tables.gaps

        def work(link: Connection) -> Sequence[Gap]:
            known = _numbers(link, sources, symbol)
            wanted = (
                select(table)
                .where(
                    table.c.series_id.in_(known),
                    table.c.start_at < end,
                    or_(table.c.end_at.is_(None), table.c.end_at > start),
                )
                .order_by(table.c.start_at)
                .limit(MOST_ROWS)
            )
            return [gap_from(known[row.series_id], row) for row in link.execute(wanted)]

        return await self.read(work)

    async def series(self, sources: Collection[Source] = ()) -> Sequence[Series]:
        """Everything of which there are rows."""
        return await self.read(
            lambda link: sorted(_numbers(link, sources or tuple(Source)).values())
        )

    async def snapshot(self, source: str | None) -> Snapshot | None:
        """The last good documents of one source, or the newest of all."""
        table = tables.snapshots
        wanted = select(table).order_by(table.c.at.desc()).limit(1)
        if source is not None:
            wanted = wanted.where(table.c.source == source)

        def work(link: Connection) -> Snapshot | None:
            row = link.execute(wanted).first()
            return None if row is None else Snapshot(row.source, Millis(row.at), row.value)

        return await self.read(work)

    async def definition(self, hash_: str) -> str | None:
        """What a definition's hash stands for."""
        table = tables.definitions
        wanted = select(table.c.text).where(table.c.hash == hash_)
        return await self.read(lambda link: link.execute(wanted).scalar())

    async def signal(self, signal: str) -> Signal | None:
        """One signal by its id."""
        found = await self._rows(select(tables.signals).where(tables.signals.c.id == signal))
        return signal_from(found[0]) if found else None

    async def signals(
        self, wanted: SignalFilter, limit: int = 100, before: str | None = None
    ) -> Sequence[Signal]:
        """Signals, newest first."""
        query = _of_signals(_page(tables.signals, limit, before), wanted)
        return [signal_from(row) for row in await self._rows(query)]

    async def signal_events(self, signal: str) -> Sequence[SignalEvent]:
        """The steps of a signal's life, in the order in which they were written."""
        table = tables.signal_events
        query = select(table).where(table.c.signal == signal).order_by(table.c.number).limit(PAGE)
        return [event_from(row) for row in await self._rows(query)]

    async def signal_results(
        self, wanted: SignalFilter, limit: int = MOST_RESULTS
    ) -> Sequence[SignalResult]:
        """What statistics need of signals, newest first."""
        kept = tables.signals.c
        columns = (
            kept.symbol,
            kept.direction,
            kept.horizon_ms,
            kept.opened_at,
            kept.state,
            kept.method,
            kept.definition,
            kept.outcome,
            kept.r,
            kept.targets_hit,
            kept.best_excursion,
            kept.worst_excursion,
            kept.has_stop,
            kept.venue,
            kept.atr,
        )
        query: Select[Any] = select(*columns)
        query = query.where(kept.method.is_not(None)).order_by(kept.number.desc())
        query = _of_signals(query.limit(min(limit, MOST_RESULTS)), wanted)
        return await self.read(lambda link: [result_from(row) for row in link.execute(query)])

    async def alert(self, alert: str) -> Alert | None:
        """One alert by its id."""
        found = await self._rows(select(tables.alerts).where(tables.alerts.c.id == alert))
        return alert_from(found[0]) if found else None

    async def alerts(
        self, wanted: AlertFilter, limit: int = 100, before: str | None = None
    ) -> Sequence[Alert]:
        """Alerts, newest first."""
        kept = tables.alerts.c
        query = _page(tables.alerts, limit, before)
        if wanted.sources:
            query = query.where(kept.source.in_(wanted.sources))
        if wanted.symbol is not None:
            query = query.where(kept.symbol == wanted.symbol)
        if wanted.levels:
            query = query.where(kept.level.in_(wanted.levels))
        if wanted.states:
            query = query.where(kept.state.in_(wanted.states))
        if wanted.rule is not None:
            query = query.where(kept.rule == wanted.rule)
        if wanted.kind is not None:
            query = query.where(kept.kind == wanted.kind)
        if wanted.since is not None:
            query = query.where(kept.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(kept.at < wanted.until)
        return [alert_from(row) for row in await self._rows(query)]

    async def deliveries(self, alerts: Collection[str]) -> Sequence[Delivery]:
        """How these alerts fare on their channels, in the order in which they were written."""
        table = tables.deliveries
        query = select(table).where(table.c.alert.in_(sorted(alerts))).order_by(table.c.number)
        return [delivery_from(row) for row in await self._rows(query.limit(MOST_ROWS))]

    async def unsent(self, channel: str | None = None) -> int:
        """How many deliveries have not ended."""
        table = tables.deliveries
        query = select(func.count()).select_from(table).where(table.c.ended.is_(False))
        if channel is not None:
            query = query.where(table.c.channel == channel)
        return await self.read(lambda link: link.execute(query).scalar() or 0)

    async def waiting(self) -> Sequence[Waiting]:
        """Deliveries that have not ended, by channel; a channel without any is not there."""
        table = tables.deliveries
        query = (
            select(
                table.c.channel,
                func.count().label("count"),
                func.min(table.c.created_at).label("oldest"),
            )
            .where(table.c.ended.is_(False))
            .group_by(table.c.channel)
            .order_by(table.c.channel)
        )
        return [Waiting(*list(each)) for each in await self._rows(query)]

    async def acknowledgements(self, alert: str) -> Sequence[Acknowledgement]:
        """Who said what about an alert, oldest first."""
        table = tables.acknowledgements
        query = select(table).where(table.c.alert == alert).order_by(table.c.number).limit(PAGE)
        return [acknowledgement_from(row) for row in await self._rows(query)]

    async def settings(
        self, limit: int = 50, before: int | None = None
    ) -> Sequence[SettingsVersion]:
        """Versions of the settings, newest first."""
        query = _numbered(tables.settings_versions, limit, before)
        return [version_from(row) for row in await self._rows(query)]

    async def audit(self, limit: int = 100, before: int | None = None) -> Sequence[ChainedDeed]:
        """What was done, newest first."""
        query = _numbered(tables.audit, limit, before)
        return [entry_from(row) for row in await self._rows(query)]

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return await self.read(lambda link: link.execute(query).all())


def _numbers(
    link: Connection, sources: Collection[Source], symbol: Symbol | None = None
) -> dict[int, Series]:
    """Give the series of some sources by their numbers."""
    table = tables.series
    query = select(table).where(table.c.source.in_(sorted(sources)))
    if symbol is not None:
        query = query.where(table.c.symbol == symbol)
    return {
        row.id: Series(Source(row.source), row.venue, row.symbol) for row in link.execute(query)
    }


def _between(
    table: Table, columns: Sequence[Any], number: int, start: int, end: int, step_ms: int
) -> Select[Any]:
    here = and_(table.c.series_id == number, table.c.at >= start, table.c.at < end)
    query = _first_of_each(select(*columns).where(here), table, here, step_ms)
    return query.order_by(table.c.at)


def _first_of_each(query: Select[Any], table: Table, here: Any, step_ms: int) -> Select[Any]:  # noqa: ANN401 - a clause of SQLAlchemy
    """Keep the first row of each interval, which is also the one that thinning leaves."""
    if step_ms <= 0:
        return query
    firsts = select(func.min(table.c.at)).where(here).group_by(table.c.at // step_ms)
    return query.where(table.c.at.in_(firsts))


def _merged(found: Sequence[T], at_of: Callable[[T], int], step_ms: int) -> list[T]:
    """Put the rows of several venues into one order; of each interval the first stays."""
    rows = sorted(found, key=at_of)
    if step_ms <= 0:
        return rows
    first: dict[int, T] = {}
    for row in rows:
        first.setdefault(at_of(row) // step_ms, row)
    return list(first.values())


def _page(table: Table, limit: int, before: str | None) -> Select[Any]:
    query = select(table).order_by(table.c.number.desc()).limit(min(limit, PAGE))
    if before is None:
        return query
    last = select(table.c.number).where(table.c.id == before).scalar_subquery()
    return query.where(table.c.number < last)


def _of_signals(query: Select[Any], wanted: SignalFilter) -> Select[Any]:
    kept = tables.signals.c
    if wanted.sources:
        query = query.where(kept.source.in_(wanted.sources))
    if wanted.symbol is not None:
        query = query.where(kept.symbol == wanted.symbol)
    if wanted.direction is not None:
        query = query.where(kept.direction == wanted.direction)
    if wanted.states:
        query = query.where(kept.state.in_(wanted.states))
    if wanted.since is not None:
        query = query.where(kept.opened_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(kept.opened_at < wanted.until)
    return query


def _numbered(table: Table, limit: int, before: int | None) -> Select[Any]:
    query = select(table).order_by(table.c.number.desc()).limit(min(limit, PAGE))
    return query if before is None else query.where(table.c.number < before)
