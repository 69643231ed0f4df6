"""The inverse of the standard normal distribution, over an array."""

from math import log, sqrt

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


@njit(cache=True)
def inverse(p: float) -> float:
    """Give z with PHI(z) = p, for p in .01..0.99: the two inner branches of AS241 (PPND16)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        above = 2.5090809287301226727e3
        above = above * r + 3.3430575583588128105e4
        above = above * r + 6.7265770927008700853e4
        above = above * r + 4.5921953931549871457e4
        above = above * r + 1.3731693765509461125e4
        above = above * r + 1.9715909503065514427e3
        above = above * r + 1.3314166789178437745e2
        above = above * r + 3.3871328727963666080e0
        below = 5.2264952788528545610e3
        below = below * r + 2.8729085735721942674e4
        below = below * r + 3.9307895800092710610e4
        below = below * r + 2.1213794301586595867e4
        below = below * r + 5.3941960214247511077e3
        below = below * r + 6.8718700749205790830e2
        below = below * r + 4.2313330701600911252e1
        below = below * r + 1.0
        return above * q / below
    r = sqrt(-log(p if q < 0.0 else 1.0 - p)) - 1.6
    above = 7.74545014278341407640e-4
    above = above * r + 2.27238449892691845833e-2
    above = above * r + 2.41780725177450611770e-1
    above = above * r + 1.27045825245236838258e0
    above = above * r + 3.64784832476320460504e0
    above = above * r + 5.76949722146069140550e0
    above = above * r + 4.63033784615654529590e0
    above = above * r + 1.42343711074968357734e0
    below = 1.05075007164441684324e-9
    below = below * r + 5.47593808499534494600e-4
    below = below * r + 1.51986665636164571966e-2
    below = below * r + 1.48103976427480074590e-1
    below = below * r + 6.89767334985100004550e-1
    below = below * r + 1.67638483018380384940e0
    below = below * r + 2.05319162663775882187e0
    below = below * r + 1.0
    return -above / below if q < 0.0 else above / below


@njit(cache=True)
def _fill(scores: Floats, out: Floats) -> None:
    for i in range(scores.size):
        score = scores[i]
        out[i] = np.nan if np.isnan(score) else inverse(min(max(score, 1.0), 99.0) / 100.0)


def normal_scores(scores: Floats) -> Floats:
    """Give z of 0..100 scores of shape (n,), clipped to 1..99 first; NaN stays NaN.

    The same numbers as `normal.normal_score`, many at once.
    Source: Wichura, Algorithm AS 241, Applied Statistics 37, 1988.
    """
    out = np.empty_like(scores)
    _fill(scores, out)
    return out
