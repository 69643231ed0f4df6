"""What one step brought on Binance: the facts that its subscribers are told."""

from dataclasses import dataclass
from typing import TypeAlias

from virtuoso.simulator.book import Level


@dataclass(frozen=True, slots=True)
class Take:
    """What one taker did at one price: an aggregate trade, and the single trades in it."""

    id: int
    time: int
    """Milliseconds UTC."""
    buyer_took: bool
    ticks: int
    steps: int
    first: int
    """Number of its first trade; the others follow it."""
    fills: tuple[int, ...]
    """Steps of each trade."""

    @property
    def last(self) -> int:
        """Number of its last trade."""
        return self.first + len(self.fills) - 1


@dataclass(frozen=True, slots=True)
class ForcedOrder:
    """The order that closed a liquidated position."""

    time: int
    """Milliseconds UTC."""
    sells: bool
    """Whether a long was closed."""
    steps: int
    limit_ticks: int
    average_ticks: float


@dataclass(frozen=True, slots=True)
class Differences:
    """Levels that changed, with their new quantities; 0: gone."""

    symbol: int
    at: int
    matched_at: int
    first: int
    last: int
    previous: int
    """`last` of the differences before."""
    bids: list[Level]
    asks: list[Level]


@dataclass(frozen=True, slots=True)
class BestChanged:
    """The best level of a side has another price or quantity."""

    symbol: int
    at: int
    matched_at: int
    update: int
    bid: Level
    ask: Level


@dataclass(frozen=True, slots=True)
class Taken:
    """There were trades."""

    symbol: int
    at: int
    takes: list[Take]


@dataclass(frozen=True, slots=True)
class CandleMoved:
    """The forming candles have moved."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class CandleClosed:
    """A minute is over."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class MarkDue:
    """It is time to tell the mark price."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class TickerDue:
    """It is time to tell the day's figures."""

    symbol: int
    at: int


@dataclass(frozen=True, slots=True)
class Forced:
    """The latest liquidation of the second that is over: the only one that is told."""

    symbol: int
    at: int
    order: ForcedOrder


BinanceChange: TypeAlias = (
    Differences | BestChanged | Taken | CandleMoved | CandleClosed | MarkDue | TickerDue | Forced
)
"""`symbol` counts the listings from 0; `at` is the time of the step, milliseconds UTC."""
