"""What both venues' streams share: a connection that comes back for ever, and a bounded way out."""

import asyncio
import random
import socket
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from virtuoso.domain.errors import FeedError
from virtuoso.domain.instruments import Instrument, Venue
from virtuoso.domain.market_data import Disconnected, FeedEvent
from virtuoso.domain.time import MINUTE
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

Batch: TypeAlias = Sequence[FeedEvent]
Socket: TypeAlias = aiohttp.ClientWebSocketResponse[bool]

CONNECT_SECONDS: Final = 8.0
SEND_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 0.2
"""A venue that no longer answers does not get to delay the next connection."""
LARGEST_FRAME: Final = 4 * 1024 * 1024
LARGEST_SAMPLE: Final = 4 * 1024
BATCHES_KEPT: Final = 10_000

_FIRST_DELAY: Final = 0.25
_CAP: Final = 5.0
_LONG_OUTAGE_MS: Final = 10 * MINUTE
_LONG_OUTAGE_CAP: Final = 30.0
_GOOD_MS: Final = MINUTE


class ConversationEndedError(FeedError):
    """A connection is over; the message says why. Another one is opened."""


class Outbox:
    """Batches on their way to the one consumer; when it is full, the readers wait."""

    def __init__(self, limit: int = BATCHES_KEPT) -> None:
        self._queue: asyncio.Queue[Batch | BaseException] = asyncio.Queue(limit)
        self.waiting_readers = 0
        """How many readers are held up by the consumer: their silence is not the venue's."""

    async def put(self, batch: Batch) -> None:
        """Hand over a batch."""
        if not self._queue.full():
            self._queue.put_nowait(batch)
            return
        self.waiting_readers += 1
        try:
            await self._queue.put(batch)
        finally:
            self.waiting_readers -= 1

    async def get(self) -> Batch:
        """The next batch. Raises what a reader died of, if one did."""
        batch = await self._queue.get()
        if isinstance(batch, BaseException):
            raise batch
        return batch

    def fail(self, error: BaseException) -> None:
        """Let the consumer know that a reader died of a mistake in the code."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(error)


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
        cap = _LONG_OUTAGE_CAP if now_ms - self._outage_since > _LONG_OUTAGE_MS else _CAP
        longest = min(cap, _FIRST_DELAY * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return self._rng.uniform(0, longest)


class Connection:
    """Holds one conversation after the other, for ever, and reports each end."""

    def __init__(
        self,
        venue: Venue,
        instruments: Collection[Instrument],
        outbox: Outbox,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.instruments: Final = frozenset(instruments)
        self.outbox: Final = outbox
        self.clock: Final = clock
        self._venue = venue
        self._backoff = Backoff(rng)
        self._recycle: asyncio.Future[str] | None = None
        self.first_data_ms: int | None = None
        """Monotonic time of the first market data of the present conversation."""

    async def run(self, converse: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call `converse` again whenever it raises; it never returns."""
        while True:
            self.first_data_ms = None
            reason = await self._until_it_ends(converse)
            now = self.clock.monotonic_ms()
            good_ms = 0 if self.first_data_ms is None else max(now - self.first_data_ms, 1)
            _log.warning("connection_ended", venue=self._venue, reason=reason, good_ms=good_ms)
            await self.outbox.put(
                [Disconnected(self._venue, self.instruments, reason, self.clock.now())]
            )
            await asyncio.sleep(self._backoff.delay_seconds(good_ms=good_ms, now_ms=now))

    def recycle(self, reason: str) -> None:
        """End the present conversation; the next one follows."""
        if self._recycle is not None and not self._recycle.done():
            self._recycle.set_result(reason)

    async def recycled(self) -> None:
        """Wait until someone asks for a new conversation; raises ConversationEndedError."""
        self._recycle = asyncio.get_running_loop().create_future()
        raise ConversationEndedError(await self._recycle)

    async def _until_it_ends(self, converse: Callable[[], Coroutine[Any, Any, None]]) -> str:
        try:
            await converse()
        except ConversationEndedError as ended:
            return str(ended)
        except TimeoutError:
            return "the venue did not answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"[:200]
        return "the venue closed the connection"


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
        msg = f"cannot connect: {error}"[:200]
        raise ConversationEndedError(msg) from error
    try:
        yield ws
    finally:
        await ws.close()


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
    """A client session with its own resolver."""
    connector = aiohttp.TCPConnector(resolver=OwnThreadsResolver(), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


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
            yield await outbox.get()
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
