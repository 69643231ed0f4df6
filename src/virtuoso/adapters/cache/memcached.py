"""The tier between our processes on one machine: memcached through emcache. Christus Rex."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import emcache

from virtuoso.adapters.cache.shared import (
    LONGEST_LIFE_MS,
    Held,
    Lived,
    SharedCache,
    checked,
    is_key,
    with_life,
)
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

POOL: Final = 20
TIMEOUT_S: Final = 0.1
WRITERS: Final = 4
"""Connections that a batch of writes uses at once; readers have the rest of the pool."""
_ANSWERS_NO: Final = ("SERVER_ERROR", "CLIENT_ERROR", "NOT_STORED", "EXISTS")
_PROBE: Final = b"virtuoso:probe"


class MemcachedCache(SharedCache):
    """One memcached server, at an address of the loopback, another host or a unix socket.

    A client that failed is given up: emcache waits ever longer before it connects again, and ours
    must be back at once when the server is.
    """

    name = "memcached"

    def __init__(
        self,
        clock: Clock,
        address: tuple[str, int] | Path,
        pool: int = POOL,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        super().__init__(clock)
        self._address = (
            emcache.MemcachedUnixSocketPath(str(address))
            if isinstance(address, Path)
            else emcache.MemcachedHostAddress(*address)
        )
        self._pool = pool
        self._timeout_s = timeout_s
        self._client: emcache.Client | None = None

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """What is there of these keys, in one round trip."""
        wanted = {key.encode(): key for key in keys if is_key(key)}
        if not wanted:
            return {}
        stored: dict[str, bytes] = {}
        async with self._client_within() as client:
            if len(wanted) == 1:
                (raw, key), *_ = wanted.items()
                item = await client.get(raw)
                if item is not None:
                    stored[key] = bytes(item.value)
            else:
                found = await client.get_many(tuple(wanted))
                # garbage may name keys that nobody asked for
                stored = {wanted[raw]: bytes(item.value) for raw, item in found.items()}
        return self._opened(stored)

    async def store(self, values: Mapping[str, Lived]) -> None:
        """Store every value; one without a life is removed."""

        async def one(client: emcache.Client, key: str, lived: Lived) -> None:
            if lived.life_ms > 0:
                await client.set(*self._arguments(key, lived), exptime=_seconds(lived.life_ms))
                return
            try:
                await client.delete(key.encode())
            except emcache.NotFoundCommandError:
                return

        await self._write(values, one)

    async def refill(self, values: Mapping[str, Lived]) -> None:
        """Store those of which there is nothing; what is there may be newer, and stays."""

        async def one(client: emcache.Client, key: str, lived: Lived) -> None:
            try:
                await client.add(*self._arguments(key, lived), exptime=_seconds(lived.life_ms))
            except emcache.NotStoredStorageCommandError:
                return

        await self._write({key: each for key, each in values.items() if each.life_ms > 0}, one)

    async def probe(self) -> None:
        """Return when the server answers."""
        async with self._client_within() as client:
            await client.get(_PROBE)

    async def close(self) -> None:
        """Release connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _arguments(self, key: str, lived: Lived) -> tuple[bytes, bytes]:
        stored = with_life(key, lived.value, lived.life_ms, self._clock.now())
        return checked(key).encode(), stored

    async def _write(
        self,
        values: Mapping[str, Lived],
        one: Callable[[emcache.Client, str, Lived], Awaitable[None]],
    ) -> None:
        """Write over a few connections at once; the first refusal is raised when all are done."""
        waiting: Iterator[tuple[str, Lived]] = iter(values.items())
        refused: list[CacheRefusedError] = []

        async def writer() -> None:
            for key, lived in waiting:
                try:
                    async with self._client_within() as client:
                        await one(client, key, lived)
                except CacheRefusedError as error:
                    refused.append(error)

        writers = [asyncio.ensure_future(writer()) for _ in range(min(WRITERS, len(values)))]
        try:
            await asyncio.gather(*writers)
        finally:
            for each in writers:
                each.cancel()
            await asyncio.gather(*writers, return_exceptions=True)
        if refused:
            raise refused[0]

    @asynccontextmanager
    async def _client_within(self) -> AsyncIterator[emcache.Client]:
        """The client, for one command; its errors become ours, and a client that failed goes."""
        client = self._client
        if client is None:
            client = self._client = await emcache.create_client(
                [self._address],
                timeout=self._timeout_s,
                max_connections=self._pool,
                connection_timeout=self._timeout_s,
                purge_unused_connections_after=None,
            )
        try:
            yield client
        except emcache.CommandError as error:
            said = str(error)
            if any(word in said for word in _ANSWERS_NO):
                message = f"expected memcached to do it, found: {said:.200}"
                raise CacheRefusedError(message) from error
            await self._give_up(client)
            message = f"expected an answer of memcached, found: {said:.200}"
            raise CacheUnavailableError(message) from error
        except (TimeoutError, OSError, emcache.ClusterNoAvailableNodes) as error:
            await self._give_up(client)
            message = f"expected an answer of memcached within {self._timeout_s:g} s, found none"
            raise CacheUnavailableError(message) from error
        except asyncio.CancelledError:
            raise
        except (ValueError, KeyError, IndexError, RuntimeError) as error:
            # what its parser makes of garbage, and what a client says that another task closed
            await self._give_up(client)
            message = f"expected memcached's protocol, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error

    async def _give_up(self, client: emcache.Client) -> None:
        if self._client is client:
            self._client = None
        await client.close()


def _seconds(life_ms: int) -> int:
    """Whole seconds that are surely not shorter: the server's clock ticks once a second."""
    return -(-min(life_ms, LONGEST_LIFE_MS) // SECOND) + 1
