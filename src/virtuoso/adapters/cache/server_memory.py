"""What a cache server says of its own memory."""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from virtuoso.domain.errors import CacheUnavailableError

LONGEST_ANSWER: Final = 65_536


class ServerMemory(NamedTuple):
    """Bytes, as the server counts them."""

    used: int
    """By what it holds."""
    allocated: int
    """Taken from the machine."""
    limit: int | None
    """It may use; None where none is set."""

    @property
    def share(self) -> float | None:
        """Of the limit that is used, 0..1."""
        return self.used / self.limit if self.limit else None


async def memcached_memory(address: tuple[str, int] | Path, timeout_s: float) -> ServerMemory:
    """Ask memcached on a connection for this alone. Raises CacheUnavailableError."""
    try:
        async with asyncio.timeout(timeout_s):
            if isinstance(address, Path):
                reader, writer = await asyncio.open_unix_connection(
                    str(address), limit=LONGEST_ANSWER
                )
            else:
                reader, writer = await asyncio.open_connection(*address, limit=LONGEST_ANSWER)
            try:
                writer.write(b"stats\r\n")
                answer = await reader.readuntil(b"END\r\n")
            finally:
                writer.close()
    except (OSError, EOFError, asyncio.LimitOverrunError) as error:
        message = f"expected statistics of memcached, found: {str(error) or 'none in time'}"
        raise CacheUnavailableError(message) from error
    return read_stats(answer)


def read_stats(answer: bytes) -> ServerMemory:
    """Read memcached's answer to `stats`. Raises CacheUnavailableError."""
    words = (line.split() for line in answer.splitlines())
    said = {each[1]: each[2] for each in words if len(each) == 3 and each[0] == b"STAT"}
    try:
        limit = int(said[b"limit_maxbytes"])
        # absent until it was built with the counter
        allocated = int(said.get(b"total_malloced", said[b"bytes"]))
        return ServerMemory(int(said[b"bytes"]), allocated, limit or None)
    except (KeyError, ValueError) as error:
        message = f"expected statistics of memcached, found: {answer[:60]!r}"
        raise CacheUnavailableError(message) from error


def read_info(said: object) -> ServerMemory:
    """Read Redis's answer to INFO MEMORY. Raises ValueError."""
    if not isinstance(said, dict):
        message = f"expected fields, found {type(said).__name__}"
        raise ValueError(message)  # noqa: TRY004 - what its parser made of an answer
    used, resident, limit = (
        int(said[name]) for name in ("used_memory", "used_memory_rss", "maxmemory")
    )
    return ServerMemory(used, resident, limit or None)
