"""Writes down what the engine says while nobody knows yet what follows.

Each half minute a row of every symbol, of the market as a whole, and each five minutes of what is
known beside trades; candles as they close. A hole is a row too. The store takes rows without being
waited for: a slow, full or dead one costs history, never a score.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import structlog

from virtuoso.domain.errors import StoreError
from virtuoso.domain.history import (
    Gap,
    GapKind,
    GapReason,
    HistoryRow,
    KeptCandle,
    KeptScore,
    Newest,
    Series,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.kept_rows import (
    derivatives_row,
    is_of_the_board,
    overview_row,
    score_row,
    series_of,
)
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown
from virtuoso.market.candles import CandleSeries
from virtuoso.ports import Clock, Sink, Store
from virtuoso.wire.processes import PartHealth
from virtuoso.wire.records import iso

log = structlog.get_logger()

ROWS_AT_ONCE: Final = 20
"""Between so many symbols others get their turn."""
SYMBOLS_A_SECOND: Final = 20
"""Whose candles are looked through in one edition."""
PATIENCE_MS: Final = 60 * SECOND
"""How long the store is waited for before rows are made without knowing what it holds."""
LOSS_TOLD_MS: Final = 10 * MINUTE


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """How densely what is written."""

    score_seconds: int = 30
    derivatives_seconds: int = 300
    compact_seconds: float = 3_600.0


class Recorder:
    """Takes each edition's content and makes rows of it when they are due."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        main: Source,
        settings: RecordSettings | None = None,
        sink: Sink | None = None,
    ) -> None:
        """`main`: the source of the first venue, whose market overview it is.

        `sink` gets a copy of every row.
        """
        self._sink = sink
        self._store = store
        self._clock = clock
        self._main = main
        self._settings = settings or RecordSettings()
        self._started = clock.now()
        self._newest: Newest | None = None
        self._scores: dict[Series, Millis] = {}
        self._open: dict[Series, Gap] = {}
        self._unstored: dict[Series, Millis] = {}
        self._candles: dict[tuple[Series, Timeframe], Millis] = {}
        self._defined: set[str] = set()
        self._scored_second: Millis | None = None
        self._derivatives_second = Millis(0)
        self._turn = 0
        self._lost = 0
        self._lost_at: Millis | None = None

    async def run(self) -> None:
        """Learn what is stored, then thin out what is old, for ever; and let the sink send."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._care())
            if self._sink is not None:
                tasks.create_task(self._sink.run())

    async def _care(self) -> None:
        pause = 0.5
        while self._newest is None:
            try:
                self.goes_on_from(await self._store.newest(tuple(Source)))
            except StoreError as error:
                log.warning("history_not_known", error=str(error), retry_s=pause)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 30.0)
        await asyncio.sleep(MINUTE / SECOND)
        while True:
            try:
                gone = await self._store.compact()
                log.info("history_thinned", rows=gone)
            except StoreError as error:
                log.warning("history_not_thinned", error=str(error))
            await asyncio.sleep(self._settings.compact_seconds)

    def goes_on_from(self, newest: Newest) -> None:
        """Know up to where rows are stored."""
        self._newest = newest
        self._scores = {**newest.scores, **self._scores}
        self._candles = {**newest.candles, **self._candles}
        for gap in newest.open_gaps:
            if gap.kind is GapKind.SCORES:
                self._open.setdefault(gap.series, gap)

    def taking(self, content: Content) -> Iterator[None]:
        """Make the rows that are due, in parts between which others get their turn."""
        at = content.second
        now = self._clock.now()
        if at is None or (self._newest is None and now - self._started < PATIENCE_MS):
            return
        yield from self._take_candles(content)
        step = self._settings.score_seconds * SECOND
        if self._scored_second is None:
            # rows stand on the grid, so that those of all days compare
            self._scored_second = self._derivatives_second = at
        if at // step == self._scored_second // step:
            return
        self._scored_second = at
        every = self._settings.derivatives_seconds * SECOND
        with_derivatives = at // every != self._derivatives_second // every
        if with_derivatives:
            self._derivatives_second = at
        rows: list[HistoryRow] = [overview_row(content, self._main, at)]
        scored: list[tuple[KeptScore, Gap | None]] = []
        for number, shown in enumerate(content.shown):
            series = series_of(shown, content.sources)
            lane = content.lanes.get(shown.symbol)
            row = score_row(shown, series, at, lane)
            holes, still = self._holes_before(row, step)
            scored.append((row, still))
            rows += (*holes, row)
            if lane is not None:
                self._define(lane, row.definition)
                if with_derivatives:
                    rows.append(derivatives_row(shown, series, at, lane))
            if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
                yield
        is_taken = self._put(rows)
        for row, still in scored:
            if not is_taken:
                self._unstored.setdefault(row.series, row.at)
                continue
            self._scores[row.series] = row.at
            self._unstored.pop(row.series, None)
            if still is None:
                self._open.pop(row.series, None)
            else:
                self._open[row.series] = still

    def _put(self, rows: list[HistoryRow]) -> bool:
        if self._sink is not None:
            self._sink.put(rows)
        if self._store.put(rows):
            return True
        self._lost += len(rows)
        self._lost_at = self._clock.now()
        return False

    def _holes_before(self, row: KeptScore, step: int) -> tuple[list[HistoryRow], Gap | None]:
        """Say what is missing before a row, and which stretch without a score it stands in."""
        series, at = row.series, row.at
        holes: list[HistoryRow] = []
        lost, last = self._unstored.get(series), self._scores.get(series)
        known, ended = self._open.get(series), at
        if lost is not None:
            holes.append(Gap(series, GapKind.SCORES, lost, at, GapReason.NOT_STORED))
            ended = lost
        elif last is not None and at - last > 2 * step:
            ended = Millis(last + step)
            holes.append(Gap(series, GapKind.SCORES, ended, at, GapReason.AWAY))
        if known is not None and (row.score is not None or holes):
            holes.append(known._replace(end=ended))
            known = None
        if row.score is None and known is None:
            reason = "" if row.reason is None else row.reason.value
            known = Gap(series, GapKind.SCORES, at, None, GapReason.NO_SCORE, reason)
            holes.append(known)
        return holes, known

    def _define(self, lane: Lane, definition: str) -> None:
        if definition not in self._defined and lane.definition.hash == definition:
            self._defined.add(definition)
            self._store.define(definition, lane.definition.text)

    def _take_candles(self, content: Content) -> Iterator[None]:
        """Hand over the closed candles of some symbols, the next ones each time."""
        count = len(content.shown)
        for number in range(min(SYMBOLS_A_SECOND, count)):
            shown = content.shown[(self._turn + number) % count]
            lane = content.lanes.get(shown.symbol)
            if lane is not None and lane.loaded and is_of_the_board(shown):
                self._take_candles_of(shown, lane, content)
                yield
        self._turn = (self._turn + SYMBOLS_A_SECOND) % max(1, count)

    def _take_candles_of(self, shown: Shown, lane: Lane, content: Content) -> None:
        series = series_of(shown, content.sources)
        for timeframe in Timeframe:
            found = lane.market.candles[timeframe]
            key = (series, timeframe)
            known = self._candles.get(key)
            if found.last_close is None or (known is not None and found.last_close <= known):
                continue
            rows = self._candle_rows(series, found, known)
            if rows and not self._put(rows):
                return
            self._candles[key] = found.last_close

    def _candle_rows(
        self, series: Series, found: CandleSeries, known: Millis | None
    ) -> list[HistoryRow]:
        closed = found.closed
        # another start of the simulator has another past: only what it lives through is kept
        since = self._started if series.source is Source.SIMULATOR else None
        first = max(each for each in (known, since, Millis(0)) if each is not None)
        rows: list[HistoryRow] = []
        start = closed[0].open_time
        if known is not None and start > known and since is None:
            detail = found.timeframe.value
            rows.append(Gap(series, GapKind.CANDLES, known, start, GapReason.AWAY, detail))
        place = len(closed)
        while place and closed[place - 1].open_time >= first:
            place -= 1
        rows += (
            KeptCandle(
                series,
                each,
                each.open_time < self._started or each.open_time in found.backfilled,
            )
            for each in closed[place:]
        )
        return rows

    def part(self) -> PartHealth:
        """Give the health of what is written down."""
        state = self._store.state
        since, good = state.since, state.last_written
        if state.error is not None:
            text = f"history is not written: {state.error}; {state.waiting:,} rows wait"
            return PartHealth("history", "fail", text[:400], since, good)
        now = self._clock.now()
        if self._lost_at is not None and now - self._lost_at < LOSS_TOLD_MS:
            text = f"{self._lost:,} rows of history were lost, because too many waited"
            return PartHealth("history", "warn", text, self._lost_at, good)
        if state.notice is not None:
            return PartHealth("history", "warn", state.notice, self._started, good)
        if self._newest is None:
            return PartHealth("history", "warn", "the store was not read yet", self._started, good)
        if state.waiting > state.room // 2:
            text = f"the store is slow: {state.waiting:,} rows wait"
            return PartHealth("history", "warn", text, None, good)
        text = f"{state.written:,} rows written to {state.where}"
        if good is not None and now - good > HOUR:
            text = f"nothing was written since {iso(good)}"
            return PartHealth("history", "warn", text, good, good)
        return PartHealth("history", "pass", text, None, good)
