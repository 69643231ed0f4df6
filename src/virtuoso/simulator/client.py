"""One subscriber of the stream, and the frames it has yet to read."""

import asyncio
import socket
import struct
from collections import deque

import structlog
from aiohttp import WSMsgType, web

from virtuoso.simulator.settings import ExchangeSettings

_log = structlog.get_logger(__name__)

_KERNEL_BUFFER = 1_000_000
"""Bytes: without a limit the kernel takes in many megabytes for a client that does not read."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing then sends RST."""


class Client:
    """One connection, with a bounded queue: a client that does not read is cut off."""

    def __init__(
        self,
        connection_id: str,
        ws: web.WebSocketResponse,
        transport: asyncio.Transport,
        settings: ExchangeSettings,
    ) -> None:
        self.id = connection_id
        self.topics: set[str] = set()
        self._ws = ws
        self._transport = transport
        self._settings = settings
        self._queue: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._ready = asyncio.Event()
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)

    def offer(self, frame: bytes) -> None:
        """Queue a frame for sending."""
        self._queue.append(frame)
        self._waiting_bytes += len(frame)
        self._ready.set()
        if (
            self._waiting_bytes > self._settings.client_buffer_bytes
            or len(self._queue) > self._settings.client_buffer_frames
        ):
            _log.warning(
                "client_evicted",
                client=self.id,
                waiting_frames=len(self._queue),
                waiting_bytes=self._waiting_bytes,
            )
            self.cut()

    def cut(self, *, reset: bool = False) -> None:
        """End the connection without a farewell."""
        self._queue.clear()
        self._waiting_bytes = 0
        if reset and not self._transport.is_closing():
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    async def close(self) -> None:
        """Say farewell and end the connection."""
        await self._ws.close()

    async def write(self) -> None:
        """Send what is queued, until the connection is gone."""
        while not self._ws.closed:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                frame = self._queue.popleft()
                self._waiting_bytes -= len(frame)
                try:
                    await self._ws.send_frame(frame, WSMsgType.TEXT)
                except ConnectionError:
                    return
