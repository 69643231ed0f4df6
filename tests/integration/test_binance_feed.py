"""The Binance feed against a small venue that speaks its protocol, over real sockets."""

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.binance.stream import BinanceFeed, BinanceSettings
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Topic,
    TopicRefused,
)
from virtuoso.domain.scores import Reason
from virtuoso.market.door import Action, Door
from virtuoso.market.order_book import OrderBook

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))


class SmallVenue:
    """Pushes one book difference, quote, trade and mark price every 50 ms to who asked for them."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.update = 1_000
        self.old_rest_books = 0
        """How many REST books will be too old."""
        self.skip_next = False
        self.silent = False
        self.refused = ""
        self.asked: Counter[str] = Counter()
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._paths: dict[web.WebSocketResponse, str] = {}
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SmallVenue"]:
        """Serve on a free port."""
        application = web.Application()
        application.router.add_get("/public/stream", self._stream)
        application.router.add_get("/market/stream", self._stream)
        application.router.add_get("/fapi/v1/depth", self._depth)
        runner = web.AppRunner(application, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        pushing = asyncio.create_task(self._push())
        try:
            yield self
        finally:
            pushing.cancel()
            await asyncio.gather(pushing, return_exceptions=True)
            await self.drop()
            await runner.cleanup()

    async def drop(self, path: str = "") -> None:
        """End the connections, or those of one path."""
        for ws in list(self._sockets):
            if path in self._paths[ws]:
                await ws.close()

    async def send(self, text: str) -> None:
        """Send a frame to everybody."""
        for ws in list(self._sockets):
            await ws.send_str(text)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self._sockets[ws] = set()
        self._paths[ws] = request.path
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self._answer(ws, json.loads(message.data))
        finally:
            del self._sockets[ws], self._paths[ws]
        return ws

    async def _answer(self, ws: web.WebSocketResponse, request: dict[str, Any]) -> None:
        streams = set(request["params"])
        if self.refused in streams:
            error = {"code": 2, "msg": "Invalid request"}
            await ws.send_str(json.dumps({"error": error, "id": request["id"]}))
            return
        self.asked.update(streams)
        self._sockets[ws] |= streams
        await ws.send_str(json.dumps({"result": None, "id": request["id"]}))

    async def _depth(self, request: web.Request) -> web.Response:
        assert request.query == {"symbol": "BTCUSDT", "limit": "500"}
        self.asked["rest"] += 1
        last = self.update
        if self.old_rest_books:
            self.old_rest_books -= 1
            last = 1
        now = self.clock.now()
        return web.json_response(
            {
                "lastUpdateId": last,
                "E": now,
                "T": now,
                "bids": [["100.0", "1"], ["99.0", "1"]],
                "asks": [["101.0", "1"], ["102.0", "1"]],
            }
        )

    async def _push(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            before, self.update = self.update, self.update + 3
            if self.skip_next:
                self.skip_next = False
                continue
            now = self.clock.now()
            common = {"s": "BTCUSDT", "E": now, "T": now}
            depth = {"e": "depthUpdate", "U": before + 1, "u": self.update, "pu": before}
            quote = {"u": self.update, "b": "100.0", "B": "1", "a": "101.0", "A": "1"}
            trade = {"a": self.update, "p": "100.5", "q": "1", "m": True}
            mark = {"p": "100.5", "i": "100.4", "r": "0.0001", "T": now + 3_600_000}
            for kind, data in {
                "depth@100ms": depth | {"b": [["100.0", f"{self.update}"]], "a": []},
                "bookTicker": quote,
                "aggTrade": trade,
                "markPrice@1s": common | mark,
            }.items():
                frame = json.dumps({"stream": f"btcusdt@{kind}", "data": common | data})
                for ws, streams in list(self._sockets.items()):
                    if f"btcusdt@{kind}" in streams and not self.silent:
                        with contextlib.suppress(ConnectionError):
                            await ws.send_str(frame)


class Listener:
    """Stands where the engine stands."""

    def __init__(self, venue: SmallVenue) -> None:
        clock = SystemClock()
        base = f"127.0.0.1:{venue.port}"
        settings = BinanceSettings(stream_url=f"ws://{base}", rest_url=f"http://{base}")
        rng = random.Random(3)  # noqa: S311 - not for secrets
        self.feed = BinanceFeed(settings, RequestBudget(BINANCE, clock), clock, rng)
        self.book = OrderBook()
        self.door = Door([BTC])
        self.kinds: Counter[str] = Counter()
        self.events: list[FeedEvent] = []
        self.resyncs: list[str] = []
        self.changed = asyncio.Condition()

    async def run(self) -> None:
        """Take everything that comes."""
        async for batch in self.feed.events([BTC]):
            for event in batch:
                self.kinds[type(event).__name__] += 1
                if isinstance(event, MarketEvent):
                    self.kinds[type(event.data).__name__] += 1
                    verdict = self.door.judge(event, self.book)
                    if verdict.action is Action.RESYNC:
                        self.resyncs.append(verdict.reason)
                        self.feed.renew(BTC, Topic.BOOK)
                    continue
                if isinstance(event, Disconnected):
                    self.book.forget(Reason.NO_FEED)
                    self.door.forget([BTC])
                self.events.append(event)
            async with self.changed:
                self.changed.notify_all()

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for something to become true."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)


@pytest.fixture
async def venue() -> AsyncIterator[SmallVenue]:
    """Return a venue that runs."""
    async with SmallVenue().running() as running:
        yield running


@asynccontextmanager
async def listening(venue: SmallVenue) -> AsyncIterator[Listener]:
    """A listener that listens."""
    listener = Listener(venue)
    task = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_the_book_is_bridged_and_everything_flows(venue: SmallVenue) -> None:
    """One REST book is enough, and all seven streams are asked for."""
    async with listening(venue) as listener:
        wanted = {"BookSnapshot", "BookDelta", "Quote", "Trade", "Ticker"}
        await listener.until(lambda: wanted <= set(listener.kinds) and listener.book.synced)
        await listener.until(lambda: listener.kinds["BookDelta"] > 10)
        assert (venue.asked.pop("rest"), listener.book.gaps, listener.door.counters) == (1, 0, {})
        assert len(venue.asked) == 7
        assert isinstance(listener.events[0], Connected)
        assert listener.book.complete_to == (99.0, 102.0)


async def test_a_rest_book_that_is_too_old_is_asked_for_again(venue: SmallVenue) -> None:
    """After a pause, until it fits."""
    venue.old_rest_books = 2
    async with listening(venue) as listener:
        await listener.until(lambda: listener.book.synced)
        assert venue.asked["rest"] == 3


async def test_a_lost_difference_is_healed_by_another_rest_book(venue: SmallVenue) -> None:
    """The door sees the gap once; the connections live on."""
    async with listening(venue) as listener:
        await listener.until(lambda: listener.book.synced)
        venue.skip_next = True
        await listener.until(lambda: bool(listener.resyncs))
        await listener.until(lambda: listener.book.synced)
        assert (listener.resyncs, listener.book.gaps, listener.book.resyncs) == (["gap"], 1, 1)
        assert not listener.kinds["Disconnected"]
        listener.feed.renew(BTC, Topic.BOOK)
        await listener.until(lambda: venue.asked["rest"] == 3)
        await listener.until(lambda: listener.kinds["BookSnapshot"] == 3)


@pytest.mark.parametrize("path", ["/public", "/market"])
async def test_when_one_of_the_two_connections_is_lost_both_begin_anew(
    venue: SmallVenue, path: str
) -> None:
    """So that the instrument is either connected or not."""
    async with listening(venue) as listener:
        await listener.until(lambda: listener.book.synced)
        await venue.drop(path)
        await listener.until(lambda: listener.kinds["Disconnected"] == 1)
        await listener.until(lambda: listener.book.synced)
        assert listener.kinds["Connected"] == 2


async def test_a_malformed_frame_recycles_and_a_strange_one_does_not(venue: SmallVenue) -> None:
    """A sample of either is kept."""
    async with listening(venue) as listener:
        await listener.until(lambda: listener.book.synced)
        await venue.send('{"stream":"!ticker@arr","data":[]}')
        await listener.until(lambda: listener.kinds["FrameRefused"] > 0)
        assert not listener.kinds["Disconnected"]
        await venue.send('{"stream":"btcusdt@aggTrade","data":{"s":"BTCUSDT","p":"NaN"}}')
        await listener.until(lambda: listener.kinds["Disconnected"] > 0)
        refused = [each for each in listener.events if isinstance(each, FrameRefused)]
        assert [each.recycled for each in refused if b"ticker@arr" in each.sample] == [False] * 2
        assert any(each.recycled for each in refused)
        await listener.until(lambda: listener.book.synced)


async def test_a_stream_that_is_refused_is_found_and_set_aside(venue: SmallVenue) -> None:
    """The answer does not name it; the others flow."""
    venue.refused = "btcusdt@forceOrder"
    async with listening(venue) as listener:
        await listener.until(lambda: listener.kinds["TopicRefused"] > 0)
        (refused,) = (each for each in listener.events if isinstance(each, TopicRefused))
        assert (refused.instrument, refused.topic) == (BTC, Topic.LIQUIDATIONS)
        await listener.until(lambda: listener.kinds["Trade"] > 0 and listener.book.synced)
        await listener.until(lambda: venue.asked["btcusdt@kline_1m"] > 0)
        assert not listener.kinds["Disconnected"]


async def test_a_subscribed_connection_that_stays_silent_is_an_error(venue: SmallVenue) -> None:
    """As on the addresses that were retired: accepted, and never a word."""
    venue.silent = True
    async with listening(venue) as listener:
        await listener.until(lambda: listener.kinds["Disconnected"] > 0)
        (lost,) = (each for each in listener.events if isinstance(each, Disconnected))
        assert lost.reason.startswith("no data for 4.")
