"""What the store remembers, given back to an engine that starts.

Scores of the last day, so that charts and score movers survive a restart; and of a live venue the
candles, so that only the missing minutes are fetched. Each read has its deadline: a store that does
not answer costs the past, never the start.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from virtuoso.domain.errors import StoreError
from virtuoso.domain.history import Series
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Candle, CandlesLoaded
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, Timeframe
from virtuoso.engine.lane import Lane
from virtuoso.engine.score_past import DAY_STEP_MS, SCORE_STEP_MS, SCORES_KEPT
from virtuoso.engine.warmup import CANDLES
from virtuoso.ports import Archive, Clock

log = structlog.get_logger()

DAY_MS: Final = 25 * HOUR
FAR: Final = 32_503_680_000_000
SPARE_MINUTES: Final = 30
"""Missing minutes that are fetched must reach back to what is remembered, with room."""


class Recall:
    """Gives each market of one venue back what was kept of it, once."""

    def __init__(self, archive: Archive, clock: Clock, source: Source) -> None:
        self._archive = archive
        self._clock = clock
        self._source = source
        self._known: set[Instrument] = set()
        self.changed = 0
        """Markets that were given their past so far."""

    async def run(self, lanes: Callable[[], Sequence[Lane]]) -> None:
        """Look for markets that came, for ever."""
        while True:
            for lane in lanes():
                if lane.instrument not in self._known:
                    self._known.add(lane.instrument)
                    await self.scores(lane)
            await asyncio.sleep(1.0)

    async def scores(self, lane: Lane) -> None:
        """Give a market its scores of the last day."""
        now = self._clock.now()
        fine = now - SCORES_KEPT * SCORE_STEP_MS
        symbol, sources = lane.instrument.symbol, (self._source,)
        try:
            near = await self._archive.marks(symbol, sources, fine, now)
            day = await self._archive.marks(symbol, sources, now - DAY_MS, now, DAY_STEP_MS)
        except StoreError as error:
            log.warning("scores_not_recalled", symbol=symbol, error=str(error))
            return
        if near or day:
            lane.recall(near, day)
            self.changed += 1

    async def candles(self, instrument: Instrument) -> CandlesLoaded | None:
        """Give a market's candles, if all that would be fetched are there but the last minutes."""
        if self._source is Source.SIMULATOR:
            return None  # another start is another market
        series = Series(self._source, instrument.venue, instrument.symbol)
        found: dict[Timeframe, Sequence[Candle]] = {}
        for timeframe in reversed(Timeframe):
            try:
                kept = await self._archive.candles(series, timeframe, 0, FAR, CANDLES)
            except StoreError as error:
                log.warning("candles_not_recalled", symbol=instrument.symbol, error=str(error))
                return None
            rows = _unbroken([each.candle for each in kept])
            if len(rows) < CANDLES:
                return None
            found[timeframe] = rows
        newest = found[Timeframe.M1][-1].close_time
        now = self._clock.now()
        if (now - newest) // MINUTE > CANDLES - SPARE_MINUTES or not _agree(found):
            return None
        return CandlesLoaded(instrument, found, now)


def _unbroken(rows: list[Candle]) -> Sequence[Candle]:
    """Give the newest rows that follow each other without a hole."""
    place = len(rows) - 1
    while place > 0 and rows[place - 1].close_time == rows[place].open_time:
        place -= 1
    return rows[max(0, place) :]


def _agree(found: dict[Timeframe, Sequence[Candle]]) -> bool:
    """Whether every longer series ends where the minutes can go on from."""
    first, last = found[Timeframe.M1][0].open_time, found[Timeframe.M1][-1].close_time
    return all(
        first <= rows[-1].close_time <= last and timeframe.floor(last) == rows[-1].close_time
        for timeframe, rows in found.items()
    )
