"""One connection to memcached: its text protocol, pipelined, and nothing it says is believed.

Written by hand because of what a library did with a lying server: emcache 1.3.3 takes the announced
length of a value on trust and returns that many bytes of our own memory (docs/adr/0030). The socket
is our own too: a server of this machine has mostly answered before we are back from asking, and a
read in place then saves the turn of the loop, which costs more than the answer (docs/adr/0037).
"""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Collection, Generator
from pathlib import Path
from typing import Any, Final

from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError

LONGEST_LINE: Final = 2_048
AT_ONCE: Final = 1 << 18
"""Bytes read at once."""
READS: Final = 16
"""At once, so that a server which never ends to talk does not hold the loop."""
TRIES: Final = 12
"""To read an answer where it was asked for: together they cost less than a turn of the loop."""
GRACE_S: Final = 0.002
"""Of the deadline, kept for reading what came while this loop was busy."""
_DONE: Final = frozenset({b"STORED", b"NOT_STORED", b"DELETED", b"NOT_FOUND", b"EXISTS"})
_NO: Final = (b"SERVER_ERROR", b"CLIENT_ERROR")
_EOL: Final = b"\r\n"
_END: Final = b"END\r\n"
_EOL_OR_LESS: Final = (b"", b"\r", _EOL)
_VALUE: Final = re.compile(rb"VALUE ([!-~]+) \d+ (\d{1,8})(?: \d+)?\r\n")


class Reply:
    """What is expected for one command: values until END, or so many lines. To be awaited."""

    __slots__ = ("_waiter", "done", "failed", "lines", "sent_at", "values", "wanted")

    def __init__(self, wanted: Collection[bytes], lines: int) -> None:
        self.wanted = wanted
        self.lines = lines
        self.sent_at = 0.0
        self.values: dict[bytes, bytes] = {}
        self.done = False
        self.failed: CacheRefusedError | CacheUnavailableError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __await__(self) -> Generator[Any, None, dict[bytes, bytes]]:
        """Wait for the end of it, if it did not come yet."""
        if not self.done:
            self._waiter = asyncio.get_running_loop().create_future()
            yield from self._waiter
        return self.result()

    def result(self) -> dict[bytes, bytes]:
        """What came. Raises CacheRefusedError or CacheUnavailableError."""
        if self.failed is not None:
            raise self.failed
        return self.values

    def finish(self) -> None:
        """Let go whoever waits."""
        self.done = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Link:
    """Sends commands and hands out the replies in their order.

    A reply that is late, or is no reply, loses the connection and with it everything that waits:
    after it nobody could tell whose the next one is. A caller that goes away costs nothing.
    """

    def __init__(self, ours: socket.socket, timeout_s: float) -> None:
        """Take a connected socket that does not block; it is this link's from now on."""
        self._loop = asyncio.get_running_loop()
        self._socket = ours
        self._timeout_s = timeout_s
        self._due_s = timeout_s - min(GRACE_S, timeout_s / 2)
        self._unsent = bytearray()
        """Of commands, as much as the kernel did not take yet."""
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
        self._loop.add_reader(ours, self._receive)

    def values(self, keys: Collection[bytes]) -> Reply:
        """Ask for these keys; what is there comes."""
        return self._send(b"get " + b" ".join(keys) + _EOL, Reply(keys, 0))

    def lines(self, commands: bytes, count: int) -> Reply:
        """Send commands that are answered by a line each; it fails when one is refused."""
        return self._send(commands, Reply((), count))

    def close(self) -> None:
        """End the connection."""
        self._lose("expected an open connection to memcached, found ours closed")

    def _send(self, command: bytes, reply: Reply) -> Reply:
        if self.lost is not None:
            reply.failed = self.lost
            reply.finish()
            return reply
        self._replies.append(reply)
        if self._unsent:
            self._unsent += command
        else:
            self._write(command)
            if self.lost is None:
                self._receive(TRIES if len(self._replies) == 1 else 1)
        if not reply.done:
            reply.sent_at = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_at(reply.sent_at + self._due_s, self._look)
        return reply

    def _write(self, command: bytes | bytearray) -> None:
        try:
            sent = self._socket.send(command)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._broken(error)
            return
        if sent < len(command):
            self._unsent = bytearray(memoryview(command)[sent:])
            self._loop.add_writer(self._socket, self._write_on)

    def _write_on(self) -> None:
        """Send what the kernel has room for by now."""
        self._loop.remove_writer(self._socket)
        unsent, self._unsent = self._unsent, bytearray()
        self._write(unsent)

    def _receive(self, tries: int = 1) -> None:
        """Read until no reply is missing, or nothing was there in so many tries."""
        for _ in range(READS):
            try:
                data = self._socket.recv(AT_ONCE)
            except BlockingIOError:
                tries -= 1
                if tries:
                    continue
                return
            except OSError as error:
                self._broken(error)
                return
            if not data:
                self._broken(None)
                return
            self.take(data)
            if not self._replies or self.lost is not None:
                return

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

    def take(self, data: bytes) -> None:
        """Read what came, wherever it was cut."""
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
            if taken == position and not self._missing and self.lost is None:
                taken = self._take(data, position)
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
            said = line.decode("ascii", "replace")
            message = f"expected memcached to do it, found: {said:.200}"
            reply.failed = reply.failed or CacheRefusedError(message)
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
        """Take the values that are there in one piece, and the END; anything else is left."""
        reply = self._replies[0]
        wanted, values, match, ends = reply.wanted, reply.values, _VALUE.match, data.startswith
        while (head := match(data, start)) is not None:
            key, size = head.groups()
            first = head.end()
            last = first + int(size)
            if key not in wanted or not ends(_EOL, last):
                if key not in wanted or data[last : last + 2] not in _EOL_OR_LESS:
                    self._garbage(head.group())
                else:
                    self._missing = last + 2 - len(data)
                return start
            values[key] = data[first:last]
            start = last + 2
        if ends(_END, start):
            self._finish(reply)
            start += len(_END)
        return start

    def _line_done(self, reply: Reply) -> None:
        reply.lines -= 1
        if reply.lines <= 0:
            self._finish(reply)

    def _finish(self, reply: Reply) -> None:
        self._replies.popleft()
        reply.finish()

    def _garbage(self, line: bytes) -> None:
        self._lose(f"expected memcached's protocol, found {line[:40]!r}")

    def _broken(self, error: OSError | None) -> None:
        self._lose(f"expected an open connection to memcached, found it lost: {error or 'closed'}")

    def _lose(self, message: str) -> None:
        if self.lost is not None:
            return
        self.lost = CacheUnavailableError(message)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._socket.close()
        for reply in self._replies:
            reply.failed = CacheUnavailableError(message)
            reply.finish()
        self._replies.clear()


async def connect(address: tuple[str, int] | Path, timeout_s: float) -> Link:
    """Open a connection. Raises CacheUnavailableError."""
    try:
        async with asyncio.timeout(timeout_s):
            return Link(await _connected(address), timeout_s)
    except OSError as error:
        message = f"expected memcached at {address}, found: {str(error) or 'no answer in time'}"
        raise CacheUnavailableError(message) from error


async def _connected(address: tuple[str, int] | Path) -> socket.socket:
    """A socket that is connected and does not block. Raises OSError."""
    loop = asyncio.get_running_loop()
    if isinstance(address, Path):
        ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        where: Any = str(address)
    else:
        host, port = address
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, where = found[0]
        ours = socket.socket(family, kind, protocol)
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        ours.settimeout(0)
        await loop.sock_connect(ours, where)
    except BaseException:
        ours.close()
        raise
    return ours
