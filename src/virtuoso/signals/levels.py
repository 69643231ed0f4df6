"""Stop and targets from the average true range, on log prices so that up and down are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite
from typing import Final

import numpy as np

from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Reason
from virtuoso.domain.signals import STOP_RANGES
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.atr import atr, atr_state
from virtuoso.market.candles import bars_of

TIMEFRAME: Final = Timeframe.M30
PERIOD: Final = 14
CANDLES_USED: Final = 200
"""Wilder's average forgets: after so many candles its seed weighs less than 1e-6."""
TARGETS: Final = (1.0, 2.0, 3.0)
"""In units of the distance to the stop."""
METHOD: Final = "atr14@30m stop 1.5 targets 1R 2R 3R"
"""Changes whenever anything about levels or the measure of results does."""


@dataclass(frozen=True, slots=True)
class Levels:
    """Prices at which a signal is judged, quote currency."""

    stop: float
    targets: tuple[float, ...]


def sign_of(direction: Direction) -> float:
    """Give 1.0 for Bullish and -1.0 for Bearish."""
    return 1.0 if direction is Direction.BULLISH else -1.0


def range_of(candles: Sequence[Candle], at: Millis, *, gap: bool) -> float | Reason:
    """Give the log range of closed 30m candles as known at `at`, or why there is none.

    `gap`: a candle is missing between these and now. Formula: ATR14 of docs/scoring.md.
    """
    if gap:
        return Reason.GAP
    known = candles[-CANDLES_USED:]
    while known and known[-1].close_time > at:
        known = known[:-1]
    if len(known) <= PERIOD:
        return Reason.WARMING_UP
    if at - known[-1].close_time > 2 * TIMEFRAME.ms:
        return Reason.STALE
    bars = bars_of(known)
    out = np.empty(len(bars))
    atr(bars.high, bars.low, bars.close, PERIOD, atr_state(), out)
    found = float(out[-1])
    return found if isfinite(found) and found > 0.0 else Reason.TOO_FEW


def levels_of(direction: Direction, price: float, log_range: float) -> Levels:
    """Place the stop 1.5 ranges against the direction, the targets 1, 2 and 3 times that with it.

    On log prices: stop = price x exp(-d x 1.5 x range), so a mirrored market has mirrored levels.
    """
    risk = sign_of(direction) * STOP_RANGES * log_range
    return Levels(price * exp(-risk), tuple(price * exp(each * risk) for each in TARGETS))
