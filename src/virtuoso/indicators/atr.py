"""Wilder's average true range."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def atr_state() -> Floats:
    """Carried state of `atr`: candles seen, last close, the average (its sum before the seed)."""
    return np.zeros(3)


@njit(cache=True)
def atr(high: Floats, low: Floats, close: Floats, period: int, state: Floats, out: Floats) -> None:
    """Average true range in the units of the prices (a log range on log prices).

    high, low, close, out: shape (n,); state: from atr_state(). Seeded with the mean of the first
    `period` true ranges; NaN until then. Source: Wilder, New Concepts in Technical Trading
    Systems, 1978; agrees with TA-Lib's ATR.
    """
    seen = int(state[0])
    last, average = state[1], state[2]
    for t in range(close.size):
        if seen > 0:
            true_range = max(high[t], last) - min(low[t], last)
            if seen <= period:
                average += true_range
                if seen == period:
                    average /= period
            else:
                average = ((period - 1) * average + true_range) / period
        out[t] = average if seen >= period else np.nan
        last = close[t]
        seen += 1
    state[0] = seen
    state[1], state[2] = last, average
