"""A TCP proxy that does to a connection what networks do, switched while it runs.

It has a loop in a thread of its own, so that a test that waits does not stop it.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal[
    "pass", "refuse", "blackhole", "half_open", "slice", "truncate", "corrupt", "stall_after"
]
CHUNK = 64 * 1024
LINGER_NOTHING = struct.pack("ii", 1, 0)
"""Closing a socket with this option sends RST."""


@dataclass(frozen=True)
class Weather:
    """What is done to bytes on their way; `mode` may be left alone and only be slowed down."""

    mode: Mode = "pass"
    delay: float = 0.0
    """Seconds; bytes stay in order."""
    jitter: float = 0.0
    """Up to so many seconds more, drawn evenly."""
    bytes_per_second: float | None = None
    limit: int = 0
    """Bytes let through before truncate, corrupt and stall_after begin, per connection."""


@dataclass
class FaultProxy:
    """Listens on a free port of the loopback and passes on to `target`."""

    target: tuple[str, int]
    seed: int = 1
    port: int = 0
    weather: Weather = field(default_factory=Weather)
    connections: int = 0
    """Accepted so far."""

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - weather, nothing secret
        self._loop = asyncio.new_event_loop()
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        """Begin to listen; `port` is known afterwards."""
        self._thread.start()
        self._call(self._listen())

    def stop(self) -> None:
        """End every connection and the thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def begin(self, weather: Weather) -> None:
        """Change the weather, for open connections too; "refuse" ends those with RST."""
        self.weather = weather
        if weather.mode == "refuse":
            self.reset()

    def reset(self) -> None:
        """End every open connection with RST."""
        self._call(self._abort(reset=True))

    def close(self) -> None:
        """End every open connection with FIN."""
        self._call(self._abort(reset=False))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._abort(reset=True)
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _abort(self, *, reset: bool) -> None:
        for writer in list(self._writers):
            sock = writer.get_extra_info("socket")
            if reset and sock is not None:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOTHING)
            if reset:
                writer.transport.abort()
            else:
                writer.close()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        task.add_done_callback(self._links.discard)
        self.connections += 1
        self._writers.add(writer)
        try:
            if self.weather.mode == "refuse":
                await self._abort_one(writer)
                return
            await self._while("blackhole")
            far_reader, far_writer = await asyncio.open_connection(*self.target)
            self._writers.add(far_writer)
            try:
                await asyncio.gather(
                    self._pump(reader, far_writer, from_target=False),
                    self._pump(far_reader, writer, from_target=True),
                )
            finally:
                self._writers.discard(far_writer)
                far_writer.close()
        except OSError:
            pass  # an end that went away is what the tests are about
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _abort_one(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOTHING)
        writer.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_target: bool
    ) -> None:
        passed = 0
        while chunk := await reader.read(CHUNK):
            await self._while("half_open")
            weather = self.weather
            if from_target and weather.mode in {"truncate", "stall_after"}:
                rest = max(weather.limit - passed, 0)
                if len(chunk) > rest:
                    writer.write(chunk[:rest])
                    await self._while("stall_after")
                    return
            if from_target and weather.mode == "corrupt" and passed >= weather.limit:
                chunk = self._corrupt(chunk)
            await self._hold(weather, len(chunk))
            if weather.mode == "slice":
                for first in range(0, len(chunk), 7):
                    writer.write(chunk[first : first + 7])
                    await writer.drain()
            else:
                writer.write(chunk)
                await writer.drain()
            passed += len(chunk)
        writer.close()

    async def _while(self, mode: Mode) -> None:
        while self.weather.mode == mode:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.05)

    async def _hold(self, weather: Weather, size: int) -> None:
        seconds = weather.delay + weather.jitter * self._random.random()
        if weather.bytes_per_second is not None:
            seconds += size / weather.bytes_per_second
        if seconds:
            await asyncio.sleep(seconds)

    def _corrupt(self, chunk: bytes) -> bytes:
        at = self._random.randrange(len(chunk))
        return chunk[:at] + bytes([chunk[at] ^ 0x20]) + chunk[at + 1 :]


@contextmanager
def fault_proxy(port: int, seed: int = 1) -> Iterator[FaultProxy]:
    """A proxy before a server on this port of the loopback."""
    proxy = FaultProxy(("127.0.0.1", port), seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
