"""Hours of a market in seconds: what the engine holds does not grow with them."""

import asyncio
import random
import time
from pathlib import Path

from benchmarks.soak import memory_slope, settled, slope, soak
from support.simulated_venue import FIXED_START, running_venue
from virtuoso.adapters.feed.recording.writer import RecorderSettings
from virtuoso.apps.engine import RunOptions, watch_of
from virtuoso.apps.recorders import Recorders
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.sources import open_venue
from virtuoso.domain.time import Millis

SPEED = 20.0
RECORDED_SECONDS = 9.0
HOURS = 1.0
LARGEST_SLOPE = 400.0
"""MB a day. Windows of a day's length still fill in the first hour; an event kept for every frame
would be ten times this."""


class FastClock:
    """A clock that runs with the simulated venue's."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def now(self) -> Millis:
        """Milliseconds UTC, of a fixed day."""
        passed = (time.monotonic() - self._begin) * SPEED
        return Millis(round((FIXED_START + passed) * 1_000))

    def monotonic_ms(self) -> int:
        """Milliseconds of real time."""
        return round(time.monotonic() * 1_000)


async def record_minutes(folder: Path) -> None:
    """Record three simulated minutes of two symbols."""
    settings = load_settings(None, {})
    rng = random.Random(1)  # noqa: S311 - spreads retries
    async with running_venue(symbols=2, speed=SPEED) as venue:
        clock = FastClock()
        recorders = Recorders(RecorderSettings(folder=folder, free_bytes=0), clock)
        address = f"127.0.0.1:{venue.port}"
        source = open_venue("bybit", settings, clock, rng, address, recorders.tape)
        options = RunOptions("simulator", None, None, None, symbols=2)
        watching = asyncio.create_task(watch_of(source, settings, options, clock, rng).run())
        await asyncio.sleep(RECORDED_SECONDS)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await recorders.close()
        await source.history.close()


async def test_hours_of_market_leave_nothing_behind(tmp_path: Path) -> None:
    """Tasks and descriptors stay as they are; memory fills its windows and hardly grows."""
    await record_minutes(tmp_path)
    readings = await soak(str(tmp_path), None, HOURS, every=0.08)
    last = settled(readings)
    assert len(last) >= 5
    assert max(each.tasks for each in last) <= readings[0].tasks
    assert max(each.descriptors for each in last) <= readings[0].descriptors
    assert max(each.threads for each in last) <= readings[0].threads
    memory = [(each.hour, each.memory_mb) for each in readings]
    assert memory_slope(readings) < LARGEST_SLOPE, memory


def test_the_slope_is_the_median_of_all_slopes() -> None:
    """One wild point does not move it."""
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 100.0), (4.0, 9.0)]) == 2.0
