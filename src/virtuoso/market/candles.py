"""Candles of one market: closed ones per timeframe, the forming one, and aggregation from 1m."""

from array import array
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from virtuoso.domain.market_data import Candle, FormingCandle
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.forming import Forming, OpenInterval

Floats: TypeAlias = NDArray[np.float64]

KEPT = 1_000
"""Closed candles kept per timeframe."""
HOLES_KEPT = 50
TIMEFRAMES = tuple(Timeframe)
"""Shortest first; to go through an Enum takes several times as long."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Closed candles as arrays, oldest first."""

    table: Floats
    """Shape (5, n): natural logs of open, high, low and close; volume in base currency."""
    close_time: NDArray[np.int64]
    """Shape (n,): ms UTC at which each ended."""

    def __len__(self) -> int:
        return len(self.close_time)

    @property
    def open(self) -> Floats:
        """Natural logs of the first prices."""
        return self._row(0)

    @property
    def high(self) -> Floats:
        """Natural logs of the highest prices."""
        return self._row(1)

    @property
    def low(self) -> Floats:
        """Natural logs of the lowest prices."""
        return self._row(2)

    @property
    def close(self) -> Floats:
        """Natural logs of the last prices."""
        return self._row(3)

    @property
    def volume(self) -> Floats:
        """What was traded, in base currency."""
        return self._row(4)

    def _row(self, index: int) -> Floats:
        row: Floats = self.table[index]
        return row

    def between(self, start: int, stop: int) -> "Bars":
        """Give the candles from index `start` up to, not including, `stop`."""
        return Bars(self.table[:, start:stop].copy(), self.close_time[start:stop])


class Closing(NamedTuple):
    """One candle each of several timeframes that close at one instant."""

    timeframes: tuple[Timeframe, ...]
    close_times: tuple[Millis, ...]
    numbers: "array[float]"
    """Natural logs of open, high, low and close, and volume, of one candle after the other. Many
    of them become one table sooner than many lists would."""

    def only(self, asked: Container[Timeframe]) -> "Closing":
        """Leave out the other timeframes."""
        kept = [i for i, timeframe in enumerate(self.timeframes) if timeframe in asked]
        return Closing(
            tuple([self.timeframes[i] for i in kept]),
            tuple([self.close_times[i] for i in kept]),
            array("d", [each for i in kept for each in self.numbers[5 * i : 5 * i + 5]]),
        )


def bars_of(candles: Sequence[Candle | FormingCandle]) -> Bars:
    """Turn candles into arrays of log prices."""
    return Bars(
        np.ascontiguousarray(np.array(_numbers(candles)).reshape(-1, 5).T),
        np.array([each.open_time + each.timeframe.ms for each in candles], np.int64),
    )


def closing_of(candles: Sequence[Candle | FormingCandle]) -> Closing:
    """Turn candles of different timeframes into log prices, one candle each."""
    return Closing(
        tuple([each.timeframe for each in candles]),
        tuple([Millis(each.open_time + each.timeframe.ms) for each in candles]),
        array("d", _numbers(candles)),
    )


def _numbers(candles: Sequence[Candle | FormingCandle]) -> list[float]:
    """Give log prices and volume, candle by candle."""
    # log of the standard library, number by number: the same bits for one candle as for a thousand
    numbers: list[float] = []  # flat: NumPy takes twice as long over a list of rows
    for each in candles:
        numbers += log(each.open), log(each.high), log(each.low), log(each.close), each.volume
    return numbers


@dataclass(slots=True)
class Hole:
    """Minutes that are missing, or that were missing until they were fetched."""

    start: Millis
    end: Millis
    """Opening time of the first minute that is there again."""
    filled_at: Millis | None = None
    """Closing time of the last minute fetched, once nothing is missing any more."""


class CandleSeries:
    """The closed candles of one timeframe, without a hole, and the forming one."""

    def __init__(self, timeframe: Timeframe) -> None:
        self.timeframe = timeframe
        self.closed: list[Candle] = []
        self.last_close: Millis | None = None
        """Close time of the newest closed candle."""
        self.forming: FormingCandle | None = None
        self.gap = False
        """A candle is missing between what is held and now; to be fetched."""
        self.total = 0
        """Closed candles ever taken since the last replacement."""
        self.backfilled: set[Millis] = set()
        """Opening times of those that were fetched after a hole."""

    def replace(self, candles: Sequence[Candle]) -> None:
        """Take a whole history, oldest first and contiguous; what was held is forgotten."""
        self.closed = list(candles[-KEPT:])
        self.last_close = self.closed[-1].close_time if self.closed else None
        self.total = len(candles)
        self.gap = False
        self.backfilled.clear()

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
        self.last_close = candle.close_time
        self.total += 1
        if len(self.closed) > KEPT:
            gone = self.closed[: len(self.closed) - KEPT]
            del self.closed[: len(gone)]
            if self.backfilled:
                self.backfilled.difference_update(each.open_time for each in gone)
        if self.forming is not None and self.forming.open_time <= candle.open_time:
            self.forming = None
        return True


class Candles:
    """All timeframes of one market, kept in step: the longer ones follow from closed 1m candles."""

    def __init__(self) -> None:
        self._formed: tuple[FormingCandle | None, Forming] | None = None
        """The open intervals with the forming minute that they rest on."""
        self._intervals: Sequence[tuple[Timeframe, Millis, OpenInterval | None]] | None = None
        """What they rest on beside it; None once that changed."""
        self.holes: deque[Hole] = deque(maxlen=HOLES_KEPT)
        """The newest holes in the minutes, filled or not, oldest first."""
        self._whole_but_for_minutes: tuple[Timeframe, ...] = ()
        """Longer timeframes that lack nothing but the minutes of the present hole."""
        self.series = {timeframe: CandleSeries(timeframe) for timeframe in Timeframe}
        self._all = tuple(self.series.values())
        self._open: dict[Timeframe, OpenInterval | None] = dict.fromkeys(
            timeframe for timeframe in Timeframe if timeframe is not Timeframe.M1
        )

    def __getitem__(self, timeframe: Timeframe) -> CandleSeries:
        return self.series[timeframe]

    @property
    def has_gap(self) -> bool:
        """Whether a candle is missing on any timeframe."""
        one, two, three, four = self._all  # a loop takes twice as long, a generator four times
        return one.gap or two.gap or three.gap or four.gap

    def replace(self, timeframe: Timeframe, candles: Sequence[Candle]) -> None:
        """Take a timeframe's history, as fetched."""
        self.series[timeframe].replace(candles)
        self._formed = self._intervals = None

    def join(self) -> None:
        """Continue each longer timeframe with the 1m candles already held.

        Called once the histories of all timeframes are in. A longer series that the 1m candles do
        not reach back to is gapped. One without any history begins with the interval now open.
        """
        minutes = self.series[Timeframe.M1].closed
        self._formed = self._intervals = None
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
        known_gap = minutes.gap
        self._formed = self._intervals = None
        if not minutes.append(candle):
            if minutes.gap:
                self._note_hole(candle, is_new=not known_gap)
            return []
        closed = [Timeframe.M1]
        for timeframe in self._open:
            known = self.series[timeframe].last_close
            if known is not None and candle.open_time < known:
                continue  # its longer candle was fetched already
            if self._add(timeframe, candle):
                closed.append(timeframe)
        return closed

    def _note_hole(self, candle: Candle, *, is_new: bool) -> None:
        """Mark every timeframe, and remember which of them the missing minutes will make whole."""
        known = self.series[Timeframe.M1].last_close
        if is_new:
            self._whole_but_for_minutes = tuple(
                timeframe for timeframe in self._open if not self.series[timeframe].gap
            )
            for timeframe in self._open:
                self.series[timeframe].gap = True
        if known is None:
            return
        if self.holes and self.holes[-1].filled_at is None and self.holes[-1].start == known:
            self.holes[-1].end = candle.open_time
        elif candle.open_time > known:
            self.holes.append(Hole(known, candle.open_time))

    def mend(self) -> None:
        """Expect the missing minutes from now on: with the first of them the hole begins to close.

        A minute that does not follow the last one marks the hole again.
        """
        self.series[Timeframe.M1].gap = False
        self._formed = self._intervals = None
        for timeframe in self._whole_but_for_minutes:
            self.series[timeframe].gap = False
        self._whole_but_for_minutes = ()

    def settle(self) -> None:
        """Note which holes are filled."""
        known = self.series[Timeframe.M1].last_close
        for hole in self.holes:
            if hole.filled_at is None and known is not None and known >= hole.end:
                hole.filled_at = known

    def _add(self, timeframe: Timeframe, minute: Candle) -> bool:
        """Add a minute to the open interval. True when that closed a candle."""
        interval = self._open[timeframe]
        if interval is None:
            interval = self._open[timeframe] = OpenInterval.of(timeframe, minute)
        else:
            interval = self._open[timeframe] = interval.and_then(minute)
        if not interval.over:
            return False
        self._open[timeframe] = None
        series = self.series[timeframe]
        if interval.from_its_start and interval.end - interval.start == timeframe.ms:
            return series.append(interval.candle())
        series.gap = series.gap or bool(series.closed)
        return False

    @property
    def forming(self) -> Forming:
        """The open interval of each timeframe, from its closed minutes and the forming one.

        Made once for all who ask, until a minute changes.
        """
        minute = self.series[Timeframe.M1].forming
        if self._formed is None or self._formed[0] is not minute:
            if self._intervals is None:
                self._intervals = [
                    (timeframe, series.last_close, self._open.get(timeframe))
                    for timeframe, series in self.series.items()
                    if series.last_close is not None and not series.gap
                ]
            self._formed = minute, Forming(minute, self._intervals)
        return self._formed[1]
