"""Sums of products of pairs of series, over the rows in which both have a value."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


@njit(cache=True)
def pair_sums(rows: Floats, n: Floats, products: Floats, squares: Floats) -> None:
    """Count and sum, for each ordered pair (i, j), over rows where both i and j have a value.

    rows: shape (r, k), NaN where there is no value. n: how many rows; products: sum of x_i*x_j;
    squares: sum of x_i^2; all of shape (k, k). Sums run from the first row to the last.
    """
    n[:] = 0.0
    products[:] = 0.0
    squares[:] = 0.0
    for r in range(rows.shape[0]):
        for i in range(rows.shape[1]):
            first = rows[r, i]
            if np.isnan(first):
                continue
            for j in range(rows.shape[1]):
                second = rows[r, j]
                if np.isnan(second):
                    continue
                n[i, j] += 1.0
                products[i, j] += first * second
                squares[i, j] += first * first
