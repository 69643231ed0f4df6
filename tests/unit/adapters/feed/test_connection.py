"""Coming back for ever, setting topics aside, and spending within a budget."""

import asyncio
import random
from collections.abc import Sequence

import aiohttp
import pytest

from virtuoso.adapters.feed.connection import (
    Backoff,
    ConnectPace,
    Outbox,
    Strikes,
    describe_failure,
)
from virtuoso.domain.market_data import FeedEnded, FeedEvent
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import FakeClock

BATCH = [FeedEnded(Millis(1))]


class Longest(random.Random):
    """Draws the largest number."""

    def uniform(self, a: float, b: float) -> float:
        """The upper end."""
        return max(a, b)


def test_delays_grow_to_a_cap_and_are_drawn_evenly() -> None:
    """0.25 s first, 1.5 s for 15 s, then 5 s, and 30 s after ten minutes of outage."""
    backoff = Backoff(Longest())
    delays = [backoff.delay_seconds(good_ms=0, now_ms=second * 1_000) for second in range(8)]
    assert delays == [0.25, 0.5, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5]
    assert backoff.delay_seconds(good_ms=0, now_ms=15_000) == 1.5
    assert backoff.delay_seconds(good_ms=0, now_ms=15_001) == 5.0
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
    for _ in range(10):
        backoff.delay_seconds(good_ms=0, now_ms=0)
    assert backoff.delay_seconds(good_ms=0, now_ms=600_001) == 30.0
    assert backoff.delay_seconds(good_ms=59_999, now_ms=700_000) == 1.5
    assert backoff.delay_seconds(good_ms=60_000, now_ms=800_000) == 0.25


async def test_connections_are_spaced_out_and_their_number_is_bounded() -> None:
    """A tenth of a second apart, and the fourth waits for the bucket of three to leak."""
    loop = asyncio.get_running_loop()
    pace = ConnectPace(3, 1_000, 0.02)
    begin = loop.time()
    async with asyncio.timeout(40):
        await asyncio.gather(*(pace.turn() for _ in range(3)))
    assert 0.04 <= loop.time() - begin < 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await pace.turn()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.1', 1)"), "connection refused"),
        (ConnectionResetError("Cannot write"), "the venue broke the connection off"),
        (aiohttp.ServerDisconnectedError("token=secret"), "the venue broke the connection off"),
        (aiohttp.ClientPayloadError("token=secret"), "ClientPayloadError"),
        (OSError("token=secret"), "OSError"),
    ],
)
def test_network_errors_are_told_in_words_and_without_the_address(
    error: Exception, words: str
) -> None:
    """An address may hold what nobody else should read."""
    assert describe_failure(error) == words


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
    async with asyncio.timeout(40):
        await asyncio.sleep(0)  # the reader runs up to where it has to wait
        waited = outbox.waiting_readers
        assert await outbox.get() == BATCH
        await waiting
    assert (waited, outbox.waiting_readers) == (1, 0)
    outbox.fail(ValueError("a mistake"))
    assert await outbox.get() == BATCH
    with pytest.raises(ValueError, match="a mistake"):
        await outbox.get()


class Noted:
    """A tape that remembers."""

    def __init__(self) -> None:
        self.kept: list[int] = []

    def frame(self, route: str, receive_time: Millis, frame: str | bytes) -> None:
        """Remember the time."""
        assert (route, frame) == ("", b"")
        self.kept.append(receive_time)

    def events(self, batch: Sequence[FeedEvent]) -> None:
        """Remember the time."""
        self.kept.append(batch[0].receive_time)


async def test_the_line_has_the_order_of_the_tape_however_full_it_is() -> None:
    """With many readers waiting, and one of them cancelled while it waits."""
    tape = Noted()
    outbox = Outbox(limit=2, tape=tape)

    async def read(first: int) -> None:
        for at in range(first, first + 20):
            batch = [FeedEnded(Millis(at))]
            if at % 3:
                await outbox.put(batch)
            else:
                await outbox.put_frame("", Millis(at), b"", batch)

    readers = [asyncio.create_task(read(100 * number)) for number in range(5)]
    found: list[int] = []
    async with asyncio.timeout(40):
        while len(found) < len(tape.kept) or not all(reader.done() for reader in readers):
            if len(found) == 30:
                readers[2].cancel()
            found.append((await outbox.get())[0].receive_time)
            if len(found) % 4 == 0:
                await asyncio.sleep(0)
    assert found == tape.kept
    assert 81 <= len(found) < 100
