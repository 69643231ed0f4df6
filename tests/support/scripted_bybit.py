"""A server that speaks like Bybit's stream and says only what a test tells it to say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

Json = dict[str, Any]


class ScriptedBybit:
    """Acknowledges requests and keeps them; pushes what it is handed."""

    def __init__(self) -> None:
        self.port = 0
        self.opened: list[float] = []
        """When connections were opened, by the loop's time."""
        self.sockets: list[web.WebSocketResponse] = []
        """Those that are open."""
        self.topics: dict[web.WebSocketResponse, set[str]] = {}
        self.requests: list[tuple[str, list[str]]] = []
        """Operation and topics of each request, pings left out."""
        self.refused: set[str] = set()
        self.answers = True
        self.on_subscribe: Callable[[str], Iterable[Json]] = lambda _: ()
        """The frames that a subscription begins with."""
        self._update = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"ws://127.0.0.1:{self.port}/v5/public/linear"

    def count(self, op: str, topic: str) -> int:
        """How often a topic was asked for, or given back."""
        return sum(topic in topics for each, topics in self.requests if each == op)

    async def push(self, *frames: Json) -> None:
        """Send frames to all who are subscribed to their topics."""
        for frame in frames:
            text = msgspec.json.encode(frame).decode()
            for socket in self.sockets:
                if frame["topic"] in self.topics[socket]:
                    await socket.send_str(text)

    def book(self, topic: str, *, snapshot: bool = False, cross: int = 0, bid: str = "100") -> Json:
        """A frame of a book; updates follow each other."""
        self._update += 1
        return {
            "topic": topic,
            "type": "snapshot" if snapshot else "delta",
            "ts": now_ms(),
            "cts": now_ms(),
            "data": {
                "s": topic.rpartition(".")[2],
                "b": [[bid, "1"]],
                "a": [["200", "1"]],
                "u": self._update + 1,
                "seq": cross or self._update,
            },
        }

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.opened.append(asyncio.get_running_loop().time())
        self.sockets.append(socket)
        self.topics[socket] = set()
        try:
            async for message in socket:
                await self._answer(socket, msgspec.json.decode(message.data))
        finally:
            self.sockets.remove(socket)
        return socket

    async def _answer(self, socket: web.WebSocketResponse, request: Json) -> None:
        op, topics = request["op"], request.get("args", [])
        message = "pong" if op == "ping" else ""
        mine = self.topics[socket]
        if op != "ping":
            self.requests.append((op, topics))
        if op == "subscribe":
            for topic in topics:
                if topic in mine:
                    message = f"error:already subscribed,topic:{topic}"
                    break
                if topic in self.refused:
                    message = f"error:handler not found,topic:{topic}"
                    break
            else:
                mine.update(topics)
        elif op == "unsubscribe":
            mine.difference_update(topics)
        if not self.answers:
            return
        success = not message.startswith("error")
        answer = {"success": success, "ret_msg": message, "req_id": request.get("req_id", "")}
        await socket.send_str(msgspec.json.encode(answer | {"op": op}).decode())
        if op == "subscribe" and success:
            for topic in topics:
                for frame in self.on_subscribe(topic):
                    await socket.send_str(msgspec.json.encode(frame).decode())


def now_ms() -> int:
    """Milliseconds UTC."""
    return time.time_ns() // 1_000_000


def trade(topic: str, number: int, price: str = "150") -> Json:
    """A frame with one trade."""
    row = {"T": now_ms(), "s": "X", "S": "Buy", "v": "1", "p": price, "i": f"trade-{number}"}
    return {"topic": topic, "type": "snapshot", "ts": now_ms(), "data": [row]}


def ticker(topic: str, price: str, *, snapshot: bool = False) -> Json:
    """A frame of a ticker."""
    kind = "snapshot" if snapshot else "delta"
    return {"topic": topic, "type": kind, "ts": now_ms(), "data": {"lastPrice": price}}


@asynccontextmanager
async def scripted_bybit() -> AsyncIterator[ScriptedBybit]:
    """Run one on a free port."""
    venue = ScriptedBybit()
    app = web.Application()
    app.router.add_get("/v5/public/linear", venue.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    venue.port = runner.addresses[0][1]
    try:
        yield venue
    finally:
        for socket in list(venue.sockets):
            await socket.close()
        await runner.cleanup()
