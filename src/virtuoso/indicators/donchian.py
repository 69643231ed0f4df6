"""The channel of a window, and where the close stands in it."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def channel_state(period: int) -> Floats:
    """Carried state of `channel`: candles seen, top, bottom, a ring of highs, a ring of lows."""
    return np.zeros(3 + 2 * period)


@njit(cache=True)
def channel(
    high: Floats, low: Floats, period: int, state: Floats, top: Floats, bottom: Floats
) -> None:
    """Highest high and lowest low of `period` candles, the current one among them.

    high, low, top, bottom: shape (n,); state: from channel_state(period). NaN until `period`
    candles are seen.
    """
    seen = int(state[0])
    highest, lowest = state[1], state[2]
    highs = state[3 : 3 + period]
    lows = state[3 + period : 3 + 2 * period]
    for t in range(high.size):
        slot = seen % period
        # the window is searched only when what leaves it was its edge
        edge_leaves = seen >= period and (highs[slot] == highest or lows[slot] == lowest)
        highs[slot], lows[slot] = high[t], low[t]
        if seen == 0 or edge_leaves:
            highest, lowest = high[t], low[t]
            for i in range(min(seen + 1, period)):
                highest = max(highest, highs[i])
                lowest = min(lowest, lows[i])
        else:
            highest = max(highest, high[t])
            lowest = min(lowest, low[t])
        seen += 1
        known = seen >= period
        top[t] = highest if known else np.nan
        bottom[t] = lowest if known else np.nan
    state[0] = seen
    state[1], state[2] = highest, lowest


@njit(cache=True)
def donchian(close: Floats, top: Floats, bottom: Floats, out: Floats) -> None:
    """Place of the close between the bottom (-1) and the top (+1) of a channel.

    close, top, bottom, out: shape (n,). NaN where the channel is, 0 when nothing moved in it.
    """
    for t in range(close.size):
        lean = (close[t] - bottom[t]) - (top[t] - close[t])
        size = top[t] - bottom[t]
        out[t] = 0.0 if size == 0.0 else lean / size
