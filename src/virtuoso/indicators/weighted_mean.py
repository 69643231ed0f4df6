"""Mean over a window, weighted by volume: the shape of Chaikin money flow and of signed volume."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def weighted_mean_state(period: int) -> Floats:
    """Carried state of `weighted_mean`: values seen, a ring of values, a ring of weights."""
    return np.zeros(1 + 2 * period)


@njit(cache=True)
def weighted_mean(values: Floats, weights: Floats, period: int, state: Floats, out: Floats) -> None:
    """Sum of value x weight over sum of weight, for the last `period` values.

    values, weights, out: shape (n,); state: from weighted_mean_state(period). Unknown (NaN) values
    are not counted as seen. NaN until `period` values are seen, and where the weights sum to 0.
    """
    seen = int(state[0])
    ring = state[1 : 1 + period]
    ring_weights = state[1 + period : 1 + 2 * period]
    for t in range(values.size):
        out[t] = np.nan
        if np.isnan(values[t]):
            continue
        ring[seen % period] = values[t]
        ring_weights[seen % period] = weights[t]
        seen += 1
        if seen < period:
            continue
        at = seen % period  # oldest first: one order of summation, whatever the ring's turn
        total = weight = 0.0
        for _ in range(period):
            total += ring[at] * ring_weights[at]
            weight += ring_weights[at]
            at = at + 1 if at + 1 < period else 0
        if weight > 0.0:
            out[t] = total / weight
    state[0] = seen
