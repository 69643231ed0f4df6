"""The market as a whole."""

import msgspec

from virtuoso.domain.scores import Source, State
from virtuoso.wire.messages import DataSource, Quality, Status


class ScoreMove(msgspec.Struct, frozen=True):
    """How one symbol's score changed over a window."""

    symbol: str
    score: float
    """0..100: the newest kept score (one each 10 s)."""
    before: float
    """0..100: the score that was kept at `since`."""
    change: float
    """Points: score - before."""
    since: int
    """Venue time of `before`."""
    state: State
    """Of the symbol's score now."""


class ScoreMovers(msgspec.Struct, frozen=True):
    """The symbols whose score changed most over one window, five each way."""

    window_ms: int | None
    """Length of the window; null: since each symbol's first score that is kept, 6 h at most."""
    risers: tuple[ScoreMove, ...]
    """Changes above 0, largest first."""
    fallers: tuple[ScoreMove, ...]
    """Changes below 0, largest first."""
    compared: int
    """Symbols that had a score at both ends of the window."""
    as_of: int
    """Venue time of the newest scores."""


class MarketOverview(msgspec.Struct, frozen=True):
    """The market as a whole. What is not known is null with its reason in `quality`.

    Every field says its unit first, then its formula; r are the half-hourly log returns of the
    equal-weight index of the monitored symbols.
    """

    market_regime: str | None
    """Label: the first that holds at two half-hour closes in a row of volatile (percentile >= 90),
    trending_up (trend >= 25, sum r > 0, share up >= .6), trending_down (mirrored), quiet
    (percentile <= 10), ranging."""
    trend_strength: float | None
    """0..100: 100 x abs(sum r) / sum abs(r) over 48 half-hours."""
    volatility: float | None
    """Percent a year: 100 x sqrt(365 x sum r^2) over 48 half-hours."""
    btc_dominance: float | None
    """Percent: 100 x Bitcoin's 24 h turnover / the monitored symbols'; not of market value."""
    total_volume_24h: float | None
    """Quote currency (USDT): sum of the monitored symbols' 24 h turnover."""
    breadth: float | None
    """Share, 0..1: up / (up + down), up being a 24 h change above zero, down one below."""
    quality: dict[str, Quality]
    """By field: its state, the time of what it rests on, and the reason where it is null."""
    avg_volatility: float | None = None
    """Percent a year: mean of the last 1,000 half-hourly values of `volatility`."""
    volatility_percentile: float | None = None
    """0..100: 100 x (smaller + equal / 2) / n of volatility among its n values before, 250 to
    1,000."""
    market_dispersion: float | None = None
    """Percent: 100 x standard deviation (n - 1) across symbols of the 24 h log return."""
    avg_market_dispersion: float | None = None
    """Percent: mean of the last 1,000 half-hourly values of `market_dispersion`."""
    score_movers_1h: ScoreMovers | None = None
    """Points: newest kept score - the one kept 1 h before, within 15 s; till then `warming_up`."""
    score_movers_4h: ScoreMovers | None = None
    """Points: newest kept score - the one kept 4 h before, within 15 s; till then `warming_up`."""
    score_movers_observed: ScoreMovers | None = None
    """Points: newest kept score - the symbol's first score since the start, at most 6 h back."""
    score_movers_24h: ScoreMovers | None = None
    """Points: newest kept score (one each 5 min) - the one kept 24 h before, within 5 min."""


class OverviewDocument(msgspec.Struct, frozen=True):
    """`/api/market/overview`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    market_overview: MarketOverview
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
