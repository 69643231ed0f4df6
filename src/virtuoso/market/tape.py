"""The last trades and liquidations of one market, for readers and never for scores."""

from collections import deque
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from virtuoso.domain.market_data import Liquidation, MarketEvent, Trade
from virtuoso.domain.time import Millis

TRADES_KEPT: Final = 100
LIQUIDATIONS_KEPT: Final = 50

D = TypeVar("D")


class Happened(NamedTuple, Generic[D]):
    """One of them with the venue's time."""

    at: Millis
    data: D


class Tape:
    """Bounded; what was fetched after a cut is put where it belongs."""

    __slots__ = ("_liquidations", "_trades")

    def __init__(self) -> None:
        self._trades: deque[MarketEvent[Trade]] = deque(maxlen=TRADES_KEPT)
        self._liquidations: deque[MarketEvent[Liquidation]] = deque(maxlen=LIQUIDATIONS_KEPT)

    def trade(self, event: MarketEvent[Trade]) -> None:
        """Take a trade of the stream."""
        self._trades.append(event)

    def correct(self, events: Sequence[MarketEvent[Trade]]) -> None:
        """Take trades that came late or were fetched; the newest of all are kept."""
        merged = sorted((*self._trades, *events), key=lambda each: each.event_time)
        self._trades = deque(merged, TRADES_KEPT)

    def liquidation(self, event: MarketEvent[Liquidation]) -> None:
        """Take a liquidation."""
        self._liquidations.append(event)

    @property
    def trades(self) -> Sequence[Happened[Trade]]:
        """The kept trades, newest first; those of one instant in the order they came, reversed."""
        newest = sorted(self._trades, key=lambda each: each.event_time)[::-1]
        return [Happened(each.event_time, each.data) for each in newest]

    @property
    def liquidations(self) -> Sequence[Happened[Liquidation]]:
        """The kept liquidations, newest first."""
        newest = sorted(self._liquidations, key=lambda each: each.event_time)[::-1]
        return [Happened(each.event_time, each.data) for each in newest]
