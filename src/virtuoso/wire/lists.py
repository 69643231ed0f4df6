"""Answers that choose, sort and page what is published."""

from typing import Any, Literal

import msgspec

from virtuoso.domain.scores import Direction, Reason, Source, State
from virtuoso.wire.dashboards import Signal
from virtuoso.wire.messages import DataSource, Quality, Status
from virtuoso.wire.overview import MarketOverview
from virtuoso.wire.symbols import SymbolRecord


class PageInfo(msgspec.Struct, frozen=True):
    """Which part of a list this is."""

    page: int
    """Counted from 1."""
    per_page: int
    pages: int
    matched: int
    """Symbols that pass the filters."""
    total: int
    """Symbols there are."""


class SymbolsPage(msgspec.Struct, frozen=True):
    """`/api/symbols`: without parameters the whole document, with them a page of it."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    symbols: tuple[SymbolRecord, ...]
    reasons: tuple[str, ...]
    epoch: str
    seq: int
    definition: str
    page: PageInfo | None = None
    """Only where the request has parameters."""


class Confluence(msgspec.Struct, frozen=True):
    """The strongest of the open signals."""

    top_signals: tuple[Signal, ...]


class MobileDashboard(msgspec.Struct, frozen=True):
    """`/api/dashboard/mobile`: a cut of `/api/dashboard/data`, nothing of its own."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    market_overview: MarketOverview
    symbols: tuple[SymbolRecord, ...]
    """At most 20, strongest pressure in either direction first."""
    confluence: Confluence
    alerts: tuple[Any, ...]
    """Critical ones only."""
    beta: dict[str, Any] | None
    """Summary; all in `/api/bitcoin-beta`."""
    quality: dict[str, Quality]
    truncated: bool
    """Whether there are more symbols than these."""
    reasons: tuple[str, ...]
    epoch: str
    seq: int


class MoverRecord(msgspec.Struct, frozen=True):
    """One symbol and how it moved; kept under keys.MOVERS for every symbol."""

    symbol: str
    venue: str
    price: float | None
    volume: float | None
    """24 h turnover in quote currency."""
    score: float | None
    direction: Direction | None
    state: State
    """Of the score."""
    price_state: State
    price_as_of: int | None
    price_changes: dict[str, float | Reason]
    """Percent by window, or the reason why there is none."""
    score_changes: dict[str, float | Reason]
    """Points by window, or the reason why there is none."""


class MoversDocument(msgspec.Struct, frozen=True):
    """Every symbol's changes over every window, each 10 seconds."""

    status: Status
    timestamp: str
    as_of: int | None
    """Venue time of the newest kept scores."""
    source: Source
    data_source: DataSource
    windows: tuple[str, ...]
    symbols: tuple[MoverRecord, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    now: int = 0


class Mover(msgspec.Struct, frozen=True):
    """One symbol in a list of movers."""

    symbol: str
    change: float
    """Percent for prices, points for scores, over the window."""
    price: float | None
    volume: float | None
    """24 h turnover in quote currency."""
    score: float | None
    direction: Direction | None
    state: State
    """Of what moved: the price or the score."""


class MoversAnswer(msgspec.Struct, frozen=True):
    """`/api/market/movers`: who moved most over one window, in price and in score."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    window: str
    min_volume: float
    """24 h turnover in quote currency below which a symbol is left out."""
    gainers: tuple[Mover, ...]
    """By price, changes above 0, largest first."""
    losers: tuple[Mover, ...]
    """By price, changes below 0, largest first."""
    score_risers: tuple[Mover, ...]
    score_fallers: tuple[Mover, ...]
    compared: int
    """Symbols whose price has a change over the window."""
    scores_compared: int
    """Symbols whose score has a change over the window."""
    price_reason: Reason | None
    """Why no price can be compared over this window."""
    score_reason: Reason | None
    """Why no score can be compared over this window."""
    below_volume: int
    """Symbols left out by `min_volume`, those of unknown turnover among them."""
    now: int
    reasons: tuple[str, ...]
    epoch: str
    seq: int


class Alive(msgspec.Struct, frozen=True):
    """`/health/live`: this process answers. It asks nobody else."""

    status: Literal["success"] = "success"
