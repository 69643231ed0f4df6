"""How full the cache servers are, and what an emptied one gets back."""

import pytest

from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.server_memory import ServerMemory, read_info, read_stats
from virtuoso.adapters.cache.tiered import Life, TieredCache, TierPlan
from virtuoso.apps.cache_metrics import CacheWatch
from virtuoso.apps.tier_watch import TierWatch
from virtuoso.domain.errors import CacheUnavailableError
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_tier import FakeTier
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.metrics import cache_exposition

MEGABYTE = 1_048_576


class Site:
    """One process's cache over two servers."""

    def __init__(self, *, restores: bool = True) -> None:
        self.clock = FakeClock()
        self.codec = Codec()
        self.near, self.far = FakeTier(self.clock, "memcached"), FakeTier(self.clock, "redis")
        plans = [TierPlan(each, Life()) for each in (self.near, self.far)]
        self.cache = TieredCache(Near(self.clock), plans, self.clock, self.codec)
        self.watch = TierWatch(self.cache, self.clock, restores=restores)
        self.metrics = CacheWatch(
            self.cache, self.clock, "web", "memcached", self.clock.now(), tier_watch=self.watch
        )

    async def publish(self) -> None:
        """Write two documents, as an engine does."""
        board = make.a_board()
        document = make.published(board, make.symbols_document(board))
        for key in (keys.SYMBOLS, keys.DASHBOARD):
            await self.cache.set(key, self.codec.encode(key, document), 30_000)


async def test_a_server_that_is_nearly_full_is_said_everywhere() -> None:
    """At 80 % of its limit: metrics, what Prometheus reads, and health with the figures."""
    site = Site(restores=False)
    site.near.room = ServerMemory(410 * MEGABYTE, 512 * MEGABYTE, 512 * MEGABYTE)
    site.far.room = ServerMemory(180 * MEGABYTE, 200 * MEGABYTE, 256 * MEGABYTE)
    await site.watch.look()
    said = site.metrics.metrics()
    assert said.status == "degraded"
    assert said.reasons == ("memcached is nearly full: 410 of 512 MB used (80 %)",)
    assert said.cache_memory_usage["memcached"].alarm
    assert not said.cache_memory_usage["redis"].alarm
    assert said.cache_memory_usage["redis"].share == pytest.approx(0.7031)
    part = site.metrics.parts()[-1]
    assert (part.name, part.status) == ("cache_memcached_memory", "warn")
    text = cache_exposition(said, {}).decode()
    assert 'virtuoso_cache_memory_bytes{tier="redis",kind="used"} 1.88744e+08' in text
    assert 'virtuoso_cache_memory_alarm{tier="memcached"} 1' in text
    await site.cache.close()


async def test_a_server_without_a_limit_is_never_nearly_full() -> None:
    """A share of nothing is null, not zero."""
    site = Site(restores=False)
    site.far.room = ServerMemory(900 * MEGABYTE, 900 * MEGABYTE, None)
    await site.watch.look()
    said = site.metrics.metrics().cache_memory_usage["redis"]
    assert (said.limit, said.share, said.alarm) == (None, None, False)
    assert said.text == "900 MB used, no limit set"
    await site.cache.close()


async def test_a_server_that_does_not_answer_has_no_figures() -> None:
    """What it said before is no longer shown."""
    site = Site()
    await site.watch.look()
    site.near.dead = True
    await site.watch.look()
    assert site.metrics.metrics().cache_memory_usage.keys() == {"redis"}
    await site.cache.close()


async def test_a_flushed_server_gets_everything_back_before_anybody_asks() -> None:
    """With what is left of the lives, and only once. contract: K8."""
    site = Site()
    await site.publish()
    await site.watch.look()
    before = site.watch.restored
    site.clock.advance(10_000)
    site.near.entries.clear()
    await site.watch.look()
    await site.cache.close()
    assert site.near.entries.keys() == {keys.SYMBOLS, keys.DASHBOARD, keys.MARK}
    assert site.near.left_ms(keys.SYMBOLS) == 20_000
    assert site.watch.restored == before + 2
    assert site.watch.emptied == 3


async def test_nothing_is_given_back_where_nothing_was_lost() -> None:
    """And never by a process that is not the writer."""
    site = Site()
    await site.publish()
    await site.watch.look()
    writes = len(site.near.writes)
    await site.watch.look()
    assert len(site.near.writes) == writes
    await site.cache.close()
    reader = Site(restores=False)
    await reader.publish()
    reader.near.entries.clear()
    await reader.watch.look()
    assert not reader.near.entries
    await reader.cache.close()


@pytest.mark.parametrize(
    "answer",
    [b"", b"ERROR\r\n", b"STAT bytes 3\r\nEND\r\n", b"STAT bytes x\r\nSTAT limit_maxbytes 9\r\n"],
)
def test_statistics_that_are_none_are_no_figures(answer: bytes) -> None:
    """A lying server is one that did not answer."""
    with pytest.raises(CacheUnavailableError):
        read_stats(answer)


def test_the_figures_are_those_the_servers_name() -> None:
    """Used by values, taken from the machine, and the limit; Redis's 0 is none."""
    stats = (
        b"STAT limit_maxbytes 67108864\r\nSTAT bytes 77\r\nSTAT total_malloced 1048576\r\nEND\r\n"
    )
    assert read_stats(stats) == ServerMemory(77, 1_048_576, 67_108_864)
    info = {"used_memory": 5, "used_memory_rss": 9, "maxmemory": 0}
    assert read_info(info) == ServerMemory(5, 9, None)
