"""The websocket side: who is subscribed to what, and who is told."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import msgspec
import structlog
from aiohttp import WSMsgType, web

from virtuoso.simulator import frames
from virtuoso.simulator.book import BookUpdate
from virtuoso.simulator.candles import INTERVALS
from virtuoso.simulator.changes import (
    BookChanged,
    CandleFormed,
    Change,
    Liquidated,
    MinuteClosed,
    TickerChanged,
    Traded,
)
from virtuoso.simulator.client import Client
from virtuoso.simulator.faults import GARBAGE, FaultRequest, Faults
from virtuoso.simulator.market import Market
from virtuoso.simulator.order_flow import DEPTH
from virtuoso.simulator.settings import ExchangeSettings

_log = structlog.get_logger(__name__)

_DEEP = (50, DEPTH)
_DEPTHS = frozenset({"1", "50", str(DEPTH)})
_LARGEST_REQUEST = 1_000_000
_FAREWELL_SECONDS = 0.5


class _Request(msgspec.Struct):
    op: str
    req_id: str = ""
    args: list[str] = []


class Stream:
    """Every subscriber of the public stream."""

    def __init__(self, market: Market, faults: Faults, settings: ExchangeSettings) -> None:
        self._market = market
        self._faults = faults
        self._settings = settings
        self._numbers = {listing.symbol: at for at, listing in enumerate(market.listings)}
        self._clients: set[Client] = set()
        self._subscribers: defaultdict[str, set[Client]] = defaultdict(set)
        self._gaps: set[str] = set()
        """Topics of which the next push is left out."""
        self._opened = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        if self._faults.refuses_connections() or request.transport is None:
            return web.Response(status=503)
        ws = web.WebSocketResponse(compress=False, max_msg_size=_LARGEST_REQUEST)
        await ws.prepare(request)
        self._opened += 1
        client = Client(f"simulator-{self._opened:05d}", ws, request.transport, self._settings)
        self._clients.add(client)
        writer = asyncio.create_task(client.write())
        try:
            async for message in ws:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    self._answer(client, message.data)
        finally:
            self._leave(client)
            writer.cancel()
            await asyncio.wait([writer])
        return ws

    def publish(self, changes: list[Change]) -> None:
        """Tell the subscribers what one step of the market brought."""
        for change in changes:
            self._publish(change)

    async def inject(self, request: FaultRequest) -> None:
        """Let a fault of one moment happen."""
        if request.fault in {"drop_connection", "refuse_connections"}:
            await self.close_all(reset=request.how == "reset")
        elif request.fault == "garbage":
            symbol = request.symbol or self._market.listings[0].symbol
            frame = GARBAGE[request.variant](symbol)
            for client in self._clients:
                client.offer(frame)
        elif request.fault == "book_gap":
            self._gaps |= {f"orderbook.{depth}.{request.symbol}" for depth in _DEEP}
        elif request.fault == "book_restart":
            self._restart_books(request.symbol)
        elif request.fault == "crossed_book":
            self._cross_books(request.symbol)

    async def close_all(self, *, reset: bool = False) -> None:
        """End every connection, in the orderly way as far as that is quickly done."""
        clients = list(self._clients)
        if not reset and clients:
            farewells = [asyncio.ensure_future(client.close()) for client in clients]
            _, late = await asyncio.wait(farewells, timeout=_FAREWELL_SECONDS)
            for farewell in late:
                farewell.cancel()
        for client in clients:
            client.cut(reset=reset)

    def _leave(self, client: Client) -> None:
        self._clients.discard(client)
        for topic in client.topics:
            self._subscribers[topic].discard(client)

    def _answer(self, client: Client, text: str | bytes) -> None:
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            self._acknowledge(client, _Request(""), error="error:invalid request")
            return
        if request.op == "ping":
            if not self._faults.silences_pongs():
                self._acknowledge(client, request, message="pong")
        elif request.op == "subscribe":
            self._subscribe(client, request)
        elif request.op == "unsubscribe":
            for topic in client.topics.intersection(request.args):
                client.topics.discard(topic)
                self._subscribers[topic].discard(client)
            self._acknowledge(client, request)
        else:
            self._acknowledge(client, request, error=f"error:unknown operation,op:{request.op}")

    def _acknowledge(
        self, client: Client, request: _Request, *, message: str = "", error: str = ""
    ) -> None:
        client.offer(
            frames.acknowledgement(
                request.op, request.req_id, client.id, success=not error, message=error or message
            )
        )

    def _subscribe(self, client: Client, request: _Request) -> None:
        """Subscribe to all topics of a request, or to none of them if one is refused."""
        seen = set(client.topics)
        for topic in request.args:
            if topic in seen:
                error = f"error:already subscribed,topic:{topic}"
            elif not self._exists(topic) or self._faults.refuses_topic(topic):
                error = f"error:handler not found,topic:{topic}"
            else:
                seen.add(topic)
                continue
            self._acknowledge(client, request, error=error)
            return
        self._acknowledge(client, request)
        for topic in request.args:
            client.topics.add(topic)
            self._subscribers[topic].add(client)
            snapshot = self._snapshot(topic)
            if snapshot is not None and not self._faults.silences(topic):
                client.offer(snapshot)

    def _exists(self, topic: str) -> bool:
        kind, parameter, symbol = _parts(topic)
        if symbol not in self._numbers:
            return False
        if kind == "orderbook":
            return parameter in _DEPTHS
        if kind == "kline":
            return parameter in INTERVALS
        return kind in {"publicTrade", "tickers", "allLiquidation"} and not parameter

    def _snapshot(self, topic: str) -> bytes | None:
        """Return what a new subscriber is told at once: books and tickers only."""
        kind, parameter, symbol = _parts(topic)
        number, now = self._numbers[symbol], self._market.now_ms
        listing, live = self._market.listings[number], self._market.symbols[number]
        if kind == "tickers":
            fields = self._market.tickers.known(number)
            return frames.ticker(listing, fields, live.book_sequence, now, snapshot=True)
        if kind == "orderbook":
            return frames.book(listing, self._book(number, int(parameter)), now, snapshot=True)
        return None

    def _book(self, number: int, depth: int) -> BookUpdate:
        live = self._market.symbols[number]
        if depth == 1:
            return live.best_view.snapshot()
        return next(view for view in live.depth_views if view.depth == depth).snapshot()

    def _push(self, topic: str, frame: bytes) -> None:
        for client in self._subscribers[topic]:
            client.offer(frame)

    def _wanted(self, topic: str) -> bool:
        if topic in self._gaps and self._subscribers.get(topic):
            self._gaps.discard(topic)
            return False
        return bool(self._subscribers.get(topic)) and not self._faults.silences(topic)

    def _publish(self, change: Change) -> None:
        listing = self._market.listings[change.symbol]
        if isinstance(change, BookChanged):
            depth = change.update.depth
            topic = f"orderbook.{depth}.{listing.symbol}"
            if self._wanted(topic):
                frame = frames.book(listing, change.update, change.at, snapshot=depth == 1)
                self._push(topic, frame)
        elif isinstance(change, Traded):
            topic = f"publicTrade.{listing.symbol}"
            if self._wanted(topic):
                kept = [each for each in change.trades if not self._faults.loses_next_trade()]
                if kept:
                    self._push(topic, frames.trades(listing, kept, change.at))
        elif isinstance(change, TickerChanged):
            topic = f"tickers.{listing.symbol}"
            if self._wanted(topic):
                frame = frames.ticker(
                    listing, change.fields, change.sequence, change.at, snapshot=False
                )
                self._push(topic, frame)
        elif isinstance(change, Liquidated):
            topic = f"allLiquidation.{listing.symbol}"
            if self._wanted(topic):
                self._push(topic, frames.liquidations(listing, change.liquidations, change.at))
        else:
            self._publish_candles(change)

    def _publish_candles(self, change: CandleFormed | MinuteClosed) -> None:
        listing, candles = self._market.listings[change.symbol], self._market.trades
        for interval in INTERVALS:
            topic = f"kline.{interval}.{listing.symbol}"
            if not self._wanted(topic):
                continue
            if isinstance(change, CandleFormed):
                start, row = candles.latest(change.symbol, interval)
                frame = frames.candle(listing, interval, start, row, change.at, closed=False)
                self._push(topic, frame)
            elif (closed := candles.closing_now(change.symbol, interval)) is not None:
                start, row = closed
                frame = frames.candle(listing, interval, start, row, change.at, closed=True)
                self._push(topic, frame)

    def _restart_books(self, symbol: str) -> None:
        number = self._numbers[symbol]
        listing, now = self._market.listings[number], self._market.now_ms
        for view in self._market.symbols[number].depth_views:
            view.restart()
            topic = f"orderbook.{view.depth}.{symbol}"
            self._push(topic, frames.book(listing, view.snapshot(), now, snapshot=True))

    def _cross_books(self, symbol: str) -> None:
        """Push a false update in place of the next true one: a bid above the best ask."""
        number = self._numbers[symbol]
        listing, now = self._market.listings[number], self._market.now_ms
        for view in self._market.symbols[number].depth_views:
            known = view.snapshot()
            above = (known.asks[0][0] + 1, 1)
            false = replace(known, update_id=known.update_id + 1, bids=[above], asks=[])
            topic = f"orderbook.{view.depth}.{symbol}"
            self._gaps.add(topic)
            self._push(topic, frames.book(listing, false, now, snapshot=False))


def _parts(topic: str) -> tuple[str, str, str]:
    """Split `kind.parameter.symbol`, or `kind.symbol`."""
    kind, _, rest = topic.partition(".")
    parameter, _, symbol = rest.rpartition(".")
    return kind, parameter, symbol
