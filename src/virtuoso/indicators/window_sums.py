"""Sums of per-second buckets over several windows at once, and shares of a histogram."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats, Integers


@njit(cache=True)
def window_sums(buckets: Floats, newest: int, windows: Integers, sums: Floats) -> None:
    """Sum the newest w rows of a ring, for each w, from the newest row to the oldest.

    The order is fixed, so the same buckets give the same bits whatever happened before them.
    buckets: shape (n, c), a ring whose newest row is `newest`. windows: shape (k,), ascending,
    none above n. sums: shape (k, c).
    """
    n, columns = buckets.shape
    total = np.zeros(columns)
    row, done = newest, 0
    for k in range(len(windows)):
        while done < windows[k]:
            for c in range(columns):
                total[c] += buckets[row, c]
            row = row - 1 if row > 0 else n - 1
            done += 1
        sums[k] = total


@njit(cache=True)
def first_bin(histogram: Integers, needed: int) -> int:
    """Give the first bin of a histogram up to which it counts `needed` or more.

    histogram: shape (n,), counts of 0 or more; n when there are not so many in all.
    """
    counted = 0
    for i in range(histogram.size):
        counted += histogram[i]
        if counted >= needed:
            return i
    return int(histogram.size)
