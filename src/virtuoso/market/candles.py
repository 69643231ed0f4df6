"""Candles of one market: closed ones per timeframe, the forming one, and aggregation from 1m."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from virtuoso.domain.market_data import Candle, FormingCandle
from virtuoso.domain.time import Millis, Timeframe

Floats: TypeAlias = NDArray[np.float64]

KEPT = 1_000
"""Closed candles kept per timeframe."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Closed candles as arrays of shape (n,), oldest first.

    open, high, low, close: natural logs of the prices. volume: base currency.
    close_time: ms UTC at which each ended.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    close_time: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.close)


def bars_of(candles: Sequence[Candle | FormingCandle]) -> Bars:
    """Turn candles into arrays of log prices."""
    prices = np.array(
        [(each.open, each.high, each.low, each.close, each.volume) for each in candles],
        dtype=np.float64,
    ).reshape(-1, 5)
    ends = [each.open_time + each.timeframe.ms for each in candles]
    logs = np.log(prices[:, :4])
    return Bars(
        open=np.ascontiguousarray(logs[:, 0]),
        high=np.ascontiguousarray(logs[:, 1]),
        low=np.ascontiguousarray(logs[:, 2]),
        close=np.ascontiguousarray(logs[:, 3]),
        volume=np.ascontiguousarray(prices[:, 4]),
        close_time=np.array(ends, dtype=np.int64),
    )


class CandleSeries:
    """The closed candles of one timeframe, without a hole, and the forming one."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self.closed: list[Candle] = []
        self.forming: FormingCandle | None = None
        self.gap = False
        """A candle is missing between what is held and now; to be fetched."""
        self.total = 0
        """Closed candles ever taken since the last replacement."""

    @property
    def last_close(self) -> Millis | None:
        """Close time of the newest closed candle."""
        return self.closed[-1].close_time if self.closed else None

    def replace(self, candles: Sequence[Candle]) -> None:
        """Take a whole history, oldest first and contiguous; what was held is forgotten."""
        self.closed = list(candles[-KEPT:])
        self.total = len(candles)
        self.gap = False

    def append(self, candle: Candle) -> bool:
        """Take the next closed candle. False when it does not follow the last one.

        An older or repeated candle changes nothing; a later one marks the series as gapped.
        """
        expected = self.last_close
        if expected is not None and candle.open_time != expected:
            if candle.open_time > expected:
                self.gap = True
            return False
        self.closed.append(candle)
        self.total += 1
        if len(self.closed) > KEPT:
            del self.closed[: len(self.closed) - KEPT]
        if self.forming is not None and self.forming.open_time <= candle.open_time:
            self.forming = None
        return True


def merge(candles: Sequence[Candle], timeframe: Timeframe) -> Candle:
    """Make one candle of a longer timeframe from all the shorter ones it consists of."""
    buys = [each.taker_buy_volume for each in candles]
    return Candle(
        timeframe=timeframe,
        open_time=timeframe.floor(candles[0].open_time),
        open=candles[0].open,
        high=max(each.high for each in candles),
        low=min(each.low for each in candles),
        close=candles[-1].close,
        volume=sum(each.volume for each in candles),
        taker_buy_volume=None if None in buys else sum(each for each in buys if each is not None),
    )


class Candles:
    """All timeframes of one market, kept in step: the longer ones follow from closed 1m candles."""

    def __init__(self) -> None:
        self.series = {timeframe: CandleSeries(timeframe) for timeframe in Timeframe}
        self._parts: dict[Timeframe, list[Candle]] = {t: [] for t in Timeframe if t != Timeframe.M1}

    def __getitem__(self, timeframe: Timeframe) -> CandleSeries:
        return self.series[timeframe]

    def replace(self, timeframe: Timeframe, candles: Sequence[Candle]) -> None:
        """Take a timeframe's history, as fetched."""
        self.series[timeframe].replace(candles)

    def join(self) -> None:
        """Seed each longer timeframe's open interval with the 1m candles already held.

        Called once the histories of all timeframes are in. A longer series that ends before the
        oldest 1m candle could continue it, or whose open interval is not covered, is a gap.
        """
        minutes = self.series[Timeframe.M1].closed
        for timeframe, parts in self._parts.items():
            series = self.series[timeframe]
            parts.clear()
            if series.last_close is None or not minutes:
                continue
            parts.extend(each for each in minutes if each.open_time >= series.last_close)
            self._complete(timeframe)

    def close_minute(self, candle: Candle) -> list[Timeframe]:
        """Take a closed 1m candle. Returns the timeframes that closed with it, shortest first."""
        if not self.series[Timeframe.M1].append(candle):
            if self.series[Timeframe.M1].gap:
                for timeframe in self._parts:
                    self.series[timeframe].gap = True
            return []
        closed = [Timeframe.M1]
        for timeframe, parts in self._parts.items():
            known = self.series[timeframe].last_close
            if known is not None and candle.open_time < known:
                continue  # its longer candle was fetched already
            parts.append(candle)
            if self._complete(timeframe):
                closed.append(timeframe)
        return closed

    def _complete(self, timeframe: Timeframe) -> bool:
        """Close the longer candle(s) whose parts are all there."""
        parts, series = self._parts[timeframe], self.series[timeframe]
        done = False
        while parts:
            start = timeframe.floor(parts[0].open_time)
            end = start + timeframe.ms
            own = [each for each in parts if each.open_time < end]
            if own[-1].close_time != end:
                break
            del parts[: len(own)]
            whole = own[0].open_time == start and len(own) * Timeframe.M1.ms == timeframe.ms
            if whole and series.closed:
                done = series.append(merge(own, timeframe)) or done
            elif series.closed:
                series.gap = True
        return done

    def forming(self, timeframe: Timeframe) -> FormingCandle | None:
        """The open interval of a timeframe, from its closed minutes and the forming one."""
        minute = self.series[Timeframe.M1].forming
        if timeframe == Timeframe.M1:
            return minute
        parts: list[Candle | FormingCandle] = list(self._parts[timeframe])
        if minute is not None:
            parts.append(minute)
        series = self.series[timeframe]
        if not parts or series.gap or series.last_close != timeframe.floor(parts[0].open_time):
            return None
        if parts[0].open_time != series.last_close:
            return None
        return FormingCandle(
            timeframe=timeframe,
            open_time=timeframe.floor(parts[0].open_time),
            open=parts[0].open,
            high=max(each.high for each in parts),
            low=min(each.low for each in parts),
            close=parts[-1].close,
            volume=sum(each.volume for each in parts),
        )
