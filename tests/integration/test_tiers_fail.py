"""The tiers over real servers that die, hang and forget: what a reader gets, and what it costs."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import uvloop

from support.fault_proxy import Weather, fault_proxy
from support.servers import Server, babbling_peer, memcached, redis
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.errors import CacheUnavailableError
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import Document

CLOCK = SystemClock()
CODEC = Codec(Secret("a secret of this machine"))
KEY = keys.BOARD
"""Never kept near, so that every read goes to the servers."""


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Server]:
    """A memcached of this test's own."""
    with memcached(tmp_path) as server:
        yield server


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Server]:
    """A Redis of this test's own."""
    with redis(tmp_path) as server:
        yield server


Make = Callable[..., TieredCache]


@pytest.fixture
async def process(one: Server, two: Server) -> AsyncIterator[Make]:
    """Make the cache of one more process; closed with the test."""
    made: list[TieredCache] = []

    def begin(first: tuple[str, int] | None = None) -> TieredCache:
        plans = (
            TierPlan(MemcachedCache(CLOCK, first or one.address), Life(1.0, 30_000, 90_000)),
            TierPlan(RedisCache(CLOCK, two.address), Life(2.0, 120_000, 600_000)),
        )
        made.append(TieredCache(Near(CLOCK), plans, CLOCK, CODEC))
        return made[-1]

    yield begin
    for cache in made:
        await cache.close()


def a_value(seq: int = 1, key: str = KEY) -> bytes:
    """A document of six kilobytes."""
    return CODEC.encode(key, Document(1, "one", seq, CLOCK.now(), None, "tag", b"x" * 6_000))


async def took_ms(cache: TieredCache, expected: bytes | None) -> float:
    """How long one read took."""
    started = time.perf_counter()
    assert await cache.get(KEY) == expected
    return 1e3 * (time.perf_counter() - started)


async def eventually(what: Callable[[], object], seconds: float = 40.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def circuit(cache: TieredCache, tier: int) -> str:
    """The state of a tier: 1 is memcached, 2 is Redis."""
    return cache.counters()[tier].circuit


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_f30_memcached_away_costs_one_deadline_and_heals_within_five_seconds(
    how: str, one: Server, process: Make
) -> None:
    """First read: 100 ms more at most (and what a busy machine adds); those after it: nothing."""
    writer, reader = process(), process()
    value = a_value()
    await writer.set(KEY, value, 30_000)
    usual = statistics.median([await took_ms(reader, value) for _ in range(20)])
    one.kill() if how == "killed" else one.freeze()
    first = await took_ms(reader, value)
    from_redis = statistics.median([await took_ms(reader, value) for _ in range(20)])
    assert first < usual + 100 + 100
    assert reader.counters()[1].errors["unavailable"] == 1
    assert reader.counters()[1].errors["skipped"] == 20
    # Redis is asked now, which takes longer than memcached; nothing is added by the dead tier
    assert from_redis < 10 * usual + 5
    one.start() if how == "killed" else one.thaw()
    back = time.monotonic()
    await eventually(lambda: circuit(reader, 1) == "closed")
    assert time.monotonic() - back < 5
    await eventually(lambda: reader.counters()[1].waiting == 0)
    before = reader.counters()[1].hits
    assert await reader.get(KEY) == value
    assert reader.counters()[1].hits == before + 1


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_f31_redis_away_is_not_even_noticed_by_reads_that_memcached_answers(
    how: str, two: Server, process: Make
) -> None:
    """The engine's write finds out; when it is back, the newest value is there."""
    writer, reader = process(), process()
    await writer.set(KEY, a_value(1), 30_000)
    two.kill() if how == "killed" else two.freeze()
    started = time.monotonic()
    newest = a_value(3)
    await writer.set(KEY, a_value(2), 30_000)
    await writer.set(KEY, newest, 30_000)
    assert time.monotonic() - started < 0.5
    assert await reader.get(KEY) == newest
    two.start() if how == "killed" else two.thaw()
    await eventually(lambda: circuit(writer, 2) == "closed")
    await eventually(lambda: writer.counters()[2].waiting == 0)
    direct = RedisCache(CLOCK, two.address, timeout_s=1)
    assert await direct.get(KEY) == newest
    await direct.close()


async def test_f32_both_servers_away_is_an_error_and_both_heal(
    one: Server, two: Server, process: Make
) -> None:
    """Nothing true can be read: the reader is told, within two deadlines; then it goes on."""
    writer, reader = process(), process()
    value = a_value()
    await writer.set(KEY, value, 30_000)
    one.kill()
    two.kill()
    started = time.monotonic()
    for _ in range(10):
        with pytest.raises(CacheUnavailableError):
            await reader.get(KEY)
    assert time.monotonic() - started < 0.6
    await writer.set(KEY, value, 30_000)
    one.start()
    two.start()
    await eventually(lambda: circuit(reader, 1) == circuit(reader, 2) == "closed")
    await eventually(lambda: writer.counters()[1].waiting == writer.counters()[2].waiting == 0)
    assert await reader.get(KEY) == value


async def test_after_flush_all_the_next_answer_is_there_and_memcached_fills_again(
    one: Server, process: Make
) -> None:
    """Contract M4 and K12: from Redis, back into memcached with what is left of its life."""
    writer, reader = process(), process()
    value = a_value()
    await writer.set(KEY, value, 30_000)
    one.say(b"flush_all\r\n")
    assert await reader.get(KEY) == value
    direct = MemcachedCache(CLOCK, one.address, timeout_s=1)
    async with asyncio.timeout(40):
        while (await direct.get(KEY)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    held = (await direct.fetch([KEY]))[KEY]
    assert held.value == value
    assert 80_000 < held.left_ms <= 90_000
    await direct.close()


async def test_f30_a_slow_memcached_is_left_alone_after_three_answers(
    one: Server, process: Make
) -> None:
    """It answers, but so late that the next tier is the better one."""
    with fault_proxy(one.port) as proxy:
        reader = process(("127.0.0.1", proxy.port))
        value = a_value()
        await process().set(KEY, value, 30_000)
        assert await reader.get(KEY) == value
        proxy.begin(Weather(delay=0.035))
        for _ in range(3):
            assert await reader.get(KEY) == value
        assert circuit(reader, 1) == "open"
        proxy.begin(Weather())
        await eventually(lambda: circuit(reader, 1) == "closed")


async def test_f30_a_memcached_that_is_none_leaves_the_other_tier_to_serve(process: Make) -> None:
    """Something else listens on its port."""
    with babbling_peer(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        value = a_value()
        await process().set(KEY, value, 30_000)
        reader = process(address)
        assert await reader.get(KEY) == value
        assert circuit(reader, 1) == "open"


async def test_f34_a_write_that_a_hung_server_did_late_is_older_to_every_reader(
    one: Server, process: Make
) -> None:
    """It was told in time, did it after the newer one, and nobody takes it for news."""
    writer, reader = process(), process()
    await writer.set(KEY, a_value(1), 30_000)
    newer = a_value(9)
    await writer.set(KEY, newer, 30_000)
    assert await reader.get(KEY) == newer
    late = MemcachedCache(CLOCK, one.address, timeout_s=1)
    await late.set(KEY, a_value(2), 30_000)
    assert await reader.get(KEY) == newer
    assert reader.counters()[1].of("board").misses["older"] == 1
    await late.close()


async def test_the_plain_symbols_document_is_readable_by_hand(
    one: Server, two: Server, process: Make
) -> None:
    """Contract C5: `echo "get virtuoso:symbols" | nc` shows bare JSON."""
    writer = process()
    await writer.set(keys.SYMBOLS_PLAIN, b'{"status":"success","symbols":[]}', 30_000)
    said = one.say(b"get virtuoso:symbols\r\n")
    assert said == b'VALUE virtuoso:symbols 0 33\r\n{"status":"success","symbols":[]}\r\nEND\r\n'
    assert two.say(b"get virtuoso:symbols\r\n").endswith(b'{"status":"success","symbols":[]}\r\n')


async def test_a_follower_goes_on_through_a_redis_that_hangs_and_comes_back(
    two: Server, process: Make
) -> None:
    """Pushes stop without an error; after three seconds it says so and reads; then pushes again."""
    engine_side, web_side = RedisBroker(two.address), RedisBroker(two.address, quiet_s=0.3)
    follower = Follower(process(), web_side, CLOCK, codec=CODEC, tick_s=0.1)
    engine = FakeEngine(process(), engine_side, CLOCK, codec=CODEC, details=False)
    following = asyncio.create_task(follower.run())

    async def beat() -> None:
        while True:
            await engine.publish(make.a_row(0, score=50.0 + engine.board.seq % 40))
            await asyncio.sleep(0.1)

    await eventually(lambda: web_side.listens(keys.PUSH))
    await engine.start()
    beating = asyncio.create_task(beat())
    try:
        await eventually(lambda: follower.reading == "pushes" and follower.reader.seq > 3)
        two.freeze()
        await eventually(lambda: follower.reading == "cache", 6)
        assert not follower.engine_silent()
        held = follower.reader.seq
        await eventually(lambda: follower.reader.seq > held + 2)
        two.thaw()
        await eventually(lambda: follower.reading == "pushes", 6)
        assert follower.undecodable == 0
    finally:
        for task in (beating, following):
            task.cancel()
        await asyncio.gather(beating, following, return_exceptions=True)
        await engine_side.close()
        await web_side.close()


@pytest.mark.parametrize("how", ["killed", "hung", "cut"])
async def test_f31_a_broker_is_mended_without_a_word(how: str, two: Server) -> None:
    """Publishing never waits and never fails; subscriptions go on where they can again."""
    with fault_proxy(two.port) as proxy:
        broker = RedisBroker(("127.0.0.1", proxy.port), quiet_s=0.2)
        messages = broker.subscribe("channel")
        await eventually(lambda: broker.listens("channel"))
        begin, end = {
            "killed": (two.kill, two.start),
            "hung": (two.freeze, two.thaw),
            "cut": (lambda: proxy.begin(Weather("refuse")), lambda: proxy.begin(Weather())),
        }[how]
        begin()
        started = time.monotonic()
        for number in range(600):
            await broker.publish("channel", b"lost %d" % number)
        assert time.monotonic() - started < 0.5
        await eventually(lambda: broker.error is not None)
        await eventually(lambda: not broker.listens("channel"))
        end()
        await eventually(lambda: broker.listens("channel"))

        async def until_heard() -> bytes:
            while True:
                await broker.publish("channel", b"again")
                async with asyncio.timeout(0.2):
                    return await anext(messages)

        async with asyncio.timeout(40):
            while True:
                try:
                    heard = await until_heard()
                except TimeoutError:
                    continue
                if heard == b"again":
                    break
        assert broker.lost > 300
        await broker.close()


async def test_f31_a_broker_before_a_babbling_peer_neither_breaks_nor_hangs() -> None:
    """It looks for Redis again and again, and says what it found."""
    for words in (b"garbage\r\n", b"+OK\r\n", b"*3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n"):
        with babbling_peer(words) as address:
            broker = RedisBroker(address, quiet_s=0.1)
            broker.subscribe("channel")
            await broker.publish("channel", b"message")
            await eventually(partial(has_cuts, broker))
            await broker.close()


def has_cuts(broker: RedisBroker) -> bool:
    """Whether it has noticed that nobody is there."""
    return broker.cuts > 0


def test_the_loop_of_production_reads_and_writes_as_well(one: Server, two: Server) -> None:
    """Uvloop's transports are not those of asyncio."""

    async def there_and_back() -> bytes | None:
        plans = (
            TierPlan(MemcachedCache(CLOCK, one.address, timeout_s=2), Life()),
            TierPlan(RedisCache(CLOCK, two.address, timeout_s=2), Life()),
        )
        cache = TieredCache(Near(CLOCK), plans, CLOCK, CODEC, patience_s=2)
        await cache.set(KEY, a_value(), 30_000)
        cache.forget([KEY])
        found = await cache.get(KEY)
        assert cache.counters()[1].hits == 1
        one.kill()
        cache.forget([KEY])
        assert await cache.get(KEY) == found
        assert cache.counters()[2].hits == 1
        await cache.close()
        return found

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(there_and_back()) is not None
