"""Moving average convergence divergence."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def macd_state() -> Floats:
    """Carried state of `macd`: candles seen, slow, fast and signal average (sums before seeds)."""
    return np.zeros(4)


@njit(cache=True)
def macd(
    close: Floats, fast: int, slow: int, smooth: int, state: Floats, line: Floats, signal: Floats
) -> None:
    """MACD line and its signal.

    close, line, signal: shape (n,); state: from macd_state(). Both averages start at candle
    `slow` - 1 with plain means of the last `slow` and the last `fast` closes; the signal is seeded
    with the mean of the first `smooth` values of the line. NaN until then.
    Source: docs/scoring.md section 3.1; agrees with TA-Lib's MACD.
    """
    seen = int(state[0])
    slow_average, fast_average, signal_average = state[1], state[2], state[3]
    for t in range(close.size):
        seen += 1
        if seen <= slow:
            slow_average += close[t]
            if seen > slow - fast:
                fast_average += close[t]
            if seen == slow:
                slow_average /= slow
                fast_average /= fast
        else:
            slow_average += 2.0 / (slow + 1) * (close[t] - slow_average)
            fast_average += 2.0 / (fast + 1) * (close[t] - fast_average)
        line[t] = np.nan
        signal[t] = np.nan
        if seen >= slow:
            line[t] = fast_average - slow_average
            first = slow + smooth - 1
            if seen <= first:
                signal_average += line[t]
                if seen == first:
                    signal_average /= smooth
            else:
                signal_average += 2.0 / (smooth + 1) * (line[t] - signal_average)
            if seen >= first:
                signal[t] = signal_average
    state[0] = seen
    state[1], state[2], state[3] = slow_average, fast_average, signal_average
