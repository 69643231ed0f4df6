"""Coming back for ever, setting topics aside, and spending within a budget."""

import asyncio
import random

import pytest

from virtuoso.adapters.feed.connection import Backoff, Outbox, Strikes
from virtuoso.adapters.feed.limits import BAN_MS, RequestBudget, pause_of
from virtuoso.domain.errors import RateLimitedError
from virtuoso.domain.instruments import BINANCE, BYBIT
from virtuoso.domain.market_data import FeedEnded
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import FakeClock

BATCH = [FeedEnded(Millis(1))]


class Longest(random.Random):
    """Draws the largest number."""

    def uniform(self, a: float, b: float) -> float:
        """The upper end."""
        return max(a, b)


def test_delays_grow_to_a_cap_and_are_drawn_evenly() -> None:
    """0.25 s first, 5 s at most, 30 s after ten minutes of outage."""
    backoff = Backoff(Longest())
    delays = [backoff.delay_seconds(good_ms=0, now_ms=second * 1_000) for second in range(8)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert backoff.delay_seconds(good_ms=0, now_ms=600_000) == 5.0
    assert backoff.delay_seconds(good_ms=0, now_ms=600_001) == 30.0
    drawn = Backoff(random.Random(1))  # noqa: S311 - not for secrets
    first = [
        Backoff(random.Random(seed)).delay_seconds(good_ms=0, now_ms=0)  # noqa: S311
        for seed in range(50)
    ]
    assert 0 <= min(first) < 0.05
    assert 0.2 < max(first) <= 0.25
    assert drawn.delay_seconds(good_ms=0, now_ms=0) <= 0.25


def test_a_minute_of_good_data_resets_the_delay() -> None:
    """Less does not, but it ends the outage."""
    backoff = Backoff(Longest())
    for _ in range(6):
        backoff.delay_seconds(good_ms=0, now_ms=0)
    assert backoff.delay_seconds(good_ms=59_999, now_ms=700_000) == 5.0
    assert backoff.delay_seconds(good_ms=60_000, now_ms=800_000) == 0.25


def test_three_strikes_in_a_minute_set_a_topic_aside() -> None:
    """For ten minutes, and only that one."""
    clock = FakeClock()
    strikes = Strikes(clock)
    assert not strikes.add("a")
    clock.advance(40_000)
    assert not strikes.add("a")
    clock.advance(40_000)
    assert not strikes.add("a")
    assert strikes.add("a")
    assert strikes.is_set_aside("a")
    assert not strikes.is_set_aside("b")
    clock.advance(600_000)
    assert not strikes.is_set_aside("a")


async def test_a_full_outbox_makes_its_readers_wait() -> None:
    """And says so, for their silence is then not the venue's."""
    outbox = Outbox(limit=1)
    await outbox.put(BATCH)
    waiting = asyncio.create_task(outbox.put(BATCH))
    async with asyncio.timeout(5):
        await asyncio.sleep(0)  # the reader runs up to where it has to wait
        waited = outbox.waiting_readers
        assert await outbox.get() == BATCH
        await waiting
    assert (waited, outbox.waiting_readers) == (1, 0)
    outbox.fail(ValueError("a mistake"))
    with pytest.raises(ValueError, match="a mistake"):
        await outbox.get()


async def test_a_budget_stops_at_a_ban_and_goes_on_after_it() -> None:
    """With the time that is left in words."""
    clock = FakeClock()
    budget = RequestBudget(BYBIT, clock)
    await budget.spend()
    budget.pause(90_000)
    until = budget.paused_until
    assert until == clock.now() + 90_000
    with pytest.raises(RateLimitedError, match="bybit wants to be left alone for another 91 s"):
        await budget.spend()
    budget.pause(10)
    clock.advance(90_000)
    after = budget.paused_until
    assert after is None
    await budget.spend()


async def test_a_budget_makes_the_requests_of_a_burst_wait() -> None:
    """1,440 of weight at once, the next one later."""
    budget = RequestBudget(BINANCE, FakeClock())
    async with asyncio.timeout(1):
        await budget.spend(1_440)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await budget.spend(10)


@pytest.mark.parametrize(
    ("status", "told", "pause"),
    [
        (200, None, None),
        (503, "5", None),
        (429, "7", 7_000),
        (429, None, 10_000),
        (403, None, BAN_MS),
        (418, "7200", 7_200_000),
        (418, "nonsense", BAN_MS),
    ],
)
def test_a_status_says_how_long_to_pause(status: int, told: str | None, pause: int | None) -> None:
    """A ban lasts ten minutes at least."""
    assert pause_of(status, told) == pause
