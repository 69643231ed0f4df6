"""Volatility of returns with exponential weights, and two momenta measured in it."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def ewm_volatility_state() -> Floats:
    """Carried state of `ewm_volatility`: candles seen, last close, variance (sum before seed)."""
    return np.zeros(3)


@njit(cache=True)
def ewm_volatility(
    close: Floats, seed: int, half_life: float, state: Floats, before: Floats, out: Floats
) -> None:
    """Root of the exponentially weighted mean square of returns (not annualised).

    close: log prices; close, before, out: shape (n,); state: from ewm_volatility_state().
    `out` holds sigma_t, NaN until `seed` returns are seen (their plain mean square seeds it);
    `before` holds sigma_{t-1}, which knows nothing of the current candle.
    Source: docs/scoring.md section 3.1.
    """
    keep = 0.5 ** (1.0 / half_life)
    seen = int(state[0])
    last, variance = state[1], state[2]
    for t in range(close.size):
        before[t] = np.sqrt(variance) if seen > seed else np.nan
        if seen > 0:
            square = (close[t] - last) ** 2
            if seen <= seed:
                variance += square
                if seen == seed:
                    variance /= seed
            else:
                variance = keep * variance + (1.0 - keep) * square
        out[t] = np.sqrt(variance) if seen >= seed else np.nan
        last = close[t]
        seen += 1
    state[0] = seen
    state[1], state[2] = last, variance


def momentum_state(period: int) -> Floats:
    """Carried state of `momentum`: candles seen, ring of the last `period` closes."""
    return np.zeros(1 + period)


@njit(cache=True)
def momentum(close: Floats, period: int, sigma: Floats, state: Floats, out: Floats) -> None:
    """Return over `period` candles in units of the move expected at that volatility.

    close: log prices; sigma: sigma_{t-1} of one candle; close, sigma, out: shape (n,); state: from
    momentum_state(period). NaN until `period` returns and sigma are known, and where sigma is 0.
    """
    seen = int(state[0])
    ring = state[1 : 1 + period]
    for t in range(close.size):
        slot = seen % period
        known = seen >= period and sigma[t] > 0.0
        out[t] = (close[t] - ring[slot]) / (sigma[t] * np.sqrt(period)) if known else np.nan
        ring[slot] = close[t]
        seen += 1
    state[0] = seen
