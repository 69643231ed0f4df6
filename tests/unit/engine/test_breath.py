"""Long work in slices, and how late the loop is."""

import asyncio
import time

from virtuoso.engine.breath import Breath, LoopLag


async def test_work_that_breathes_lets_others_have_their_turn() -> None:
    """A fifth of a second of work in slices of 2 ms: others get dozens of turns, not one."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    neighbour = asyncio.create_task(other())
    await asyncio.sleep(0)
    breath = Breath(0.002)
    breath.begin()
    until = time.perf_counter() + 0.2
    while time.perf_counter() < until:
        await breath.take()
    neighbour.cancel()
    assert turns > 10


async def test_work_that_does_not_breathe_is_seen() -> None:
    """A block of 150 ms is a lag of about as much."""
    lag = LoopLag()
    measuring = asyncio.create_task(lag.run())
    await asyncio.sleep(0.05)
    time.sleep(0.15)  # noqa: ASYNC251 - to block is the point
    await asyncio.sleep(0.05)
    measuring.cancel()
    assert lag.worst_ms >= 120


def test_the_worst_of_the_last_minute_is_told_and_the_minute_before_forgotten() -> None:
    """Kept by the second, sixty of them."""
    lag = LoopLag()
    lag.note(1.0, 0.5)
    lag.note(2.0, 0.1)
    assert lag.worst_ms == 500
    for second in range(3, 64):
        lag.note(float(second), 0.02)
    assert lag.worst_ms == 20
