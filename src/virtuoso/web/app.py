"""The web process as one ASGI callable: guards and ready bytes in front, FastAPI behind them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.types import Message, Receive, Scope, Send

from virtuoso.domain.fees import NO_FEES, Fees
from virtuoso.ports import Archive, Clock
from virtuoso.web.answers import SECURITY_HEADERS, Answer
from virtuoso.web.delivery import Delivery, Device, asked_encoding, device_of
from virtuoso.web.guard import allowed_names, host_name, origin_allowed
from virtuoso.web.history_routes import add_history
from virtuoso.web.options import WebOptions
from virtuoso.web.pages import STATIC, Pages
from virtuoso.web.problems import problem
from virtuoso.web.routes import Api, add_figures, add_metrics, create_api
from virtuoso.web.routes.signals import Counter, add_signals
from virtuoso.web.snapshot import Snapshot
from virtuoso.web.socket.hub import Hub
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import HealthPart
from virtuoso.wire.metrics import CacheMetrics

HOT_PATHS: Final = {
    "/api/symbols": keys.SYMBOLS,
    "/api/dashboard/data": keys.DASHBOARD,
    "/api/dashboard/mobile-data": keys.MOBILE,
}

LIST_PATH: Final = "/api/symbols"
"""Where parameters or another form than JSON may be asked for: then it is no ready answer."""

SOCKET_PATH: Final = "/ws"

_READ: Final = frozenset({"GET", "HEAD"})
_READ_ONLY = problem(405, "method_not_allowed", "This address can only be read: use GET or HEAD.")
_WRONG_HOST = problem(400, "wrong_host", "This server does not go by the name it was called by.")
_TOO_LARGE = problem(413, "body_too_large", "The body is larger than this server accepts.")
_NO_LENGTH = problem(411, "length_required", "A body needs a Content-Length.")
_NO_SOCKET = problem(404, "not_found", "There is no socket at this address; it is at /ws.")
_WRONG_ORIGIN = problem(403, "wrong_origin", "A socket may only be opened by this server's pages.")


class WebApp:
    """Answers requests and sockets. `hub` counts the socket clients, `close` sends them away."""

    def __init__(self, snapshot: Snapshot, pages: Pages, hub: Hub, routes: FastAPI) -> None:
        self.hub = hub
        self.routes = routes
        self._snapshot = snapshot
        self._pages = pages
        self._delivery = Delivery()
        self._routes = routes
        self._names = allowed_names(hub.options.hosts)
        self._max_body = hub.options.max_body_bytes

    async def close(self) -> None:
        """Send the socket clients away; for `serve(..., closing=app.close)`."""
        await self.hub.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or talk over one socket."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._routes(scope, receive, send)
            return
        host = match = length = form = agent = hint = b""
        accepted: bytes | None = None
        hosts = 0
        chunked = False
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
                hosts += 1
            elif name == b"accept-encoding":
                accepted = value
            elif name == b"if-none-match":
                match = value
            elif name == b"user-agent":
                agent = value
            elif name == b"sec-ch-ua-mobile":
                hint = value
            elif name == b"content-length":
                length = value
            elif name == b"accept":
                form = value
            elif name == b"transfer-encoding":
                chunked = True
        if hosts != 1 or host_name(host) not in self._names:
            answer = _WRONG_HOST
        elif (chunked or length) and (refused := self._refuse_body(length, chunked=chunked)):
            answer = refused
        else:
            device = device_of(agent, hint)
            found = None if _asks_for_part(scope, form) else self._find(scope["path"], device)
            accepted = asked_encoding(accepted, device)
            if found is None:
                await self._routes(scope, receive, _with_security_headers(send))
                return
            answer = found if scope["method"] in _READ else _READ_ONLY
        status, headers, body = answer.choose(accepted or b"", match)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _find(self, path: str, device: Device) -> Answer | None:
        """The ready answer for a path, if it has one."""
        key = HOT_PATHS.get(path)
        if key is None:
            return self._pages.find(path)
        return self._delivery.fit(key, self._snapshot.hot(key), device)

    def _refuse_body(self, length: bytes, *, chunked: bool) -> Answer | None:
        """Why a body is not taken; it would be read by nobody, but it must not be waited for."""
        if chunked:
            return _NO_LENGTH
        if not length.isdigit() or int(length) > self._max_body:
            return _TOO_LARGE
        return None

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        refused = self._refuse_socket(scope)
        if refused is not None:
            self.hub.refused += 1
            await _send_before_accept(send, refused)
            return
        await send({"type": "websocket.accept", "headers": list(SECURITY_HEADERS)})
        await self.hub.serve(scope, receive, send)

    def _refuse_socket(self, scope: Scope) -> Answer | None:
        """Why a handshake is refused. Each header must be there once at most."""
        headers = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        client_ip = (scope.get("client") or ("",))[0]
        if len(hosts) != 1 or host_name(hosts[0]) not in self._names:
            return _WRONG_HOST
        if len(origins) > 1 or not origin_allowed(b"".join(origins), hosts[0], client_ip):
            return _WRONG_ORIGIN
        if scope["path"] != SOCKET_PATH:
            return _NO_SOCKET
        full = self.hub.why_full(client_ip)
        return None if full is None else problem(503, "too_many_clients", f"{full}.")


def create_app(
    follower: Follower,
    clock: Clock,
    *,
    options: WebOptions | None = None,
    static: Path = STATIC,
    version: str = "",
    cache_metrics: Callable[[], CacheMetrics] | None = None,
    own_parts: Callable[[], tuple[HealthPart, ...]] = tuple,
    asked: Callable[[str], None] = lambda _: None,
    archive: Archive | None = None,
    count_signals: Counter | None = None,
    fees: Fees = NO_FEES,
    routers: Sequence[APIRouter] = (),
    more: Sequence[Callable[[Api], None]] = (),
) -> WebApp:
    """Put the web process together. `follower.run()` must run beside it.

    `own_parts` gives the health of what only this process sees; `asked` is told of each document
    that is asked for and not held ready; `count_signals` makes statistics of stored signals,
    which are reckoned after `fees`, by venue;
    `routers` are added to the API, and `more` adds routes that its OpenAPI document describes.
    """
    snapshot = Snapshot(follower, asked)
    pages = Pages(static)
    hub = Hub(follower, clock, options or WebOptions())
    api = create_api(snapshot, pages, clock, version, own_parts)
    add_history(api, snapshot, archive, clock)
    add_signals(api, snapshot, archive, clock, count_signals, fees)
    add_figures(api, snapshot, clock, hub.counters)
    if cache_metrics is not None:
        add_metrics(api, cache_metrics, hub.counters)
    for add in more:
        add(api)
    for each in routers:
        api.app.include_router(each, include_in_schema=False)
    return WebApp(snapshot, pages, hub, api.app)


async def _send_before_accept(send: Send, answer: Answer) -> None:
    status, headers, body = answer.choose(b"", b"")
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def _asks_for_part(scope: Scope, accept: bytes) -> bool:
    """Whether of the list something else is asked for than the whole of it as JSON."""
    if scope["path"] != LIST_PATH:
        return False
    return bool(scope["query_string"] or (accept and b"json" not in accept and b"*" not in accept))


def _with_security_headers(send: Send) -> Send:
    """Add what is missing to an answer that FastAPI made by itself."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name for name, _ in message["headers"]}
            missing = [pair for pair in SECURITY_HEADERS if pair[0] not in present]
            message["headers"] = [*message["headers"], *missing]
        await send(message)

    return guarded
