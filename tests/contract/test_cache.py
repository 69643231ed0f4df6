"""What every cache promises, whatever it is made of."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest

from support.servers import Server
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.ports import Cache
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.own_memory import own_memory
from virtuoso.wire.codec import Stamp

MADE = ("fake", "memcached", "memory", "redis", "tiered", "tiered from below")
TIMEOUT_S = 2.0
"""Long: these tests share a machine, and how servers fail is tested elsewhere."""


class Trusting:
    """Takes any bytes: the tiers promise the same for all of them."""

    def inspect(self, _key: str, _value: bytes) -> Stamp | None:
        """No stamp, no refusal."""
        return None


class FromBelow(TieredCache):
    """Forgets its own memory before each read, so that the servers must answer."""

    async def get(self, key: str) -> bytes | None:
        """As another process would read it."""
        self.forget([key])
        return await super().get(key)

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """As another process would read them."""
        self.forget(keys)
        return await super().multi_get(keys)


@pytest.fixture
def clock() -> FakeClock:
    """A clock moved by hand."""
    return FakeClock()


@pytest.fixture(params=MADE)
async def cache(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Cache]:
    """Each implementation in turn."""
    made = make(request.param, clock, request.getfixturevalue)
    yield made
    await made.close()


def make(name: str, clock: FakeClock, server: Callable[[str], Server]) -> Cache:
    """An empty cache of this kind."""
    if name == "memory":
        return own_memory(clock, inspector=Trusting())
    if name == "fake":
        return FakeCache(clock)
    if name == "memcached":
        return memcached_of(server("memcached_server"), clock)
    if name == "redis":
        return redis_of(server("redis_server"), clock)
    plans = (
        TierPlan(memcached_of(server("memcached_server"), clock), Life()),
        TierPlan(redis_of(server("redis_server"), clock), Life()),
    )
    kind = TieredCache if name == "tiered" else FromBelow
    return kind(Near(clock), plans, clock, Trusting(), patience_s=TIMEOUT_S)


def memcached_of(server: Server, clock: FakeClock) -> MemcachedCache:
    """A cache in an empty memcached."""
    server.say(b"flush_all\r\n")
    return MemcachedCache(clock, server.address, timeout_s=TIMEOUT_S)


def redis_of(server: Server, clock: FakeClock) -> RedisCache:
    """A cache in an empty Redis."""
    server.say(b"flushall\r\n")
    return RedisCache(clock, server.address, timeout_s=TIMEOUT_S)


async def test_what_was_stored_is_read_back_byte_for_byte(cache: Cache) -> None:
    """Bytes in, the same bytes out, the empty value and zero bytes included."""
    for value in (b"", b"\x00\xff", b"x" * 100_000):
        await cache.set("key", value, 1_000)
        assert await cache.get("key") == value


async def test_a_key_that_was_never_stored_reads_as_none(cache: Cache) -> None:
    """A miss is None, not an error."""
    assert await cache.get("nothing") is None


async def test_a_value_is_gone_after_its_life(cache: Cache, clock: FakeClock) -> None:
    """Alive up to the last millisecond, gone at the end of it."""
    await cache.set("key", b"value", 30_000)
    clock.advance(29_999)
    assert await cache.get("key") == b"value"
    clock.advance(1)
    assert await cache.get("key") is None


async def test_each_value_has_a_life_of_its_own(cache: Cache, clock: FakeClock) -> None:
    """A short life beside a long one ends alone."""
    await cache.set("short", b"1", 1_000)
    await cache.set("long", b"2", 10_000)
    clock.advance(1_000)
    assert await cache.multi_get(["short", "long"]) == {"short": None, "long": b"2"}


async def test_a_new_value_replaces_the_old_one_and_its_life(
    cache: Cache, clock: FakeClock
) -> None:
    """The last write counts, in both."""
    await cache.set("key", b"old", 1_000)
    clock.advance(900)
    await cache.set("key", b"new", 1_000)
    clock.advance(900)
    assert await cache.get("key") == b"new"
    clock.advance(100)
    assert await cache.get("key") is None


async def test_a_value_without_a_life_is_not_kept_and_takes_the_old_one_along(
    cache: Cache,
) -> None:
    """Zero milliseconds is not for ever."""
    await cache.set("key", b"old", 1_000)
    await cache.set("key", b"new", 0)
    assert await cache.get("key") is None


async def test_many_keys_are_read_and_written_at_once(cache: Cache) -> None:
    """Every key that was asked for is in the answer."""
    await cache.multi_set({"a": b"1", "b": b"2"}, 1_000)
    assert await cache.multi_get(["a", "b", "c"]) == {"a": b"1", "b": b"2", "c": None}
    assert await cache.multi_get([]) == {}


async def test_a_step_of_the_wall_clock_ends_no_life(cache: Cache, clock: FakeClock) -> None:
    """Lives are measured on the monotonic clock."""
    await cache.set("key", b"value", 1_000)
    clock.step_wall(3_600_000)
    assert await cache.get("key") == b"value"


async def test_memory_is_bounded_and_drops_what_was_read_longest_ago(clock: FakeClock) -> None:
    """A full cache forgets the least recently used, never grows."""
    cache = own_memory(clock, 3, Trusting())
    for key in ("a", "b", "c"):
        await cache.set(key, key.encode(), 1_000)
    await cache.get("a")
    await cache.set("d", b"d", 1_000)
    assert await cache.multi_get(["a", "b", "c", "d"]) == {
        "a": b"a",
        "b": None,
        "c": b"c",
        "d": b"d",
    }


def test_a_cache_without_room_is_a_mistake(clock: FakeClock) -> None:
    """It says what was expected and what was found."""
    with pytest.raises(ValueError, match="at least 1 item, found 0"):
        own_memory(clock, 0)
