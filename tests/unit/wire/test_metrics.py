"""What the tiers counted, as Prometheus reads it."""

import asyncio
import re

from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.shared import SharedCache
from virtuoso.adapters.cache.tiered import Life, Note, TieredCache, TierPlan
from virtuoso.apps.cache_metrics import CacheWatch
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_tier import FakeTier
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.messages import SCHEMA, Document
from virtuoso.wire.metrics import cache_exposition

LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+$')


def watch_of(clock: FakeClock, *tiers: SharedCache) -> tuple[TieredCache, CacheWatch]:
    """A cache over tiers, and who counts."""
    near: Near[Note] = Near(clock)
    plans = [TierPlan(each, Life()) for each in tiers]
    cache = TieredCache(near, plans, clock, Codec())
    return cache, CacheWatch(cache, clock, "web", "memcached", clock.now())


async def test_hits_misses_and_what_is_lost_are_told_by_tier() -> None:
    """A miss is counted in every tier that was asked, and the hit in the one that had it."""
    clock = FakeClock()
    near, far = FakeTier(clock, "memcached"), FakeTier(clock, "redis")
    cache, watch = watch_of(clock, near, far)
    document = Document(SCHEMA, "one", 1, clock.now(), None, "", b"{}")
    await far.set(keys.MOBILE, Codec().encode(keys.MOBILE, document), 30_000)
    assert await cache.get(keys.MOBILE) is not None
    assert await cache.get(keys.DASHBOARD) is None
    found = watch.metrics()
    by_name = {each.name: each for each in found.tiers}
    assert found.requests == 2
    assert found.hit_rate == 0.5
    assert by_name["redis"].documents["mobile"].hits == 1
    assert by_name["memcached"].documents["mobile"].misses == {"missing": 1}
    assert by_name["redis"].share_of_hits == 1.0
    assert by_name["memory"].items == 1
    near.dead = True
    cache.forget([keys.MOBILE])
    await asyncio.sleep(0)
    await cache.get(keys.MOBILE)
    lost = watch.metrics()
    assert lost.status == "degraded"
    assert [each.state for each in lost.tiers] == ["in_use", "left_alone", "in_use"]
    assert {each.name: each.status for each in watch.parts()} == {
        "cache_memcached": "warn",
        "cache_redis": "pass",
    }
    await cache.close()


async def test_prometheus_can_read_every_line() -> None:
    """Each metric is named once with its type, and its samples stand together."""
    clock = FakeClock()
    cache, watch = watch_of(clock, FakeTier(clock, "memcached"), FakeTier(clock, "redis"))
    await cache.get(keys.MOBILE)
    text = cache_exposition(watch.metrics(), {"websocket_clients": 3.0}).decode()
    lines = text.splitlines()
    assert [line for line in lines if not line.startswith("#") and not LINE.match(line)] == []
    types = [line.split(" ")[2] for line in lines if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    order = [line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")]
    firsts = [name for number, name in enumerate(order) if number == 0 or order[number - 1] != name]
    assert len(firsts) == len(set(firsts))
    assert 'virtuoso_cache_misses_total{tier="redis",document="mobile",reason="missing"} 1' in text
    assert "virtuoso_websocket_clients 3" in text
    await cache.close()


async def test_before_the_first_request_there_is_no_rate() -> None:
    """Null, not zero and not one hundred."""
    cache, watch = watch_of(FakeClock())
    assert watch.metrics().hit_rate is None
    assert [each.name for each in watch.metrics().tiers] == ["memory"]
    await cache.close()


async def test_a_server_full_of_values_that_cannot_be_read_is_a_failure() -> None:
    """Another secret, or another version: the health says so, not only the counters."""
    clock = FakeClock()
    tier = FakeTier(clock, "redis")
    cache, watch = watch_of(clock, tier)
    document = Document(SCHEMA, "one", 1, clock.now(), None, "", b"{}")
    signing = Codec(Secret("a secret of the others"))
    await tier.set(keys.MOBILE, signing.encode(keys.MOBILE, document), 30_000)
    assert await cache.get(keys.MOBILE) is None
    (part,) = watch.parts()
    assert part.status == "fail"
    assert "signature 1 times" in part.text
    await cache.close()
