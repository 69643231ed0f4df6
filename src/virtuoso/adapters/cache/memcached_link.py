"""One connection to memcached: its text protocol, pipelined, and nothing it says is believed.

Written by hand because of what a library did with a lying server: emcache 1.3.3 takes the announced
length of a value on trust and returns that many bytes of our own memory (docs/adr/0030).
"""

import asyncio
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Final, cast

from virtuoso.domain.errors import CacheError, CacheRefusedError, CacheUnavailableError

LONGEST_LINE: Final = 2_048
LARGEST_VALUE: Final = 64 * 1024 * 1024
_DONE: Final = frozenset({b"STORED", b"NOT_STORED", b"DELETED", b"NOT_FOUND", b"EXISTS"})
_NO: Final = (b"SERVER_ERROR", b"CLIENT_ERROR")
_EOL: Final = b"\r\n"


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
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._replies: deque[Reply] = deque()
        self._watch: asyncio.TimerHandle | None = None
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
            self._watch = self._loop.call_at(now + self._timeout_s, self._look)
        self._transport.write(command)
        return future

    def _look(self) -> None:
        """Lose the connection when its oldest reply is due."""
        self._watch = None
        if not self._replies:
            return
        due = self._replies[0].sent_at + self._timeout_s
        if due <= self._loop.time():
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
        self._buffer += data
        position = 0
        while self.lost is None and position < len(self._buffer):
            taken = self._take(position)
            if taken == position:
                break
            position = taken
        del self._buffer[:position]

    def _take(self, start: int) -> int:
        """Take one line, and the value it announces; `start` again when they are not all there."""
        end = self._buffer.find(_EOL, start, start + LONGEST_LINE)
        if end < 0:
            if len(self._buffer) - start >= LONGEST_LINE:
                self._garbage(bytes(self._buffer[start : start + 40]))
            return start
        line = bytes(self._buffer[start:end])
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
        if line == b"END":
            self._finish(reply)
            return end + 2
        return self._take_value(reply, line, start, end + 2)

    def _take_value(self, reply: Reply, line: bytes, start: int, first: int) -> int:
        words = line.split(b" ")
        known = len(words) in (4, 5) and words[0] == b"VALUE" and words[1] in reply.wanted
        if not known or not words[3].isdigit() or len(words[3]) > 9:
            self._garbage(line)
            return start
        last = first + int(words[3])
        if last - first > LARGEST_VALUE:
            self._garbage(line)
            return start
        if len(self._buffer) < last + 2:
            return start
        if self._buffer[last : last + 2] != _EOL:
            self._garbage(line)
            return start
        reply.values[words[1]] = bytes(self._buffer[first:last])
        return last + 2

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
        self._buffer.clear()
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
