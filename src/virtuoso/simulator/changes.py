"""What one step of the market brought: the facts that subscribers are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from virtuoso.simulator.book import BookUpdate


@dataclass(frozen=True, slots=True)
class Trade:
    """One public trade."""

    time: int
    """Milliseconds UTC."""
    buyer_took: bool
    ticks: int
    steps: int
    direction: str
    """PlusTick, ZeroPlusTick, MinusTick or ZeroMinusTick: against the trade before."""
    id: str
    sequence: int
    retail_improved: bool
    """Whether it met an order that only retail takers can meet."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """A position that was closed by force."""

    time: int
    """Milliseconds UTC."""
    long: bool
    steps: int
    bankruptcy_ticks: int


@dataclass(frozen=True, slots=True)
class BookChanged:
    """The book changed, or (depth 1) is confirmed unchanged."""

    symbol: int
    at: int
    update: BookUpdate


@dataclass(frozen=True, slots=True)
class Traded:
    """There were trades."""

    symbol: int
    at: int
    trades: list[Trade]


@dataclass(frozen=True, slots=True)
class TickerChanged:
    """Some fields of the ticker have new values."""

    symbol: int
    at: int
    sequence: int
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CandleFormed:
    """The forming candles have moved."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class MinuteClosed:
    """A minute is over, and with it the candles of every interval that ends now."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class Liquidated:
    """Positions were liquidated in the last half second."""

    symbol: int
    at: int
    liquidations: list[Liquidation]


@dataclass(frozen=True, slots=True)
class BookReset:
    """The book is known again, as a whole: only a recording has that."""

    symbol: int
    at: int


Change: TypeAlias = (
    BookReset | BookChanged | Traded | TickerChanged | CandleFormed | MinuteClosed | Liquidated
)
"""`symbol` counts the listings from 0; `at` is the time of the step, milliseconds UTC."""
