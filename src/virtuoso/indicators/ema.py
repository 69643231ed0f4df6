"""Exponential moving average, and the distance between a fast and a slow one."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def ema_state() -> Floats:
    """Carried state of `ema`: candles seen; sum of the seed, then the average."""
    return np.zeros(2)


@njit(cache=True)
def ema(values: Floats, period: int, state: Floats, out: Floats) -> None:
    """Exponential moving average, seeded with the plain mean of the first `period` values.

    values, out: shape (n,); state: from ema_state(). NaN until `period` values are seen.
    Source: docs/scoring.md section 3.1; agrees with TA-Lib's EMA.
    """
    seen = int(state[0])
    average = state[1]
    for t in range(values.size):
        seen += 1
        if seen <= period:
            average += values[t]
            if seen == period:
                average /= period
        else:
            average += 2.0 / (period + 1) * (values[t] - average)
        out[t] = average if seen >= period else np.nan
    state[0] = seen
    state[1] = average


@njit(cache=True)
def ema_spread(fast: Floats, slow: Floats, atr: Floats, out: Floats) -> None:
    """Fast average minus slow average, in units of ATR.

    fast, slow, atr, out: shape (n,). NaN while either average is unknown or ATR is not positive.
    """
    for t in range(fast.size):
        out[t] = (fast[t] - slow[t]) / atr[t] if atr[t] > 0.0 else np.nan
