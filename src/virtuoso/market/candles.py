"""Candles of one market: closed ones per timeframe, the forming one, and aggregation from 1m."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
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

    def between(self, start: int, stop: int) -> "Bars":
        """Give the candles from index `start` up to, not including, `stop`."""
        part = slice(start, stop)
        return Bars(
            open=self.open[part],
            high=self.high[part],
            low=self.low[part],
            close=self.close[part],
            volume=self.volume[part],
            close_time=self.close_time[part],
        )


def bars_of(candles: Sequence[Candle | FormingCandle]) -> Bars:
    """Turn candles into arrays of log prices."""
    # log of the standard library, number by number: the same bits for one candle as for a thousand
    return Bars(
        np.array([log(each.open) for each in candles], np.float64),
        np.array([log(each.high) for each in candles], np.float64),
        np.array([log(each.low) for each in candles], np.float64),
        np.array([log(each.close) for each in candles], np.float64),
        np.array([each.volume for each in candles], np.float64),
        np.array([each.open_time + each.timeframe.ms for each in candles], np.int64),
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


class _OpenInterval:
    """The closed minutes of one longer interval, added up while it is still open."""

    __slots__ = (
        "close",
        "end",
        "high",
        "low",
        "open",
        "start",
        "taker_buys",
        "timeframe",
        "volume",
    )

    def __init__(self, timeframe: Timeframe, first: Candle) -> None:
        self.timeframe = timeframe
        self.start = first.open_time
        self.end = first.close_time
        self.open, self.high, self.low, self.close = first.open, first.high, first.low, first.close
        self.volume = first.volume
        self.taker_buys = first.taker_buy_volume

    def add(self, minute: Candle) -> None:
        """Take the next minute."""
        self.end = minute.close_time
        self.high = max(self.high, minute.high)
        self.low = min(self.low, minute.low)
        self.close = minute.close
        self.volume += minute.volume
        if self.taker_buys is None or minute.taker_buy_volume is None:
            self.taker_buys = None
        else:
            self.taker_buys += minute.taker_buy_volume

    @property
    def from_its_start(self) -> bool:
        """No minute is missing at the front."""
        return self.start % self.timeframe.ms == 0

    @property
    def over(self) -> bool:
        """The last minute of the interval is in."""
        return self.end % self.timeframe.ms == 0

    def candle(self) -> Candle:
        """Give the interval as a closed candle; only when it is over and from its start."""
        return Candle(
            timeframe=self.timeframe,
            open_time=self.start,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            taker_buy_volume=self.taker_buys,
        )

    def forming(self, minute: FormingCandle | None) -> FormingCandle:
        """Give the interval as it stands, with the forming minute where it follows."""
        follows = minute is not None and minute.open_time == self.end
        last = minute if follows else None
        return FormingCandle(
            timeframe=self.timeframe,
            open_time=self.start,
            open=self.open,
            high=self.high if last is None else max(self.high, last.high),
            low=self.low if last is None else min(self.low, last.low),
            close=self.close if last is None else last.close,
            volume=self.volume if last is None else self.volume + last.volume,
        )


class Candles:
    """All timeframes of one market, kept in step: the longer ones follow from closed 1m candles."""

    def __init__(self) -> None:
        self.series = {timeframe: CandleSeries(timeframe) for timeframe in Timeframe}
        self._open: dict[Timeframe, _OpenInterval | None] = dict.fromkeys(
            timeframe for timeframe in Timeframe if timeframe is not Timeframe.M1
        )

    def __getitem__(self, timeframe: Timeframe) -> CandleSeries:
        return self.series[timeframe]

    def replace(self, timeframe: Timeframe, candles: Sequence[Candle]) -> None:
        """Take a timeframe's history, as fetched."""
        self.series[timeframe].replace(candles)

    def join(self) -> None:
        """Continue each longer timeframe with the 1m candles already held.

        Called once the histories of all timeframes are in. A longer series that the 1m candles do
        not reach back to is gapped. One without any history begins with the interval now open.
        """
        minutes = self.series[Timeframe.M1].closed
        if not minutes:
            return
        for timeframe in self._open:
            series = self.series[timeframe]
            self._open[timeframe] = None
            known = series.last_close
            start = timeframe.floor(minutes[-1].close_time) if known is None else known
            newer = [each for each in minutes if each.open_time >= start]
            series.gap = bool(newer) and known is not None and newer[0].open_time != known
            for minute in newer:
                self._add(timeframe, minute)

    def close_minute(self, candle: Candle) -> list[Timeframe]:
        """Take a closed 1m candle. Returns the timeframes that closed with it, shortest first."""
        minutes = self.series[Timeframe.M1]
        if not minutes.append(candle):
            if minutes.gap:
                for timeframe in self._open:
                    self.series[timeframe].gap = True
            return []
        closed = [Timeframe.M1]
        for timeframe in self._open:
            known = self.series[timeframe].last_close
            if known is not None and candle.open_time < known:
                continue  # its longer candle was fetched already
            if self._add(timeframe, candle):
                closed.append(timeframe)
        return closed

    def _add(self, timeframe: Timeframe, minute: Candle) -> bool:
        """Add a minute to the open interval. True when that closed a candle."""
        interval = self._open[timeframe]
        if interval is None:
            interval = self._open[timeframe] = _OpenInterval(timeframe, minute)
        else:
            interval.add(minute)
        if not interval.over:
            return False
        self._open[timeframe] = None
        series = self.series[timeframe]
        if interval.from_its_start and interval.end - interval.start == timeframe.ms:
            return series.append(interval.candle())
        series.gap = series.gap or bool(series.closed)
        return False

    def forming(self, timeframe: Timeframe) -> FormingCandle | None:
        """The open interval of a timeframe, from its closed minutes and the forming one.

        None where it would not follow the last closed candle.
        """
        series, minute = self.series[timeframe], self.series[Timeframe.M1].forming
        if series.gap or series.last_close is None:
            return None
        interval = self._open.get(timeframe)
        if interval is not None:
            return interval.forming(minute) if interval.start == series.last_close else None
        if minute is None or minute.open_time != series.last_close:
            return None
        return minute if timeframe is Timeframe.M1 else replace(minute, timeframe=timeframe)
