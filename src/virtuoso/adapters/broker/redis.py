"""Messages between processes: Redis pub/sub on connections of its own.

Nothing here waits for Redis: what is published stands in a short line, what is heard is handed to
the subscribers of this process. A cut is mended in the background. What was published meanwhile is
lost, as pub/sub has no memory; its readers see the gap in the numbers, and read the cache.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import structlog
from redis import exceptions as theirs
from redis.asyncio.client import PubSub

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.redis_connection import close_redis, forget_idle, open_redis

log = structlog.get_logger()

TIMEOUT_S: Final = 0.1
QUIET_S: Final = 1.5
"""Silence after which the server is asked for a sign of life; the engine beats each second."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 1.0
LOOK_S: Final = 0.1
"""How often the reader looks for channels that were added."""
WAITING: Final = 256
LARGEST_BYTES: Final = 16 * 1024 * 1024
_LOST: Final = (theirs.RedisError, OSError, TimeoutError)
_GARBAGE: Final = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What the library's parser makes of an answer in another protocol."""


class RedisBroker:
    """Hands messages to every process that listens at the same Redis server."""

    def __init__(
        self,
        address: tuple[str, int] | Path,
        timeout_s: float = TIMEOUT_S,
        quiet_s: float = QUIET_S,
        waiting: int = WAITING,
        password: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._quiet_s = quiet_s
        self._local = MemoryBroker(waiting)
        self._line: deque[tuple[str, bytes]] = deque(maxlen=waiting)
        self._most = waiting
        self._news = asyncio.Event()
        self._channels: set[str] = set()
        self._listening: set[str] = set()
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._closed = False
        self._client = open_redis(address, timeout_s, 4, password)
        self.sent = 0
        self.received = 0
        self.lost = 0
        """Messages of ours that never reached the server."""
        self.cuts = 0
        """How often a connection was lost, or not to be had."""
        self.error: str | None = None
        """Why the way is cut at the moment; None while it is not known to be."""

    async def publish(self, channel: str, message: bytes) -> None:
        """Put a message in line; when the line is full the oldest is lost."""
        if self._closed:
            return
        if len(self._line) == self._most:
            self.lost += 1
        self._line.append((channel, message))
        self._news.set()
        self._sender = _running(self._sender, self._send, "sending to redis")

    def subscribe(self, channel: str) -> AsyncIterator[bytes]:
        """Messages published from when the server knows of us on; `listens` tells."""
        subscription = self._local.subscribe(channel)
        if not self._closed:
            self._channels.add(channel)
            self._reader = _running(self._reader, self._read, "reading from redis")
        return subscription

    def listens(self, channel: str) -> bool:
        """Whether the server sends us this channel's messages."""
        return channel in self._listening

    async def close(self) -> None:
        """Send what stands in line, for a moment at most, and end every subscription."""
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while self._line and self.error is None:  # noqa: ASYNC110 - a moment
                    await asyncio.sleep(0.001)
        tasks = [task for task in (self._sender, self._reader) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._local.close()
        await close_redis(self._client)

    async def _send(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            await self._news.wait()
            self._news.clear()
            while self._line:
                channel, message = self._line[0]
                try:
                    async with asyncio.timeout(self._timeout_s):
                        heard_by = await self._client.publish(channel, message)
                    if not isinstance(heard_by, int):
                        self._garbled("the number of listeners", heard_by)
                except (*_LOST, *_GARBAGE) as error:
                    self._cut("sending", error)
                    await forget_idle(self._client)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_S)
                    # old news is no news: what comes now tells the readers what they missed
                    self.lost += len(self._line)
                    self._line.clear()
                    continue
                if self._line and self._line[0] == (channel, message):
                    self._line.popleft()
                self.sent += 1
                self.error = None
                pause = FIRST_PAUSE_S

    async def _read(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    await self._listen(pubsub)
            except (*_LOST, *_GARBAGE) as error:
                again = bool(self._listening)
                self._cut("reading", error)
                self._listening.clear()
                pause = FIRST_PAUSE_S if again else min(2 * pause, LONGEST_PAUSE_S)
                await asyncio.sleep(pause)

    async def _listen(self, pubsub: PubSub) -> None:
        """Hear messages until the server is lost; silence is asked about, and not endured."""
        time = asyncio.get_running_loop().time
        asked_for: set[str] = set()
        heard_at, asked = time(), False
        asked_at = time()
        while True:
            for channel in sorted(self._channels - asked_for):
                async with asyncio.timeout(self._timeout_s):
                    await pubsub.subscribe(channel)
                asked_for.add(channel)
                asked_at = time()
            if asked_for - self._listening and time() - asked_at > self._quiet_s:
                self._garbled("to be subscribed", "other answers")
            heard: dict[str, Any] | None = await pubsub.get_message(timeout=LOOK_S)
            if heard is not None:
                heard_at, asked = time(), False
                await self._take(heard)
            elif time() - heard_at > self._quiet_s * (2 if asked else 1):
                if asked:
                    message = f"expected a sign of life within {self._quiet_s:g} s, found none"
                    raise TimeoutError(message)
                async with asyncio.timeout(self._timeout_s):
                    await pubsub.ping()
                asked = True

    async def _take(self, heard: dict[str, Any]) -> None:
        match heard:
            case {"type": "message", "channel": bytes(channel), "data": bytes(message)}:
                self.received += 1
                if len(message) <= LARGEST_BYTES:
                    await self._local.publish(_text(channel), message)
            case {"type": "subscribe", "channel": bytes(channel)}:
                self._listening.add(_text(channel))
                if self.error is not None:
                    log.warning("push_way_back", channel=_text(channel))
                self.error = None
            case _:
                return

    def _garbled(self, expected: str, found: object) -> NoReturn:
        message = f"expected {expected}, found {found!r:.100}"
        raise ValueError(message)

    def _cut(self, doing: str, error: BaseException) -> None:
        self.cuts += 1
        text = str(error) or f"no answer within {self._timeout_s:g} s"
        if self.error is None:
            log.warning("push_way_cut", doing=doing, error=text)
        self.error = text


def _running(
    task: asyncio.Task[None] | None, work: Callable[[], Coroutine[Any, Any, None]], name: str
) -> asyncio.Task[None]:
    """The task, begun with the first use; one that broke says so to who uses it next."""
    if task is None:
        return asyncio.create_task(work(), name=name)
    if task.done():
        task.result()
    return task


def _text(channel: bytes) -> str:
    return channel.decode("utf-8", "replace")
