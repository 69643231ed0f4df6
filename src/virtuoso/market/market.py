"""The state of one market: everything the components read, nothing they compute."""

from virtuoso.domain.instruments import Instrument
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
