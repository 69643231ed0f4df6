"""The tier that outlives a machine's memory of us: Redis through redis-py and hiredis."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from redis import exceptions as theirs

from virtuoso.adapters.cache.server_memory import ServerMemory, read_info
from virtuoso.adapters.cache.shared import (
    LONGEST_LIFE_MS,
    Held,
    Lived,
    SharedCache,
    checked,
    with_life,
)
from virtuoso.adapters.redis_connection import close_redis, forget_idle, open_redis
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.ports import Clock

POOL: Final = 20
TIMEOUT_S: Final = 0.1


class RedisCache(SharedCache):
    """One Redis server, at an address of the loopback, another host or a unix socket."""

    name = "redis"

    def __init__(
        self,
        clock: Clock,
        address: tuple[str, int] | Path,
        pool: int = POOL,
        timeout_s: float = TIMEOUT_S,
        password: str | None = None,
    ) -> None:
        super().__init__(clock)
        self._timeout_s = timeout_s
        self._client = open_redis(address, timeout_s, pool, password, waits=True)

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """What is there of these keys, in one round trip; a value of another type is missing."""
        wanted = [key for key in keys if self._name(key) is not None]
        if not wanted:
            return {}
        async with self._within():
            found = await self._client.mget(wanted)
            if not isinstance(found, list) or len(found) != len(wanted):
                message = f"expected {len(wanted)} answers, found {type(found).__name__}"
                raise ValueError(message)
        pairs = zip(wanted, found, strict=True)
        return self._opened((key, value) for key, value in pairs if isinstance(value, bytes))

    async def store(self, values: Mapping[str, Lived]) -> None:
        """Store every value in one round trip; one without a life is removed."""
        await self._write(values, only_missing=False)

    async def refill(self, values: Mapping[str, Lived]) -> None:
        """Store those of which there is nothing; what is there may be newer, and stays."""
        living = {key: each for key, each in values.items() if each.life_ms > 0}
        await self._write(living, only_missing=True)

    async def probe(self) -> None:
        """Return when the server answers, and is done with loading."""
        async with self._within():
            await self._client.get("virtuoso:probe")

    async def memory(self) -> ServerMemory:
        """Ask for one section of INFO."""
        async with self._within():
            return read_info(await self._client.info("memory"))

    async def close(self) -> None:
        """Release connections."""
        await close_redis(self._client)

    async def _write(self, values: Mapping[str, Lived], *, only_missing: bool) -> None:
        if not values:
            return
        now = self._clock.now()
        async with self._within():
            async with self._client.pipeline(transaction=False) as pipe:
                for key, (value, life_ms) in values.items():
                    if life_ms <= 0:
                        pipe.delete(checked(key))
                        continue
                    stored = with_life(key, value, life_ms, now)
                    life = min(life_ms, LONGEST_LIFE_MS)
                    pipe.set(checked(key), stored, px=life, nx=only_missing)
                answers = await pipe.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[None]:
        """One deadline over everything; the library's errors become ours, and here only."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (theirs.ConnectionError, theirs.TimeoutError, theirs.InvalidResponse) as error:
            await self._forget_connections()
            message = f"expected an answer of Redis, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error
        except theirs.RedisError as error:
            message = f"expected Redis to do it, found: {error!s:.200}"
            raise CacheRefusedError(message) from error
        except (TimeoutError, OSError) as error:
            await self._forget_connections()
            message = f"expected an answer of Redis within {self._timeout_s:g} s, found none"
            raise CacheUnavailableError(message) from error
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            # what its parser makes of an answer in another protocol
            await self._forget_connections()
            message = f"expected Redis's protocol, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error

    async def _forget_connections(self) -> None:
        """Drop what is idle: after one lost connection the others are not worth a try each."""
        await forget_idle(self._client)
