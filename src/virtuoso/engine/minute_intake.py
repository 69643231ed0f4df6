"""Closed minutes of one market in order: longer candles and components follow from them."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from virtuoso.components.base import Component
from virtuoso.domain.market_data import Candle, CandlesLoaded
from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import Timeframe
from virtuoso.market.candles import KEPT, Candles, bars_of, closing_of


class MinuteIntake:
    """Takes minutes of the stream and fetched candles; holds back what comes too early."""

    def __init__(self, candles: Candles, components: Mapping[ComponentName, Component]) -> None:
        """`components` are told of each close; the owner may put others in their place."""
        self.loaded = False
        """Whether the candles of the past are here."""
        self._candles = candles
        self._components = components
        self._held: deque[Candle] = deque(maxlen=KEPT)
        """Closed minutes that wait for those before them."""

    def close(self, minute: Candle) -> bool:
        """Take a closed minute. True when it shows that one before it is missing."""
        if not self.loaded:
            self._held.append(minute)
            return False
        candles = self._candles
        minutes = candles[Timeframe.M1]
        closed = candles.close_minute(minute)
        if closed:
            closing = closing_of([candles[timeframe].closed[-1] for timeframe in closed])
            for component in self._components.values():
                component.close_all(closing)
        if minutes.gap:
            self._held.append(minute)
        return minutes.gap

    def load(self, loaded: CandlesLoaded) -> Iterator[None]:
        """Take fetched candles, then the stream's own that came meanwhile; yields between parts.

        Minutes alone that join those held go on from there, each as if it had come in time, and
        are marked as fetched. Anything else replaces what was known, and is computed anew.
        """
        minutes = loaded.candles.get(Timeframe.M1, ())
        known = self._candles[Timeframe.M1].last_close
        joins = bool(minutes) and known is not None and minutes[0].open_time <= known
        if self.loaded and joins and len(loaded.candles) == 1:
            yield from self._go_on(minutes)
        else:
            yield from self._begin_anew(loaded.candles)
        self._take_held()
        self._candles.settle()

    def _go_on(self, minutes: Sequence[Candle]) -> Iterator[None]:
        series = self._candles[Timeframe.M1]
        self._candles.mend()
        for candle in minutes:
            if candle.open_time < (series.last_close or 0):
                continue
            if self.close(candle):
                return
            series.backfilled.add(candle.open_time)
            yield

    def _begin_anew(self, found: Mapping[Timeframe, Sequence[Candle]]) -> Iterator[None]:
        candles = self._candles
        if not self._held:
            self._held.extend(candles[Timeframe.M1].closed)
        for timeframe, rows in found.items():
            candles.replace(timeframe, rows)
        candles.join()
        self.loaded = True
        for timeframe in found:
            bars = bars_of(candles[timeframe].closed)
            for component in self._components.values():
                component.restart(timeframe)
                if len(bars):
                    component.close(timeframe, bars)
                yield

    def _take_held(self) -> None:
        """Take the minutes that waited, as far as they follow now."""
        held = list(self._held)
        self._held.clear()
        newest = self._candles[Timeframe.M1].last_close or 0
        for candle in held:
            if candle.open_time >= newest:
                self.close(candle)
