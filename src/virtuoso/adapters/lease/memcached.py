"""The one writer's name in memcached: added when absent, prolonged by compare-and-set."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import emcache

from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.domain.time import SECOND
from virtuoso.wire.keys import LEASE

TIMEOUT_S: Final = 0.25
TRIES: Final = 3
"""Between reading and writing the name may go, and come: then all begins anew."""
_OVER: Final = -1
"""A life that has ended when it begins."""


class MemcachedLease:
    """One memcached server as a place of the lease."""

    name = "memcached"

    def __init__(self, address: tuple[str, int] | Path, timeout_s: float = TIMEOUT_S) -> None:
        self._address = (
            emcache.MemcachedUnixSocketPath(str(address))
            if isinstance(address, Path)
            else emcache.MemcachedHostAddress(*address)
        )
        self._timeout_s = timeout_s
        self._client: emcache.Client | None = None

    async def holder(self) -> bytes | None:
        """Whoever is named now."""
        async with self._within() as client:
            item = await client.get(LEASE.encode())
        return None if item is None else bytes(item.value)

    async def keep(self, ours: bytes, life_ms: int) -> bytes:
        """Be named from now on, when nobody else is; who is named now."""
        key = LEASE.encode()
        # whole seconds, of which the server may cut off almost one
        seconds = -(-life_ms // SECOND) + 1
        async with self._within() as client:
            for _ in range(TRIES):
                try:
                    await client.add(key, ours, exptime=seconds)
                except emcache.NotStoredStorageCommandError:
                    item = await client.gets(key)
                else:
                    return ours
                if item is None or item.cas is None:
                    continue
                if bytes(item.value) != ours:
                    return bytes(item.value)
                try:
                    await client.cas(key, ours, item.cas, exptime=seconds)
                except emcache.StorageCommandError:
                    continue
                return ours
        message = f"expected the lease to hold still within {TRIES} tries, found it changing"
        raise CacheRefusedError(message)

    async def release(self, ours: bytes) -> None:
        """Be named no more; somebody else's name stays."""
        key = LEASE.encode()
        async with self._within() as client:
            item = await client.gets(key)
            if item is None or item.cas is None or bytes(item.value) != ours:
                return
            try:
                await client.cas(key, ours, item.cas, exptime=_OVER)
            except emcache.StorageCommandError:
                return

    async def close(self) -> None:
        """Release connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @asynccontextmanager
    async def _within(self) -> AsyncIterator[emcache.Client]:
        """The client; one that failed is given up, because it waits ever longer by itself."""
        client = self._client
        if client is None:
            client = self._client = await emcache.create_client(
                [self._address],
                timeout=self._timeout_s,
                max_connections=2,
                connection_timeout=self._timeout_s,
                purge_unused_connections_after=None,
            )
        try:
            async with asyncio.timeout(2 * self._timeout_s):
                yield client
        except (
            TimeoutError,
            OSError,
            emcache.CommandError,
            emcache.ClusterNoAvailableNodes,
            ValueError,
            KeyError,
            IndexError,
            RuntimeError,
        ) as error:
            if self._client is client:
                self._client = None
            await client.close()
            message = f"expected an answer of memcached about the lease, found: {error!s:.200}"
            raise CacheUnavailableError(message) from error
