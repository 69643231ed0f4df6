"""Volume above its norm, in the direction the candle moved."""

from math import log

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def volume_surge_state(period: int) -> Floats:
    """Carried state of `volume_surge`: candles seen, a ring of volumes."""
    return np.zeros(1 + period)


@njit(cache=True)
def volume_surge(sign: Floats, volume: Floats, period: int, state: Floats, out: Floats) -> None:
    """Log of volume over the mean of the `period` candles before it, floored at 0, signed.

    sign (-1, 0 or +1 of the close's change), volume, out: shape (n,); state: from
    volume_surge_state(period). NaN until `period` earlier candles are known, and where nothing was
    traded in them.
    """
    seen = int(state[0])
    ring = state[1 : 1 + period]
    for t in range(volume.size):
        out[t] = np.nan
        if seen >= period:
            at = seen % period  # oldest first: one order of summation, whatever the ring's turn
            mean = 0.0
            for _ in range(period):
                mean += ring[at]
                at = at + 1 if at + 1 < period else 0
            mean /= period
            if mean > 0.0:
                out[t] = sign[t] * log(volume[t] / mean) if volume[t] > mean else 0.0
        ring[seen % period] = volume[t]
        seen += 1
    state[0] = seen
