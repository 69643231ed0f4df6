"""The state of one market: everything the components read, nothing they compute."""

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.time import Millis
from virtuoso.market.candles import Candles
from virtuoso.market.derivatives import Derivatives
from virtuoso.market.order_book import OrderBook
from virtuoso.market.trades import TradeFlow


class Market:
    """One instrument's book, trades, candles and derivatives, as accepted at the door."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.book = OrderBook()
        self.trades = TradeFlow()
        self.candles = Candles()
        self.derivatives = Derivatives()
        self.alive_at: Millis | None = None
        """Receive time of the connection's last sign of life, be it a message or a pong."""

    def second(self, at: Millis) -> None:
        """Close grid second `at`; the components are asked after this."""
        if self.alive_at is not None:
            self.trades.connected(self.alive_at)
        self.trades.second(at)
        self.derivatives.second(at)

    def disconnected(self) -> None:
        """Note a hole in everything streamed beside the book: the connection is gone."""
        self.alive_at = None
        self.trades.reset_quotes()
        self.trades.reset_trades()
        self.derivatives.forget_ticker()
