"""Market structure: breaks of the last swing high and swing low, fading with age."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats

_AROUND = 5
"""A pivot stands in the middle of five candles, so it is known two candles late."""


def swing_structure_state() -> Floats:
    """Carried state: candles seen, swing high, swing low, direction, age, five highs, five lows."""
    state = np.zeros(5 + 2 * _AROUND)
    state[1:3] = np.nan
    return state


@njit(cache=True)
def swing_structure(
    high: Floats,
    low: Floats,
    close: Floats,
    first: int,
    half_life: float,
    state: Floats,
    out: Floats,
) -> None:
    """Direction of the last break of a swing level, halved every `half_life` candles, -1..1.

    high, low, close, out: shape (n,); state: from swing_structure_state(). A swing high is higher
    than the two candles before it and not lower than the two after it; it is consumed by the close
    that breaks it. A close beyond both levels breaks neither. NaN before candle `first` (counted
    from 0) and until the first break. Source: docs/scoring.md section 3.3.
    """
    seen = int(state[0])
    top, bottom, direction, age = state[1], state[2], state[3], state[4]
    h = state[5 : 5 + _AROUND]
    v = state[5 + _AROUND : 5 + 2 * _AROUND]
    for t in range(close.size):
        for i in range(_AROUND - 1):
            h[i] = h[i + 1]
            v[i] = v[i + 1]
        h[4] = high[t]
        v[4] = low[t]
        seen += 1
        if seen >= _AROUND:
            if h[2] > h[1] and h[2] > h[0] and h[2] >= h[3] and h[2] >= h[4]:
                top = h[2]
            if v[2] < v[1] and v[2] < v[0] and v[2] <= v[3] and v[2] <= v[4]:
                bottom = v[2]
        above = close[t] > top
        below = close[t] < bottom
        if above == below:
            age += 1.0
        elif above:
            direction, age, top = 1.0, 0.0, np.nan
        else:
            direction, age, bottom = -1.0, 0.0, np.nan
        known = seen > first and direction != 0.0
        out[t] = direction * 0.5 ** (age / half_life) if known else np.nan
    state[0] = seen
    state[1], state[2], state[3], state[4] = top, bottom, direction, age
