"""Wilder's directional movement: DI+, DI-, ADX, and their signed product."""

import numpy as np
from numba import njit

from virtuoso.indicators.state import Floats


def adx_state() -> Floats:
    """Carried state of `adx`: candles seen, last high, low, close, three sums, ADX (its sum)."""
    return np.zeros(8)


@njit(cache=True)
def adx(
    high: Floats,
    low: Floats,
    close: Floats,
    period: int,
    state: Floats,
    plus: Floats,
    minus: Floats,
    out: Floats,
) -> None:
    """DI+ and DI- (0..100, from candle `period`) and ADX (0..100, from candle 2 x `period` - 1).

    high, low, close, plus, minus, out: shape (n,); state: from adx_state(). NaN until known, 0
    where nothing moved. Source: Wilder, New Concepts in Technical Trading Systems, 1978; agrees
    with TA-Lib's ADX, PLUS_DI and MINUS_DI.
    """
    seen = int(state[0])
    last_high, last_low, last_close = state[1], state[2], state[3]
    up_sum, down_sum, range_sum, average = state[4], state[5], state[6], state[7]
    for t in range(close.size):
        plus[t] = minus[t] = out[t] = np.nan
        if seen > 0:
            up = high[t] - last_high
            down = last_low - low[t]
            true_range = max(high[t], last_close) - min(low[t], last_close)
            if seen >= period:
                up_sum -= up_sum / period
                down_sum -= down_sum / period
                range_sum -= range_sum / period
            if up > down and up > 0.0:
                up_sum += up
            elif down > up and down > 0.0:
                down_sum += down
            range_sum += true_range
        if seen >= period:
            plus[t] = 100.0 * up_sum / range_sum if range_sum > 0.0 else 0.0
            minus[t] = 100.0 * down_sum / range_sum if range_sum > 0.0 else 0.0
            both = plus[t] + minus[t]
            strength = 100.0 * abs(plus[t] - minus[t]) / both if both > 0.0 else 0.0
            if seen < 2 * period:
                average += strength
                if seen == 2 * period - 1:
                    average /= period
            else:
                average = ((period - 1) * average + strength) / period
            if seen >= 2 * period - 1:
                out[t] = average
        last_high, last_low, last_close = high[t], low[t], close[t]
        seen += 1
    state[0] = seen
    state[1], state[2], state[3] = last_high, last_low, last_close
    state[4], state[5], state[6], state[7] = up_sum, down_sum, range_sum, average


@njit(cache=True)
def adx_direction(plus: Floats, minus: Floats, strength: Floats, out: Floats) -> None:
    """ADX as a share of 1, signed and scaled by how one-sided the two DI are, -1..1.

    plus, minus, strength (ADX), out: shape (n,). NaN while ADX is unknown, 0 when both DI are 0.
    """
    for t in range(strength.size):
        both = plus[t] + minus[t]
        lean = (plus[t] - minus[t]) / both if both > 0.0 else 0.0
        out[t] = strength[t] / 100.0 * lean
