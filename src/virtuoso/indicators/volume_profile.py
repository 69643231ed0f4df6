"""Volume by price over a window: point of control and value area."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats

_BINS = 50
_SHARE = 0.7
"""Share of the volume that the value area holds."""


def volume_profile_state(period: int) -> Floats:
    """Carried state: candles seen; rings of highs, lows, typical prices, volumes."""
    return np.zeros(1 + 4 * period)


@njit(cache=True)
def _fill(highs: Floats, lows: Floats, volumes: Floats, oldest: int, bins: Floats) -> None:
    """Spread each volume over the bins by overlap. Prices are in bins above the lowest low."""
    bins[:] = 0.0
    period = highs.size
    at = oldest
    for _ in range(period):
        bottom = min(lows[at], float(_BINS))
        top = min(highs[at], float(_BINS))
        # unsigned: indexing with a number that may be negative costs a quarter of the time
        first = np.uint64(min(int(bottom), _BINS - 1))
        last = np.uint64(min(int(top), _BINS - 1))
        if first == last:
            bins[first] += volumes[at]
        else:
            density = volumes[at] / (top - bottom)
            bins[first] += density * (first + 1.0 - bottom)
            for i in range(first + np.uint64(1), last):
                bins[i] += density
            bins[last] += density * (top - last)
        at = at + 1 if at + 1 < period else 0


@njit(cache=True)
def _point_of_control(bins: Floats, centre: float) -> int:
    """Index of the largest bin; of equal ones the nearest to `centre`, then the lower."""
    largest = bins.max() * (1.0 - 1e-12)
    best = -1
    for i in range(bins.size):
        if bins[i] >= largest and (
            best < 0 or abs(i + 0.5 - centre) < abs(best + 0.5 - centre) - 1e-9
        ):
            best = i
    return best


@njit(cache=True)
def _value_area(bins: Floats, control: int) -> tuple[int, int]:
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
    period: int,
    state: Floats,
    control: Floats,
    area_low: Floats,
    area_high: Floats,
) -> None:
    """Point of control and value area of the last `period` candles, as prices like the given ones.

    high, low, close, volume, control, area_low, area_high: shape (n,); state: from
    volume_profile_state(period). 50 equal bins from the lowest low to the highest high; NaN until
    `period` candles are seen, and where nothing was traded in them. Where `area_low` and
    `area_high` are empty, the value area is not worked out.
    Source: docs/scoring.md section 3.3.
    """
    with_area = area_low.size > 0
    seen = int(state[0])
    highs = state[1 : 1 + period]
    lows = state[1 + period : 1 + 2 * period]
    typical = state[1 + 2 * period : 1 + 3 * period]
    volumes = state[1 + 3 * period : 1 + 4 * period]
    bins = np.empty(_BINS)
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
        oldest = seen % period
        bottom, top = low[t], high[t]
        for i in range(period):  # a third of the time of min() and max(), which look for NaN
            bottom = min(bottom, lows[i])
            top = max(top, highs[i])
        total = weighted = 0.0
        at = oldest
        for _ in range(period):
            total += volumes[at]
            weighted += volumes[at] * (typical[at] - bottom)
            at = at + 1 if at + 1 < period else 0
        if not total > 0.0:
            continue
        width = (top - bottom) / _BINS
        if not width > 0.0:
            control[t] = bottom
            if with_area:
                area_low[t] = area_high[t] = bottom
            continue
        _fill((highs - bottom) / width, (lows - bottom) / width, volumes, oldest, bins)
        largest = _point_of_control(bins, weighted / total / width)
        control[t] = bottom + (largest + 0.5) * width
        if with_area:
            first, last = _value_area(bins, largest)
            area_low[t] = bottom + first * width
            area_high[t] = bottom + (last + 1) * width
    state[0] = seen


@njit(cache=True)
def control_distance(close: Floats, control: Floats, atr: Floats, out: Floats) -> None:
    """Distance of the close from the point of control, in units of ATR.

    close, control, atr, out: shape (n,). NaN while either is unknown or ATR is not positive.
    """
    for t in range(close.size):
        out[t] = (close[t] - control[t]) / atr[t] if atr[t] > 0.0 else np.nan
