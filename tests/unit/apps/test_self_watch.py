"""What a process says of itself is what the system says of it."""

import asyncio
import os
from pathlib import Path

from virtuoso.apps.self_watch import SelfWatch
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.wire.measures import MEASURES


async def test_the_process_and_its_machine_are_measured(tmp_path: Path) -> None:
    """Every measure is a known one; memory, files and disk are real; the version is said."""
    clock = FakeClock()
    watch = SelfWatch(clock, "1.2", tmp_path / "not" / "there", Millis(START))
    clock.advance(5_000)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while not watch.measures():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    found = {each.name: each for each in watch.measures()}
    assert set(found) <= set(MEASURES)
    value = {name: each.value or 0.0 for name, each in found.items()}
    assert 1e7 < value["process_memory_bytes"] < value["machine_memory_bytes"]
    assert 3 <= value["process_open_files"] < 10_000
    assert value["process_tasks"] >= 2
    assert value["process_uptime_seconds"] == 5.0
    assert 0 < value["disk_free_bytes"] <= value["disk_bytes"]
    assert value["machine_load_ratio"] * (os.cpu_count() or 1) < 10_000
    assert found["process_cpu_ratio"].value is None
    assert found["build_info"].labels["version"] == "1.2"
