"""Limits below ASGI: how long and how large a head may be, how slow a body, how many connections.

httptools itself has no bound on any of them, and uvicorn waits for ever for the end of a head.
"""

from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from virtuoso.web.guard import is_loopback
from virtuoso.web.security.lockout import group_of
from virtuoso.web.security.refusals import refusal

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100
PATIENCE_S: Final = 10.0
"""For a head, and again for a body."""
MAX_CONNECTIONS: Final = 2_000
MAX_CONNECTIONS_PER_ADDRESS: Final = 100
"""Of others than this computer and the declared proxies; sockets are counted elsewhere."""


def _whole(status: HTTPStatus, code: str, detail: str) -> bytes:
    """A whole answer as bytes, after which the connection is closed."""
    _, headers, body = refusal(status, code, detail).choose(b"", b"")
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), b"connection: close"]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", body])


GARBLED: Final = _whole(HTTPStatus.BAD_REQUEST, "garbled", "This is no HTTP request.")
LONG_HEAD: Final = _whole(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head_too_large",
    f"A request's head may have {MAX_HEADERS} headers and {MAX_HEAD_BYTES} bytes.",
)
SLOW: Final = _whole(
    HTTPStatus.REQUEST_TIMEOUT, "too_slow", f"A request may take {PATIENCE_S:g} s to arrive."
)


class HeadTooLargeError(Exception):
    """Raised through the parser, which then gives up."""


class Connections:
    """The open connections of one server, and how many may come from where."""

    def __init__(
        self,
        is_proxy: Callable[[str], bool] = lambda _: False,
        *,
        most: int = MAX_CONNECTIONS,
        most_per_address: int = MAX_CONNECTIONS_PER_ADDRESS,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.patience_s = patience_s
        self._is_proxy = is_proxy
        self._most = most
        self._most_per_address = most_per_address
        self._open: Counter[str] = Counter()
        self.refused = 0
        """Connections that were closed at once."""

    def enter(self, address: str) -> bool:
        """Count a connection; False when there are too many."""
        counted = self._counted(address)
        if self._open.total() >= self._most or (
            counted and self._open[counted] >= self._most_per_address
        ):
            self.refused += 1
            return False
        self._open[counted] += 1
        return True

    def leave(self, address: str) -> None:
        """Count it no more."""
        counted = self._counted(address)
        self._open[counted] -= 1
        if not self._open[counted]:
            del self._open[counted]

    def _counted(self, address: str) -> str:
        return "" if is_loopback(address) or self._is_proxy(address) else group_of(address)

    def protocol(self, config: Config, server_state: ServerState, **more: Any) -> "LimitedProtocol":  # noqa: ANN401
        """Make the protocol of one connection; uvicorn takes this for its class."""
        return LimitedProtocol(self, config=config, server_state=server_state, **more)


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP, which gives up on a head or a body that is too long in coming."""

    def __init__(self, limits: Connections, **uvicorns: Any) -> None:  # noqa: ANN401
        super().__init__(**uvicorns)
        self._limits = limits
        self._due: float | None = None
        """When what is awaited must be here, by the loop's clock; None: nothing is."""
        self._in_head = True
        self._head_bytes = 0
        self._counted: str | None = None
        self._answer = GARBLED

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401
        """Take a connection, or drop it where there are too many."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if not self._limits.enter(address):
            transport.abort()
            return
        self._counted = address
        self._due = self.loop.time() + self._limits.patience_s

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._counted is not None:
            self._limits.leave(self._counted)
            self._counted = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count what belongs to a head."""
        if self._due is None:
            self._due = self.loop.time() + self._limits.patience_s
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._give_up(LONG_HEAD)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the socket's protocol, which has limits of its own."""
        self._due = None
        self._leave()
        super().handle_websocket_upgrade()

    def on_headers_complete(self) -> None:
        """Begin the request, if its head is not too large."""
        self._in_head = False
        if len(self.headers) > MAX_HEADERS or (
            self._head_bytes > MAX_HEAD_BYTES and self._head_size() > MAX_HEAD_BYTES
        ):
            self._answer = LONG_HEAD
            raise HeadTooLargeError
        self._head_bytes = 0
        if self._due is not None:
            self._due = self.loop.time() + self._limits.patience_s
        super().on_headers_complete()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_message_complete(self) -> None:
        """Nothing more is awaited."""
        self._due = None
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no request, or one with too large a head."""
        self._give_up(self._answer)

    def look(self, now: float) -> None:
        """Give up on what should have arrived by `now`, the loop's clock; once a second."""
        if self._due is not None and now >= self._due and not self.transport.is_closing():
            self._give_up(SLOW)

    def _give_up(self, answer: bytes) -> None:
        self._due = None
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.response_started:
            self.transport.abort()
            return
        if cycle is not None and not cycle.response_complete:
            # whatever the app answers now would stand behind this
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(answer)
        self.transport.close()
