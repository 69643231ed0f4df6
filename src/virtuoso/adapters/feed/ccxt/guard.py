"""The watch over CCXT's websocket clients, which by themselves die without a sound.

A frame that the library cannot digest ends its loop of reading while the socket stays open and
every caller waits on. Here such a frame ends the connection at once, so that every caller learns
of it and asks again.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiolimiter import AsyncLimiter
from ccxt.async_support.base.exchange import Exchange
from ccxt.async_support.base.ws.client import Client
from ccxt.async_support.base.ws.future import Future
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.ccxt.contracts import Contract
from virtuoso.adapters.feed.ccxt.frames import Continuity, SequenceRule, check_frame
from virtuoso.adapters.feed.connection import (
    CLOSE_SECONDS,
    CONNECT_SECONDS,
    LARGEST_FRAME,
    LARGEST_SAMPLE,
)
from virtuoso.adapters.feed.governed import DEADLINE_SECONDS, GovernedLibrary
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.market_data import Topic
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

HANDLING_ERRORS: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    theirs.BaseError,
    UnreadableFrameError,
)
"""What reading a frame can raise in the library; decoding errors are ValueErrors."""

_CACHES: Final[Mapping[str, int]] = {
    "tradesLimit": 2_000,
    "OHLCVLimit": 10,
    "liquidationsLimit": 1_000,
    "ordersLimit": 10,
}
"""How much the library may keep of each kind."""


@dataclass(eq=False, slots=True)
class Request:
    """One kind of data of one market that is asked of the library."""

    contract: Contract
    topic: Topic
    guard: "ClientGuard | None" = None
    """The connection that it was last asked of."""


ASKING: Final[ContextVar[Request | None]] = ContextVar("ASKING", default=None)
"""Set by whoever calls the library, which does not say which connection it takes."""


class Watcher(Protocol):
    """Who is told what becomes of the connections."""

    def connected(self, guard: "ClientGuard", requests: frozenset[Request]) -> None:
        """A connection carries these requests from now on."""
        ...

    def refused(self, guard: "ClientGuard", reason: str, sample: bytes, *, recycled: bool) -> None:
        """A frame could not be used."""
        ...

    def ended(self, guard: "ClientGuard", reason: str) -> None:
        """A connection is gone."""
        ...


@dataclass(eq=False, slots=True)
class ClientGuard:
    """Stands before one websocket client: checks each frame, notes life and death."""

    client: Client
    watcher: Watcher
    clock: Clock
    sequence: SequenceRule | None
    requests: set[Request] = field(default_factory=set)
    connected_ms: int | None = None
    first_data_ms: int | None = None
    last_data_ms: int | None = None
    """Monotonic times of the connection, and of the data that were understood."""
    reason: str | None = None
    """Why it ended; None while it lives."""

    def __post_init__(self) -> None:
        """Stand before the client's own methods: it has no hook that would do."""
        client: Any = self.client
        handle, digest, resolve = client.handle_message, client.on_message_callback, client.resolve
        on_connected, on_error = client.on_connected_callback, client.on_error_callback
        on_close, close = client.on_close_callback, client.aiohttp_close

        def handle_guarded(message: aiohttp.WSMessage) -> None:
            self._handle(handle, message)

        def digest_checked(client: Client, frame: object) -> None:
            if self._is_fit(frame):
                digest(client, frame)

        def resolve_noted(result: object, message_hash: str) -> object:
            self._note_data()
            return resolve(result, message_hash)

        def connected_noted(client: Client, *rest: object) -> None:
            on_connected(client, *rest)
            self.connected_ms = self.clock.monotonic_ms()
            self.watcher.connected(self, frozenset(self.requests))

        def error_noted(client: Client, error: BaseException) -> None:
            on_error(client, error)
            self._end(describe(error))

        def close_noted(client: Client, code: object) -> None:
            on_close(client, code)
            self._end("the venue closed the connection")

        async def close_soon() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await close()

        client.handle_message, client.on_message_callback = handle_guarded, digest_checked
        client.resolve, client.on_connected_callback = resolve_noted, connected_noted
        client.on_error_callback, client.on_close_callback = error_noted, close_noted
        client.aiohttp_close = close_soon
        client.connectionTimeout = int(CONNECT_SECONDS * SECOND)

    def carry(self, request: Request) -> None:
        """Note that a request goes over this connection."""
        request.guard = self
        if request not in self.requests:
            self.requests.add(request)
            if self.connected_ms is not None:
                self.watcher.connected(self, frozenset({request}))

    def fail(self, reason: str) -> None:
        """End the connection: everybody who waits for it is told so."""
        if self.reason is None:
            self.client.on_error(theirs.NetworkError(reason))  # type: ignore[no-untyped-call]

    def _handle(self, handle: Callable[[Any], None], message: aiohttp.WSMessage) -> None:
        if self.reason is not None:
            return  # what was still in the buffer of a connection that is given up
        if message.type is aiohttp.WSMsgType.ERROR:
            self._refuse(f"unreadable websocket message: {message.data}", b"")
            return
        data = message.data if isinstance(message.data, (str, bytes)) else b""
        try:
            if len(data) > LARGEST_FRAME:
                msg = f"expected a frame of at most {LARGEST_FRAME} bytes, found {len(data)}"
                raise UnreadableFrameError(msg)
            handle(message)
        except HANDLING_ERRORS as error:
            self._refuse(describe(error), data)

    def _is_fit(self, frame: object) -> bool:
        """Whether the library may see a frame. Raises UnreadableFrameError."""
        check_frame(frame)
        continuity = Continuity.NONE if self.sequence is None else self.sequence.judge(frame)
        if continuity is Continuity.BROKEN:
            msg = "gap in a book"
            raise UnreadableFrameError(msg)
        if continuity is Continuity.EARLY:
            self.watcher.refused(self, "change of a book without a snapshot", b"", recycled=False)
        return continuity is Continuity.NONE

    def _refuse(self, reason: str, data: str | bytes) -> None:
        sample = data.encode(errors="replace") if isinstance(data, str) else data
        self.watcher.refused(self, reason, sample[:LARGEST_SAMPLE], recycled=True)
        self.fail(f"unreadable frame: {reason}")

    def _note_data(self) -> None:
        now = self.clock.monotonic_ms()
        self.last_data_ms = now
        if self.first_data_ms is None:
            self.first_data_ms = now

    def _end(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            self.watcher.ended(self, reason)


class GuardedLibrary(GovernedLibrary):
    """Any class of CCXT with our waiting, our deadlines and our guard; mixed in before it."""

    watcher: Watcher | None = None
    clock: Clock
    sequence_rule: Callable[[], SequenceRule] | None = None
    guards: dict[str, ClientGuard]

    def client(self, url: str) -> Client:
        """Give the websocket client of an address, with a guard before it."""
        client: Client = super().client(url)  # type: ignore[no-untyped-call]
        guard = self.guards.get(url)
        if self.watcher is not None and (guard is None or guard.client is not client):
            rule = self.sequence_rule
            guard = ClientGuard(client, self.watcher, self.clock, rule() if rule else None)
            self.guards[url] = guard
            client.throttle = self._sending()  # type: ignore[assignment] # it is None in the class
        request = ASKING.get()
        if guard is not None and request is not None:
            guard.carry(request)
        return client

    def ws_dial_delay(self, url: str) -> float:  # noqa: ARG002 - CCXT's own
        """Connect at once: we wait ourselves, and on a clock that never goes back."""
        return 0.0

    def spawn(self, method: Callable[..., Any], *args: Any) -> Future:  # noqa: ANN401 - CCXT's own
        """Run something beside; what it fails of reaches whoever waits for data."""
        future: Future = super().spawn(method, *args)  # type: ignore[no-untyped-call]
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        return future

    def _sending(self) -> Callable[[float], Any]:
        """What a message to the venue waits for: CCXT's costs, on the loop's clock."""
        each_second = max(SECOND / float(self.rateLimit), 1.0)
        cost = float((self.options or {}).get("ws", {}).get("cost", 1))
        limiter = AsyncLimiter(max(each_second, cost), 1.0)

        async def wait(cost: float = 1.0) -> None:
            await limiter.acquire(cost)

        return wait


def open_library(
    kind: type[Exchange],
    session: aiohttp.ClientSession,
    budget: RequestBudget,
    clock: Clock,
    *,
    weigh: Callable[[float], float],
    options: Mapping[str, Any],
    base_url: str | None = None,
    watcher: Watcher | None = None,
    sequence_rule: Callable[[], SequenceRule] | None = None,
) -> GuardedLibrary:
    """Make an instance of CCXT's class for a venue; `base_url` sends everything to another host."""
    guarded: type[GuardedLibrary] = type(f"Guarded{kind.__name__}", (GuardedLibrary, kind), {})
    library = guarded(
        {
            "session": session,
            "timeout": int(DEADLINE_SECONDS * SECOND),
            "enableRateLimit": True,
            "verbose": False,
            "options": {"defaultType": "swap", **_CACHES, **options},
        }
    )
    library.budget, library.weigh, library.clock = budget, weigh, clock
    library.watcher, library.sequence_rule, library.guards = watcher, sequence_rule, {}
    library.timeout_on_exit = 0
    # names and networks of coins are none of our business, and asking for them often needs a key
    library.has = {**library.has, "fetchCurrencies": False}
    if base_url is not None:
        urls = library.urls or {}
        library.urls = urls | {"api": _redirect(urls["api"], urlsplit(base_url).netloc)}
    return library


def _redirect(address: Any, host: str) -> Any:  # noqa: ANN401 - CCXT's table of addresses
    """Point every address of a table at another host, keeping the paths; it speaks in the clear."""
    if isinstance(address, dict):
        return {key: _redirect(inner, host) for key, inner in address.items()}
    parts = urlsplit(str(address))
    return f"{'ws' if parts.scheme.startswith('ws') else 'http'}://{host}{parts.path}"


def describe(error: BaseException) -> str:
    """Say what went wrong without any address: one may carry what was asked, or a signature."""
    words = " ".join(word for word in str(error).split() if "://" not in word)[:200]
    if isinstance(error, (theirs.NetworkError, UnreadableFrameError)) and words:
        return words
    return f"{type(error).__name__}: {words}".rstrip(": ")
