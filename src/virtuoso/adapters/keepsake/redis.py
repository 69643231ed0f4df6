"""The last good snapshot in Redis, with a long life."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis import exceptions as theirs

from virtuoso.adapters.redis_connection import close_redis, forget_idle, open_redis
from virtuoso.domain.errors import CacheUnavailableError
from virtuoso.wire.keys import LAST_GOOD, LAST_GOOD_LIFE_MS

TIMEOUT_S: Final = 1.0
"""Megabytes may go this way, and nobody waits for it."""


class RedisKeepsake:
    """One key of one Redis server."""

    def __init__(
        self,
        address: tuple[str, int] | Path,
        timeout_s: float = TIMEOUT_S,
        password: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._client = open_redis(address, timeout_s, 2, password)

    async def keep(self, value: bytes) -> None:
        """Put it in the place of the one before."""
        async with self._within():
            await self._client.set(LAST_GOOD, value, px=LAST_GOOD_LIFE_MS)

    async def recall(self) -> bytes | None:
        """What was kept last, if it is still there."""
        async with self._within():
            found = await self._client.get(LAST_GOOD)
        return found if isinstance(found, bytes) else None

    async def close(self) -> None:
        """Release connections."""
        await close_redis(self._client)

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (
            theirs.RedisError,
            OSError,
            TimeoutError,
            ValueError,
            KeyError,
            IndexError,
            TypeError,
            AttributeError,
        ) as error:
            await forget_idle(self._client)
            message = f"expected Redis to hold the last snapshot, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error
