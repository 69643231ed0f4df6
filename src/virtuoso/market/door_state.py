"""What the door remembers of one instrument."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from virtuoso.domain.market_data import Candle, Liquidation, MarketData, MarketEvent
from virtuoso.domain.time import Timeframe
from virtuoso.market.price_range import PriceRange

TRADE_IDS: Final = 20_000
LIQUIDATIONS_KEPT: Final = 2_000


@dataclass(slots=True)
class DoorState:
    """What the door remembers of one instrument."""

    trade_ids: set[str] = field(default_factory=set)
    trade_order: deque[str] = field(default_factory=deque)
    liquidations: deque[tuple[int, Liquidation]] = field(
        default_factory=lambda: deque(maxlen=LIQUIDATIONS_KEPT)
    )
    newest_trade: int = 0
    quote_sequence: int = -1
    ticker_is_whole: bool = False
    candles: dict[Timeframe, Candle] = field(default_factory=dict)
    prices: PriceRange = field(default_factory=PriceRange)
    held: list[MarketEvent[MarketData]] = field(default_factory=list)
    """Prints in quarantine, fewer than it takes to agree."""
    watched_sequence: int | None = None
    """Where the stream of a book stands that polled ones stand in for; None after a hole."""

    def remember_trade(self, identity: str) -> None:
        """Know a trade by its identity; the oldest known one is forgotten."""
        known, order = self.trade_ids, self.trade_order
        known.add(identity)
        order.append(identity)
        if len(order) > TRADE_IDS:
            known.discard(order.popleft())
