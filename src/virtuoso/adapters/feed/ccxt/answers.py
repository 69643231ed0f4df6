"""What is asked of the library for each kind of data, and what its answers hold."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from virtuoso.adapters.feed.ccxt.guard import HANDLING_ERRORS, Request, describe
from virtuoso.adapters.feed.ccxt.mapping import (
    IncompleteError,
    to_book,
    to_liquidation,
    to_ticker,
    to_trade,
)
from virtuoso.adapters.feed.ccxt.venues import Dialect
from virtuoso.adapters.feed.connection import LARGEST_SAMPLE
from virtuoso.domain.instruments import Venue
from virtuoso.domain.market_data import (
    BookSnapshot,
    FeedEvent,
    FrameRefused,
    Liquidation,
    MarketData,
    MarketEvent,
    Ticker,
    Topic,
    Trade,
)
from virtuoso.domain.time import Millis

TOPICS: Final[Mapping[type, Topic]] = {
    BookSnapshot: Topic.BOOK,
    Trade: Topic.TRADES,
    Ticker: Topic.TICKER,
    Liquidation: Topic.LIQUIDATIONS,
}
"""The kinds that are streamed, and what each is subscribed to as."""


class Answers:
    """Asks the library of one venue, and reads what it answers."""

    def __init__(self, venue: Venue, dialect: Dialect) -> None:
        self._venue = venue
        self._dialect = dialect
        self._books = 0

    def asker(self, library: Any, request: Request) -> Callable[[], Awaitable[Any]]:  # noqa: ANN401 - its methods are not typed
        """The call that waits for the next answer to a request."""
        symbol = request.contract.symbol
        match request.topic:
            case Topic.BOOK:
                return lambda: library.watch_order_book(symbol, self._dialect.book_limit)
            case Topic.TRADES:
                return lambda: library.watch_trades(symbol)
            case Topic.TICKER:
                return lambda: library.watch_ticker(symbol)
            case _:
                return lambda: library.watch_liquidations(symbol)

    def read(self, request: Request, answer: Any, now: Millis) -> list[FeedEvent]:  # noqa: ANN401 - CCXT's
        """Events of an answer, one or many; what is incomplete is left out and told."""
        events: list[FeedEvent] = []
        for row in answer if isinstance(answer, list) else [answer]:
            try:
                events.append(self._read(request, row, now))
            except (IncompleteError, *HANDLING_ERRORS) as error:
                reason = str(error) if isinstance(error, IncompleteError) else describe(error)
                sample = repr(row)[:LARGEST_SAMPLE].encode(errors="replace")
                events.append(
                    FrameRefused(self._venue, reason, sample, recycled=False, receive_time=now)
                )
        return events

    def _read(
        self, request: Request, row: Mapping[str, Any], now: Millis
    ) -> MarketEvent[MarketData]:
        contract = request.contract
        match request.topic:
            case Topic.BOOK:
                self._books += 1
                return to_book(row, contract, self._books, now)
            case Topic.TRADES:
                return to_trade(row, contract, self._dialect, now)
            case Topic.TICKER:
                return to_ticker(row, contract, self._dialect, now)
            case _:
                return to_liquidation(row, contract, self._dialect, now)
