"""What a symbol's market looks like at this second: made for those symbols somebody looks at.

Prices are in quote currency, quantities in base currency, notional = price x quantity in quote
currency, basis points (bp) are 1/100 of a percent. Times are milliseconds UTC of the venue.
"""

from typing import Literal

import msgspec

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.wire.messages import DataSource, Status


class Looked(msgspec.Struct, frozen=True):
    """A process that serves says which symbols somebody looks at, on the channel keys.LOOKED."""

    epoch: str
    seq: int
    now: int
    symbols: tuple[str, ...]


class BookLevel(msgspec.Struct, array_like=True, frozen=True):
    """`[price, quantity, cumulative quantity from the best price on]`."""

    price: float
    quantity: float
    cumulative: float


class DepthPoint(msgspec.Struct, frozen=True):
    """What rests within a distance from the middle; null where the book is not known so deep."""

    bps: float
    """Basis points from the middle, both ways."""
    bid_quantity: float | None
    ask_quantity: float | None
    bid_notional: float | None
    ask_notional: float | None
    imbalance: float | None
    """(bid - ask) / (bid + ask) of the quantities, -1..1."""


class ImpactPoint(msgspec.Struct, frozen=True):
    """What taking so much at once would cost; null where the known levels do not hold it."""

    notional: float
    """Quote currency, counted at the prices paid."""
    buy_bps: float | None
    """Average price paid above the middle, basis points."""
    sell_bps: float | None
    """Average price got below the middle, basis points."""


class OrderBookDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/orderbook`: the best 50 levels a side, and what they mean."""

    status: Status
    timestamp: str
    as_of: int | None
    """Venue time of the last update, or of a later quote that confirmed it."""
    source: Source
    data_source: DataSource
    symbol: str
    venue: str
    state: State
    reason: Reason | None
    """Why there is no book."""
    bids: tuple[BookLevel, ...]
    """Best first."""
    asks: tuple[BookLevel, ...]
    """Best first."""
    mid: float | None
    """(best bid + best ask) / 2."""
    microprice: float | None
    """(bid x ask quantity + ask x bid quantity) / (sum of both quantities) at the best prices."""
    spread: float | None
    """Best ask - best bid, quote currency."""
    spread_bps: float | None
    """10,000 x spread / mid."""
    imbalance: float | None
    """(bid - ask) / (bid + ask) of the quantities of the best 10 levels, -1..1."""
    depth: tuple[DepthPoint, ...]
    impact: tuple[ImpactPoint, ...]
    levels_known: tuple[int, int]
    """Bid and ask levels of the whole book; the best 50 are shown."""
    sequence: int | None
    """Of the venue's last update that was applied."""
    synced_since: int | None
    """Venue time of the snapshot that made it whole; null while there is no book."""
    gaps: int
    """How often it was lost to a hole, a restart or a crossing since the start."""
    resyncs: int
    distrusted_since: int | None
    """Since when polled books stand in for a stream with too many gaps; null while it is good."""
    delayed_ms: int
    """Age from which it is `delayed`."""
    stale_ms: int
    """Age from which it is `stale`."""
    now: int
    """The engine's clock corrected to the venue's."""
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class TradeRecord(msgspec.Struct, frozen=True):
    """One public market trade."""

    at: int
    price: float
    quantity: float
    side: Literal["buy", "sell"]
    """Of the taker."""
    notional: float
    id: str


class TradesDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/trades`: the last 100 market trades, newest first."""

    status: Status
    timestamp: str
    as_of: int | None
    """Venue time of the newest trade."""
    source: Source
    data_source: DataSource
    symbol: str
    venue: str
    state: State
    """Of the stream: silence of trades is a fact while the connection lives."""
    reason: Reason | None
    trades: tuple[TradeRecord, ...]
    complete_since: int | None
    """Our receive time since which no trade is missing; null after a hole."""
    kept: int
    """Trades kept at most."""
    alive_at: int | None
    """Venue time at which the connection was last known to live."""
    delayed_ms: int
    stale_ms: int
    now: int
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    large_from: float | None = None
    """Notional above which a trade is large for this symbol: the 99.9th percentile of its orders of
    a day, and 100,000 at least; null while too few are known."""


class LiquidationRecord(msgspec.Struct, frozen=True):
    """One forced close."""

    at: int
    price: float
    quantity: float
    side: Literal["long", "short"]
    """Of the position that was liquidated."""
    notional: float


class LiquidationsDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/liquidations`: the last 50, newest first."""

    status: Status
    timestamp: str
    as_of: int | None
    """Venue time of the newest one; null while none was seen."""
    source: Source
    data_source: DataSource
    symbol: str
    venue: str
    state: State
    """Of the stream: that none came is a fact while the connection lives."""
    reason: Reason | None
    coverage: str
    """How much of them the venue tells: `all`; `sampled_1s`: one a second at most, so a floor;
    `unknown`; `synthetic`: a simulator's."""
    liquidations: tuple[LiquidationRecord, ...]
    long_notional: float | None
    """Sum over those listed, liquidated longs; null where none are told of, with `reason`."""
    short_notional: float | None
    """Sum over those listed, liquidated shorts; null as above."""
    complete_since: int | None
    kept: int
    alive_at: int | None
    delayed_ms: int
    stale_ms: int
    now: int
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    large_from: float | None = None
    """Notional above which one is large for this symbol: the 99th percentile of its own of a day,
    and 50,000 at least; null while too few are known."""


class Figure(msgspec.Struct, frozen=True):
    """One number with everything needed to judge it."""

    value: float | None
    unit: str
    state: State
    as_of: int | None
    reason: Reason | None = None
    delayed_ms: int | None = None
    """Age from which it is `delayed`; null where it does not age."""
    stale_ms: int | None = None


class FundingPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[settled at, rate, interval in hours]`; the rate is a fraction per interval."""

    at: int
    rate: float
    interval_hours: float | None


class InterestPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, contracts in base currency]`."""

    at: int
    contracts: float


class RatioPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, share of long accounts, share of short accounts]`, each 0..1."""

    at: int
    long_share: float
    short_share: float


class DerivativesDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/derivatives`: what a perpetual has beside its trades."""

    status: Status
    timestamp: str
    as_of: int | None
    """The oldest of the figures that are there."""
    source: Source
    data_source: DataSource
    symbol: str
    venue: str
    state: State
    """The worst of the figures that are there."""
    last_price: Figure
    mark_price: Figure
    index_price: Figure
    basis_bps: Figure
    """10,000 x (mark - index) / index."""
    open_interest: Figure
    """Contracts in base currency."""
    open_interest_notional: Figure
    """Contracts x mark price, quote currency."""
    open_interest_change_1h: Figure
    """Percent, in contracts."""
    open_interest_sides: str
    """Whether each contract counts for `one` or `both` of its sides, or `unknown`."""
    funding_rate: Figure
    """Of the coming settlement, a fraction per interval."""
    funding_8h: Figure
    """The same converted to 8 hours."""
    funding_yearly: Figure
    """The same converted to a year, percent: rate x 8,760 / interval x 100."""
    funding_interval_hours: float | None
    next_funding_time: int | None
    """Milliseconds UTC."""
    long_share: Figure
    """Share of accounts that are long, 0..1."""
    short_share: Figure
    long_short_ratio: Figure
    """long share / short share."""
    change_24h: Figure
    """Percent."""
    volume_24h: Figure
    """Base currency."""
    turnover_24h: Figure
    """Quote currency."""
    funding_history: tuple[FundingPoint, ...]
    """Settled rates, oldest first, the last 30."""
    open_interest_history: tuple[InterestPoint, ...]
    """At full hours, oldest first, the last 72."""
    ratio_history: tuple[RatioPoint, ...]
    """At full hours, oldest first, the last 72."""
    now: int
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
