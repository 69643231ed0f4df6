"""What was asked for lately is read again as soon as it is written, before somebody asks again."""

from collections.abc import AsyncIterator

import pytest

from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.apps.cache_metrics import CacheWatch
from virtuoso.domain.instruments import Symbol
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.testing.fake_tier import FakeTier
from virtuoso.wire import keys
from virtuoso.wire.asked import LATELY_MS, MOST, Asked
from virtuoso.wire.codec import Codec
from virtuoso.wire.follower import HOT, Follower
from virtuoso.wire.metrics import cache_exposition

DETAIL = keys.symbol_detail(Symbol("BTCUSDT"))
BOOK = keys.order_book(Symbol("BTCUSDT"))


class Setting:
    """An engine and a web process over one server, each with a memory of its own."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.server = FakeTier(self.clock, "memcached")
        self.caches = [
            TieredCache(Near(self.clock), [TierPlan(self.server, Life())], self.clock, Codec())
            for _ in range(2)
        ]
        self.engine = FakeEngine(self.caches[0], self.broker, self.clock)
        self.follower = Follower(self.caches[1], self.broker, self.clock)
        self._passed = 0

    async def second(self, score: float) -> None:
        """Publish another score a second later, and have it heard."""
        self.clock.advance(1_000)
        await self.engine.publish(make.a_row(0, score))
        await self.deliver()

    async def deliver(self) -> None:
        """Hand over what was published since the last time."""
        waiting = self.broker.published[self._passed :]
        self._passed = len(self.broker.published)
        for _, message in waiting:
            await self.follower.receive(message)


@pytest.fixture
async def setting() -> AsyncIterator[Setting]:
    """Both have begun."""
    made = Setting()
    await made.engine.start()
    await made.deliver()
    yield made
    for each in made.caches:
        await each.close()


async def test_what_is_written_anew_is_in_memory_when_it_is_asked_for_again(
    setting: Setting,
) -> None:
    """It is read once, for all who will ask, right after the hot documents of the same push."""
    await setting.follower.document(DETAIL)
    setting.server.reads.clear()
    await setting.second(70.0)
    assert [set(each) for each in setting.server.reads] == [set(HOT), {DETAIL}]
    served = await setting.follower.document(DETAIL)
    assert len(setting.server.reads) == 2
    assert b"70.0" in served.body, "expected the newest, found what was read before it"


async def test_nobody_reads_ahead_what_nobody_asked_for_lately(setting: Setting) -> None:
    """Of 500 symbols few are looked at."""
    await setting.follower.document(DETAIL)
    setting.clock.advance(LATELY_MS)
    setting.server.reads.clear()
    await setting.second(70.0)
    assert [set(each) for each in setting.server.reads] == [set(HOT)]


async def test_a_cache_that_does_not_answer_is_not_asked_ahead_of_time() -> None:
    """One deadline is waited for at a push, not one for every part."""
    clock, broker = FakeClock(), FakeBroker()
    cache = FakeCache(clock)
    engine, follower = FakeEngine(cache, broker, clock), Follower(cache, broker, clock)
    await engine.start()
    await follower.receive(broker.published[-1][1])
    await follower.document(DETAIL)
    await engine.publish(make.a_row(0, 70.0))
    cache.reads.clear()
    cache.dead = True
    await follower.receive(broker.published[-1][1])
    assert [set(each) for each in cache.reads] == [set(HOT)]


def test_the_keys_asked_for_last_are_remembered_and_none_that_may_not_be_kept() -> None:
    """So many, whoever asks for what; a book is read where it is shared, always."""
    asked = Asked(FakeClock())
    asked.note(BOOK)
    names = [keys.symbol_detail(Symbol(f"S{number}USDT")) for number in range(MOST + 1)]
    for each in names:
        asked.note(each)
    assert asked.among({BOOK, *names}) == tuple(names[1:])


async def test_answers_are_counted_by_where_the_document_lay(setting: Setting) -> None:
    """Ready, in memory, on a server or nowhere; what is read ahead is no answer."""
    watch = CacheWatch(
        setting.caches[1],
        setting.clock,
        "web",
        "memcached",
        setting.clock.now(),
        follower=setting.follower,
    )
    assert watch.metrics().answers is not None
    await setting.follower.document(DETAIL)
    await setting.second(70.0)
    await setting.follower.document(DETAIL)
    await setting.follower.document(keys.symbol_detail(Symbol("NOBODYUSDT")))
    setting.follower.hot(keys.SYMBOLS)
    found = watch.metrics().answers
    assert found is not None
    assert (found.ready, found.memory, found.servers, found.nothing) == (1, 1, 1, 1)
    assert (found.asked, found.memory_share) == (4, 0.5)
    said = cache_exposition(watch.metrics(), {})
    assert b'virtuoso_cache_answers_total{from="ready"} 1\n' in said


async def test_what_should_be_ready_and_is_not_is_no_hit() -> None:
    """A cold start, or an engine that never spoke."""
    clock = FakeClock()
    cache = TieredCache(Near(clock), [], clock, Codec())
    follower = Follower(cache, FakeBroker(), clock)
    watch = CacheWatch(cache, clock, "web", "memory", clock.now(), follower=follower)
    assert follower.hot(keys.SYMBOLS).status == 503
    found = watch.metrics().answers
    assert found is not None
    assert (found.ready, found.nothing, found.memory_share) == (0, 1, 0.0)
    await cache.close()
