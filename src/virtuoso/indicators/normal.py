"""The standard normal distribution, as the pool and the score use it."""

from math import erfc, sqrt
from statistics import NormalDist
from typing import Final

_STANDARD: Final = NormalDist()
_ROOT_2: Final = sqrt(2.0)

Z_LIMIT: Final = 2.326347874
"""PHI^-1(.99) to nine decimals: the largest size a pooled z may have."""


def phi(z: float) -> float:
    """Share of the standard normal distribution below z, 0..1."""
    return erfc(-z / _ROOT_2) / 2.0


def normal_score(score: float) -> float:
    """Give z of a 0..100 score, clipped to 1..99 first (Wichura's AS241)."""
    return _STANDARD.inv_cdf(min(max(score, 1.0), 99.0) / 100.0)
