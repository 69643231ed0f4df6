"""Where the close stands in its Bollinger band."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def bollinger_state(period: int) -> Floats:
    """Carried state of `bollinger_z`: candles seen, ring of the last `period` closes."""
    return np.zeros(1 + period)


@njit(cache=True)
def bollinger_z(close: Floats, period: int, state: Floats, out: Floats) -> None:
    """Distance of the close from its mean, in population standard deviations (ddof 0).

    close, out: shape (n,); state: from bollinger_state(period). NaN until `period` closes are
    seen, 0 when all are equal. Source: Bollinger, Bollinger on Bollinger Bands, 2001; agrees with
    TA-Lib's BBANDS.
    """
    seen = int(state[0])
    ring = state[1 : 1 + period]
    for t in range(close.size):
        ring[seen % period] = close[t]
        seen += 1
        out[t] = np.nan
        if seen < period:
            continue
        # Differences to the newest close, so that equal closes give exactly zero. Oldest first:
        # one order of summation, whatever the ring's turn.
        at = seen % period
        mean = 0.0
        for _ in range(period):
            mean += ring[at] - close[t]
            at = at + 1 if at + 1 < period else 0
        mean /= period
        variance = 0.0
        for _ in range(period):
            variance += (ring[at] - close[t] - mean) ** 2
            at = at + 1 if at + 1 < period else 0
        out[t] = -mean / np.sqrt(variance / period) if variance > 0.0 else 0.0
    state[0] = seen
