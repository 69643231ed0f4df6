"""Where the close stands in the range of a window."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def donchian_state(period: int) -> Floats:
    """Carried state of `donchian`: candles seen, a ring of highs, a ring of lows."""
    return np.zeros(1 + 2 * period)


@njit(cache=True)
def donchian(
    high: Floats, low: Floats, close: Floats, period: int, state: Floats, out: Floats
) -> None:
    """Place of the close between lowest low (-1) and highest high (+1) of `period` candles.

    high, low, close, out: shape (n,); state: from donchian_state(period). The current candle is
    part of the window. NaN until `period` candles are seen, 0 when nothing moved.
    """
    seen = int(state[0])
    highs = state[1 : 1 + period]
    lows = state[1 + period : 1 + 2 * period]
    for t in range(close.size):
        highs[seen % period] = high[t]
        lows[seen % period] = low[t]
        seen += 1
        out[t] = np.nan
        if seen < period:
            continue
        top, bottom = high[t], low[t]
        for i in range(period):
            top = max(top, highs[i])
            bottom = min(bottom, lows[i])
        lean = (close[t] - bottom) - (top - close[t])
        out[t] = lean / (top - bottom) if top > bottom else 0.0
    state[0] = seen
