"""Tiers as one cache, with servers that do what a test says and a clock moved by hand."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import pytest

from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.domain.errors import CacheUnavailableError
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.fake_tier import FakeTier
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.messages import Document

SECRET = Secret("a secret of this machine")
CODEC = Codec(SECRET)
KEY = keys.REFUSALS
"""A document that readers keep near for fifteen seconds."""


def a_value(
    seq: int = 1, key: str = KEY, epoch: str = "one", codec: Codec = CODEC, made: int = START
) -> bytes:
    """A document as the engine would write it."""
    return codec.encode(key, Document(1, epoch, seq, made, None, "tag", b"{%d}" % seq))


class Setting:
    """A writer's cache and a reader's over the same two servers."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.second = FakeTier(self.clock, "memcached")
        self.third = FakeTier(self.clock, "redis")
        self.made: list[TieredCache] = []
        self.writer = self.cache()
        self.reader = self.cache()

    def cache(self, waiting: int = 100, patience_s: float = 1.0) -> TieredCache:
        """Another process."""
        plans = (
            TierPlan(self.second, Life(1.0, 30_000, 90_000)),
            TierPlan(self.third, Life(2.0, 120_000, 600_000)),
        )
        cache = TieredCache(
            Near(self.clock, 100), plans, self.clock, CODEC, waiting=waiting, patience_s=patience_s
        )
        self.made.append(cache)
        return cache


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    """Ended with the test."""
    made = Setting()
    yield made
    for cache in made.made:
        await cache.close()


async def eventually(what: Callable[[], object]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(40):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_what_is_written_is_in_every_tier_with_the_life_of_that_tier(
    setting: Setting,
) -> None:
    """Thirty seconds in the first, twice as long and two minutes at least in the second."""
    await setting.writer.set(KEY, a_value(), 30_000)
    assert setting.second.left_ms(KEY) == 30_000
    assert setting.third.left_ms(KEY) == 120_000
    assert await setting.reader.get(KEY) == a_value()
    assert setting.third.reads == []


async def test_a_value_found_below_is_promoted_with_what_is_left_of_its_life(
    setting: Setting,
) -> None:
    """Not a millisecond longer in the tier above, nor in memory."""
    await setting.writer.set(KEY, a_value(), 30_000)
    setting.clock.advance(115_000)
    assert await setting.reader.get(KEY) == a_value()
    await eventually(lambda: setting.second.left_ms(KEY) > 0)
    assert setting.second.left_ms(KEY) == 5_000
    setting.clock.advance(4_999)
    assert await setting.reader.get(KEY) == a_value()
    setting.clock.advance(1)
    assert await setting.reader.get(KEY) is None


async def test_a_promotion_is_no_longer_than_the_tier_above_keeps_anything(
    setting: Setting,
) -> None:
    """Six hundred seconds below are ninety above."""
    await setting.third.set(KEY, a_value(), 600_000)
    await setting.reader.get(KEY)
    await eventually(lambda: KEY in setting.second.entries)
    assert setting.second.left_ms(KEY) == 90_000


async def test_a_promotion_never_replaces_what_the_engine_wrote_meanwhile(
    setting: Setting,
) -> None:
    """A reader fills holes; it is not a writer."""
    await setting.third.set(KEY, a_value(1), 600_000)
    setting.third.held_up = asyncio.Event()
    reading = asyncio.create_task(setting.reader.get(KEY))
    await eventually(lambda: setting.third.reads)
    setting.second.entries[KEY] = (a_value(2), setting.clock.monotonic_ms() + 30_000)
    setting.third.held_up.set()
    assert await reading == a_value(1)
    await eventually(lambda: setting.reader.counters()[1].promoted == 1)
    assert setting.second.entries[KEY][0] == a_value(2)


async def test_readers_keep_a_value_near_for_as_long_as_its_kind_allows(
    setting: Setting,
) -> None:
    """Fifteen seconds without asking a server; what changes each second not at all."""
    board = a_value(key=keys.BOARD)
    await setting.writer.multi_set({KEY: a_value(), keys.BOARD: board}, 30_000)
    for _ in range(3):
        await setting.reader.multi_get([KEY, keys.BOARD])
    assert setting.second.reads == [(KEY, keys.BOARD), (keys.BOARD,), (keys.BOARD,)]
    setting.clock.advance(15_000)
    await setting.reader.get(KEY)
    assert setting.second.reads[-1] == (KEY,)


async def test_a_forgotten_value_is_read_where_it_is_shared(setting: Setting) -> None:
    """A push said that there is a newer one."""
    await setting.writer.set(KEY, a_value(1), 30_000)
    assert await setting.reader.get(KEY) == a_value(1)
    await setting.writer.set(KEY, a_value(2), 30_000)
    assert await setting.reader.get(KEY) == a_value(1)
    setting.reader.forget([KEY])
    assert await setting.reader.get(KEY) == a_value(2)


async def test_a_read_under_way_when_its_key_is_forgotten_is_not_kept(setting: Setting) -> None:
    """Nor shared with whoever asks after it."""
    await setting.second.set(KEY, a_value(1), 30_000)
    setting.second.held_up = asyncio.Event()
    first = asyncio.create_task(setting.reader.get(KEY))
    await eventually(lambda: setting.second.reads)
    setting.reader.forget([KEY])
    second = asyncio.create_task(setting.reader.get(KEY))
    await eventually(lambda: len(setting.second.reads) == 2)
    setting.second.held_up.set()
    await asyncio.gather(first, second)
    assert setting.second.reads == [(KEY,), (KEY,)]
    setting.reader.forget([KEY])
    setting.second.held_up.clear()
    third = asyncio.create_task(setting.reader.get(KEY))
    await eventually(lambda: len(setting.second.reads) == 3)
    setting.reader.forget([KEY])
    setting.second.held_up.set()
    assert await third == a_value(1)
    await setting.second.set(KEY, a_value(2), 30_000)
    assert await setting.reader.get(KEY) == a_value(2)


async def test_f32_five_hundred_misses_are_one_read(setting: Setting) -> None:
    """One caller asks for each key, the others wait for it, whatever sets they ask for."""
    await setting.second.set(KEY, a_value(), 30_000)
    setting.second.held_up = asyncio.Event()
    other = keys.BITCOIN_BETA
    asking = [setting.reader.get(KEY) for _ in range(300)]
    reads = [asyncio.create_task(each) for each in asking]
    batches = [asyncio.create_task(setting.reader.multi_get([KEY, other])) for _ in range(200)]
    await asyncio.sleep(0)
    setting.second.held_up.set()
    assert set(await asyncio.gather(*reads)) == {a_value()}
    for found in await asyncio.gather(*batches):
        assert found == {KEY: a_value(), other: None}
    asked = [key for read in setting.second.reads for key in read]
    assert sorted(asked) == sorted([KEY, other])
    assert setting.reader.shared_flights > 400


async def test_a_caller_that_goes_away_takes_nobody_along(setting: Setting) -> None:
    """The one that asked is cancelled; another asks in its place."""
    await setting.second.set(KEY, a_value(), 30_000)
    setting.second.held_up = asyncio.Event()
    leader = asyncio.create_task(setting.reader.get(KEY))
    await eventually(lambda: setting.second.reads)
    followers = [asyncio.create_task(setting.reader.get(KEY)) for _ in range(5)]
    await asyncio.sleep(0)
    leader.cancel()
    followers[0].cancel()
    await asyncio.sleep(0)
    setting.second.held_up.set()
    assert set(await asyncio.gather(*followers[1:])) == {a_value()}


async def test_f34_an_older_value_in_a_nearer_tier_is_a_miss(setting: Setting) -> None:
    """After a partition the higher sequence wins, wherever it lies, and never goes back."""
    await setting.second.set(KEY, a_value(5), 30_000)
    assert await setting.reader.get(KEY) == a_value(5)
    await setting.second.set(KEY, a_value(4), 30_000)
    await setting.third.set(KEY, a_value(6), 120_000)
    setting.reader.forget([KEY])
    assert await setting.reader.get(KEY) == a_value(6)
    await setting.third.set(KEY, a_value(5), 120_000)
    setting.reader.forget([KEY])
    assert await setting.reader.get(KEY) is None
    memcached = setting.reader.counters()[1]
    assert memcached.of("refusals").misses["older"] == 2


async def test_f34_an_older_epoch_is_a_miss(setting: Setting) -> None:
    """The engine was restarted; what the one before it left does not come back."""
    await setting.second.set(KEY, a_value(900, epoch="one"), 30_000)
    await setting.reader.get(KEY)
    await setting.third.set(KEY, a_value(1, epoch="two", made=START + 5), 30_000)
    setting.second.entries.clear()
    setting.reader.forget([KEY])
    assert await setting.reader.get(KEY) == a_value(1, epoch="two", made=START + 5)
    await setting.second.set(KEY, a_value(901, epoch="one", made=START + 9), 30_000)
    setting.reader.forget([KEY])
    assert await setting.reader.get(KEY) == a_value(1, epoch="two", made=START + 5)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (b"", "foreign"),
        (b"\x80\x04\x95cos\nsystem", "foreign"),
        (a_value()[:-3], "signature"),
        (a_value(codec=Codec()), "signature"),
        (a_value(codec=Codec(Secret("of some other machine"))), "signature"),
        (a_value(key=keys.DASHBOARD), "signature"),
        (a_value(codec=Codec(SECRET, schema=0)), "schema"),
    ],
)
async def test_f33_a_poisoned_value_is_a_counted_miss_and_the_next_tier_serves(
    setting: Setting, poison: bytes, reason: str
) -> None:
    """It is neither shown, nor kept, nor promoted."""
    await setting.second.set(KEY, poison, 30_000)
    await setting.third.set(KEY, a_value(), 120_000)
    assert await setting.reader.get(KEY) == a_value()
    memcached, redis = setting.reader.counters()[1:]
    assert memcached.of("refusals").misses == {reason: 1}
    assert redis.of("refusals").hits == 1


async def test_f30_a_dead_tier_is_asked_once_and_healed_in_the_background(
    setting: Setting,
) -> None:
    """The first caller pays, nobody after it; once it is back it is filled again."""
    await setting.writer.set(KEY, a_value(), 30_000)
    setting.second.dead = True
    for _ in range(5):
        setting.reader.forget([KEY])
        assert await setting.reader.get(KEY) == a_value()
    assert len(setting.second.reads) == 1
    memcached = setting.reader.counters()[1]
    assert memcached.circuit == "open"
    assert memcached.errors == {"unavailable": 1, "skipped": 4}
    setting.second.entries.clear()
    setting.second.dead = False
    await eventually(lambda: setting.reader.counters()[1].circuit == "closed")
    await eventually(lambda: KEY in setting.second.entries)
    assert setting.second.left_ms(KEY) == 90_000


async def test_all_tiers_dead_is_an_error_that_names_them(setting: Setting) -> None:
    """What is in memory is still served; for the rest there is nobody to ask."""
    await setting.writer.set(KEY, a_value(), 30_000)
    assert await setting.reader.get(KEY) == a_value()
    setting.second.dead = setting.third.dead = True
    assert await setting.reader.get(KEY) == a_value()
    with pytest.raises(CacheUnavailableError, match=re.compile("memcached.*redis")):
        await setting.reader.get(keys.BITCOIN_BETA)
    with pytest.raises(CacheUnavailableError):
        await setting.reader.multi_get([KEY, keys.BITCOIN_BETA])


async def test_one_living_tier_that_has_nothing_makes_it_a_miss(setting: Setting) -> None:
    """Somebody could be asked."""
    setting.second.dead = True
    assert await setting.reader.get(KEY) is None


async def test_writes_wait_for_a_dead_tier_with_the_newest_of_each_key(setting: Setting) -> None:
    """And are there when it is back, with what is left of their life."""
    setting.second.dead = True
    for seq in range(1, 6):
        await setting.writer.set(KEY, a_value(seq), 30_000)
        setting.clock.advance(1_000)
    setting.second.dead = False
    await eventually(lambda: KEY in setting.second.entries)
    assert setting.second.writes == [{KEY: a_value(5)}]
    assert setting.second.left_ms(KEY) == 29_000
    assert setting.third.entries[KEY][0] == a_value(5)


async def test_what_waits_is_bounded_and_what_waited_too_long_is_not_written(
    setting: Setting,
) -> None:
    """The oldest goes first; a life goes on while a value waits."""
    cache = setting.cache(waiting=3)
    setting.second.dead = True
    for number in range(5):
        key = f"virtuoso:symbol:S{number}USDT:v1"
        await cache.set(key, a_value(key=key), 30_000)
    memcached = cache.counters()[1]
    assert (memcached.waiting, memcached.dropped) == (3, 2)
    setting.clock.advance(30_000)
    setting.second.dead = False
    await eventually(lambda: cache.counters()[1].waiting == 0)
    assert setting.second.entries == {}
    assert cache.counters()[1].dropped == 5


async def test_a_writer_waits_for_a_hung_tier_no_longer_than_its_patience(
    setting: Setting,
) -> None:
    """The engine goes on; the tier gets it when it can."""
    cache = setting.cache(patience_s=0.01)
    setting.second.held_up = asyncio.Event()
    async with asyncio.timeout(1):
        await cache.set(KEY, a_value(1), 30_000)
        await cache.set(KEY, a_value(2), 30_000)
    setting.second.held_up.set()
    await eventually(lambda: setting.second.entries.get(KEY, (b"",))[0] == a_value(2))


async def test_f31_a_full_tier_refuses_and_is_not_taken_for_dead(setting: Setting) -> None:
    """Reads go on, the refusals are counted, nothing is tried for ever."""
    setting.second.full = True
    await setting.writer.set(KEY, a_value(), 30_000)
    memcached = setting.writer.counters()[1]
    assert memcached.errors == {"refused": 1}
    assert (memcached.circuit, memcached.waiting) == ("closed", 0)


async def test_the_plain_document_is_never_promoted(setting: Setting) -> None:
    """It says nothing of its life, and people read it where it was written."""
    await setting.third.set(keys.SYMBOLS_PLAIN, b'{"status": "success"}', 30_000)
    assert await setting.reader.get(keys.SYMBOLS_PLAIN) == b'{"status": "success"}'
    await setting.reader.close()
    assert keys.SYMBOLS_PLAIN not in setting.second.entries


async def test_every_tier_counts_what_it_served_and_how_old_it_was(setting: Setting) -> None:
    """Hits, misses by reason, bytes, ages: per tier and document."""
    await setting.writer.set(KEY, a_value(), 30_000)
    setting.clock.advance(4_000)
    await setting.reader.get(KEY)
    await setting.reader.get(KEY)
    await setting.reader.get(keys.BITCOIN_BETA)
    near, memcached, redis = setting.reader.counters()
    assert [near.name, memcached.name, redis.name] == ["memory", "memcached", "redis"]
    held = near.of("refusals")
    assert (held.hits, held.misses, held.age_total_ms) == (1, {"missing": 1}, 4_000)
    shared = memcached.of("refusals")
    assert (shared.hits, shared.bytes_read, shared.age_worst_ms) == (1, len(a_value()), 4_000)
    assert (memcached.hits, memcached.misses, redis.misses) == (1, 1, 1)
    assert memcached.read.calls == 2
    assert memcached.read.quantile_ms(0.5) is not None
    assert (near.items, near.bytes_held) == (1, len(a_value()))
    written = setting.writer.counters()[1].of("refusals")
    assert (written.writes, written.bytes_written) == (1, len(a_value()))
