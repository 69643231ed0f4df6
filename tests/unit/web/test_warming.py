"""Warming: by the profile that activity asks for, real values only, honestly counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.web.warming import PROFILES, Warmer, profile_for, wait_ms
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower


@pytest.mark.parametrize(
    ("a_minute", "name", "interval_s"),
    [
        (600.0, "market_hours", 15),
        (60.0, "market_hours", 15),
        (59.0, "pre_market", 60),
        (2.0, "after_hours", 120),
        (0.0, "overnight", 300),
    ],
)
def test_activity_chooses_the_profile(a_minute: float, name: str, interval_s: int) -> None:
    """The owner's four, with the owner's intervals. contract: K9."""
    found = profile_for(a_minute)
    assert (found.name, found.interval_s) == (name, interval_s)


@settings(deadline=None)
@given(st.integers(0, 2**45), st.sampled_from([each.interval_s for each in PROFILES]))
def test_rounds_are_counted_from_second_55(now: int, interval_s: int) -> None:
    """The next one is within an interval, and on its grid. contract: K8."""
    wait = wait_ms(now, interval_s)
    assert 0 < wait <= interval_s * 1_000
    assert (now + wait - 55_000) % (interval_s * 1_000) == 0


class Site:
    """A web process's memory before a cache with an engine's documents."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        broker = MemoryBroker()
        self.engine = FakeEngine(self.cache, broker, self.clock)
        self.follower = Follower(self.cache, broker, self.clock)
        self.warmer = Warmer(self.follower, self.cache, self.clock)


async def test_the_leading_symbols_are_warm_after_the_first_round() -> None:
    """Their documents are read before anybody asks; what is missing is a failure, not a zero."""
    site = Site()
    await site.engine.start()
    await site.follower.tick()
    await site.warmer.warm()
    found = site.warmer.metrics()
    assert found.rounds == 1
    assert found.attempted == found.warmed + found.failed
    assert found.warmed > 0
    assert (
        keys.candles(Symbol(site.engine.board.symbols[0].symbol), Timeframe.M5)
        in (site.cache.reads[-1])
    )


async def test_what_was_asked_for_is_warmed_and_counted_as_used() -> None:
    """Efficiency is the share of the warmed values that somebody wanted."""
    site = Site()
    await site.engine.start()
    await site.follower.tick()
    await site.warmer.warm()
    assert site.warmer.metrics().efficiency is None
    warmed = site.warmer.metrics().warmed
    wanted = keys.symbol_detail(Symbol(site.engine.board.symbols[0].symbol))
    site.warmer.note(wanted)
    site.warmer.note(wanted)
    site.clock.advance(15_000)
    await site.warmer.warm()
    found = site.warmer.metrics()
    assert found.used == 1
    assert found.efficiency == pytest.approx(1 / warmed, abs=1e-4)
    assert found.profile == "pre_market"
    assert "8.0 requests a minute" in found.why


async def test_a_dead_cache_is_a_failed_round() -> None:
    """Nothing is made up, and the next round tries again."""
    site = Site()
    await site.engine.start()
    await site.follower.tick()
    site.cache.dead = True
    await site.warmer.warm()
    assert site.warmer.metrics().failed == site.warmer.metrics().attempted > 0


async def test_the_market_data_of_every_symbol_is_warmed_and_the_scores_of_the_leading() -> None:
    """Whoever asks next finds them; what it took of the processor is said. contract: K8, K9."""
    site = Site()
    await site.engine.start()
    await site.follower.tick()
    await site.warmer.warm()
    read = {key for keys_read in site.cache.reads for key in keys_read}
    for each in site.engine.board.symbols:
        symbol = Symbol(each.symbol)
        assert keys.candles(symbol, Timeframe.M5) in read
    assert any(key.startswith("virtuoso:scores:") for key in read)
    assert site.warmer.metrics().cpu_ms > 0
