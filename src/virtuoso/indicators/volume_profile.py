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
    """Carried state: candles seen; rings of highs, lows, typical prices, volumes."""
    return np.zeros(1 + 4 * period)


@njit(cache=True)
def _fill(
    highs: Floats,
    lows: Floats,
    volumes: Floats,
    bottom: float,
    width: float,
    exponent: int,
    bins: Integers,
    ends: Integers,
) -> None:
    """Spread each volume over the bins by overlap, in units of 2^exponent.

    bins, ends: one longer than there are bins. A bin is first told by how much it differs from the
    one below, so a candle costs the same however many it covers; whole numbers, because they add up
    to the same in any order. What changes at the upper end of candles has an array of its own, or
    each of two neighbours would wait for the other to be written.
    """
    bins[:] = ends[:] = 0
    unit = ldexp(1.0, -exponent)
    for i in range(highs.size):
        start = min((lows[i] - bottom) / width, float(_BINS))
        end = min((highs[i] - bottom) / width, float(_BINS))
        # unsigned: indexing with a number that may be negative costs a quarter of the time
        first = np.uint64(min(int(start), _BINS - 1))
        last = np.uint64(min(int(end), _BINS - 1))
        one = np.uint64(1)
        volume = volumes[i] * unit
        if first == last:
            whole = int(volume)
            bins[first] += whole
            ends[first + one] -= whole
        else:
            density = volume / (end - start)
            each = int(density)
            lowest = int(density * (first + 1.0 - start))
            highest = int(density * (end - last))
            bins[first] += lowest
            bins[first + one] += each - lowest
            ends[last] += highest - each
            ends[last + one] -= highest
    inside = 0
    for i in range(_BINS):
        inside += bins[i] + ends[i]
        bins[i] = inside


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
    highs = state[1 : 1 + period]
    lows = state[1 + period : 1 + 2 * period]
    typical = state[1 + 2 * period : 1 + 3 * period]
    volumes = state[1 + 3 * period : 1 + 4 * period]
    bins, ends = np.empty(_BINS + 1, dtype=np.int64), np.empty(_BINS + 1, dtype=np.int64)
    for t in range(close.size):
        slot = seen % period
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
        if not most > 0.0:
            continue
        width = (top[t] - bottom[t]) / _BINS
        if not width > 0.0:
            control[t] = bottom[t]
            if with_area:
                area_low[t] = area_high[t] = bottom[t]
            continue
        _fill(highs, lows, volumes, bottom[t], width, frexp(most)[1] - _BITS, bins, ends)
        largest = _point_of_control(bins, typical, volumes, seen % period, bottom[t], width)
        control[t] = bottom[t] + (largest + 0.5) * width
        if with_area:
            first, last = _value_area(bins[:_BINS], largest)
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
