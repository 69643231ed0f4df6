"""What both venues' streams share: a connection that comes back for ever, and a bounded way out."""

import asyncio
import math
import os
import random
import socket
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Coroutine,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiolimiter import AsyncLimiter

from virtuoso.domain.errors import FeedError
from virtuoso.domain.market_data import FeedEvent
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.ports import Clock

Batch: TypeAlias = Sequence[FeedEvent]
Socket: TypeAlias = aiohttp.ClientWebSocketResponse[bool]

CONNECT_SECONDS: Final = 8.0
SEND_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 0.2
"""A venue that no longer answers does not get to delay the next connection."""
LARGEST_FRAME: Final = 4 * 1024 * 1024
LARGEST_SAMPLE: Final = 4 * 1024
BATCHES_KEPT: Final = 10_000
READING_SECONDS: Final = 0.008
"""How long the readers of one line together may hold the loop in one of its turns."""
LONGEST_READING_SECONDS: Final = 0.002
"""And one alone."""
BATCHES_AT_ONCE: Final = 100
"""So many frames are handed to the consumer together: each hand-over has a price of its own."""
_ADDRESS_SECONDS: Final = 600
"""A name server that fails does not keep us from coming back, for so long."""

_FIRST_DELAY: Final = 0.25
_CAPS: Final = ((15 * SECOND, 1.5), (10 * MINUTE, 5.0))
"""Up to which length of an outage (ms) a delay is at most so long; a short cut is mended soon."""
_LONG_OUTAGE_CAP: Final = 30.0
_GOOD_MS: Final = MINUTE


class ConversationEndedError(FeedError):
    """A connection is over; the message says why. Another one is opened."""


class Tape(Protocol):
    """Keeps what goes through an outbox, in its order, so that it can be played again."""

    def frame(self, route: str, receive_time: Millis, frame: str | bytes) -> None:
        """Keep a raw frame; `route` says how it is to be read."""
        ...

    def events(self, batch: Batch) -> None:
        """Keep events that no frame brought."""
        ...


class Outbox:
    """Batches on their way to the one consumer; when it is full, the readers wait.

    Each reader may have one batch beyond the limit in it.
    """

    def __init__(self, limit: int = BATCHES_KEPT, tape: Tape | None = None) -> None:
        self._line: deque[Batch | BaseException] = deque()
        self._filled = asyncio.Event()
        self._limit = limit
        self._room = asyncio.Event()
        self._tape = tape
        self.waiting_readers = 0
        """How many readers are held up by the consumer: their silence is not the venue's."""
        self.readers = 0
        """How many connections are read into this line."""

    @property
    def reading_seconds(self) -> float:
        """How long a reader may go on before the others have their turn."""
        return min(LONGEST_READING_SECONDS, READING_SECONDS / max(1, self.readers))

    def put_frame_now(
        self, route: str, receive_time: Millis, frame: str | bytes, batch: Batch
    ) -> bool:
        """Hand over what a frame brought, which may be nothing; the tape keeps the frame.

        False when the line is full: then wait for `room` before the next one.
        """
        if self._tape is not None:
            self._tape.frame(route, receive_time, frame)
        if not batch:
            return True
        self._line.append(batch)
        self._filled.set()
        return len(self._line) <= self._limit

    async def put_frame(
        self, route: str, receive_time: Millis, frame: str | bytes, batch: Batch
    ) -> None:
        """Hand over what a frame brought, and wait while the line is full."""
        if not self.put_frame_now(route, receive_time, frame, batch):
            await self.room()

    async def put(self, batch: Batch) -> None:
        """Hand over events that no frame brought; the tape keeps them."""
        if self._tape is not None:
            self._tape.events(batch)
        # first into the line, then the wait: the order of the line is that of the tape, and a
        # reader that is cancelled while it waits has lost nothing
        self._line.append(batch)
        self._filled.set()
        if len(self._line) > self._limit:
            await self.room()

    async def room(self) -> None:
        """Wait until the line is no longer full."""
        self._room.clear()
        self.waiting_readers += 1
        try:
            await self._room.wait()
        finally:
            self.waiting_readers -= 1

    async def get(self, most: int = 1) -> Batch:
        """The next batch, or as many as wait joined to one, up to `most`.

        Raises what a reader died of, if one did.
        """
        line = self._line
        while not line:
            self._filled.clear()
            await self._filled.wait()
        batch = line.popleft()
        if most > 1 and line and not isinstance(batch, BaseException):
            joined = list(batch)
            while line and most > 1 and not isinstance(line[0], BaseException):
                joined += line.popleft()  # type: ignore[arg-type] # asked in the line above
                most -= 1
            batch = joined
        if len(line) <= self._limit:
            self._room.set()
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def fail(self, error: BaseException) -> None:
        """Let the consumer know that a reader died of a mistake in the code."""
        self._line.append(error)
        self._filled.set()


class Backoff:
    """How long to wait before the next connection: drawn evenly, longer from failure to failure."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0
        self._outage_since: int | None = None

    def delay_seconds(self, *, good_ms: int, now_ms: int) -> float:
        """The delay after a connection that gave good data for `good_ms`, at a monotonic time."""
        if good_ms >= _GOOD_MS:
            self._failures = 0
            self._outage_since = None
        elif good_ms > 0:
            self._outage_since = None
        if self._outage_since is None:
            self._outage_since = now_ms
        outage = now_ms - self._outage_since
        cap = next((cap for length, cap in _CAPS if outage <= length), _LONG_OUTAGE_CAP)
        longest = min(cap, _FIRST_DELAY * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._rng.uniform(0, longest)


class ConnectPace:
    """Spaces new connections out, so that many do not come at once and never too many in all."""

    def __init__(self, most: float, seconds: float, apart_seconds: float) -> None:
        """At most twice `most` in `seconds`, the worst case of a bucket that was full."""
        self._limiter = AsyncLimiter(most, seconds)
        self._apart = apart_seconds
        self._next = -math.inf

    async def turn(self) -> None:
        """Wait until one more connection may be opened."""
        now = asyncio.get_running_loop().time()
        begin = max(now, self._next)
        self._next = begin + self._apart
        await asyncio.sleep(begin - now)
        await self._limiter.acquire()


async def until_one_ends(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run jobs side by side until the first ends, cancel the others, raise what it raised."""
    tasks = [asyncio.ensure_future(job) for job in jobs]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


@asynccontextmanager
async def open_socket(session: aiohttp.ClientSession, url: str) -> AsyncIterator[Socket]:
    """One websocket, closed within a moment whatever the venue does.

    Raises ConversationEndedError with the reason in words when it cannot be opened.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            ws: Socket = await session.ws_connect(
                url,
                max_msg_size=LARGEST_FRAME,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            )
    except TimeoutError as error:
        msg = f"no connection within {CONNECT_SECONDS:g} s"
        raise ConversationEndedError(msg) from error
    except (aiohttp.ClientError, OSError) as error:
        msg = f"cannot connect: {describe_failure(error)}"
        raise ConversationEndedError(msg) from error
    try:
        yield ws
    finally:
        # a venue may have sent megabytes that nobody wants any more, and a close by the book
        # would read them all before the next connection is opened
        transport = ws.get_extra_info("transport")
        if transport is not None:
            transport.abort()
        await ws.close()


def describe_failure(error: BaseException) -> str:
    """Say what a network error means, in words and without the address, which may hold more."""
    match error:
        case aiohttp.WSServerHandshakeError(status=status):
            return f"the venue answered with status {status}"
        case aiohttp.ClientConnectorDNSError(host=host):
            return f"the name {host} is not known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "the venue could not prove who it is (TLS)"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the venue broke the connection off"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return type(error).__name__


class OwnThreadsResolver(AbstractResolver):
    """Resolves names in threads of its own, so that a hanging name server holds up nobody else."""

    _THREADS: Final = 4

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(self._THREADS, thread_name_prefix="resolver")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look a host name up. Raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Take no further questions; those under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """A client session with its own resolver, which remembers the addresses for a while."""
    connector = aiohttp.TCPConnector(
        resolver=OwnThreadsResolver(), limit=0, ttl_dns_cache=_ADDRESS_SECONDS
    )
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def forget_address(session: aiohttp.ClientSession, url: str) -> None:
    """Have the name server asked again where a host is."""
    parts = urlsplit(url)
    connector = session.connector
    if isinstance(connector, aiohttp.TCPConnector) and parts.hostname:
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        connector.clear_dns_cache(parts.hostname, port)


async def drain(
    outbox: Outbox, runs: Iterable[Coroutine[Any, Any, None]]
) -> AsyncGenerator[Batch, None]:
    """Run the connections and yield what they put out; raise what one of them died of."""

    def report(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            outbox.fail(error)

    tasks = [asyncio.create_task(run) for run in runs]
    for task in tasks:
        task.add_done_callback(report)
    try:
        while True:
            yield await outbox.get(BATCHES_AT_ONCE)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Strikes:
    """Counts the faults of single topics: three in a minute, and one is set aside for a while."""

    _LIMIT: Final = 3
    _WINDOW_MS: Final = MINUTE
    _SET_ASIDE_MS: Final = 10 * MINUTE

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._strikes: dict[str, deque[int]] = {}
        self._until: dict[str, int] = {}

    def add(self, topic: str) -> bool:
        """Count a fault; True when the topic has now had enough of them."""
        now = self._clock.monotonic_ms()
        strikes = self._strikes.setdefault(topic, deque(maxlen=self._LIMIT))
        strikes.append(now)
        if len(strikes) < self._LIMIT or now - strikes[0] > self._WINDOW_MS:
            return False
        strikes.clear()
        self._until[topic] = now + self._SET_ASIDE_MS
        return True

    def is_set_aside(self, topic: str) -> bool:
        """Whether a topic had enough of them a short while ago."""
        until = self._until.get(topic)
        return until is not None and self._clock.monotonic_ms() < until
