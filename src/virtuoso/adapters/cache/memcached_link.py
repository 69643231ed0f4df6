"""One connection to memcached: its text protocol, pipelined, and nothing it says is believed.

Written by hand because of what a library did with a lying server: emcache 1.3.3 takes the announced
length of a value on trust and returns that many bytes of our own memory (docs/adr/0030).
"""

import asyncio
import re
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Final, cast

from virtuoso.domain.errors import CacheError, CacheRefusedError, CacheUnavailableError

LONGEST_LINE: Final = 2_048
GRACE_S: Final = 0.002
"""Of the deadline, kept for reading what came while this loop was busy."""
_DONE: Final = frozenset({b"STORED", b"NOT_STORED", b"DELETED", b"NOT_FOUND", b"EXISTS"})
_NO: Final = (b"SERVER_ERROR", b"CLIENT_ERROR")
_EOL: Final = b"\r\n"
_EOL_OR_LESS: Final = (b"", b"\r", _EOL)
_VALUE: Final = re.compile(rb"VALUE ([!-~]+) \d+ (\d{1,8})(?: \d+)?\r\n")


class Reply:
    """What is expected for one command: values until END, or so many lines."""

    __slots__ = ("future", "lines", "refused", "sent_at", "values", "wanted")

    def __init__(
        self,
        future: asyncio.Future[dict[bytes, bytes]],
        sent_at: float,
        wanted: Collection[bytes],
        lines: int,
    ) -> None:
        self.future = future
        self.sent_at = sent_at
        self.wanted = wanted
        self.lines = lines
        self.values: dict[bytes, bytes] = {}
        self.refused: bytes | None = None


class Link(asyncio.Protocol):
    """Sends commands and hands out the replies in their order.

    A reply that is late, or is no reply, loses the connection and with it everything that waits:
    after it nobody could tell whose the next one is. A caller that goes away costs nothing.
    """

    def __init__(self, timeout_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout_s = timeout_s
        self._due_s = timeout_s - min(GRACE_S, timeout_s / 2)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        """Received, and not yet a whole line or value."""
        self._pieces: list[bytes] = []
        """What came after it, while more is known to be missing."""
        self._missing = 0
        self._replies: deque[Reply] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._suspect: Reply | None = None
        self.lost: CacheUnavailableError | None = None
        """Why there is no connection any more."""

    def values(self, keys: Collection[bytes]) -> asyncio.Future[dict[bytes, bytes]]:
        """Ask for these keys; what is there comes."""
        return self._send(b"get " + b" ".join(keys) + _EOL, keys, 0)

    def lines(self, commands: bytes, count: int) -> asyncio.Future[dict[bytes, bytes]]:
        """Send commands that are answered by a line each; the future fails when one is refused."""
        return self._send(commands, (), count)

    def close(self) -> None:
        """End the connection."""
        self._lose("expected an open connection to memcached, found ours closed")

    def _send(
        self, command: bytes, wanted: Collection[bytes], lines: int
    ) -> asyncio.Future[dict[bytes, bytes]]:
        future: asyncio.Future[dict[bytes, bytes]] = self._loop.create_future()
        if self.lost is not None or self._transport is None:
            future.set_exception(self.lost or CacheUnavailableError("expected a connection"))
            return future
        now = self._loop.time()
        self._replies.append(Reply(future, now, wanted, lines))
        if self._watch is None:
            self._watch = self._loop.call_at(now + self._due_s, self._look)
        self._transport.write(command)
        return future

    def _look(self) -> None:
        """Lose the connection when its oldest reply is due."""
        self._watch = None
        if not self._replies:
            return
        oldest = self._replies[0]
        due = oldest.sent_at + self._due_s
        if due <= self._loop.time() and self._suspect is not oldest:
            # it may be this loop that was busy, and the answer waits to be read
            self._suspect = oldest
            self._watch = self._loop.call_later(GRACE_S, self._look)
        elif due <= self._loop.time():
            self._lose(f"expected an answer of memcached within {self._timeout_s:g} s, found none")
        else:
            self._watch = self._loop.call_at(due, self._look)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._lose(f"expected an open connection to memcached, found it lost: {exc or 'closed'}")

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        if self._rest:
            self._missing = max(0, self._missing - len(data))
            self._pieces.append(data)
            if self._missing:
                return
            data = b"".join((self._rest, *self._pieces))
            self._pieces.clear()
        position = 0
        while position < len(data):
            taken = position
            if self._replies and not self._replies[0].lines:
                taken = self._take_values(data, position)
            if not self._missing and self.lost is None:
                taken = self._take(data, taken)
            if taken == position:
                break
            position = taken
        self._rest = b"" if self.lost is not None else data[position:]

    def _take(self, data: bytes, start: int) -> int:
        """Take one line, and the value it announces; `start` again when they are not all there."""
        end = data.find(_EOL, start, start + LONGEST_LINE)
        if end < 0:
            if len(data) - start >= LONGEST_LINE:
                self._garbage(data[start : start + 40])
            return start
        line = data[start:end]
        if not self._replies:
            self._garbage(line)
            return start
        reply = self._replies[0]
        if line.startswith(_NO):
            reply.refused = reply.refused or line
            self._line_done(reply)
            return end + 2
        if reply.lines:
            if line not in _DONE:
                self._garbage(line)
                return start
            self._line_done(reply)
            return end + 2
        if line != b"END":
            self._garbage(line)
            return start
        self._finish(reply)
        return end + 2

    def _take_values(self, data: bytes, start: int) -> int:
        """Take the values that are there in one piece; anything else is left where it is."""
        reply = self._replies[0]
        wanted, values, match, there = reply.wanted, reply.values, _VALUE.match, len(data)
        while (head := match(data, start)) is not None:
            key, size = head.groups()
            first = head.end()
            last = first + int(size)
            if key not in wanted or data[last : last + 2] not in _EOL_OR_LESS:
                self._garbage(head.group())
                return start
            if there < last + 2:
                self._missing = last + 2 - there
                return start
            values[key] = data[first:last]
            start = last + 2
        return start

    def _line_done(self, reply: Reply) -> None:
        reply.lines -= 1
        if reply.lines <= 0:
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self._replies.popleft()
        if reply.future.done():
            return
        if reply.refused is None:
            reply.future.set_result(reply.values)
            return
        said = reply.refused.decode("ascii", "replace")
        message = f"expected memcached to do it, found: {said:.200}"
        reply.future.set_exception(CacheRefusedError(message))

    def _garbage(self, line: bytes) -> None:
        self._lose(f"expected memcached's protocol, found {line[:40]!r}")

    def _lose(self, message: str) -> None:
        if self.lost is not None:
            return
        self.lost = CacheUnavailableError(message)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._transport is not None:
            self._transport.abort()
        for reply in self._replies:
            if not reply.future.done():
                error: CacheError = CacheUnavailableError(message)
                reply.future.set_exception(error)
        self._replies.clear()


async def connect(address: tuple[str, int] | Path, timeout_s: float) -> Link:
    """Open a connection. Raises CacheUnavailableError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            if isinstance(address, Path):
                _, link = await loop.create_unix_connection(lambda: Link(timeout_s), str(address))
            else:
                _, link = await loop.create_connection(lambda: Link(timeout_s), *address)
    except OSError as error:
        message = f"expected memcached at {address}, found: {str(error) or 'no answer in time'}"
        raise CacheUnavailableError(message) from error
    return link
