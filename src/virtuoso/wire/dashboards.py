"""What the desktop and the phone begin with: whole documents, one pipeline."""

from typing import Any

import msgspec

from virtuoso.domain.scores import Direction, Reason, Source
from virtuoso.wire.messages import DataSource, Quality, Status
from virtuoso.wire.overview import MarketOverview
from virtuoso.wire.pushes import Alert
from virtuoso.wire.symbols import SymbolRecord


class Movers(msgspec.Struct, frozen=True):
    """Five each, by 24 h change above and below zero."""

    gainers: tuple[SymbolRecord, ...]
    losers: tuple[SymbolRecord, ...]


class AlertsDocument(msgspec.Struct, frozen=True):
    """The alerts that nobody has resolved, oldest first; the store has all of them."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    alerts: tuple[Alert, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
    """Why none can be known."""


class Signal(msgspec.Struct, frozen=True):
    """An open signal as it was said; the rest is at `/api/signals/{id}`."""

    symbol: str
    direction: Direction
    score: float | None
    """0..100, of the second that confirmed it."""
    confidence: float | None
    """0..100."""
    id: str
    source: Source
    venue: str
    state: str
    """`active`, or `confirmed`: its first target was reached."""
    opened: str
    """ISO 8601 UTC."""
    opened_at: int
    price: float | None
    """The middle of the best quote then."""
    spread_bp: float | None
    coverage: float
    """Share of the score's weight that was present, 0..1."""
    horizon_ms: int
    stop: float | None
    targets: tuple[float, ...]
    reason: Reason | None
    """Why there is no stop."""
    followed_to: int | None
    """Closing time of the last one-minute candle it was held against."""
    left_at: int | None
    """When its direction was left; within 30 minutes it may come back."""


class DashboardDocument(msgspec.Struct, frozen=True):
    """`/api/dashboard/data`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    market_overview: MarketOverview
    symbols: tuple[SymbolRecord, ...]
    top_movers: Movers
    top_signals: tuple[Signal, ...]
    """Open ones, strongest first, five at most; `quality` says why there are none."""
    alerts: tuple[Alert, ...]
    """Those that nobody has resolved, newest first, 50 at most."""
    bitcoin_beta: dict[str, Any] | None
    """Median beta and correlation, and the symbols at both ends; all in `/api/bitcoin-beta`."""
    quality: dict[str, Quality]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class MobileDocument(msgspec.Struct, frozen=True):
    """`/api/dashboard/mobile-data`: every key is always there, absent values are null."""

    status: Status
    timestamp: str
    data_source: DataSource
    market_overview: MarketOverview
    confluence_scores: tuple[SymbolRecord, ...]
    """Strongest pressure in either direction first; symbols without a score last."""
    top_movers: Movers
    market_regime: str | None
    regime: str | None
    trend_strength: float | None
    trend_score: float | None
    current_volatility: float | None
    btc_dominance: float | None
    total_volume_24h: float | None
    gainers: tuple[SymbolRecord, ...]
    top_gainers: tuple[SymbolRecord, ...]
    losers: tuple[SymbolRecord, ...]
    symbols: tuple[SymbolRecord, ...]
    top_symbols: tuple[SymbolRecord, ...]
    as_of: int | None
    source: Source
    reasons: tuple[str, ...]
    quality: dict[str, Quality]
    truncated: bool
    alerts: tuple[Alert, ...] = ()
    """The critical ones."""
    epoch: str = ""
    seq: int = 0
