"""Where processes meet: cache tiers, broker, lease and keepsake, as the settings say."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.tiered import TieredCache
from virtuoso.adapters.keepsake.file import FileKeepsake
from virtuoso.adapters.keepsake.redis import RedisKeepsake
from virtuoso.adapters.lease.memcached import MemcachedLease
from virtuoso.adapters.lease.redis import RedisLease
from virtuoso.apps.settings import CacheSettings, Settings
from virtuoso.apps.tiers import (
    PASSWORD_VARIABLE,
    address_of,
    open_broker,
    open_cache,
    open_codec,
    order,
)
from virtuoso.domain.errors import SettingsError
from virtuoso.ports import Broker, Clock, Keepsake, Lease
from virtuoso.wire.codec import Codec

Backend: TypeAlias = Literal["memory", "memcached", "redis"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """What one process holds of what all share."""

    backend: Backend
    cache: TieredCache
    broker: Broker
    codec: Codec
    leases: tuple[Lease, ...]
    """Where the one writer is named; none when nobody else can write."""
    keepsake: Keepsake | None
    push: RedisBroker | None
    """The way of the pushes, when they leave this process."""

    @property
    def asked_from_outside(self) -> bool:
        """Whether what is heard on the broker may come from another process."""
        return isinstance(self.broker, RedisBroker)


class EchoBroker:
    """Tells other processes, and this one without going round by a server."""

    def __init__(self, here: MemoryBroker, there: Broker) -> None:
        self._here = here
        self._there = there

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand it to everybody."""
        await self._here.publish(channel, message)
        await self._there.publish(channel, message)

    def subscribe(self, channel: str) -> AsyncIterator[bytes]:
        """What this process publishes."""
        return self._here.subscribe(channel)

    async def close(self) -> None:
        """End every subscription."""
        await self._here.close()
        await self._there.close()


def backend_of(settings: Settings, *, alone: bool) -> Backend:
    """Say which shared tier is meant. `alone`: all parts run in this process.

    Raises SettingsError when several processes would each have a memory of their own.
    """
    kind = settings.cache.type
    if kind == "auto":
        return "memory" if alone else "memcached"
    if kind == "memory" and not alone:
        msg = (
            "expected a cache that processes share, found CACHE_TYPE=memory: set "
            "CACHE_TYPE=memcached (with MEMCACHED_HOST, MEMCACHED_PORT, and Redis behind it) or "
            "CACHE_TYPE=redis (with REDIS_HOST, REDIS_PORT), or use `virtuoso run`, "
            "which is one process and needs no server"
        )
        raise SettingsError(msg)
    return kind


def cache_of(settings: Settings, backend: Backend) -> CacheSettings:
    """The cache's settings with its type decided."""
    return msgspec.structs.replace(settings.cache, type=backend)


def password_of() -> str | None:
    """Redis's, from the environment."""
    return os.environ.get(PASSWORD_VARIABLE) or None


def places_of(cache: CacheSettings) -> tuple[Lease, ...]:
    """Where the one writer is named: on every server that is written to."""
    found: list[Lease] = []
    for name in order(cache):
        if name == "memcached":
            found.append(MemcachedLease(address_of(cache, name)))
        else:
            found.append(RedisLease(address_of(cache, name), password=password_of()))
    return tuple(found)


def _keepsake(settings: Settings, cache: CacheSettings, source: str | None) -> Keepsake | None:
    """Where the last good snapshot goes: Redis, or a file of each source."""
    if order(cache):
        return RedisKeepsake(address_of(cache, "redis"), password=password_of())
    if source is None or source.startswith("replay"):
        return None
    name = "".join(each if each.isalnum() else "-" for each in source)
    return FileKeepsake(settings.state.folder(os.environ) / f"last-good-{name}.bin")


@asynccontextmanager
async def open_sharing(
    settings: Settings,
    clock: Clock,
    *,
    alone: bool,
    items: int | None = None,
    source: str | None = None,
) -> AsyncIterator[Sharing]:
    """Open what the settings name; no server has to be there. Raises SettingsError."""
    backend = backend_of(settings, alone=alone)
    ours = cache_of(settings, backend)
    codec = open_codec(ours, os.environ)
    cache = open_cache(ours, clock, codec, os.environ, items or 0)
    broker: Broker = MemoryBroker()
    push: RedisBroker | None = None
    if settings.broker.type == "redis":
        broker = open_broker(ours, os.environ)
        push = broker if isinstance(broker, RedisBroker) else None
        if push is not None and alone:
            broker = EchoBroker(MemoryBroker(), push)
    leases = places_of(ours)
    keepsake = _keepsake(settings, ours, source)
    async with AsyncExitStack() as stack:
        for each in (*leases, *(() if keepsake is None else (keepsake,)), cache, broker):
            stack.push_async_callback(each.close)
        yield Sharing(backend, cache, broker, codec, leases, keepsake, push)


def host_name() -> str:
    """The name of this machine, for people."""
    return socket.gethostname()[:100]
