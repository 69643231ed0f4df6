"""The market as a whole (section 7 of docs/scoring.md), from what the monitored markets say."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis
from virtuoso.market.candles import Floats

BARS = 48
"""Closed 30m candles that trend and volatility look back on."""

DAYS_A_YEAR = 365
MINIMUM_MARKETS = 5


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """What the overview needs of one market."""

    symbol: str
    is_bitcoin: bool
    change_24h: float | None
    """Percent."""
    turnover_24h: float | None
    """Quote currency."""
    closes_30m: Floats
    """Natural logs of the last closed 30m closes, oldest first; empty when not there."""
    last_close_30m: Millis | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the overview; each is None with its reason when it cannot be told."""

    trend_strength: float | None
    """0..100: 100 x abs(sum r) / sum abs(r) of the equal-weight index, 48 closed 30m candles."""
    volatility: float | None
    """Percent a year: 100 x sqrt(365 x sum r^2) of the same candles."""
    candles_as_of: Millis | None
    candles_reason: Reason | None
    breadth: float | None
    """Up / (up + down) by 24 h change, 0..1."""
    btc_dominance: float | None
    """Percent of the monitored 24 h turnover that is Bitcoin's."""
    total_volume_24h: float | None
    """Quote currency."""
    ticker_reason: Reason | None


def overview(markets: Sequence[MarketSummary]) -> Overview:
    """Sum up the monitored markets; null when fewer than five, or under half, have the input."""
    trend, volatility, as_of, candles_reason = _index(markets)
    traded = [each for each in markets if each.turnover_24h is not None]
    reason = _too_few(len(traded), len(markets))
    if reason is not None:
        return Overview(trend, volatility, as_of, candles_reason, None, None, None, reason)
    total = sum(each.turnover_24h or 0.0 for each in traded)
    bitcoin = [each.turnover_24h or 0.0 for each in traded if each.is_bitcoin]
    up = sum(1 for each in traded if each.change_24h is not None and each.change_24h > 0)
    down = sum(1 for each in traded if each.change_24h is not None and each.change_24h < 0)
    return Overview(
        trend_strength=trend,
        volatility=volatility,
        candles_as_of=as_of,
        candles_reason=candles_reason,
        breadth=up / (up + down) if up + down else None,
        btc_dominance=100.0 * bitcoin[0] / total if bitcoin and total > 0 else None,
        total_volume_24h=total,
        ticker_reason=None,
    )


def _too_few(have: int, monitored: int) -> Reason | None:
    if have == 0:
        return Reason.NO_FEED
    return Reason.TOO_FEW if have < MINIMUM_MARKETS or 2 * have < monitored else None


def _index(
    markets: Sequence[MarketSummary],
) -> tuple[float | None, float | None, Millis | None, Reason | None]:
    """Trend strength and volatility of the equal-weight index of log returns."""
    whole = [each for each in markets if len(each.closes_30m) > BARS]
    ends = {each.last_close_30m for each in whole if each.last_close_30m is not None}
    newest = max(ends, default=None)
    whole = [each for each in whole if each.last_close_30m == newest]
    reason = _too_few(len(whole), len(markets))
    if reason is not None:
        return None, None, None, reason
    returns = np.mean([np.diff(each.closes_30m[-BARS - 1 :]) for each in whole], axis=0)
    moved = float(np.sum(np.abs(returns)))
    trend = 100.0 * abs(float(np.sum(returns))) / moved if moved > 0 else None
    squares = float(np.sum(returns * returns))
    return trend, 100.0 * sqrt(DAYS_A_YEAR * squares), newest, None
