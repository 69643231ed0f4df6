"""The Binance feed against a small venue that does what the simulated one never does."""

import asyncio
import contextlib
import json
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractResolver, ResolveResult

from support.binance_listener import BinanceListener, binance_listening, instrument
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.binance.conversation import Conversation, GroupContext
from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.group import Group
from virtuoso.adapters.feed.binance.intake import Intake, Received
from virtuoso.adapters.feed.binance.rest_books import RestBooks
from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.binance.subscriptions import Category, Kind, streams_of
from virtuoso.adapters.feed.binance.topics import Topics
from virtuoso.adapters.feed.connection import ConnectPace, Outbox, open_session, open_socket
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.instruments import BINANCE, Instrument
from virtuoso.domain.market_data import Connected, Disconnected, FrameRefused
from virtuoso.domain.time import Millis

BTC = instrument("BTCUSDT")
QUIET = instrument("QUIETUSDT")


class SmallVenue:
    """Pushes a difference, a quote, a trade and a mark price every 50 ms to who asked for them."""

    def __init__(self) -> None:
        self.symbol = "QUIETUSDT"
        self.clock = SystemClock()
        self.update = 1_000
        self.silent = False
        self.refused = ""
        self.rest_seconds = 0.0
        self.too_old = False
        self.asked: Counter[str] = Counter()
        self.requests: dict[int, list[float]] = {}
        """When each connection asked for something."""
        self.rest_asked: list[tuple[str, float]] = []
        self._sockets: dict[web.WebSocketResponse, set[str]] = {}
        self._paths: dict[web.WebSocketResponse, str] = {}
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SmallVenue"]:
        """Serve on a free port."""
        application = web.Application()
        application.router.add_get("/{category:public|market}/stream", self._stream)
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

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def carried(self, path: str) -> list[set[str]]:
        """The streams of each connection of a path."""
        return [streams for ws, streams in self._sockets.items() if path in self._paths[ws]]

    async def drop(self, path: str = "") -> None:
        """End the connections, or those of one path."""
        for ws in list(self._sockets):
            if path in self._paths[ws]:
                await ws.close()

    async def send(self, stream: str, data: dict[str, Any]) -> None:
        """Send a frame to everybody."""
        for ws in list(self._sockets):
            await ws.send_str(json.dumps({"stream": stream, "data": data}))

    def depth(self, **changes: object) -> dict[str, Any]:
        """The next difference of the book."""
        now = self.clock.now()
        before, self.update = self.update, self.update + 3
        data = {"s": self.symbol, "E": now, "T": now, "U": before + 1, "u": self.update}
        return data | {"pu": before, "b": [["100.0", f"{self.update}"]], "a": []} | changes

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
        self.requests.setdefault(id(ws), []).append(asyncio.get_running_loop().time())
        if request["method"] == "UNSUBSCRIBE":
            self._sockets[ws] -= streams
            await ws.send_str(json.dumps({"result": None, "id": request["id"]}))
            return
        if self.refused in streams:
            error = {"code": 2, "msg": "Invalid request"}
            await ws.send_str(json.dumps({"error": error, "id": request["id"]}))
            return
        self.asked.update(streams)
        self._sockets[ws] |= streams
        await ws.send_str(json.dumps({"result": None, "id": request["id"]}))

    async def _depth(self, request: web.Request) -> web.Response:
        assert request.query["limit"] == "500"
        self.rest_asked.append((request.query["symbol"], asyncio.get_running_loop().time()))
        last = 1 if self.too_old else self.update
        await asyncio.sleep(self.rest_seconds)
        bids, asks = [["100.0", "1"], ["99.0", "1"]], [["101.0", "1"], ["102.0", "1"]]
        return web.json_response({"lastUpdateId": last, "bids": bids, "asks": asks})

    async def _push(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            now = self.clock.now()
            common = {"s": self.symbol, "E": now, "T": now}
            prices = {"b": "100.0", "B": "1", "a": "101.0", "A": "1"}
            depth = self.depth()
            name = self.symbol.lower()
            for stream, data in {
                f"{name}@depth@100ms": depth,
                f"{name}@bookTicker": common | prices | {"u": self.update},
                f"{name}@aggTrade": common
                | {"a": self.update // 3, "p": "100.5", "q": "1"}
                | {"m": True},
                f"{name}@markPrice@1s": common | {"p": "100.5", "T": now + 3_600_000},
                "btcusdt@bookTicker": common | prices | {"s": "BTCUSDT", "u": self.update},
            }.items():
                frame = json.dumps({"stream": stream, "data": data})
                for ws, streams in list(self._sockets.items()):
                    if stream in streams and not self.silent:
                        with contextlib.suppress(ConnectionError):
                            await ws.send_str(frame)


@pytest.fixture
async def venue() -> AsyncIterator[SmallVenue]:
    """Return a venue that runs."""
    async with SmallVenue().running() as running:
        yield running


@pytest.fixture
async def listener(venue: SmallVenue) -> AsyncIterator[BinanceListener]:
    """Return a listener whose book stands."""
    async with binance_listening(venue.address, [QUIET]) as listening:
        await listening.until(lambda: listening.are_synced([QUIET]))
        yield listening


@pytest.mark.parametrize("path", ["/public", "/market"])
async def test_when_one_of_the_two_connections_is_lost_both_begin_anew(
    venue: SmallVenue, listener: BinanceListener, path: str
) -> None:
    """So that the instrument is either connected or not."""
    await venue.drop(path)
    await listener.until(lambda: listener.kinds["Disconnected"] == 1)
    await listener.until(lambda: listener.are_synced([QUIET]))
    assert listener.kinds["Connected"] == 2


async def test_a_sign_of_life_is_borrowed_where_no_instrument_is_busy(
    venue: SmallVenue, listener: BinanceListener
) -> None:
    """The best prices of BTCUSDT, which nobody else gets to see."""
    await listener.until(lambda: listener.kinds["Quote"] > 20)
    assert venue.asked["btcusdt@bookTicker"] == 1
    assert len(venue.asked) == 8
    assert {event.instrument for event in listener.market} == {QUIET}
    assert not listener.told(FrameRefused)


async def test_a_borrowed_sign_of_life_that_is_refused_is_done_without(venue: SmallVenue) -> None:
    """The instrument's own streams flow all the same."""
    venue.refused = "btcusdt@bookTicker"
    async with binance_listening(venue.address, [QUIET]) as listener:
        await listener.until(lambda: listener.are_synced([QUIET]))
        assert not listener.kinds["TopicRefused"]


async def test_frames_that_are_not_ours_are_refused_and_change_nothing(venue: SmallVenue) -> None:
    """A strange stream, a contract that settles in coins, another instrument under our name."""
    async with binance_listening(venue.address, [QUIET, BTC]) as listener:
        await listener.until(lambda: listener.are_synced([QUIET]))
        await venue.send("!ticker@arr", {})
        await listener.until(lambda: listener.kinds["FrameRefused"] >= 2)  # on both connections
        strange = [venue.depth(st=2, pu=1), venue.depth(s="BTCUSDT", pu=1)]
        venue.update -= 6  # they are no part of the chain
        for each in strange:
            await venue.send("quietusdt@depth@100ms", each)
        await listener.until(lambda: listener.kinds["FrameRefused"] >= 6)
        deltas = listener.kinds["BookDelta"]
        await listener.until(lambda: listener.kinds["BookDelta"] > deltas + 5)
        assert {(each.reason, each.recycled) for each in listener.told(FrameRefused)} == {
            ("unknown stream !ticker@arr", False),
            ("nothing of QUIETUSDT in quietusdt@depth@100ms", False),
            ("unknown stream quietusdt@depth@100ms", False),  # where trades are
        }
        assert (listener.books[QUIET].gaps, listener.kinds["Disconnected"]) == (0, 0)


async def test_a_universe_is_spread_over_connections_within_the_limits(venue: SmallVenue) -> None:
    """180 streams on one, requests spread over time; given up, and the streams are gone."""
    others = [instrument(f"COIN{number}USDT") for number in range(79)]
    async with binance_listening(venue.address, [QUIET]) as listener:
        await listener.until(lambda: listener.are_synced([QUIET]))
        listener.watch([QUIET, *others])
        every = {name.text for each in (QUIET, *others) for name in streams_of(each)}
        await listener.until(lambda: set().union(*venue.carried("")) > every)
        public, market = venue.carried("/public"), venue.carried("/market")
        assert sorted(map(len, market)) == [40, 180, 180]
        # each /public connection borrows a sign of life
        assert sorted(map(len, public)) == [17, 73, 73]
        assert sum(map(len, market)) + sum(map(len, public)) == len(every) + 3
        assert len(listener.told(Connected)) == 4
        listener.watch(others[40:42])
        left = {name.text for each in others[40:42] for name in streams_of(each)}
        await listener.until(
            lambda: set().union(*venue.carried("")) == left | {"btcusdt@bookTicker"}
        )
        assert len(venue.carried("")) == 2
        for times in venue.requests.values():
            assert all(later - at > 1 for at, later in zip(times, times[6:], strict=False))


async def test_rest_books_that_never_fit_are_asked_for_ever_more_slowly(venue: SmallVenue) -> None:
    """Half a second between the first five, then twice as long each time."""
    venue.too_old = True
    async with binance_listening(venue.address, [QUIET]) as listener:
        await listener.until(lambda: len(venue.rest_asked) == 7)
        assert listener.kinds["BookSnapshot"] == 0
        times = [at for _, at in venue.rest_asked]
        pauses = [after - before for before, after in pairwise(times)]
        assert all(0.5 <= pause < 0.9 for pause in pauses[:4])
        assert [round(pause) for pause in pauses[4:]] == [1, 2]
        venue.too_old = False
        await listener.until(lambda: listener.are_synced([QUIET]))


async def test_books_come_in_the_order_of_need(venue: SmallVenue) -> None:
    """All of them are wanted at once, as after a mass reconnect; five are under way at a time."""
    clock = SystemClock()
    outbox = Outbox()
    universe = [instrument(f"COIN{number}USDT") for number in range(40)]
    shuffled = random.Random(5).sample(universe, len(universe))  # noqa: S311 - not for secrets
    venue.rest_seconds = 0.02
    async with open_session() as session:
        budget = RequestBudget(BINANCE, clock)
        books = RestBooks(f"http://{venue.address}", budget, session, clock, universe.index)
        intake = Intake(outbox, clock, books.ask)
        intake.add(universe)
        intake.is_open = True
        for each in shuffled:
            await intake.take(_first_difference(each, venue.update), clock.now())
        running = asyncio.create_task(books.run())
        async with asyncio.timeout(40):
            while not all(_is_bridged(intake, each) for each in universe):
                await outbox.get()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    asked = [symbol for symbol, _ in venue.rest_asked]
    assert len(asked) == len(set(asked)) == 40
    places = [asked.index(str(each.symbol)) for each in universe]
    assert max(abs(place - rank) for rank, place in enumerate(places)) < 5


def _is_bridged(intake: Intake, each: Instrument) -> bool:
    bridge = intake.bridge(each)
    return bridge is not None and bridge.bridged


def _first_difference(each: Instrument, update: int) -> Received:
    name = next(name for name in streams_of(each) if name.kind is Kind.DEPTH)
    now = SystemClock().now()
    symbol = str(each.symbol)
    # wide enough to reach whatever the venue says
    fact = Depth(symbol, now, now, update - 500, update + 500_000, update - 501, [], [])
    return Received(name, "", fact)


class CountingResolver(AbstractResolver):
    """Knows one address, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up."""
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=port,
                family=family,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        """Nothing to release."""


async def test_a_connection_that_falls_silent_again_has_the_address_looked_up_anew(
    venue: SmallVenue,
) -> None:
    """The second time within a minute: it may be the address that is dead."""
    venue.silent = True
    clock, outbox, resolver = SystemClock(), Outbox(), CountingResolver()
    settings = BinanceSettings(
        stream_url=f"ws://venue.test:{venue.port}",
        rest_url=f"http://{venue.address}",
        silence_seconds=0.3,
        watch_seconds=0.05,
    )
    lookups: list[int] = []
    connector = aiohttp.TCPConnector(resolver=resolver, limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        pace = ConnectPace(100, 1.0, 0.0)
        rng = random.Random(1)  # noqa: S311 - not for secrets
        group = Group([QUIET], settings, session, pace, outbox, clock, rng, lambda *_: None)
        running = asyncio.create_task(group.run())
        async with asyncio.timeout(40):
            while len(lookups) < 3:
                if any(isinstance(each, Disconnected) for each in await outbox.get()):
                    lookups.append(resolver.asked)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert lookups == [1, 1, 2]


class Swallow:
    """Takes frames and counts them."""

    def __init__(self, burst: int) -> None:
        self.left = burst
        self.full = asyncio.Event()

    async def take(self, _received: Received, _receive_time: Millis) -> None:
        """Count."""
        self.left -= 1
        if not self.left:
            self.full.set()


async def test_a_burst_that_is_here_already_does_not_starve_the_others() -> None:
    """20,000 frames in the socket: the other tasks get their turn every fifty."""
    name = next(each for each in streams_of(BTC) if each.kind is Kind.TRADES)
    data = {"s": "BTCUSDT", "T": 1, "a": 1, "p": "1", "q": "1", "m": True}
    frame = json.dumps({"stream": name.text, "data": data})
    burst = 20_000

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            asked = json.loads(message.data)
            await ws.send_str(json.dumps({"result": None, "id": asked["id"]}))
            for _ in range(burst):
                await ws.send_str(frame)
        return ws

    application = web.Application()
    application.router.add_get("/market/stream", serve)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock, outbox, swallow = SystemClock(), Outbox(), Swallow(burst)
    intake = Intake(outbox, clock, lambda *_: None)
    intake.add([BTC])

    async def mend(_silent: object) -> None:
        """Nothing."""

    context = GroupContext(
        settings=BinanceSettings(),
        clock=clock,
        outbox=outbox,
        intake=intake,
        topics=Topics(outbox, clock),
        wanted=lambda _category: [name],
        told=frozenset,
        mend=mend,
    )
    most = 0

    async def others() -> None:
        nonlocal most
        while True:
            before = swallow.left
            await asyncio.sleep(0)
            most = max(most, before - swallow.left)

    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/market/stream"
    async with open_session() as session, open_socket(session, url) as ws:
        talk = Conversation(context, Category.MARKET, ws, swallow)
        jobs = [asyncio.ensure_future(job) for job in (talk.read(), talk.keep_subscribed())]
        beat = asyncio.create_task(others())
        async with asyncio.timeout(40):
            await swallow.full.wait()
        for job in [*jobs, beat]:
            job.cancel()
        await asyncio.gather(*jobs, beat, return_exceptions=True)
    await runner.cleanup()
    assert 0 < most <= 100


async def test_a_venue_out_of_reach_is_tried_again_with_a_reason_in_words(
    unused_tcp_port: int,
) -> None:
    """Without an address of ours in it but the host."""
    async with binance_listening(f"127.0.0.1:{unused_tcp_port}", [BTC]) as listener:
        await listener.until(lambda: listener.kinds["Disconnected"] >= 2)
        reasons = {each.reason for each in listener.told(Disconnected)}
    assert all(reason.startswith("cannot connect: ") for reason in reasons)
