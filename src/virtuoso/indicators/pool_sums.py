"""The sums that a pool of members is made from, over arrays."""

import numpy as np
from numba import njit

from virtuoso.indicators.normal_scores import inverse
from virtuoso.indicators.state import Floats, Integers

TOTAL, KNOWN, POOLED, SQUARES, SUMS = range(5)
"""Places in the sums: weight of all; of the present ones weight, weight x z, weight squared."""


def new_sums(rows: int) -> Floats:
    """Give a place for what `pool_sums` adds up of so many rows."""
    return np.zeros(SUMS + rows)


@njit(cache=True)
def pool_sums(scores: Floats, weights: Floats, sums: Floats) -> None:
    """Add up weights and z of 0..100 scores, row by row, without those that are NaN.

    scores, weights: shape (rows, n); sums: from new_sums(rows). Writes TOTAL, KNOWN, POOLED and
    SQUARES, then how many are present of each row. Source: docs/scoring.md section 3.
    """
    total = known = pooled = squares = 0.0
    for row in range(scores.shape[0]):
        count = 0
        for i in range(scores.shape[1]):
            weight, score = weights[row, i], scores[row, i]
            total += weight
            if np.isnan(score):
                continue
            count += 1
            known += weight
            pooled += weight * inverse(min(max(score, 1.0), 99.0) / 100.0)
            squares += weight * weight
        sums[SUMS + row] = count
    sums[TOTAL], sums[KNOWN], sums[POOLED], sums[SQUARES] = total, known, pooled, squares


@njit(cache=True)
def pool_places(scores: Floats, places: Integers, weights: Floats, sums: Floats) -> None:
    """Do as `pool_sums` for some of many pools, each of the same number of rows.

    scores: shape (all pools x rows, n); places: of those to be added up; weights, sums: of all
    pools, shape (pools, rows, n) and (pools, ...).
    """
    rows = weights.shape[1]
    for place in places:
        first = place * rows
        pool_sums(scores[first : first + rows], weights[place], sums[place])
