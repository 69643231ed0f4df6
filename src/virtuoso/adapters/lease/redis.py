"""The one writer's name in Redis: compared and set by the server, in one step."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from redis import exceptions as theirs

from virtuoso.adapters.redis_connection import close_redis, forget_idle, open_redis
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.wire.keys import LEASE

TIMEOUT_S: Final = 0.25
_KEEP: Final = """
local held = redis.call('get', KEYS[1])
if held and held ~= ARGV[1] then return held end
redis.call('set', KEYS[1], ARGV[1], 'px', ARGV[2])
return ARGV[1]
"""
_RELEASE: Final = """
if redis.call('get', KEYS[1]) == ARGV[1] then redis.call('del', KEYS[1]) end
return 0
"""


class RedisLease:
    """One Redis server as a place of the lease."""

    name = "redis"

    def __init__(
        self,
        address: tuple[str, int] | Path,
        timeout_s: float = TIMEOUT_S,
        password: str | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._client = open_redis(address, timeout_s, 2, password)

    async def holder(self) -> bytes | None:
        """Whoever is named now."""
        async with self._within():
            found = await self._client.get(LEASE)
        return found if isinstance(found, bytes) else None

    async def keep(self, ours: bytes, life_ms: int) -> bytes:
        """Be named from now on, when nobody else is; who is named now."""
        return _named(await self._evaluate(_KEEP, ours, life_ms))

    async def release(self, ours: bytes) -> None:
        """Be named no more; somebody else's name stays."""
        await self._evaluate(_RELEASE, ours)

    async def close(self) -> None:
        """Release connections."""
        await close_redis(self._client)

    async def _evaluate(self, script: str, *values: bytes | int) -> object:
        async with self._within():
            # its signature says bytes or an awaitable, for both of redis-py's clients
            answer: Any = self._client.eval(script, 1, LEASE, *values)
            found: object = await answer
        return found

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (theirs.ConnectionError, theirs.TimeoutError, TimeoutError, OSError) as error:
            await forget_idle(self._client)
            message = f"expected an answer of Redis about the lease, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error
        except theirs.RedisError as error:
            message = f"expected Redis to keep the lease, found: {error!s:.200}"
            raise CacheRefusedError(message) from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            await forget_idle(self._client)
            message = f"expected Redis's protocol, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error


def _named(found: object) -> bytes:
    if isinstance(found, bytes):
        return found
    message = f"expected the name of a writer, found {type(found).__name__}"
    raise CacheRefusedError(message)
