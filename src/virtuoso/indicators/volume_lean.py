"""Whether the volume of a window sat high or low in it."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def volume_lean_state(period: int) -> Floats:
    """Carried state of `volume_lean`: candles seen, a ring of typical prices, one of volumes."""
    return np.zeros(1 + 2 * period)


@njit(cache=True)
def volume_lean(
    high: Floats,
    low: Floats,
    close: Floats,
    volume: Floats,
    atr: Floats,
    period: int,
    state: Floats,
    out: Floats,
) -> None:
    """Volume-weighted less plain mean of the typical price (h + l + c) / 3, in units of ATR.

    high, low, close, volume, atr, out: shape (n,); state: from volume_lean_state(period). NaN
    until `period` candles and ATR are known, where ATR is 0 and where nothing was traded.
    """
    seen = int(state[0])
    ring = state[1 : 1 + period]
    volumes = state[1 + period : 1 + 2 * period]
    for t in range(close.size):
        ring[seen % period] = (high[t] + low[t] + close[t]) / 3.0
        volumes[seen % period] = volume[t]
        seen += 1
        out[t] = np.nan
        if seen < period or not atr[t] > 0.0:
            continue
        at = seen % period  # oldest first: one order of summation, whatever the ring's turn
        plain = weighted = weight = 0.0
        for _ in range(period):
            distance = ring[at] - close[t]
            plain += distance
            weighted += distance * volumes[at]
            weight += volumes[at]
            at = at + 1 if at + 1 < period else 0
        if weight > 0.0:
            out[t] = (weighted / weight - plain / period) / atr[t]
    state[0] = seen
