"""Binance's websocket connections: paths, requests, limits; what is told is others' business."""

import asyncio
import re
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from virtuoso.simulator.binance import frames
from virtuoso.simulator.client import Client
from virtuoso.simulator.faults import FaultRequest, Faults
from virtuoso.simulator.garbage import BINANCE_GARBAGE
from virtuoso.simulator.hub import Hub
from virtuoso.simulator.settings import ExchangeSettings

Category: TypeAlias = Literal["public", "market", "old"]

_STREAM: Final = re.compile(r"([a-z0-9_]{2,30})@([A-Za-z]+)(?:(\d+)|_(\w+))?(?:@(\d+m?s))?")
_PUBLIC: Final = frozenset({"depth", "bookTicker", "trade"})
_MARKET: Final = frozenset({"aggTrade", "trade", "markPrice", "kline", "ticker", "forceOrder"})
_CATEGORIES: Final = {"public": _PUBLIC, "market": _MARKET, "old": frozenset[str]()}
_MOST_STREAMS = 1_024
_REQUESTS_A_SECOND = 10
_TOO_MANY = 1_008
RAW = "raw:"
"""Before the topics of connections without envelopes."""


class _Request(msgspec.Struct):
    method: str
    params: list[str | bool] = []
    id: int | str | None = None


@dataclass(slots=True)
class _Session:
    """What is particular to one connection."""

    client: Client
    category: Category
    combined: bool
    asked: set[str] = field(default_factory=set)
    """Every stream that was asked for, silent ones too."""
    received: deque[float] = field(default_factory=deque)
    """When the last messages came."""
    pong_at: float = 0.0


class BinanceDoor:
    """Every connection to Binance's streams."""

    def __init__(
        self, symbols: Collection[str], faults: Faults, settings: ExchangeSettings
    ) -> None:
        """`symbols`: as the venue writes them, in the order of their numbers."""
        self._faults = faults
        self._settings = settings
        self.hub = Hub("binance", faults, settings)
        self._known = frozenset(symbols)
        self._names = [symbol.lower() for symbol in symbols]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection: /<category>/stream?streams=, /<category>/ws/<stream>, or bare."""
        category: Category = request.match_info.get("category", "old")  # type: ignore[assignment]
        combined = request.match_info["mode"] == "stream"
        asked = request.query.get("streams", request.match_info.get("streams", ""))

        async def serve(client: Client) -> None:
            session = _Session(client, category, combined)
            for stream in asked.split("/"):
                if stream:
                    self._subscribe(session, stream)
            await self._converse(session)

        return await self.hub.accept(request, serve)

    async def inject_into_connections(self, request: FaultRequest, number: int | None) -> None:
        """Let a fault of the connections or of whole frames happen."""
        name = request.fault
        if name in {"drop_connection", "refuse_connections"}:
            await self.hub.close_all(reset=request.how == "reset")
        elif name == "half_open":
            self.hub.go_half_open()
        elif name == "garbage":
            symbol = self._names[number or 0].upper()
            self.hub.send_to_all(BINANCE_GARBAGE[request.variant](symbol))
        elif number is not None and name in {"book_gap", "book_old", "book_repeat", "book_reorder"}:
            prefix = f"{self._names[number]}@depth"
            topics = [
                topic
                for topic in self.hub.subscribers
                if topic.removeprefix(RAW).startswith(prefix)
            ]
            self.hub.arm(topics, name.removeprefix("book_"))

    def relay(self, number: int, stream: str, data: bytes, *, trades: bool = False) -> None:
        """Push the data of a stream to whoever asked for it."""
        if self.hub.subscribers:
            self._push(number, stream, data, trades=trades)

    async def _converse(self, session: _Session) -> None:
        """Answer requests until the connection ends, at the latest after its life of 24 hours."""
        client, settings = session.client, self._settings
        session.pong_at = asyncio.get_running_loop().time()
        pinger = asyncio.create_task(self._ping(session))
        try:
            async with asyncio.timeout(settings.binance_life_seconds):
                async for message in client.ws:
                    if not self._counts(session):
                        await client.close(_TOO_MANY, b"Too many requests")
                        return
                    if message.type is WSMsgType.PING:
                        await client.ws.pong(message.data)
                    elif message.type is WSMsgType.PONG:
                        session.pong_at = asyncio.get_running_loop().time()
                    elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                        self._answer(session, message.data)
        except TimeoutError:
            if not client.half_open:
                await client.close()
        finally:
            pinger.cancel()
            await asyncio.wait([pinger])

    async def _ping(self, session: _Session) -> None:
        """Ping now and then; cut off a client that does not answer."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._settings.binance_ping_seconds)
            if loop.time() - session.pong_at > self._settings.binance_pong_seconds:
                session.client.cut()
                return
            silent = session.client.half_open or self._faults.silences_pongs("binance")
            if not silent and not session.client.ws.closed:
                try:
                    await session.client.ws.ping()
                except ConnectionError:
                    return

    def _counts(self, session: _Session) -> bool:
        """Count a message; tell whether there were no more than 10 in the last second."""
        now = asyncio.get_running_loop().time()
        received = session.received
        received.append(now)
        while received[0] <= now - 1.0:
            received.popleft()
        return len(received) <= _REQUESTS_A_SECOND

    def _answer(self, session: _Session, text: str | bytes) -> None:
        client = session.client
        try:
            request = msgspec.json.decode(text, type=_Request)
        except (msgspec.MsgspecError, RecursionError):
            self.hub.answer(client, frames.error(None, 3, "Invalid JSON: expected a request"))
            return
        streams = [each for each in request.params if isinstance(each, str)]
        if request.method == "SUBSCRIBE":
            refused = [each for each in streams if self._faults.refuses_topic("binance", each)]
            new = session.asked.union(streams)
            if refused or len(new) > _MOST_STREAMS:
                message = f"Invalid request: {(refused or ['too many streams'])[0]}"
                self.hub.answer(client, frames.error(request.id, 2, message))
                return
            self.hub.answer(client, frames.answer(request.id))
            for stream in streams:
                self._subscribe(session, stream)
        elif request.method == "UNSUBSCRIBE":
            session.asked.difference_update(streams)
            self.hub.unsubscribe(client, [*streams, *(RAW + each for each in streams)])
            self.hub.answer(client, frames.answer(request.id))
        elif request.method == "LIST_SUBSCRIPTIONS":
            self.hub.answer(client, frames.answer(request.id, sorted(session.asked)))
        elif request.method == "GET_PROPERTY" and streams == ["combined"]:
            self.hub.answer(client, frames.answer(request.id, session.combined))
        else:
            message = f"Invalid request: unknown method {request.method[:40]}"
            self.hub.answer(client, frames.error(request.id, 2, message))

    def _subscribe(self, session: _Session, stream: str) -> None:
        """Subscribe; a stream that does not exist here is taken and stays silent."""
        session.asked.add(stream)
        match = _STREAM.fullmatch(stream)
        if match is None or match[1].upper() not in self._known:
            return
        if match[2] in _CATEGORIES[session.category]:
            self.hub.subscribe(session.client, stream if session.combined else RAW + stream)

    def _push(self, number: int, stream: str, data: bytes, *, trades: bool = False) -> None:
        hub = self.hub
        push = hub.push_trades if trades else hub.push
        if hub.wanted(number, stream):
            push(stream, frames.combined(stream, data))
        if hub.wanted(number, RAW + stream):
            push(RAW + stream, data)

    def _wanted(self, number: int, stream: str) -> bool:
        return self.hub.wanted(number, stream) or self.hub.wanted(number, RAW + stream)
