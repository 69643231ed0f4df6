"""Bybit's websocket side: which topics there are, and what each is told."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec
from aiohttp import WSMsgType, web

from virtuoso.simulator import frames
from virtuoso.simulator.book import BestView, BookUpdate, DepthView
from virtuoso.simulator.candles import INTERVALS, Candles
from virtuoso.simulator.changes import (
    BookChanged,
    BookReset,
    CandleFormed,
    Change,
    Liquidated,
    MinuteClosed,
    TickerChanged,
    Traded,
)
from virtuoso.simulator.client import Client
from virtuoso.simulator.directory import Directory
from virtuoso.simulator.faults import FaultRequest, Faults
from virtuoso.simulator.garbage import GARBAGE
from virtuoso.simulator.hub import Hub
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.order_flow import DEPTH
from virtuoso.simulator.settings import ExchangeSettings

_DEEP = (50, DEPTH)
_DEPTHS = frozenset({"1", "50", str(DEPTH)})


class LiveSymbol(Protocol):
    """What the stream needs to know of one symbol."""

    best_view: BestView
    depth_views: tuple[DepthView, ...]
    book_sequence: int


class KnownTickers(Protocol):
    """What the stream needs to know of tickers."""

    def known(self, symbol: int) -> Mapping[str, str]:
        """Return all fields as the subscribers of the symbol know them."""


class StreamMarket(Protocol):
    """What the stream needs to know of a market, invented or recorded."""

    now_ms: int

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Every symbol."""

    @property
    def symbols(self) -> Sequence[LiveSymbol]:
        """The live side of each."""

    @property
    def tickers(self) -> KnownTickers:
        """The tickers."""

    @property
    def trades(self) -> Candles | None:
        """Candles of trades; a recording has none."""


class _Request(msgspec.Struct):
    op: str
    req_id: str | int = ""
    """Answered as text, as the venue does, however it was written."""
    args: list[str] = []


class Stream:
    """Every subscriber of the public stream."""

    def __init__(
        self, market: StreamMarket, directory: Directory, faults: Faults, settings: ExchangeSettings
    ) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self.hub = Hub("bybit", faults, settings)
        self._numbers = {listing.symbol: at for at, listing in enumerate(market.listings)}
        faults.ended.append(self._show_again)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        return await self.hub.accept(request, self._converse)

    def publish(self, changes: list[Change]) -> None:
        """Tell the subscribers what one step of the market brought."""
        if self.hub.subscribers:
            for change in changes:
                if self._directory.trading(change.symbol, change.at):
                    self._publish(change)

    async def inject(self, request: FaultRequest) -> None:
        """Let a fault of one moment happen, or a lasting one begin."""
        name = request.fault
        number = self._directory.number_of(request.symbol)
        if name in {"drop_connection", "refuse_connections"}:
            await self.hub.close_all(reset=request.how == "reset")
        elif name == "half_open":
            self.hub.go_half_open()
        elif name == "garbage":
            symbol = self._market.listings[number or 0].symbol
            self.hub.send_to_all(GARBAGE[request.variant](symbol))
        elif number is not None:
            self._inject_into_books(request, number)

    def _inject_into_books(self, request: FaultRequest, number: int) -> None:
        name = request.fault
        if name in {"book_gap", "book_old", "book_repeat", "book_reorder"}:
            symbol = self._market.listings[number].symbol
            topics = [f"orderbook.{depth}.{symbol}" for depth in _DEEP]
            self.hub.arm(topics, name.removeprefix("book_"))
        elif name == "book_restart":
            for view in self._market.symbols[number].depth_views:
                view.restart()
                self._push_book(number, view.snapshot(), snapshot=True)
        elif name == "book_delta_one":
            for view in self._market.symbols[number].depth_views:
                one = replace(view.snapshot(), update_id=1, bids=[], asks=[])
                self._push_book(number, one, snapshot=False)
        elif name in {"crossed_book", "locked_book"}:
            self._cross_books(number, by=int(name == "crossed_book"))
        elif name in {"one_sided_book", "empty_book"}:
            self._push_snapshots(number)

    async def _converse(self, client: Client) -> None:
        async for message in client.ws:
            if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._answer(client, message.data)
            elif message.type is WSMsgType.PING and not self._faults.silences_pongs("bybit"):
                await client.ws.pong(message.data)

    def _answer(self, client: Client, text: str | bytes) -> None:
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            self._acknowledge(client, _Request(""), error="error:invalid request")
            return
        if request.op == "ping":
            if not self._faults.silences_pongs("bybit"):
                self._acknowledge(client, request, message="pong")
        elif request.op == "subscribe":
            self._subscribe(client, request)
        elif request.op == "unsubscribe":
            self.hub.unsubscribe(client, request.args)
            self._acknowledge(client, request)
        else:
            self._acknowledge(client, request, error=f"error:unknown operation,op:{request.op}")

    def _acknowledge(
        self, client: Client, request: _Request, *, message: str = "", error: str = ""
    ) -> None:
        self.hub.answer(
            client,
            frames.acknowledgement(
                request.op,
                str(request.req_id),
                client.id,
                success=not error,
                message=error or message,
            ),
        )

    def _subscribe(self, client: Client, request: _Request) -> None:
        """Subscribe to all topics of a request, or to none of them if one is refused."""
        seen = set(client.topics)
        for topic in request.args:
            if topic in seen:
                error = f"error:already subscribed,topic:{topic}"
            elif not self._exists(topic) or self._faults.refuses_topic("bybit", topic):
                error = f"error:handler not found,topic:{topic}"
            else:
                seen.add(topic)
                continue
            self._acknowledge(client, request, error=error)
            return
        self._acknowledge(client, request)
        for topic in request.args:
            self.hub.subscribe(client, topic)
            self._begin_topic(client, topic)

    def _begin_topic(self, client: Client, topic: str) -> None:
        """Tell a new subscriber of books and tickers how things are."""
        kind, parameter, symbol = _parts(topic)
        number = self._numbers[symbol]
        if self._faults.silences("bybit", number, topic):
            return
        listing, now = self._market.listings[number], self._market.now_ms
        if kind == "tickers":
            fields = self._market.tickers.known(number)
            sequence = self._market.symbols[number].book_sequence
            self.hub.answer(client, frames.ticker(listing, fields, sequence, now, snapshot=True))
        elif kind == "orderbook" and self._market.symbols[number].depth_views:
            book = self._masked(number, self._book(number, int(parameter)))
            if parameter != "1" and self._faults.lasting("delta_first", "bybit", number):
                early = replace(book, bids=book.bids[:1], asks=[])
                self.hub.answer(client, frames.book(listing, early, now, snapshot=False))
            self.hub.answer(client, frames.book(listing, book, now, snapshot=True))

    def _exists(self, topic: str) -> bool:
        kind, parameter, symbol = _parts(topic)
        number = self._numbers.get(symbol)
        if number is None or not self._directory.trading(number, self._market.now_ms):
            return False
        if kind == "orderbook":
            return parameter in _DEPTHS
        if kind == "kline":
            return parameter in INTERVALS
        return kind in {"publicTrade", "tickers", "allLiquidation"} and not parameter

    def _book(self, number: int, depth: int) -> BookUpdate:
        live = self._market.symbols[number]
        if depth == 1:
            return live.best_view.snapshot()
        return next(view for view in live.depth_views if view.depth == depth).snapshot()

    def _masked(self, number: int, update: BookUpdate) -> BookUpdate:
        """Leave out what a fault hides."""
        if self._faults.lasting("empty_book", "bybit", number) is not None:
            return replace(update, bids=[], asks=[])
        one = self._faults.lasting("one_sided_book", "bybit", number)
        if one is None:
            return update
        return replace(update, asks=[]) if one.side == "asks" else replace(update, bids=[])

    def _push_book(self, number: int, update: BookUpdate, *, snapshot: bool) -> None:
        listing = self._market.listings[number]
        topic = f"orderbook.{update.depth}.{listing.symbol}"
        if self.hub.wanted(number, topic):
            frame = frames.book(listing, update, self._market.now_ms, snapshot=snapshot)
            self.hub.send(topic, frame)

    def _push_snapshots(self, number: int) -> None:
        depths = [view.depth for view in self._market.symbols[number].depth_views]
        for depth in (1, *depths):
            update = self._masked(number, self._book(number, depth))
            self._push_book(number, update, snapshot=True)

    def _show_again(self, request: FaultRequest) -> None:
        """Push whole books once a fault that hid a part of them has ended."""
        number = self._directory.number_of(request.symbol)
        hid = request.fault in {"one_sided_book", "empty_book"} and request.concerns("bybit")
        if hid and number is not None:
            self._push_snapshots(number)

    def _publish(self, change: Change) -> None:
        number = change.symbol
        listing = self._market.listings[number]
        if isinstance(change, BookChanged):
            depth = change.update.depth
            topic = f"orderbook.{depth}.{listing.symbol}"
            if self.hub.wanted(number, topic):
                update = self._masked(number, change.update)
                self.hub.push(topic, frames.book(listing, update, change.at, snapshot=depth == 1))
        elif isinstance(change, Traded):
            topic = f"publicTrade.{listing.symbol}"
            if self.hub.wanted(number, topic):
                kept = [
                    each for each in change.trades if not self._faults.loses_next_trade("bybit")
                ]
                if kept:
                    self.hub.push_trades(topic, frames.trades(listing, kept, change.at))
        elif isinstance(change, TickerChanged):
            topic = f"tickers.{listing.symbol}"
            if self.hub.wanted(number, topic):
                frame = frames.ticker(
                    listing, change.fields, change.sequence, change.at, snapshot=False
                )
                self.hub.push(topic, frame)
        elif isinstance(change, Liquidated):
            topic = f"allLiquidation.{listing.symbol}"
            if self.hub.wanted(number, topic):
                self.hub.push(topic, frames.liquidations(listing, change.liquidations, change.at))
        elif isinstance(change, BookReset):
            self._push_snapshots(number)
        else:
            self._publish_candles(change)

    def _publish_candles(self, change: CandleFormed | MinuteClosed) -> None:
        number, candles = change.symbol, self._market.trades
        if candles is None:
            return
        listing = self._market.listings[number]
        for interval in INTERVALS:
            topic = f"kline.{interval}.{listing.symbol}"
            if not self.hub.wanted(number, topic):
                continue
            if isinstance(change, CandleFormed):
                start, row = candles.latest(number, interval)
                frame = frames.candle(listing, interval, start, row, change.at, closed=False)
                self.hub.push(topic, frame)
            elif (closed := candles.closing_now(number, interval)) is not None:
                start, row = closed
                frame = frames.candle(listing, interval, start, row, change.at, closed=True)
                self.hub.push(topic, frame)

    def _cross_books(self, number: int, by: int) -> None:
        """Push a false update in place of the next true one: a bid at the best ask or above."""
        symbol = self._market.listings[number].symbol
        for view in self._market.symbols[number].depth_views:
            known = view.snapshot()
            bid = (known.asks[0][0] + by, 1)
            false = replace(known, update_id=known.update_id + 1, bids=[bid], asks=[])
            self._push_book(number, false, snapshot=False)
            self.hub.arm([f"orderbook.{view.depth}.{symbol}"], "gap")


def _parts(topic: str) -> tuple[str, str, str]:
    """Split `kind.parameter.symbol`, or `kind.symbol`."""
    kind, _, rest = topic.partition(".")
    parameter, _, symbol = rest.rpartition(".")
    return kind, parameter, symbol
