"""Compiles the kernels that stand alone, so that set-up can fill numba's cache on disk.

The kernels of a candle component are compiled by the component, with the one that calls them all.
"""

import numpy as np

from virtuoso.domain.time import Millis
from virtuoso.indicators.least_squares import move_per_order
from virtuoso.indicators.normal_scores import normal_scores
from virtuoso.indicators.pair_sums import pair_sums
from virtuoso.indicators.pool import new_pool, pool_of_sums, pool_rows
from virtuoso.indicators.stream_window import StreamWindows
from virtuoso.indicators.trailing_rank import RankKind, TrailingRank
from virtuoso.indicators.window_sums import first_bin, window_sums


def compile_kernels() -> None:
    """Call each kernel once on next to nothing."""
    TrailingRank(1, RankKind.SIZES, 1).push(1.0)
    normal_scores(np.full(1, 50.0))
    pool_of_sums(1.0, 1.0, 0.0, 1.0, 0.0)
    pool_rows(np.full((1, 1), 50.0), np.ones((1, 1)), 0.0, new_pool(1))
    StreamWindows(1).take(Millis(0), np.zeros(1))
    move_per_order(np.ones(2), np.ones(2), 1)
    pair_sums(np.zeros((1, 1)), *(np.zeros((1, 1)) for _ in range(3)))
    window_sums(np.zeros((1, 1)), 0, np.ones(1, dtype=np.int64), np.zeros((1, 1)))
    first_bin(np.zeros(1, dtype=np.int64), 1)
