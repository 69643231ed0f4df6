"""What every cache promises, whatever it is made of."""

from collections.abc import AsyncIterator, Callable

import pytest

from virtuoso.adapters.cache.memory import MemoryCache
from virtuoso.ports import Cache
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock

MAKERS: dict[str, Callable[[FakeClock], Cache]] = {"memory": MemoryCache, "fake": FakeCache}


@pytest.fixture
def clock() -> FakeClock:
    """A clock moved by hand."""
    return FakeClock()


@pytest.fixture(params=sorted(MAKERS))
async def cache(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Cache]:
    """Each implementation in turn."""
    made = MAKERS[request.param](clock)
    yield made
    await made.close()


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
    cache = MemoryCache(clock, items=3)
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
        MemoryCache(clock, items=0)
