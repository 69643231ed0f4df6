"""The market as a whole by its tickers (section 7 of docs/scoring.md). By its closes: `regime`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from virtuoso.domain.scores import Reason
from virtuoso.market.regime import LEAST_MARKETS, dispersion_of


@dataclass(frozen=True, slots=True)
class MarketSummary:
    """What the overview needs of one market."""

    symbol: str
    is_bitcoin: bool
    change_24h: float | None
    """Percent."""
    turnover_24h: float | None
    """Quote currency."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The numbers of the overview; each is None when it cannot be told."""

    breadth: float | None
    """Up / (up + down) by 24 h change, 0..1."""
    btc_dominance: float | None
    """Percent of the monitored 24 h turnover that is Bitcoin's."""
    total_volume_24h: float | None
    """Quote currency."""
    market_dispersion: float | None
    """Percent: standard deviation (ddof 1) across markets of the 24 h log return."""
    reason: Reason | None
    """Why none of them can be told."""


def overview(markets: Sequence[MarketSummary]) -> Overview:
    """Sum up the monitored markets; null when fewer than five, or under half, have a ticker."""
    traded = [each for each in markets if each.turnover_24h is not None]
    reason = _too_few(len(traded), len(markets))
    if reason is not None:
        return Overview(None, None, None, None, reason)
    total = sum(each.turnover_24h or 0.0 for each in traded)
    bitcoin = [each.turnover_24h or 0.0 for each in traded if each.is_bitcoin]
    changes = [each.change_24h for each in traded if each.change_24h is not None]
    up, down = sum(each > 0 for each in changes), sum(each < 0 for each in changes)
    return Overview(
        breadth=up / (up + down) if up + down else None,
        btc_dominance=100.0 * bitcoin[0] / total if bitcoin and total > 0 else None,
        total_volume_24h=total,
        market_dispersion=dispersion_of(np.array(changes)),
        reason=None,
    )


def _too_few(have: int, monitored: int) -> Reason | None:
    if have == 0:
        return Reason.NO_FEED
    return Reason.TOO_FEW if have < LEAST_MARKETS or 2 * have < monitored else None
