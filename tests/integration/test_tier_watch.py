"""Memory and flushes of real cache servers."""

import asyncio

from support.servers import Server
from virtuoso.adapters.cache.memcached import MemcachedCache
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.redis import RedisCache
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.tier_watch import TierWatch
from virtuoso.testing import wire_messages as make
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec


async def everywhere(cache: TieredCache, value: bytes) -> None:
    """Wait until every server has it, and nothing is written any more."""
    async with asyncio.timeout(40):
        while True:
            waiting = sum(each.waiting for each in cache.counters())
            found = [await each.get(keys.SYMBOLS) for each in cache.servers()]
            if not waiting and found == [value, value]:
                return
            await asyncio.sleep(0.01)


async def test_real_servers_say_what_they_use_and_get_back_what_they_lost(
    memcached_server: Server, redis_server: Server
) -> None:
    """`flush_all` and FLUSHALL are noticed without a client's request."""
    clock, codec = SystemClock(), Codec()
    tiers: list[SharedCache] = [
        MemcachedCache(clock, memcached_server.address, timeout_s=2),
        RedisCache(clock, redis_server.address, timeout_s=2),
    ]
    cache = TieredCache(Near(clock), [TierPlan(each, Life()) for each in tiers], clock, codec)
    watch = TierWatch(cache, clock, restores=True)
    board = make.a_board()
    value = codec.encode(keys.SYMBOLS, make.published(board, make.symbols_document(board)))
    await cache.set(keys.SYMBOLS, value, 60_000)
    await everywhere(cache, value)
    await watch.look()
    assert watch.looked.keys() == {"memcached", "redis"}
    for each in watch.looked.values():
        assert 0 < each.memory.used <= each.memory.allocated
    assert watch.looked["memcached"].memory.limit == 64 * 1_048_576
    await everywhere(cache, value)
    memcached_server.say(b"flush_all\r\n")
    redis_server.say(b"flushall\r\n")
    assert [await each.get(keys.SYMBOLS) for each in tiers] == [None, None]
    await watch.look()
    await everywhere(cache, value)
    await cache.close()
