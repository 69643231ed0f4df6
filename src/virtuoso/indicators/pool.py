"""The pool: many 0..100 scores joined into one, over arrays and from sums alike."""

from math import sqrt

import numpy as np
from numba import njit

from virtuoso.indicators.normal import Z_LIMIT, phi
from virtuoso.indicators.normal_scores import inverse
from virtuoso.indicators.state import Floats, Integers

COMPLETENESS, POOLED, Z, SCORE, PRESENT, POOL = range(6)
"""Places in a pool: share of the weight that is there; Y, z and the 0..100 score, NaN when nothing
is there; how many members are there. How many of each row follow."""

_phi = njit(cache=True)(phi)


def new_pool(rows: int) -> Floats:
    """Give a place for what `pool` makes of so many rows."""
    return np.zeros(POOL + rows)


@njit(cache=True)
def pool_of_sums(
    total: float, known: float, pooled: float, squares: float, rho: float
) -> tuple[float, float, float, float]:
    """Give completeness, Y, z and score of members of which the sums are known.

    total: weight of all; of the present ones known, pooled and squares: the sums of weight, of
    weight x z, of weight squared. Source: docs/scoring.md section 3, "Pool P".
    """
    if not known > 0.0:
        return 0.0, np.nan, np.nan, np.nan
    mean = pooled / known
    share = squares / (known * known)
    z = mean / sqrt(share + rho * (1.0 - share))
    if not -Z_LIMIT <= z <= Z_LIMIT:
        z = Z_LIMIT if z > 0.0 else -Z_LIMIT
    return known / total, mean, z, 100.0 * _phi(z)


@njit(cache=True)
def pool_rows(scores: Floats, weights: Floats, rho: float, pool: Floats) -> None:
    """Pool 0..100 scores, row by row, without those that are NaN.

    scores, weights: shape (rows, n); pool: from new_pool(rows).
    """
    total = known = pooled = squares = 0.0
    present = 0
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
        pool[POOL + row] = count
        present += count
    pool[COMPLETENESS], pool[POOLED], pool[Z], pool[SCORE] = pool_of_sums(
        total, known, pooled, squares, rho
    )
    pool[PRESENT] = present


def told_size(rows: int, members: int) -> int:
    """Give how many numbers `tell_places` writes of a place."""
    return POOL + rows + 2 * rows * members


@njit(cache=True)
def tell_places(
    results: Floats, places: Integers, weights: Floats, rho: float, told: Floats
) -> None:
    """Pool the newest scores of some of many places, and put down beside it what they are.

    results: x and scores, shape (2, all places x rows, members, n); weights: of all places, shape
    (places, rows, members). told: shape (some places, `told_size`): the pool as `pool_rows` writes
    it, then x, then the scores, row by row.
    """
    rows, members = weights.shape[1:]
    for i in range(places.size):
        first = places[i] * rows
        newest = results[:, first : first + rows, :, -1]
        pool_rows(newest[1], weights[places[i]], rho, told[i, : POOL + rows])
        at = POOL + rows
        for kind in range(2):
            for row in range(rows):
                for member in range(members):
                    told[i, at] = newest[kind, row, member]
                    at += 1
