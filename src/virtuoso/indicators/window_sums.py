"""Sums of per-second buckets over several windows at once, always in the same order."""

from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from virtuoso.indicators.state import Floats

Integers: TypeAlias = NDArray[np.int64]


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
