"""What kind of market it is, by half-hour closes alone. Formulas: section 7 of docs/scoring.md.

Uses no score and feeds none. Everything is taken anew from the closes at each half-hour, so that
a restart says what an uninterrupted run would have said.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Final

import numpy as np

from virtuoso.domain.scores import Reason
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import RankKind, TrailingRanks

BARS: Final = 48
"""Half-hours in a day: trend, volatility and the daily change look back on so many."""
DAYS_A_YEAR: Final = 365
LEAST_MARKETS: Final = 5
LEAST_HISTORY: Final = 250
"""Values of volatility before one is ranked among them."""
LONGEST_HISTORY: Final = 1_000
CONFIRMATIONS: Final = 2
WILD: Final = 90.0
CALM: Final = 10.0
TREND: Final = 25.0
BROAD: Final = 0.6
NARROW: Final = 0.4


class Regime(StrEnum):
    """A label for the market as a whole."""

    VOLATILE = "volatile"
    TRENDING_UP = "trending_up"
    TRENDING_DOWN = "trending_down"
    QUIET = "quiet"
    RANGING = "ranging"


@dataclass(frozen=True, slots=True)
class MarketState:
    """The market at its last half-hour close."""

    regime: Regime | None
    trend_strength: float | None
    """0..100: `100 abs(sum r) / sum abs(r)` of the equal-weight index over 48 half-hours."""
    volatility: float | None
    """Percent a year: `100 sqrt(365 sum r^2)` of the same."""
    avg_volatility: float | None
    """Mean of its last 1,000 values."""
    volatility_percentile: float | None
    """0..100: where it stands among the values before it (T2)."""
    market_dispersion: float | None
    """Percent: standard deviation (ddof 1) across markets of the 24 h log return."""
    avg_market_dispersion: float | None
    """Mean of its last 1,000 half-hourly values."""
    reason: Reason | None
    """Why the numbers are missing; of the regime alone, `warming_up`."""


def market_state(log_closes: Floats) -> MarketState:
    """Judge the market by the log closes of all markets, shape (markets, closes), oldest first.

    The last column is the newest half-hour. A bar of which fewer than five markets, or fewer than
    half, have both closes says nothing.
    """
    needed = max(LEAST_MARKETS, (len(log_closes) + 1) // 2)
    if len(log_closes) == 0 or not np.isfinite(log_closes[:, -1]).any():
        return _nothing(Reason.NO_FEED)
    if np.isfinite(log_closes[:, -1]).sum() < needed:
        return _nothing(Reason.TOO_FEW)
    returns = _mean_where(np.diff(log_closes, axis=1), needed)
    if len(returns) < BARS:
        return _nothing(Reason.WARMING_UP)
    total = _rolling(returns)
    moved = _rolling(np.abs(returns))
    with np.errstate(divide="ignore", invalid="ignore"):
        trend = np.where(moved > 0.0, 100.0 * np.abs(total) / moved, np.nan)
    volatility = 100.0 * np.sqrt(DAYS_A_YEAR * _rolling(returns**2))
    daily = log_closes[:, BARS:] - log_closes[:, :-BARS]
    if not np.isfinite(volatility[-1]):
        return _nothing(Reason.GAP)
    dispersion = _deviation_where(daily, needed)
    percentile = _percentiles(volatility)
    regime = _confirmed(
        [
            _label(*row)
            for row in zip(
                percentile.tolist(),
                trend.tolist(),
                total.tolist(),
                _breadths(daily, needed).tolist(),
                strict=True,
            )
        ]
    )
    return MarketState(
        regime=regime,
        trend_strength=_number(trend[-1]),
        volatility=_number(volatility[-1]),
        avg_volatility=_number(_recent_mean(volatility)),
        volatility_percentile=_number(percentile[-1]),
        market_dispersion=_number(100.0 * dispersion[-1]),
        avg_market_dispersion=_number(100.0 * _recent_mean(dispersion)),
        reason=None if regime is not None else Reason.WARMING_UP,
    )


def dispersion_of(changes_percent: Floats) -> float | None:
    """Percent: deviation across markets of the 24 h log return, from their changes in percent."""
    known = changes_percent[np.isfinite(changes_percent) & (changes_percent > -100.0)]
    if len(known) < LEAST_MARKETS:
        return None
    return 100.0 * float(np.std(np.log1p(known / 100.0), ddof=1))


def _nothing(reason: Reason) -> MarketState:
    return MarketState(None, None, None, None, None, None, None, reason)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _mean_where(values: Floats, needed: int) -> Floats:
    """Mean of each column over the rows that have a value; NaN where too few have."""
    has = np.isfinite(values)
    count = has.sum(axis=0)
    total = np.where(has, values, 0.0).sum(axis=0)
    return np.where(count >= needed, total / np.maximum(count, 1), np.nan)


def _deviation_where(values: Floats, needed: int) -> Floats:
    has = np.isfinite(values)
    count = has.sum(axis=0)
    away = np.where(has, values - _mean_where(values, 1), 0.0)
    squares = (away**2).sum(axis=0)
    return np.where(count >= needed, np.sqrt(squares / np.maximum(count - 1, 1)), np.nan)


def _breadths(daily: Floats, needed: int) -> Floats:
    """Up / (up + down) of each column; NaN where too few markets have a change."""
    up, down = (daily > 0.0).sum(axis=0), (daily < 0.0).sum(axis=0)
    enough = (np.isfinite(daily).sum(axis=0) >= needed) & (up + down > 0)
    return np.where(enough, up / np.maximum(up + down, 1), np.nan)


def _rolling(values: Floats) -> Floats:
    """Sums over 48 values, one for each place from the 48th on; NaN where one is missing."""
    sums: Floats = np.lib.stride_tricks.sliding_window_view(values, BARS).sum(axis=1)
    return sums


def _recent_mean(values: Floats) -> float:
    recent = values[-LONGEST_HISTORY:]
    recent = recent[np.isfinite(recent)]
    return float(recent.mean()) if len(recent) else float("nan")


def _percentiles(volatility: Floats) -> Floats:
    """T2 of each value among those strictly before it, 0..100; NaN before there are enough."""
    ranks = TrailingRanks(1, LONGEST_HISTORY, RankKind.VALUES, 1, LEAST_HISTORY)
    shares: Floats = ranks.push(volatility[np.newaxis].copy())[0]
    return shares


def _label(percentile: float, trend: float, total: float, breadth: float) -> Regime | None:
    """The first that holds; None while something it rests on is not known."""
    if not (isfinite(percentile) and isfinite(trend) and isfinite(total) and isfinite(breadth)):
        return None
    if percentile >= WILD:
        return Regime.VOLATILE
    if trend >= TREND and total > 0.0 and breadth >= BROAD:
        return Regime.TRENDING_UP
    if trend >= TREND and total < 0.0 and breadth <= NARROW:
        return Regime.TRENDING_DOWN
    return Regime.QUIET if percentile <= CALM else Regime.RANGING


def _confirmed(labels: list[Regime | None]) -> Regime | None:
    """The last label that held at two closes in a row; None if the last close has none."""
    if not labels or labels[-1] is None:
        return None
    for newest in range(len(labels) - 1, 0, -1):
        run = labels[newest - CONFIRMATIONS + 1 : newest + 1]
        if len(run) == CONFIRMATIONS and run[0] is not None and len(set(run)) == 1:
            return run[0]
    return None
