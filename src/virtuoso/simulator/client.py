"""One subscriber of a stream, and what it has yet to read."""

import asyncio
import socket
import struct
from collections import deque

import structlog
from aiohttp import web

from virtuoso.simulator.settings import ExchangeSettings

_log = structlog.get_logger(__name__)

_KERNEL_BUFFER = 1_000_000
"""Bytes: without a limit the kernel takes in many megabytes for a client that does not read."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing then sends RST."""
_TEXT = 0x81
"""First byte of a whole text message."""


def framed(payload: bytes) -> bytes:
    """Wrap a text message as a server sends it: once for all who are told."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", _TEXT, 126, size) + payload
    return struct.pack("!BBQ", _TEXT, 127, size) + payload


class Client:
    """One connection. What is offered in one turn of the loop is written together.

    What waits for a client is bounded: one that does not read is cut off.
    """

    def __init__(
        self,
        connection_id: str,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        settings: ExchangeSettings,
    ) -> None:
        self.id = connection_id
        self.topics: set[str] = set()
        self.ws = ws
        self._transport = transport
        self._largest = settings.client_buffer_bytes
        self._loop = asyncio.get_running_loop()
        self._ready: list[bytes] = []
        self._late: deque[tuple[float, bytes]] = deque()
        self._late_bytes = 0
        self._half_open = False
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def offer(self, frame: bytes, delay: float = 0.0) -> None:
        """Send a framed message, `delay` seconds late; the order is kept."""
        if self._half_open:
            return
        if delay or self._late:
            self._offer_late(frame, delay)
            return
        if not self._ready:
            self._loop.call_soon(self._flush)
        self._ready.append(frame)

    def go_half_open(self) -> None:
        """Keep the connection open, and neither read nor write any more."""
        self._half_open = True
        self._ready.clear()
        self._late.clear()
        if not self._transport.is_closing():
            self._transport.pause_reading()

    @property
    def half_open(self) -> bool:
        """Whether nothing is read or written any more."""
        return self._half_open

    def cut(self, *, reset: bool = False) -> None:
        """End the connection without a farewell."""
        self._ready.clear()
        self._late.clear()
        if reset and not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    async def close(self, code: int = 1000, message: bytes = b"") -> None:
        """Say farewell and end the connection; what was offered before comes before."""
        self._flush()
        await self.ws.close(code=code, message=message)

    def _offer_late(self, frame: bytes, delay: float) -> None:
        due = self._loop.time() + delay
        if self._late:
            due = max(due, self._late[-1][0])
        else:
            self._loop.call_at(due, self._release)
        self._late.append((due, frame))
        self._late_bytes += len(frame)
        if self._late_bytes > self._largest:
            self._evict(self._late_bytes)

    def _release(self) -> None:
        now = self._loop.time()
        while self._late and self._late[0][0] <= now:
            _, frame = self._late.popleft()
            self._late_bytes -= len(frame)
            self._ready.append(frame)
        if self._late:
            self._loop.call_at(self._late[0][0], self._release)
        self._flush()

    def _flush(self) -> None:
        frames, self._ready = self._ready, []
        if not frames or self._transport.is_closing():
            return
        self._transport.write(b"".join(frames))
        waiting = self._transport.get_write_buffer_size()
        if waiting > self._largest:
            self._evict(waiting)

    def _evict(self, waiting: int) -> None:
        _log.warning("client_evicted", client=self.id, waiting_bytes=waiting)
        self._late_bytes = 0
        self.cut()
