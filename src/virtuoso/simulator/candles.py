"""Candles of all symbols: four kept timeframes, every other one made from them.

A row is (open, high, low, close, volume, turnover) in whole ticks, steps, and ticks times steps;
where a venue tells how takers split, (count, taker buy volume, taker buy turnover) follow.
As on the venue, a candle opens at the close of the one before it, and its high and low
include that opening.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from virtuoso.simulator.factors import Integers

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
OPEN, HIGH, LOW, CLOSE, VOLUME, TURNOVER, COUNT, TAKER_VOLUME, TAKER_TURNOVER = range(9)
"""The last three only where the venue tells them."""

KEPT: Final = (MINUTE, 5 * MINUTE, 30 * MINUTE, 4 * HOUR)
"""Lengths that are stored; each divides the next."""

INTERVALS: Final[Mapping[str, int]] = {
    "1": MINUTE,
    "3": MINUTE,
    "5": 5 * MINUTE,
    "15": 5 * MINUTE,
    "30": 30 * MINUTE,
    "60": 30 * MINUTE,
    "120": 30 * MINUTE,
    "240": 4 * HOUR,
    "360": 30 * MINUTE,
    "720": 4 * HOUR,
    "D": 4 * HOUR,
    "W": 4 * HOUR,
    "M": 4 * HOUR,
}
"""Bybit's names of its intervals, and the kept length each is made from."""
_BASES: Final[Mapping[str, int]] = {**INTERVALS, "480": 4 * HOUR}

_MONDAY = 4 * DAY
"""1970-01-01 was a Thursday."""


def opening_of(interval: str, times: Integers) -> Integers:
    """Return the opening time of the candle that each time falls into."""
    if interval == "M":
        months = times.astype("datetime64[ms]").astype("datetime64[M]")
        return months.astype("datetime64[ms]").astype(np.int64)
    if interval == "W":
        return (times - _MONDAY) // (7 * DAY) * (7 * DAY) + _MONDAY
    length = DAY if interval == "D" else int(interval) * MINUTE
    return times // length * length


def closing_of(interval: str, opening: int) -> int:
    """Return the time at which the candle that opened then is over."""
    if interval == "M":
        month = np.datetime64(opening, "ms").astype("datetime64[M]") + 1
        return int(month.astype("datetime64[ms]").astype(np.int64))
    if interval == "W":
        return opening + 7 * DAY
    return opening + (DAY if interval == "D" else int(interval) * MINUTE)


def merged(rows: Integers, firsts: Integers) -> Integers:
    """Merge runs of rows, the run i beginning at row firsts[i]; rows may have more axes."""
    if len(firsts) == len(rows):
        return rows.copy()
    lasts = np.append(firsts[1:], len(rows)) - 1
    result = np.empty((len(firsts), *rows.shape[1:]), dtype=np.int64)
    result[..., OPEN] = rows[firsts][..., OPEN]
    result[..., HIGH] = np.maximum.reduceat(rows[..., HIGH], firsts)
    result[..., LOW] = np.minimum.reduceat(rows[..., LOW], firsts)
    result[..., CLOSE] = rows[lasts][..., CLOSE]
    result[..., VOLUME:] = np.add.reduceat(rows[..., VOLUME:], firsts)
    return result


class CandleSeries:
    """Closed candles of one length, all symbols side by side; the oldest are let go."""

    def __init__(self, length: int, starts: Integers, rows: Integers, keep: int) -> None:
        self.length = length
        self._keep = keep
        starts, rows = starts[-keep:], rows[-keep:]
        self._size = len(starts)
        self._starts = np.empty(2 * keep, dtype=np.int64)
        self._rows = np.empty((2 * keep, *rows.shape[1:]), dtype=np.int64)
        self._starts[: self._size] = starts
        self._rows[: self._size] = rows

    @property
    def starts(self) -> Integers:
        """Opening times, oldest first: shape (n,)."""
        return self._starts[: self._size]

    @property
    def rows(self) -> Integers:
        """The candles: shape (n, symbols, 6)."""
        return self._rows[: self._size]

    def append(self, start: int, rows: Integers) -> None:
        """Add the candle of every symbol that opened at `start`: shape (symbols, 6)."""
        if self._size == len(self._starts):
            kept = slice(self._size - self._keep, self._size)
            self._starts[: self._keep] = self._starts[kept].copy()
            self._rows[: self._keep] = self._rows[kept].copy()
            self._size = self._keep
        self._starts[self._size] = start
        self._rows[self._size] = rows
        self._size += 1

    def since(self, start: int) -> slice:
        """Return where the candles that opened at `start` or later stand."""
        return slice(int(np.searchsorted(self.starts, start)), self._size)


PastRows: TypeAlias = Mapping[int, tuple[Integers, Integers]]
"""By length: opening times and rows of one symbol, from before the series begin."""


def _no_past(_: int) -> PastRows:
    return {}


class Candles:
    """Closed candles of the four kept lengths, and the minute that is forming."""

    def __init__(
        self,
        series: tuple[CandleSeries, ...],
        now_ms: int,
        forming: Integers | None = None,
        past: Callable[[int], PastRows] = _no_past,
    ) -> None:
        """`forming`: the part of a minute that is over; `past`: what came before, by symbol."""
        self._series = {each.length: each for each in series}
        self._begins = {each.length: int(each.starts[0]) for each in series}
        self._past = past
        self.minute = now_ms // MINUTE * MINUTE
        """When the forming minute opened."""
        self.forming = self._new_minute() if forming is None else forming.tolist()
        """The forming minute: a row for each symbol, changed in place."""

    def series(self, length: int) -> CandleSeries:
        """Return the closed candles of one kept length."""
        return self._series[length]

    def _new_minute(self) -> list[list[int]]:
        rows = self._series[MINUTE].rows
        closes, sums = rows[-1][:, CLOSE].tolist(), [0] * (rows.shape[-1] - VOLUME)
        return [[close, close, close, close, *sums] for close in closes]

    def add_trade(self, symbol: int, ticks: int, steps: int) -> None:
        """Count one trade into the forming minute."""
        row = self.forming[symbol]
        if ticks > row[HIGH]:
            row[HIGH] = ticks
        elif ticks < row[LOW]:
            row[LOW] = ticks
        row[CLOSE] = ticks
        row[VOLUME] += steps
        row[TURNOVER] += ticks * steps

    def add_split_trade(
        self, symbol: int, ticks: int, steps: int, count: int, *, buyer_took: bool
    ) -> None:
        """Count `count` trades of one taker and price into the forming minute, and its side."""
        self.add_trade(symbol, ticks, steps)
        row = self.forming[symbol]
        row[COUNT] += count
        if buyer_took:
            row[TAKER_VOLUME] += steps
            row[TAKER_TURNOVER] += ticks * steps

    def see_price(self, symbol: int, price: int) -> None:
        """Count a price that is not a trade into the forming minute."""
        row = self.forming[symbol]
        if price > row[HIGH]:
            row[HIGH] = price
        elif price < row[LOW]:
            row[LOW] = price
        row[CLOSE] = price

    def close_minute(self) -> None:
        """Close the forming minute, and every longer candle that ends with it."""
        minutes = self._series[MINUTE]
        minutes.append(self.minute, np.array(self.forming, dtype=np.int64))
        self.minute += MINUTE
        for finer, length in pairwise(KEPT):
            if self.minute % length:
                break
            start = self.minute - length
            rows = self._series[finer].rows[self._series[finer].since(start)]
            self._series[length].append(start, merged(rows, np.zeros(1, dtype=np.int64))[0])
        self.forming = self._new_minute()

    def latest(self, symbol: int, interval: str) -> tuple[int, Integers]:
        """Return the opening time and the row of the forming candle of one interval."""
        start = int(opening_of(interval, np.array([self.minute]))[0])
        _, rows = self._between(symbol, interval, start, self.minute)
        return start, rows[-1]

    def closing_now(self, symbol: int, interval: str) -> tuple[int, Integers] | None:
        """Return the candle of one interval that closed as the forming minute began."""
        start = int(opening_of(interval, np.array([self.minute - MINUTE]))[0])
        if closing_of(interval, start) != self.minute:
            return None
        _, rows = self._between(symbol, interval, start, start)
        return start, rows[-1]

    def page(
        self, symbol: int, interval: str, start: int | None, end: int | None, limit: int
    ) -> tuple[Integers, Integers]:
        """Return opening times and rows, oldest first; the last may be still forming.

        From the candle that contains `start` to the one that contains `end`. If there are more,
        the first ones when only `start` is given, else the last ones, as on the venue.
        """
        last = self.minute if end is None else min(end, self.minute)
        last = int(opening_of(interval, np.array([last]))[0])
        longest = closing_of(interval, 0) if interval != "M" else 31 * DAY
        if start is None:
            first = last - limit * longest
        else:
            first = int(opening_of(interval, np.array([start]))[0])
            if end is None:
                last = min(last, first + limit * longest)
            else:
                first = max(first, last - limit * longest)
        starts, rows = self._between(symbol, interval, first, last)
        kept = slice(0, limit) if start is not None and end is None else slice(-limit, None)
        return starts[kept], rows[kept]

    def _between(
        self, symbol: int, interval: str, first: int, last: int
    ) -> tuple[Integers, Integers]:
        """Make the candles that open from `first`, rounded down, to `last`."""
        base = self._series[_BASES[interval]]
        first = int(opening_of(interval, np.array([first]))[0])
        where = base.since(first)
        starts, rows = base.starts[where], base.rows[where][:, symbol]
        if first < self._begins[base.length] == base.starts[0]:
            earlier = self._past(symbol).get(base.length)
            if earlier is not None:
                known = earlier[0] >= first
                starts = np.append(earlier[0][known], starts)
                rows = np.append(earlier[1][known], rows, axis=0)
        if closing_of(interval, last) > self.minute:
            start, row = self._forming_base(symbol, base.length)
            starts, rows = np.append(starts, start), np.append(rows, row[None], axis=0)
        openings = opening_of(interval, starts)
        chosen = openings <= last
        openings, starts, rows = openings[chosen], starts[chosen], rows[chosen]
        if first > last or not len(starts):
            return openings[:0], rows[:0]
        firsts = np.flatnonzero(np.diff(openings, prepend=openings[0] - 1))
        # the oldest candle is left out when its own beginning is no longer kept
        skip = 1 if starts[firsts[0]] != openings[firsts[0]] else 0
        return openings[firsts][skip:], merged(rows, firsts)[skip:]

    def _forming_base(self, symbol: int, length: int) -> tuple[int, Integers]:
        forming = np.array([self.forming[symbol]], dtype=np.int64)
        start = self.minute // length * length
        minutes = self._series[MINUTE]
        rows = np.append(minutes.rows[minutes.since(start)][:, symbol], forming, axis=0)
        return start, merged(rows, np.zeros(1, dtype=np.int64))[0]
