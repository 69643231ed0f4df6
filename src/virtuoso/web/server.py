"""Runs an ASGI app under uvicorn, as a task among others of this process."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

import structlog
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from virtuoso.domain.errors import SettingsError
from virtuoso.web.options import WebOptions
from virtuoso.web.security.protocol import Connections, LimitedProtocol
from virtuoso.web.socket.line import LINE

log = structlog.get_logger()

SEND_BUFFER_BYTES: Final = 256 * 1024
"""Of the kernel, per connection: what may wait for a reader that does not read."""

SOCKET_BUFFER_BYTES: Final = 64 * 1024
"""The same for a socket client: what is in there is old by the time a slow one reads it."""

PING_S: Final = 20.0
"""Between two pings to a socket client, and for its answer."""

CLOSE_WAIT_S: Final = 2.0


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's socket, which the app may also use as a `Line`.

    Ready frames go straight to the transport: data frames of a server carry no state (nothing is
    compressed, nothing is sent in pieces), so the library need not see them. And a connection can
    be dropped: closing a transport waits for its buffer to drain, which a client that takes
    nothing never lets happen.
    """

    async def run_asgi(self) -> None:
        """Offer the line to the app."""
        extensions: dict[str, Any] = {**(self.scope["extensions"] or {}), LINE: self}
        self.scope["extensions"] = extensions
        connection = self.transport.get_extra_info("socket")
        if connection is not None and connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER_BYTES)
        await super().run_asgi()

    def write(self, frames: bytes) -> None:
        """Send whole frames, unless the end has been said."""
        over = self.close_sent or self.disconnected or not self.handshake_complete
        if not over and not self.transport.is_closing():
            self.transport.write(frames)

    def waiting(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self.transport.get_write_buffer_size()

    async def send(self, message: Any) -> None:  # noqa: ANN401 (uvicorn's type is private)
        """Send; after a close the peer has a moment to answer, then the connection is dropped."""
        await super().send(message)
        if message["type"] == "websocket.close":
            self.loop.call_later(CLOSE_WAIT_S, self.abort)

    def abort(self) -> None:
        """Drop the connection with whatever waits in it."""
        self.transport.abort()


class Server(uvicorn.Server):
    """uvicorn without signal handlers, which are the business of `apps`."""

    def __init__(
        self, config: uvicorn.Config, closing: Callable[[], Awaitable[None]] | None
    ) -> None:
        super().__init__(config)
        self._closing = closing
        self._up = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let `wait_until_up` know."""
        await super().startup(sockets)
        self._up.set()

    async def wait_until_up(self) -> None:
        """Wait until connections are taken."""
        await self._up.wait()

    async def on_tick(self, counter: int) -> bool:
        """Look once a second for requests that do not arrive."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for each in tuple(self.server_state.connections):
                if isinstance(each, LimitedProtocol):
                    each.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the app say goodbye to its socket clients first."""
        if self._closing is not None:
            await self._closing()
        await super().shutdown(sockets)


def bind(host: str, port: int) -> socket.socket:
    """Take the port, before anything else is started. Raises SettingsError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, every loop sends at once; else asyncio waits 40 ms for a client's ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listener.bind((host, port))
        listener.listen(1_024)
    except OSError as error:
        listener.close()
        found = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        message = f"expected port {port} of {host} to be free, found: {found}"
        raise SettingsError(message) from error
    listener.settimeout(0)
    return listener


async def serve(
    app: Any,  # noqa: ANN401 (any ASGI app)
    host: str,
    port: int,
    *,
    closing: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Take the port and serve until cancelled. Raises SettingsError when the port is taken."""
    await serve_on(app, bind(host, port), closing=closing)


async def serve_on(
    app: Any,  # noqa: ANN401 (any ASGI app)
    listener: socket.socket,
    *,
    closing: Callable[[], Awaitable[None]] | None = None,
    started: asyncio.Event | None = None,
    ping_s: float = PING_S,
    connections: Connections | None = None,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Serve on a bound socket until cancelled; then close within a few seconds, clients or not.

    `connections` bounds heads, bodies and numbers; `tls` makes it speak TLS and nothing else.
    """
    config = uvicorn.Config(
        app,
        loop="none",
        http=(connections or Connections()).protocol,  # type: ignore[arg-type] # called like one
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
        ws=SocketProtocol,
        ws_max_size=WebOptions().max_message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=ping_s,
        ws_ping_timeout=ping_s,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )
    server = Server(config, closing)
    running = asyncio.create_task(server.serve([listener]))
    try:
        up = asyncio.create_task(server.wait_until_up())
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        log.info("server_listening", address=listener.getsockname()[:2])
        if started is not None:
            started.set()
        await asyncio.shield(running)
    except asyncio.CancelledError:
        server.should_exit = True
        await running
        raise
