"""The one writer's name in memcached: added when absent, prolonged by compare-and-set.

A connection for each call, once a second: there is none to be kept, mended or confused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.domain.time import SECOND
from virtuoso.wire.keys import LEASE

TIMEOUT_S: Final = 0.25
TRIES: Final = 3
"""Between reading and writing the name may go, and come: then all begins anew."""
LONGEST_LINE: Final = 2_048
LONGEST_NAME: Final = 1_024
_KEY: Final = LEASE.encode()
_OVER: Final = -1
"""A life that has ended when it begins."""


class _Found(NamedTuple):
    value: bytes
    mark: bytes
    """What changes with every write."""


class _Talk:
    """One connection, and three commands of the text protocol."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def add(self, value: bytes, seconds: int) -> bool:
        """Write the name where there is none."""
        head = b"add %b 0 %d %d\r\n" % (_KEY, seconds, len(value))
        return await self._say(head + value + b"\r\n") == b"STORED"

    async def cas(self, value: bytes, mark: bytes, seconds: int) -> bool:
        """Write the name where it was not touched since it was read."""
        head = b"cas %b 0 %d %d %b\r\n" % (_KEY, seconds, len(value), mark)
        return await self._say(head + value + b"\r\n") == b"STORED"

    async def gets(self) -> _Found | None:
        """The name that stands there."""
        line = await self._say(b"gets %b\r\n" % _KEY)
        if line == b"END":
            return None
        words = line.split(b" ")
        known = len(words) == 5 and words[:2] == [b"VALUE", _KEY]
        if not known or not words[3].isdigit() or not words[4].isdigit():
            raise _nonsense(line)
        size = int(words[3]) if len(words[3]) < 6 else LONGEST_NAME + 1
        if size > LONGEST_NAME:
            raise _nonsense(line)
        value = await self._reader.readexactly(size + 2)
        if value[-2:] != b"\r\n" or await self._line() != b"END":
            raise _nonsense(value)
        return _Found(value[:-2], words[4])

    async def _say(self, command: bytes) -> bytes:
        self._writer.write(command)
        line = await self._line()
        if line.startswith((b"SERVER_ERROR", b"CLIENT_ERROR", b"ERROR")):
            message = f"expected memcached to keep the lease, found {line[:100]!r}"
            raise CacheRefusedError(message)
        return line

    async def _line(self) -> bytes:
        line = await self._reader.readuntil(b"\r\n")
        return line[:-2]


def _nonsense(line: bytes) -> CacheUnavailableError:
    return CacheUnavailableError(f"expected memcached's protocol, found {line[:40]!r}")


class MemcachedLease:
    """One memcached server as a place of the lease."""

    name = "memcached"

    def __init__(self, address: tuple[str, int] | Path, timeout_s: float = TIMEOUT_S) -> None:
        self._address = address
        self._timeout_s = timeout_s

    async def holder(self) -> bytes | None:
        """Whoever is named now."""
        async with self._talk() as talk:
            found = await talk.gets()
        return None if found is None else found.value

    async def keep(self, ours: bytes, life_ms: int) -> bytes:
        """Be named from now on, when nobody else is; who is named now."""
        # whole seconds, of which the server may cut off almost one
        seconds = -(-life_ms // SECOND) + 1
        async with self._talk() as talk:
            for _ in range(TRIES):
                if await talk.add(ours, seconds):
                    return ours
                found = await talk.gets()
                if found is None:
                    continue
                if found.value != ours:
                    return found.value
                if await talk.cas(ours, found.mark, seconds):
                    return ours
        message = f"expected the lease to hold still within {TRIES} tries, found it changing"
        raise CacheRefusedError(message)

    async def release(self, ours: bytes) -> None:
        """Be named no more; somebody else's name stays."""
        async with self._talk() as talk:
            found = await talk.gets()
            if found is not None and found.value == ours:
                await talk.cas(ours, found.mark, _OVER)

    async def close(self) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def _talk(self) -> AsyncIterator[_Talk]:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                if isinstance(self._address, Path):
                    reader, writer = await asyncio.open_unix_connection(
                        self._address, limit=LONGEST_LINE
                    )
                else:
                    reader, writer = await asyncio.open_connection(
                        *self._address, limit=LONGEST_LINE
                    )
                yield _Talk(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            why = str(error) or f"no answer within {self._timeout_s:g} s"
            message = f"expected an answer of memcached about the lease, found: {why:.200}"
            raise CacheUnavailableError(message) from error
        finally:
            if writer is not None:
                writer.transport.abort()
