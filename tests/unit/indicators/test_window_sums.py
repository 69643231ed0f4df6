"""Sums over the seconds of a window, and shares of a histogram."""

import numpy as np
import pytest

from virtuoso.indicators.window_sums import first_bin


@pytest.mark.parametrize("needed", [1, 2, 3, 9, 10, 11])
def test_the_first_bin_is_where_the_cumulated_counts_reach_what_is_needed(needed: int) -> None:
    """As NumPy finds it; beyond the last bin where there are not so many."""
    histogram = np.array([0, 2, 0, 7, 1, 0])
    expected = int(np.searchsorted(np.cumsum(histogram), needed))
    assert first_bin(histogram, needed) == expected
