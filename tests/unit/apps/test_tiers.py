"""Which cache and broker the settings mean."""

import pytest

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.tiered import TieredCache
from virtuoso.apps.settings import CacheSettings
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.tiers import open_broker, open_cache, open_codec, order
from virtuoso.domain.errors import SettingsError
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.messages import Document

SECRET = {"VIRTUOSO_CACHE_SECRET": "a secret of this machine"}


def cache_settings(**environment: str) -> CacheSettings:
    """The defaults with these variables."""
    return load_settings(None, environment).cache


async def test_memory_is_the_default_and_needs_no_server() -> None:
    """One process, nothing to sign and nothing to compress."""
    settings = cache_settings()
    codec = open_codec(settings, {})
    cache = open_cache(settings, FakeClock(), codec, {})
    assert [each.name for each in cache.counters()] == ["memory"]
    assert isinstance(open_broker(settings, {}), MemoryBroker)
    large = Document(1, "one", 1, 1, None, "tag", b"x" * 100_000)
    assert len(codec.encode(keys.SYMBOLS, large)) > 100_000


@pytest.mark.parametrize(
    ("kind", "names"),
    [("memcached", ["memory", "memcached", "redis"]), ("redis", ["memory", "redis"])],
)
async def test_cache_type_names_the_tiers(kind: str, names: list[str]) -> None:
    """Contract K14; the owner's lives are the defaults."""
    settings = cache_settings(CACHE_TYPE=kind)
    cache = open_cache(settings, FakeClock(), Codec(), {})
    assert isinstance(cache, TieredCache)
    assert [each.name for each in cache.counters()] == names
    assert isinstance(open_broker(settings, {}), RedisBroker)
    assert (settings.memcached_seconds, settings.redis_seconds) == ((30, 90), (120, 600))
    assert (settings.ttl_seconds, settings.items, settings.near_seconds) == (30, 1_000, 15)
    await cache.close()


def test_the_owners_addresses_are_read_as_the_ipv4_loopback() -> None:
    """F22: `localhost` may be ::1, where nobody listens; it needs no secret either."""
    settings = cache_settings(
        CACHE_TYPE="memcached",
        MEMCACHED_HOST="localhost",
        MEMCACHED_PORT="11222",
        REDIS_HOST="localhost",
    )
    assert settings.memcached_port == 11_222
    assert order(settings) == ("memcached", "redis")
    open_codec(settings, {})


@pytest.mark.parametrize("variable", ["MEMCACHED_HOST", "REDIS_HOST"])
def test_a_cache_on_another_machine_needs_a_secret(variable: str) -> None:
    """Security S12: it refuses to start, and says which variable is missing."""
    settings = cache_settings(CACHE_TYPE="memcached", **{variable: "192.0.2.7"})
    with pytest.raises(SettingsError, match="VIRTUOSO_CACHE_SECRET"):
        open_codec(settings, {})
    open_codec(settings, SECRET)


def test_with_a_secret_values_are_signed() -> None:
    """Only readers with the same secret take them."""
    value = open_codec(cache_settings(CACHE_TYPE="redis"), SECRET).encode(
        keys.SYMBOLS, Document(1, "one", 1, 1, None, "tag", b"{}")
    )
    assert value.startswith(b"\xc1V\x01")
