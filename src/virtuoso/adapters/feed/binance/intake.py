"""What the frames of a group become, whichever of its connections brought them.

What went in can be played again: each frame goes to the outbox with the events that it brought,
a REST book by the route `rest_book:SYMBOL`, and a book that begins anew for a reason that no frame
shows by an empty frame of the route `restart_book:SYMBOL`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol, TypeAlias

from virtuoso.adapters.feed.binance.book_bridge import BookBridge
from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.parse import read_rest_book
from virtuoso.adapters.feed.binance.subscriptions import Kind, StreamName
from virtuoso.adapters.feed.binance.trade_ids import TradeIds
from virtuoso.adapters.feed.connection import Outbox
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import MarketData, MarketEvent, Trade, TradesMissing
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock

REST_BOOK: Final = "rest_book:"
RESTART_BOOK: Final = "restart_book:"

Fact: TypeAlias = MarketEvent[MarketData] | Depth


class Received(NamedTuple):
    """One frame of a stream of ours, and what it says."""

    name: StreamName
    frame: str | bytes
    fact: Fact


class Sink(Protocol):
    """Where a connection puts what it receives."""

    async def take(self, received: Received, receive_time: Millis) -> None:
        """Take one frame."""
        ...


class Intake:
    """The books and the trade numbers of a group of instruments, and the way out."""

    def __init__(
        self, outbox: Outbox, clock: Clock, ask_for_book: Callable[["Intake", Instrument], None]
    ) -> None:
        """`ask_for_book` is called whenever a book needs a REST book; it returns at once."""
        self._outbox = outbox
        self._clock = clock
        self._ask_for_book = ask_for_book
        self._bridges: dict[Instrument, BookBridge] = {}
        self._by_symbol: dict[str, Instrument] = {}
        self.trade_ids: Final = TradeIds()
        self.is_open = False
        """Whether there is a connection that what comes can belong to."""

    @property
    def by_symbol(self) -> Mapping[str, Instrument]:
        """The instruments by the venue's name for them."""
        return self._by_symbol

    def bridge(self, instrument: Instrument) -> BookBridge | None:
        """The book of an instrument, if it is one of this group."""
        return self._bridges.get(instrument)

    def add(self, instruments: Iterable[Instrument]) -> None:
        """Take what comes of these instruments."""
        for each in instruments:
            self._by_symbol[str(each.symbol)] = each
            self._bridges[each] = BookBridge(each)

    def drop(self, instruments: Iterable[Instrument]) -> None:
        """Take nothing of these instruments any more."""
        for each in instruments:
            self._by_symbol.pop(str(each.symbol), None)
            self._bridges.pop(each, None)
            self.trade_ids.forget(each)

    async def begin(self, instruments: Iterable[Instrument]) -> None:
        """Begin these instruments anew: nothing that comes continues what was."""
        for each in instruments:
            self.trade_ids.forget(each)
            await self.restart_book(each)

    async def restart_book(self, instrument: Instrument) -> None:
        """Begin a book anew; it gets another REST book with the next of its frames."""
        bridge = self._bridges.get(instrument)
        if bridge is not None:
            bridge.restart()
            await self._outbox.put_frame(
                RESTART_BOOK + instrument.symbol, self._clock.now(), b"", []
            )

    async def take(self, received: Received, receive_time: Millis) -> None:
        """Hand on what a frame brought."""
        name, frame, fact = received
        if isinstance(fact, Depth):
            bridge = self._bridges.get(name.instrument)
            if bridge is None:
                return
            events = bridge.offer(fact, receive_time)
            if bridge.wants_rest_book:
                self._ask_for_book(self, name.instrument)
            await self._outbox.put_frame("", receive_time, frame, events)
            return
        if name.kind is Kind.TRADES and isinstance(fact.data, Trade):
            self.trade_ids.note(name.instrument, int(fact.data.id), self._clock.monotonic_ms())
        await self._outbox.put_frame("", receive_time, frame, [fact])

    async def take_rest_book(self, instrument: Instrument, body: bytes) -> None:
        """Take the answer to a REST request for a book. Raises UnreadableFrameError."""
        bridge = self._bridges.get(instrument)
        if bridge is None or not self.is_open:
            return  # given up, or lost, while the answer was on its way
        rest = read_rest_book(body)
        receive_time = self._clock.now()
        events = bridge.offer_rest_book(rest, receive_time)
        route = REST_BOOK + instrument.symbol
        await self._outbox.put_frame(route, receive_time, body, events)

    async def tell_lost_trades(self) -> None:
        """Tell of trades whose numbers were left out and did not come later."""
        for instrument, count in self.trade_ids.lost(self._clock.monotonic_ms()).items():
            missing = TradesMissing(instrument, count, self._clock.now())
            await self._outbox.put([missing])
