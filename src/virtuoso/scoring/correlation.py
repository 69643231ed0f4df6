"""How alike the six views of one symbol have been: the matrix in the score's denominator.

Section 5 of docs/scoring.md, "rho".
"""

from collections.abc import Mapping
from typing import Final

import numpy as np

from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore
from virtuoso.domain.time import HOUR, MINUTE, Millis
from virtuoso.indicators.pair_sums import pair_sums
from virtuoso.indicators.state import Floats
from virtuoso.scoring.definition import Definition, Pair

SAMPLES: Final = 1_440
"""One-minute samples kept, and the weight of rho0 in samples."""
SAMPLES_NEEDED: Final = 60
LARGEST: Final = 0.95

NAMES: Final = tuple(ComponentName)
"""Order of rows and columns."""


def default_matrix(rho0: Mapping[Pair, float]) -> Floats:
    """Give rho0 as a matrix of shape (6, 6) with ones on its diagonal."""
    matrix = np.eye(len(NAMES))
    for (first, second), value in rho0.items():
        i, j = NAMES.index(first), NAMES.index(second)
        matrix[i, j] = matrix[j, i] = value
    return matrix


class CorrelationTracker:
    """One-minute samples of the six z, and rho, renewed from them at each full UTC hour."""

    def __init__(self, definition: Definition) -> None:
        self._rho0 = default_matrix(definition.rho0)
        self._samples = np.full((SAMPLES, len(NAMES)), np.nan)
        self._next = 0
        self._count = 0
        self.rho: Floats = self._rho0.copy()
        """Shape (6, 6), in the order of ComponentName; 0 to .95 off the diagonal."""

    def second(
        self, at: Millis, components: Mapping[ComponentName, ComponentScore | Absent]
    ) -> None:
        """Sample at a full minute; renew rho at a full hour. Other seconds change nothing."""
        if at % MINUTE:
            return
        parts = (components.get(name) for name in NAMES)
        self._samples[self._next] = [
            part.z if isinstance(part, ComponentScore) else np.nan for part in parts
        ]
        self._next = (self._next + 1) % SAMPLES
        self._count = min(self._count + 1, SAMPLES)
        if at % HOUR == 0:
            self.renew()

    def renew(self) -> None:
        """Compute rho from the samples held now."""
        self.rho = shrunk_correlation(self.samples(), self._rho0)

    def samples(self) -> Floats:
        """Give the samples of shape (n, 6), oldest first, NaN where a view was absent."""
        places = (self._next - self._count + np.arange(self._count)) % SAMPLES
        return self._samples[places]

    def restore(self, samples: Floats, matrix: Floats) -> None:
        """Take samples and matrix of an earlier run. Raises WireError when they are no such."""
        k = len(NAMES)
        if samples.ndim != 2 or samples.shape[1] != k or matrix.shape != (k, k):
            msg = f"expected samples of {k} views, found {samples.shape} and {matrix.shape}"
            raise WireError(msg)
        own = samples[-SAMPLES:]
        self._samples[: len(own)] = own
        self._next, self._count = len(own) % SAMPLES, len(own)
        self.rho = matrix.copy()


def shrunk_correlation(samples: Floats, rho0: Floats) -> Floats:
    """Give clip((n*r + 1440*rho0)/(n + 1440), 0, .95) for each pair; rho0 where n < 60.

    samples: shape (n, k), NaN where there is none. rho0: shape (k, k). r is uncentred: 0 means
    the same for every view, that nothing presses.
    """
    k = len(rho0)
    n, products, squares = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    pair_sums(np.ascontiguousarray(samples), n, products, squares)
    sizes = np.sqrt(squares * squares.T)
    known = (n >= SAMPLES_NEEDED) & (sizes > 0.0)
    r = np.divide(products, sizes, out=np.zeros((k, k)), where=known)
    shrunk = np.clip((n * r + SAMPLES * rho0) / (n + SAMPLES), 0.0, LARGEST)
    matrix = np.where(known, shrunk, rho0)
    np.fill_diagonal(matrix, 1.0)
    return matrix
