"""The state of one market: everything the components read, nothing they compute."""

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Topic
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis
from virtuoso.market.candles import Candles
from virtuoso.market.derivatives import Derivatives
from virtuoso.market.order_book import OrderBook
from virtuoso.market.tape import Tape
from virtuoso.market.trades import TradeFlow


class Market:
    """One instrument's book, trades, candles and derivatives, as accepted at the door."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book = OrderBook()
        self.trades = TradeFlow()
        self.tape = Tape()
        self.candles = Candles()
        self.derivatives = Derivatives()
        self.alive_at: Millis | None = None
        """Receive time of the connection's last sign of life, be it a message or a pong."""
        self.silent: set[Topic] = set()
        """Topics that the venue refuses or that fell silent: they vouch for nothing."""

    def second(self, at: Millis) -> None:
        """Close grid second `at`; the components are asked after this."""
        if self.alive_at is not None and Topic.TRADES not in self.silent:
            self.trades.connected(self.alive_at)
        self.trades.second(at)
        self.derivatives.second(at)

    def fell_silent(self, topic: Topic, *, refused: bool = False) -> None:
        """Note a hole in one topic while the others flow; one that is `refused` has no end."""
        self.silent.add(topic)
        match topic:
            case Topic.BOOK:
                known = self.book.synced or self.book.reason is not Reason.WARMING_UP
                self.book.forget(Reason.GAP if known and not refused else Reason.NO_FEED)
            case Topic.QUOTE:
                self.trades.reset_quotes()
            case Topic.TRADES | Topic.LIQUIDATIONS:
                self.trades.reset_trades()
            case Topic.TICKER:
                self.derivatives.forget_ticker()
            case Topic.CANDLES:
                pass  # their age says it, and a hole is seen when the next one comes

    def disconnected(self) -> None:
        """Note a hole in everything streamed beside the book: the connection is gone."""
        self.alive_at = None
        self.trades.reset_quotes()
        self.trades.reset_trades()
        self.derivatives.forget_ticker()
