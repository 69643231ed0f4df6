"""Weighted second moments about zero of every pair of series, over what both of them have."""

from dataclasses import dataclass

import numpy as np

from virtuoso.indicators.state import Floats


def exponential_weights(count: int, half_life: float) -> Floats:
    """`.5^(age / half_life)`, oldest first, the newest 1; shape (count,)."""
    return np.asarray(0.5 ** (np.arange(count - 1, -1, -1) / half_life), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PairwiseMoments:
    """Of k rows against m others; every array has the shape (k, m).

    Each is taken over the instants at which both series have a value, with the weights there
    normalised to sum 1. NaN where there is no such instant.
    """

    product: Floats
    """Weighted mean of x * y."""
    row_square: Floats
    """Weighted mean of x * x."""
    other_square: Floats
    """Weighted mean of y * y."""
    count: Floats
    """Instants."""
    effective: Floats
    """`1 / sum w^2`: how many equally weighted instants would be worth as much."""

    @property
    def correlation(self) -> Floats:
        """About zero, in [-1, 1]; NaN where a series does not move."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.product / np.sqrt(self.row_square * self.other_square)
        return np.clip(np.where(np.isfinite(found), found, np.nan), -1.0, 1.0)


def pairwise_moments(rows: Floats, others: Floats, weights: Floats) -> PairwiseMoments:
    """Moments of `rows` (k, n) against `others` (m, n), NaN for a missing value; weights (n,)."""
    has_x, has_y = np.isfinite(rows), np.isfinite(others)
    x, y = np.where(has_x, rows, 0.0), np.where(has_y, others, 0.0)
    in_x, in_y = has_x.astype(np.float64), has_y.astype(np.float64)
    weight = (in_x * weights) @ in_y.T
    squares = (in_x * weights**2) @ in_y.T
    with np.errstate(divide="ignore", invalid="ignore"):
        return PairwiseMoments(
            product=(x * weights) @ y.T / weight,
            row_square=(x * x * weights) @ in_y.T / weight,
            other_square=(in_x * weights) @ (y * y).T / weight,
            count=in_x @ in_y.T,
            effective=weight**2 / squares,
        )
