"""Which way a candle's close moved."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def change_sign_state() -> Floats:
    """Carried state of `change_sign`: the last close, NaN before the first."""
    return np.full(1, np.nan)


@njit(cache=True)
def change_sign(close: Floats, state: Floats, out: Floats) -> None:
    """Sign of the change of the close: -1, 0 or +1; NaN for the first candle.

    close, out: shape (n,); state: from change_sign_state().
    """
    for t in range(close.size):
        out[t] = np.sign(close[t] - state[0])
        state[0] = close[t]
