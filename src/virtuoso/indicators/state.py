"""What every kernel shares: the array types, and carried states stacked into one array."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


def stack(*states: Floats) -> Floats:
    """Put carried states under each other, row by row, padded with zeros on the right.

    One array is one argument for a kernel, and one copy for a peek.
    """
    rows = np.zeros((len(states), max(state.size for state in states)))
    for row, state in zip(rows, states, strict=True):
        row[: state.size] = state
    return rows
