"""Wilder's relative strength index."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def rsi_state() -> Floats:
    """Carried state of `rsi`: candles seen, last close, mean gain, mean loss (sums before seed)."""
    return np.zeros(4)


@njit(cache=True)
def rsi(close: Floats, period: int, state: Floats, out: Floats) -> None:
    """RSI less its middle, -50..50.

    close, out: shape (n,); state: from rsi_state(). NaN until `period` changes are seen; 0 when
    nothing moved (TA-Lib says -50). Source: Wilder, New Concepts in Technical Trading Systems,
    1978.
    """
    seen = int(state[0])
    last, gain, loss = state[1], state[2], state[3]
    for t in range(close.size):
        out[t] = np.nan
        if seen > 0:
            change = close[t] - last
            up = max(change, 0.0)
            down = max(-change, 0.0)
            if seen <= period:
                gain += up
                loss += down
                if seen == period:
                    gain /= period
                    loss /= period
            else:
                gain = (gain * (period - 1) + up) / period
                loss = (loss * (period - 1) + down) / period
            if seen >= period:
                moved = gain + loss
                # half the difference, and not 100 * gain / moved - 50: exactly odd under a mirror
                out[t] = 50.0 * (gain - loss) / moved if moved > 0.0 else 0.0
        last = close[t]
        seen += 1
    state[0] = seen
    state[1], state[2], state[3] = last, gain, loss
