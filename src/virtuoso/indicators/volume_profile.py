"""Volume by price over a window: point of control and value area."""

from math import frexp, ldexp
from typing import Final

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats, Integers

_BINS: Final = 50
_SHARE: Final = 0.7
"""Share of the volume that the value area holds."""
_BITS: Final = 55
"""The largest volume is a whole number of so many bits: 128 of them are added without an overflow,
and what is cut off each is far below what counts as equal."""
_EQUAL: Final = 1_000_000_000_000
"""Bins are equal that differ by less than one in so many."""


def volume_profile_state(period: int) -> Floats:
    """Carried state: candles seen; bottom, width, exponent of the bins; rings; what is in the bins.

    The rings are of highs, lows, typical prices and volumes. The bins are the two arrays of whole
    numbers that `_spread` writes, bit by bit.
    """
    return np.zeros(4 + 4 * period + 2 * (_BINS + 1))


@njit(cache=True, inline="always")
def _spread(
    high: float,
    low: float,
    volume: float,
    bottom: float,
    width: float,
    sign: int,
    starts: Integers,
    ends: Integers,
) -> None:
    """Spread a volume over the bins by overlap (`sign` 1), or take it away again (-1).

    A bin is told by how much it differs from the one below, so a candle costs the same however many
    it covers; in whole numbers, which add up to the same in any order. What changes at the upper
    end of candles has an array of its own, or each of two neighbours would wait for the other to be
    written. starts, ends: one longer than there are bins.
    """
    start = min((low - bottom) / width, float(_BINS))
    end = min((high - bottom) / width, float(_BINS))
    # unsigned: indexing with a number that may be negative costs a quarter of the time
    first = np.uint64(min(int(start), _BINS - 1))
    last = np.uint64(min(int(end), _BINS - 1))
    one = np.uint64(1)
    if first == last:
        whole = sign * int(volume)
        starts[first] += whole
        ends[first + one] -= whole
    else:
        density = volume / (end - start)
        each = sign * int(density)
        lowest = sign * int(density * (first + 1.0 - start))
        highest = sign * int(density * (end - last))
        starts[first] += lowest
        starts[first + one] += each - lowest
        ends[last] += highest - each
        ends[last + one] -= highest


@njit(cache=True)
def _point_of_control(
    bins: Integers, typical: Floats, volumes: Floats, oldest: int, bottom: float, width: float
) -> int:
    """Index of the largest bin; of equal ones the nearest to the window's VWAP, then the lower."""
    largest = best = 0
    for i in range(_BINS):
        if bins[i] > largest:
            largest, best = bins[i], i
    least = largest - largest // _EQUAL
    equal = 0
    for i in range(_BINS):
        equal += bins[i] >= least
    if equal == 1:
        return best
    total = weighted = 0.0
    at = oldest  # oldest first: one order of summation, whatever the ring's turn
    for _ in range(volumes.size):
        total += volumes[at]
        weighted += volumes[at] * (typical[at] - bottom)
        at = at + 1 if at + 1 < volumes.size else 0
    centre = weighted / total / width
    best = -1
    for i in range(_BINS):
        if bins[i] >= least and (
            best < 0 or abs(i + 0.5 - centre) < abs(best + 0.5 - centre) - 1e-9
        ):
            best = i
    return best


@njit(cache=True)
def _value_area(bins: Integers, control: int) -> tuple[int, int]:
    """First and last bin of the value area: grown from `control` by pairs, the larger first."""
    first = last = control
    held = bins[control]
    wanted = _SHARE * bins.sum()
    end = bins.size - 1
    while held < wanted and (first > 0 or last < end):
        above = bins[last + 1 : last + 3].sum()
        below = bins[max(first - 2, 0) : first].sum()
        if last < end and (above >= below or first == 0):
            held += above
            last = min(last + 2, end)
        else:
            held += below
            first = max(first - 2, 0)
    return first, last


@njit(cache=True)
def volume_profile(
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    top: Floats,
    bottom: Floats,
    period: int,
    state: Floats,
    control: Floats,
    area_low: Floats,
    area_high: Floats,
) -> None:
    """Point of control and value area of the last `period` candles, as prices like the given ones.

    high, low, close, volume, control, area_low, area_high: shape (n,); top, bottom: the channel of
    those candles; period: at most 128; state: from volume_profile_state(period). 50 equal bins from
    bottom to top; NaN until `period` candles are seen, and where nothing was traded in them. Where
    `area_low` and `area_high` are empty, the value area is not worked out.
    Source: docs/scoring.md section 3.3.
    """
    with_area = area_low.size > 0
    seen = int(state[0])
    grid = state[1:4]
    highs = state[4 : 4 + period]
    lows = state[4 + period : 4 + 2 * period]
    typical = state[4 + 2 * period : 4 + 3 * period]
    volumes = state[4 + 3 * period : 4 + 4 * period]
    steps = state[4 + 4 * period : 4 + 4 * period + 2 * (_BINS + 1)].view(np.int64)
    starts, ends = steps[: _BINS + 1], steps[_BINS + 1 :]
    bins = np.empty(_BINS, dtype=np.int64)
    for t in range(close.size):
        slot = seen % period
        left_high, left_low, left_volume = highs[slot], lows[slot], volumes[slot]
        highs[slot], lows[slot], volumes[slot] = high[t], low[t], volume[t]
        typical[slot] = (high[t] + low[t] + close[t]) / 3.0
        seen += 1
        control[t] = np.nan
        if with_area:
            area_low[t] = area_high[t] = np.nan
        if seen < period:
            continue
        most = 0.0
        for i in range(period):
            most = max(most, volumes[i])
        width = (top[t] - bottom[t]) / _BINS
        if not (most > 0.0 and width > 0.0):
            grid[1] = 0.0  # a width that no bins have: nothing is carried on
            if most > 0.0:
                control[t] = bottom[t]
                if with_area:
                    area_low[t] = area_high[t] = bottom[t]
            continue
        exponent = frexp(most)[1] - _BITS
        # in two steps: of the smallest and largest volumes the whole factor would be no number
        half = ldexp(1.0, -(exponent // 2))
        rest = ldexp(1.0, exponent // 2 - exponent)
        if grid[0] == bottom[t] and grid[1] == width and grid[2] == exponent:
            left = left_volume * half * rest
            came = volume[t] * half * rest
            _spread(left_high, left_low, left, bottom[t], width, -1, starts, ends)
            _spread(high[t], low[t], came, bottom[t], width, 1, starts, ends)
        else:
            grid[0], grid[1], grid[2] = bottom[t], width, exponent
            steps[:] = 0
            for i in range(period):
                scaled = volumes[i] * half * rest
                _spread(highs[i], lows[i], scaled, bottom[t], width, 1, starts, ends)
        inside = 0
        for i in range(_BINS):
            inside += starts[i] + ends[i]
            bins[i] = inside
        largest = _point_of_control(bins, typical, volumes, seen % period, bottom[t], width)
        control[t] = bottom[t] + (largest + 0.5) * width
        if with_area:
            first, last = _value_area(bins, largest)
            area_low[t] = bottom[t] + first * width
            area_high[t] = bottom[t] + (last + 1) * width
    state[0] = seen


@njit(cache=True)
def control_distance(close: Floats, control: Floats, atr: Floats, out: Floats) -> None:
    """Distance of the close from the point of control, in units of ATR.

    close, control, atr, out: shape (n,). NaN while either is unknown or ATR is not positive.
    """
    for t in range(close.size):
        out[t] = (close[t] - control[t]) / atr[t] if atr[t] > 0.0 else np.nan
