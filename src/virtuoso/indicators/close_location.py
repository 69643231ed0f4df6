"""Where in its range a candle closed."""

from numba import njit

from virtuoso.indicators.state import Floats


@njit(cache=True)
def close_location(high: Floats, low: Floats, close: Floats, out: Floats) -> None:
    """Close location value: -1 at the low, +1 at the high, 0 where high equals low.

    high, low, close, out: shape (n,). Needs no state. Agrees with the multiplier of TA-Lib's AD.
    """
    for t in range(close.size):
        size = high[t] - low[t]
        lean = (close[t] - low[t]) - (high[t] - close[t])
        out[t] = lean / size if size > 0.0 else 0.0
