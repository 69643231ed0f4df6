"""A client of the simulator's Binance side, and a book kept by the letter of the documentation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from support.simulated_venue import Frame, Venue


@dataclass
class BinanceBook:
    """Begins with a REST book, then applies `depth` updates; refuses what breaks the chain."""

    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    update: int | None = None
    breaks: int = 0
    _bridged: bool = False

    def begin(self, rest: Frame) -> None:
        """Start from a REST book."""
        self.bids = {float(price): float(size) for price, size in rest["bids"]}
        self.asks = {float(price): float(size) for price, size in rest["asks"]}
        self.update, self._bridged = rest["lastUpdateId"], False

    def apply(self, data: Frame) -> None:
        """Apply one update by the documented rules."""
        if self.update is None or (not self._bridged and data["u"] < self.update):
            return
        follows = data["pu"] == self.update
        if not self._bridged:
            follows = data["U"] <= self.update <= data["u"] or follows
            self._bridged = True
        if not follows:
            self.breaks += 1
            self.update = None
            return
        for side, rows in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, size in rows:
                if float(size):
                    side[float(price)] = float(size)
                else:
                    side.pop(float(price), None)
        self.update = data["u"]


class BinanceSubscriber:
    """One connection; every wait has a deadline."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self._id = 0

    async def ask(self, method: str, *params: str) -> Frame:
        """Send a request, and return its answer."""
        self._id += 1
        request = {"method": method, "params": list(params), "id": self._id}
        await self.ws.send_bytes(msgspec.json.encode(request))
        return (await self.frames(lambda frame: frame.get("id") == self._id))[-1]

    async def frames(self, last: Callable[[Frame], bool], seconds: float = 60.0) -> list[Frame]:
        """Return the frames up to the first one that `last` accepts."""
        frames: list[Frame] = []
        async with asyncio.timeout(seconds):
            while True:
                frames.append(msgspec.json.decode((await self.ws.receive()).data))
                if last(frames[-1]):
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
async def binance_stream(venue: Venue, path: str) -> AsyncIterator[BinanceSubscriber]:
    """Open a connection to a path such as `/public/stream`."""
    url = f"ws://127.0.0.1:{venue.port}{path}"
    async with venue.session.ws_connect(url, max_msg_size=0) as ws:
        yield BinanceSubscriber(ws)


async def binance_get(venue: Venue, path: str, **query: str | int) -> Any:  # noqa: ANN401
    """Ask a path such as `/fapi/v1/time`, expect success, return the answer."""
    async with venue.session.get(f"{venue.url}{path}", params=query) as response:
        body = await response.read()
        assert response.status == 200, body
        return msgspec.json.decode(body)
