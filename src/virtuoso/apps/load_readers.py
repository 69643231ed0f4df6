"""Readers for a load test: over HTTP, over the socket, and sockets that never read."""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from virtuoso.client import Client, Connected, Disconnected, Subscribe
from virtuoso.domain.errors import VirtuosoError

ANSWER_S: Final = 10.0
SOCKETS_PER_ADDRESS: Final = 10
"""A server takes no more from one address; a loopback has sixteen million of them."""
HOT_SHARE: Final = 0.7
KNOWN_SHARE: Final = 0.5
"""Of the requests for a hot document, those that name the body they hold."""
HOT_PATHS: Final = ("/api/symbols", "/api/dashboard/data", "/api/dashboard/mobile-data")


@dataclass(slots=True)
class Tally:
    """What one path answered."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    bytes: int = 0


@dataclass(slots=True)
class Heard:
    """What all socket clients together were sent."""

    messages: Counter[str] = field(default_factory=Counter)
    opened: int = 0
    lost: Counter[str] = field(default_factory=Counter)


class HttpReader:
    """One keep-alive connection that asks again and again, as fast as it is answered, or paced.

    Paced, an answer's time begins when its request was due: who waits for a late answer before it
    asks again must not make the server look quick.
    """

    def __init__(
        self,
        host: str,
        port: int,
        others: Sequence[str],
        tallies: dict[str, Tally],
        seed: int,
        every_s: float = 0.0,
    ) -> None:
        """`every_s`: between two requests; 0: as fast as it goes."""
        self._host, self._port = host, port
        self._others = others
        self._tallies = tallies
        self._rng = random.Random(seed)  # noqa: S311 - a mixture, not a secret
        self._every_s = every_s
        self._due = 0.0
        self._etags: dict[str, str] = {}

    async def run(self, until: float) -> None:
        """Ask until this time of the loop."""
        loop = asyncio.get_running_loop()
        self._due = perf_counter() + self._rng.random() * self._every_s
        while loop.time() < until:
            path = self._next()
            tally = self._tallies.setdefault(path, Tally())
            writer = None
            try:
                async with asyncio.timeout(ANSWER_S):
                    reader, writer = await asyncio.open_connection(self._host, self._port)
                while loop.time() < until:
                    await self._wait()
                    path = self._next()
                    tally = self._tallies.setdefault(path, Tally())
                    await self._ask(path, tally, reader, writer)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                tally.failures[type(error).__name__] += 1
                await asyncio.sleep(0.1)
            finally:
                if writer is not None:
                    writer.close()

    async def _wait(self) -> None:
        """Wait until the next request is due; none is due at once where nobody sets a pace."""
        if not self._every_s:
            self._due = perf_counter()
            return
        left = self._due - perf_counter()
        if left > 0:
            await asyncio.sleep(left)

    def _next(self) -> str:
        hot = not self._others or self._rng.random() < HOT_SHARE
        return self._rng.choice(HOT_PATHS if hot else self._others)

    async def _ask(
        self, path: str, tally: Tally, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        etag = self._etags.get(path)
        if etag is not None and self._rng.random() < KNOWN_SHARE:
            lines.append(f"If-None-Match: {etag}")
        begun = self._due
        self._due += self._every_s
        async with asyncio.timeout(ANSWER_S):
            writer.write("\r\n".join([*lines, "", ""]).encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            start, *rest = head.split("\r\n")
            status = int(start.split(" ")[1])
            headers = {
                name.lower(): value.strip()
                for name, _, value in (line.partition(":") for line in rest)
            }
            length = 0 if status == 304 else int(headers.get("content-length", "0"))
            if length:
                await reader.readexactly(length)
        tally.seconds.append(perf_counter() - begun)
        tally.statuses[status] += 1
        tally.bytes += len(head) + length
        if path in HOT_PATHS and "etag" in headers:
            self._etags[path] = headers["etag"]


async def listen(base: str, number: int, wanted: Subscribe, heard: Heard) -> None:
    """One socket client, until it is cancelled."""
    place = number // SOCKETS_PER_ADDRESS + 1
    local = f"127.0.{place >> 8}.{place & 255}" if base.startswith("http://127.") else None
    try:
        async with (
            Client(base, local_address=local) as client,
            aclosing(client.follow(wanted)) as events,
        ):
            async for event in events:
                heard.messages[type(event).__name__] += 1
                if isinstance(event, Disconnected):
                    heard.lost[event.reason] += 1
                elif isinstance(event, Connected):
                    heard.opened += 1
    except VirtuosoError as error:
        heard.lost[str(error)] += 1


class DeafSockets:
    """Sockets that subscribe to everything and never read."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._open: list[socket.socket] = []

    async def open(self, count: int) -> int:
        """Open so many; how many were taken."""
        for number in range(count):
            local = f"127.0.254.{number // SOCKETS_PER_ADDRESS + 1}"
            try:
                await asyncio.to_thread(self._one, local)
            except OSError:
                break
        return len(self._open)

    def _one(self, local: str) -> None:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(ANSWER_S)
        if self._host.startswith("127."):
            deaf.bind((local, 0))
        try:
            deaf.connect((self._host, self._port))
            head = (
                f"GET /ws HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nConnection: Upgrade\r\n"
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            deaf.sendall(head.encode())
            if not deaf.recv(12).endswith(b" 101"):
                raise ConnectionRefusedError
            text = b'{"type":"subscribe","groups":["board"],"hz":20}'
            deaf.sendall(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)
        except OSError:
            deaf.close()
            raise
        self._open.append(deaf)

    def close(self) -> None:
        """End them."""
        for each in self._open:
            each.close()
