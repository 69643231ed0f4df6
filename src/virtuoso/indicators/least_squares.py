"""Straight lines through points, by least squares."""

from math import log

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats

BASIS_POINTS = 1e4


@njit(cache=True)
def slope(x: Floats, y: Floats) -> float:
    """Slope of y on x with an intercept; NaN with a hole in either, or if x stands still.

    x and y: shape (n,), NaN where there is a hole.
    """
    n = len(x)
    mean_x = mean_y = 0.0
    for i in range(n):
        mean_x += x[i]
        mean_y += y[i]
    if np.isnan(mean_x) or np.isnan(mean_y):
        return np.nan
    mean_x /= n
    mean_y /= n
    spread = shared = 0.0
    for i in range(n):
        away = x[i] - mean_x
        spread += away * away
        shared += away * (y[i] - mean_y)
    return shared / spread if spread > 0.0 else np.nan


@njit(cache=True)
def move_per_order(mids: Floats, orders: Floats, newest: int) -> float:
    """Slope of the moves of a price, in bp, on the orders that came with them.

    mids and orders: shape (n + 1,), rings whose newest place is `newest`; the oldest order counts
    for nothing, because the price before it is not known. NaN with a hole in either.
    """
    n = len(mids) - 1
    x, y = np.empty(n), np.empty(n)
    place = newest
    for i in range(n):
        before = place - 1 if place > 0 else n
        if np.isnan(mids[place]) or np.isnan(mids[before]):
            return np.nan
        x[i] = orders[place]
        y[i] = log(mids[place] / mids[before]) * BASIS_POINTS
        place = before
    return slope(x, y)
