"""One symbol in REST answers, and all of them."""

from typing import Any

import msgspec

from virtuoso.domain.scores import Direction, Reason, Source, State
from virtuoso.wire.messages import DataSource, Quality, Status


class ComponentValues(msgspec.Struct, frozen=True):
    """The six views, 0..100 or null."""

    orderbook: float | None
    orderflow: float | None
    technical: float | None
    volume: float | None
    sentiment: float | None
    price_structure: float | None


class DimensionValues(msgspec.Struct, frozen=True):
    """The six lenses beside the score, 0..100 or null; what each measures is its label."""

    order_flow: float | None
    """Buying (above 50) or selling pressure, now."""
    sentiment: float | None
    """Crowd positioning: 100 is long and paying; not a forecast."""
    liquidity: float | None
    """Ease of trading against the last 24 hours; no direction."""
    bitcoin_beta: float | None
    """Percent of the movement that is shared with BTC: 100 x R2."""
    smart_money: float | None
    """Large-trade flow; who trades is not observable."""
    machine_learning: float | None
    """Percent: a measured probability; null while unproven."""


class SymbolRecord(msgspec.Struct, frozen=True):
    """One symbol in REST answers (the owner's fields, then ours)."""

    symbol: str
    confluence_score: float | None
    confidence: float | None
    """0..100."""
    direction: Direction | None
    change_24h: float | None
    """Percent."""
    price: float | None
    volume: float | None
    """24 h turnover in quote currency."""
    components: ComponentValues
    as_of: int | None
    source: Source
    state: State
    reason: Reason | None
    coverage: float
    quality: dict[str, Quality]
    venue: str
    live_score: float | None = None
    dimensions: DimensionValues | None = None
    """Null in the socket's records, which are made of rows: `/api/symbols/{symbol}` has them."""
    outlook: dict[str, Any] | None = None
    """Null with `quality.outlook.reason`: no evidence is collected yet."""
    definition: str = ""
    """Hash of what the score was computed by: weights, thresholds, windows and formulas."""


class SymbolsDocument(msgspec.Struct, frozen=True):
    """`/api/symbols`, and the plain key `virtuoso:symbols`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    symbols: tuple[SymbolRecord, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    definition: str = ""
