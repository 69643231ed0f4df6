"""How much of the candles that scores rest on is here."""

import structlog

from virtuoso.domain.instruments import Venue
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.warmup import Warmup
from virtuoso.wire.board import Notice
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()


class Warmth:
    """Counts markets and candle sets, and says in the log how they grow."""

    def __init__(self, venue: Venue, pipeline: Pipeline, warmup: Warmup, started: Millis) -> None:
        self._venue = venue
        self._pipeline = pipeline
        self._warmup = warmup
        self._started = started
        self._told_tenth: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every market has its candles."""
        warm, total = self._counts()
        return warm == total

    def tell(self, now: Millis) -> None:
        """Log the progress, each tenth of it."""
        warm, total = self._counts()
        tenth = 10 * warm // max(1, total)
        if tenth == self._told_tenth:
            return
        self._told_tenth = tenth
        log.info(
            "warmed_up" if warm == total else "warming_up",
            venue=self._venue,
            symbols=warm,
            of_symbols=total,
            candle_sets=self._candle_sets(),
            of_candle_sets=total * len(Timeframe),
            seconds=round((now - self._started) / SECOND, 1),
        )

    def notices(self) -> tuple[Notice, ...]:
        """Say how far it is while it is not whole."""
        return () if self.is_whole else (Notice("warming_up", f"warming up: {self._text()}"),)

    def part(self) -> PartHealth:
        """Give its health."""
        warm, total = self._counts()
        return PartHealth(
            "warm_up",
            "pass" if total and warm == total else "warn",
            f"candle history of {self._text()} is here",
        )

    def _counts(self) -> tuple[int, int]:
        """Give how many markets have their candles, and how many there are."""
        lanes = [self._pipeline.lane(each) for each in self._pipeline.instruments]
        return sum(lane is not None and lane.loaded for lane in lanes), len(lanes)

    def _candle_sets(self) -> int:
        """Count the series of candles that are here, or wait in the line."""
        found = 0
        for instrument in self._pipeline.instruments:
            lane = self._pipeline.lane(instrument)
            if lane is not None and lane.loaded:
                found += len(Timeframe)
            else:
                found += self._warmup.fetched.get(instrument, 0)
        return found

    def _text(self) -> str:
        warm, total = self._counts()
        sets = self._candle_sets()
        return f"{warm:,} of {total:,} symbols, {sets:,} of {total * len(Timeframe):,} candle sets"
