"""The cache and the broker that the settings name: the same ports, whatever is behind them."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan, near_life
from virtuoso.apps.settings import CacheSettings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Broker, Clock
from virtuoso.wire.codec import Codec, Secret

SECRET_VARIABLE: Final = "VIRTUOSO_CACHE_SECRET"  # noqa: S105 - the name of one
PASSWORD_VARIABLE: Final = "REDIS_PASSWORD"  # noqa: S105 - the name of one
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})


def open_codec(settings: CacheSettings, environment: Mapping[str, str]) -> Codec:
    """How values are encoded; the secret comes from the environment and goes nowhere else.

    Raises SettingsError for a secret too short, and for servers elsewhere without one.
    """
    text = environment.get(SECRET_VARIABLE, "")
    secret = Secret(text) if text else None
    servers = order(settings)
    # the pushes go through Redis, whatever holds the values
    used = {*servers, "redis"} if servers else set()
    elsewhere = sorted(name for name in used if not _is_near(address_of(settings, name)))
    if secret is None and elsewhere:
        message = (
            f"expected {SECRET_VARIABLE} for a cache on another machine,"
            f" found none for: {', '.join(elsewhere)}"
        )
        raise SettingsError(message)
    # what stays in this process gains nothing by being small
    above = settings.compress_above_bytes if servers else None
    return Codec(secret, above)


def open_cache(
    settings: CacheSettings,
    clock: Clock,
    codec: Codec,
    environment: Mapping[str, str],
    least_items: int = 0,
) -> TieredCache:
    """The tiers that are set; nothing is connected before the first use.

    `least_items` is room for everything in this process's memory.
    """
    return TieredCache(
        Near(clock, max(settings.items, least_items)),
        open_plans(settings, clock, environment),
        clock,
        codec,
        keep_near=partial(_keep_near, settings.near_seconds * SECOND),
        waiting=settings.waiting,
        patience_s=settings.patience_ms / SECOND,
    )


def open_plans(
    settings: CacheSettings, clock: Clock, environment: Mapping[str, str]
) -> list[TierPlan]:
    """The servers in their places, nearest first."""
    return [_plan(settings, name, clock, environment) for name in order(settings)]


def open_broker(settings: CacheSettings, environment: Mapping[str, str]) -> Broker:
    """What carries pushes: this process's memory, or Redis wherever there are several processes."""
    if not order(settings):
        return MemoryBroker()
    return RedisBroker(
        address_of(settings, "redis"),
        timeout_s=settings.redis_timeout_ms / SECOND,
        password=environment.get(PASSWORD_VARIABLE) or None,
    )


def order(settings: CacheSettings) -> tuple[str, ...]:
    """The servers, nearest first; none where one process has all there is."""
    if settings.type in {"auto", "memory"}:
        return ()
    usual = ("memcached", "redis") if settings.type == "memcached" else ("redis",)
    return tuple(settings.order) or usual


def _plan(
    settings: CacheSettings, name: str, clock: Clock, environment: Mapping[str, str]
) -> TierPlan:
    tier: SharedCache
    address = address_of(settings, name)
    if name == "memcached":
        tier = MemcachedCache(
            clock, address, settings.memcached_pool, settings.memcached_timeout_ms / SECOND
        )
        least, most = settings.memcached_seconds
        return TierPlan(tier, Life(1.0, least * SECOND, most * SECOND))
    tier = RedisCache(
        clock,
        address,
        settings.redis_pool,
        settings.redis_timeout_ms / SECOND,
        environment.get(PASSWORD_VARIABLE) or None,
    )
    least, most = settings.redis_seconds
    return TierPlan(tier, Life(settings.redis_factor, least * SECOND, most * SECOND))


def address_of(settings: CacheSettings, name: str) -> tuple[str, int] | Path:
    """Where a server is."""
    path, host, port = (
        (settings.memcached_socket, settings.memcached_host, settings.memcached_port)
        if name == "memcached"
        else (settings.redis_socket, settings.redis_host, settings.redis_port)
    )
    if path:
        return Path(path)
    # `localhost` may resolve to IPv6, where these servers do not listen
    return ("127.0.0.1" if host == "localhost" else host, port)


def _is_near(address: tuple[str, int] | Path) -> bool:
    return isinstance(address, Path) or address[0] in _LOOPBACK


def _keep_near(most_ms: int, key: str, left_ms: int) -> int:
    return min(most_ms, near_life(key, left_ms))
