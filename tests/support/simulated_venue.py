"""A simulated venue on a free port, for tests that want real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from virtuoso.simulator.server import ExchangeServer
from virtuoso.simulator.settings import ExchangeSettings

Frame = dict[str, Any]
FIXED_START = 1_763_700_000.0 + 280
"""2025-11-21 04:44:40 UTC, in seconds: soon a minute and a 5 minute candle close."""


@dataclass(frozen=True)
class Venue:
    """A running venue and how to reach it."""

    server: ExchangeServer
    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """The base of the REST addresses."""
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, **query: str | int) -> Frame:
        """Ask `/v5/market/<path>` and return the whole answer."""
        async with self.session.get(f"{self.url}/v5/market/{path}", params=query) as response:
            answer: Frame = msgspec.json.decode(await response.read())
            return answer

    async def result(self, path: str, **query: str | int) -> Frame:
        """Ask about linear contracts, expect success, return the result."""
        answer = await self.get(path, category="linear", **query)
        assert answer["retCode"] == 0, answer
        result: Frame = answer["result"]
        return result

    async def connect(self) -> "Subscriber":
        """Open a stream."""
        ws = await self.session.ws_connect(
            f"ws://127.0.0.1:{self.port}/v5/public/linear", max_msg_size=0
        )
        return Subscriber(ws)

    async def inject(self, **fault: object) -> int:
        """Ask for a fault; return the HTTP status."""
        url = f"{self.url}/simulator/faults"
        async with self.session.post(url, json=fault) as response:
            return response.status


class Subscriber:
    """One connection to the stream; every wait has a deadline."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws

    async def send(self, request: object) -> None:
        """Send a request as JSON."""
        await self.ws.send_bytes(msgspec.json.encode(request))

    async def subscribe(self, *topics: str) -> Frame:
        """Subscribe, and return the answer."""
        await self.send({"op": "subscribe", "req_id": "test-7", "args": list(topics)})
        return (await self.frames(lambda frame: "op" in frame))[-1]

    async def receive(self, seconds: float = 60.0) -> aiohttp.WSMessage:
        """Return the next message, whatever it is."""
        return await self.ws.receive(timeout=seconds)

    async def frames(self, last: Callable[[Frame], bool], seconds: float = 60.0) -> list[Frame]:
        """Return the frames up to the first one that `last` accepts."""
        frames = []
        async with asyncio.timeout(seconds):
            while True:
                frame: Frame = msgspec.json.decode((await self.ws.receive()).data)
                frames.append(frame)
                if last(frame):
                    return frames

    async def collect(self, seconds: float) -> list[Frame]:
        """Return the frames that come in that time."""
        frames: list[Frame] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0:
            try:
                message = await self.ws.receive(timeout=left)
            except TimeoutError:
                break
            frames.append(msgspec.json.decode(message.data))
        return frames


@asynccontextmanager
async def running_venue(
    *,
    symbols: int = 3,
    seed: int = 7,
    speed: float | None = None,
    client_buffer_bytes: int = 8_000_000,
    binance_life_seconds: float = 86_400.0,
) -> AsyncIterator[Venue]:
    """Run a venue; with a `speed` its clock begins at a fixed time and runs that much faster."""
    settings = ExchangeSettings(
        symbols=symbols,
        seed=seed,
        port=0,
        client_buffer_bytes=client_buffer_bytes,
        binance_life_seconds=binance_life_seconds,
    )
    begin = time.monotonic()

    def fast_clock() -> float:
        return FIXED_START + (time.monotonic() - begin) * (speed or 1.0)

    server = ExchangeServer(settings, clock=time.time if speed is None else fast_clock)
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Venue(server, port, session)
    finally:
        await server.stop()
