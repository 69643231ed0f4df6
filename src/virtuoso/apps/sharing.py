"""Where processes meet: cache tiers, broker, lease and keepsake, as the settings say."""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.cache.tiered import Life, Note, TieredCache, TierPlan
from virtuoso.adapters.keepsake.file import FileKeepsake
from virtuoso.adapters.keepsake.redis import RedisKeepsake
from virtuoso.adapters.lease.memcached import MemcachedLease
from virtuoso.adapters.lease.redis import RedisLease
from virtuoso.apps.settings import Settings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Broker, Clock, Keepsake, Lease
from virtuoso.wire.codec import Codec, Secret

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


def servers_of(settings: Settings, backend: Backend, clock: Clock) -> tuple[SharedCache, ...]:
    """Make clients of the servers, nearest first; nothing is connected yet."""
    ours = settings.cache
    if backend == "memory":
        return ()
    redis = RedisCache(
        clock,
        ours.redis,
        ours.redis_pool,
        ours.redis_timeout_ms / SECOND,
        ours.redis_password or None,
    )
    if backend == "redis":
        return (redis,)
    memcached = MemcachedCache(
        clock, ours.memcached, ours.memcached_pool, ours.memcached_timeout_ms / SECOND
    )
    return (memcached, redis)


def plans_of(settings: Settings, servers: tuple[SharedCache, ...]) -> tuple[TierPlan, ...]:
    """Give each server its place and its lives."""
    ours = settings.cache
    first = Life(most_ms=ours.memcached_most_seconds * SECOND)
    behind = Life(
        ours.redis_factor, ours.redis_least_seconds * SECOND, ours.redis_most_seconds * SECOND
    )
    return tuple(
        TierPlan(server, behind if server.name == "redis" else first) for server in servers
    )


def codec_of(settings: Settings, backend: Backend) -> Codec:
    """Values that stay in this process are not compressed. Raises SettingsError."""
    secret = Secret(settings.cache.secret) if settings.cache.secret else None
    return Codec(compress_above=None) if backend == "memory" else Codec(secret)


def _leases(settings: Settings, backend: Backend) -> tuple[Lease, ...]:
    ours = settings.cache
    if backend == "memory":
        return ()
    redis = RedisLease(ours.redis, password=ours.redis_password or None)
    return (redis,) if backend == "redis" else (MemcachedLease(ours.memcached), redis)


def _keepsake(settings: Settings, backend: Backend, source: str | None) -> Keepsake | None:
    """Where the last good snapshot goes: Redis, or a file of each source."""
    if backend != "memory":
        return RedisKeepsake(settings.cache.redis, password=settings.cache.redis_password or None)
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
    codec = codec_of(settings, backend)
    near: Near[Note] = Near(clock, max(settings.cache.items, items or 0))
    plans = plans_of(settings, servers_of(settings, backend, clock))
    cache = TieredCache(near, plans, clock, codec)
    broker: Broker = MemoryBroker()
    push: RedisBroker | None = None
    if backend != "memory" and settings.broker.type == "redis":
        push = RedisBroker(
            settings.broker.redis(settings.cache),
            settings.broker.timeout_ms / SECOND,
            waiting=settings.broker.waiting,
            password=settings.cache.redis_password or None,
        )
        broker = EchoBroker(MemoryBroker(), push) if alone else push
    leases = _leases(settings, backend)
    keepsake = _keepsake(settings, backend, source)
    async with AsyncExitStack() as stack:
        for each in (*leases, *(() if keepsake is None else (keepsake,)), cache, broker):
            stack.push_async_callback(each.close)
        yield Sharing(backend, cache, broker, codec, leases, keepsake, push)


def host_name() -> str:
    """The name of this machine, for people."""
    return socket.gethostname()[:100]
