"""Gaps that a fast move leaves between candles, as far as they are still unfilled."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def fair_value_gap_state(period: int) -> Floats:
    """Carried state: candles seen, two highs, two lows; rings of zone bottoms, tops, signs."""
    return np.zeros(5 + 3 * period)


@njit(cache=True)
def fair_value_gap(
    high: Floats, low: Floats, atr: Floats, period: int, state: Floats, out: Floats
) -> None:
    """Unfilled size of upward less downward gaps of the last `period` candles, in units of ATR.

    high, low, atr, out: shape (n,); state: from fair_value_gap_state(period). A gap opens where a
    candle and the one two before it do not overlap; later candles fill it from their side. NaN
    until `period` candles could have made a gap, and where ATR is not positive.
    Source: docs/scoring.md section 3.3.
    """
    seen = int(state[0])
    high_1, high_2, low_1, low_2 = state[1], state[2], state[3], state[4]
    bottoms = state[5 : 5 + period]
    tops = state[5 + period : 5 + 2 * period]
    signs = state[5 + 2 * period : 5 + 3 * period]
    for t in range(high.size):
        slot = seen % period
        signs[slot] = 0.0  # made `period` candles ago
        for i in range(period):
            if signs[i] > 0.0:
                tops[i] = min(tops[i], low[t])
            elif signs[i] < 0.0:
                bottoms[i] = max(bottoms[i], high[t])
            if tops[i] <= bottoms[i]:
                signs[i] = 0.0
        if seen >= 2:
            if low[t] > high_2:
                bottoms[slot], tops[slot], signs[slot] = high_2, low[t], 1.0
            elif high[t] < low_2:
                bottoms[slot], tops[slot], signs[slot] = high[t], low_2, -1.0
        high_1, high_2, low_1, low_2 = high[t], high_1, low[t], low_1
        seen += 1
        out[t] = np.nan
        if seen >= period + 2 and atr[t] > 0.0:
            at = seen % period  # oldest first: one order of summation, whatever the ring's turn
            size = 0.0
            for _ in range(period):
                if signs[at] != 0.0:
                    size += signs[at] * (tops[at] - bottoms[at])
                at = at + 1 if at + 1 < period else 0
            out[t] = size / atr[t]
    state[0] = seen
    state[1], state[2], state[3], state[4] = high_1, high_2, low_1, low_2
