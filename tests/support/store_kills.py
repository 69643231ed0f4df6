"""Kills a process that writes to a store, at random, again and again, and counts what was lost.

`python -m support.store_kills --times 1000`, from `tests/`.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from support.stores import opened
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.store.care import check
from virtuoso.adapters.store.database import open_engine, place_of
from virtuoso.adapters.store.opening import prepare
from virtuoso.domain.deeds import Deed
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START
from virtuoso.testing.history_rows import alert, delivery, kept_score

LONGEST_S = 0.6


@dataclass
class Toll:
    """What so many kills did."""

    kills: int
    acknowledged: int
    lost: int
    """Alerts that were acknowledged and are not there."""
    halves: int
    """Alerts without their delivery."""
    ready: list[float]
    """Seconds from a start to the first acknowledgement, sorted."""


async def _write(folder: Path, life: str) -> None:
    """Write for ever, and say the name of each alert once it is committed."""
    place = place_of("", folder)
    prepare(place, Millis(START))
    async with opened(place, SystemClock()) as kept:
        for number in range(1_000_000):
            name = f"{life}-{number}"
            first = START + int(life) * 10_000_000 + number * 100
            kept.store.put([kept_score(first + n) for n in range(50)])
            to_send = replace(delivery(f"{name}:discord", name), created_at=Millis(first))
            await kept.ledger.add_alert(alert(name, first), [to_send])
            if number % 5 == 0:
                await kept.ledger.add_deed(Deed(Millis(first), "writer", "write", name, {}))
            sys.stdout.write(name + "\n")
            sys.stdout.flush()


def kill_again_and_again(folder: Path, times: int, seed: int = 1) -> Toll:
    """Start a writer and kill it, so many times; then look for everything it acknowledged."""
    rng = random.Random(seed)  # noqa: S311 - when to kill
    said: list[str] = []
    ready: list[float] = []
    for life in range(times):
        began = time.perf_counter()
        program = [sys.executable, "-m", "support.store_kills", "--write", str(folder)]
        process = subprocess.Popen(
            [*program, "--life", str(life)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        ready.append(time.perf_counter() - began)
        time.sleep(rng.random() * LONGEST_S)
        process.kill()
        rest, _ = process.communicate()
        lines = (first + rest).decode().split("\n")
        said += [line for line in lines[:-1] if line]
    place = place_of("", folder)
    assert check(place) == []
    engine = open_engine(place, "read")
    with engine.connect() as link:
        kept = {row[0] for row in link.exec_driver_sql("SELECT id FROM alerts")}
        sent = {row[0] for row in link.exec_driver_sql("SELECT alert FROM deliveries")}
    engine.dispose()
    return Toll(times, len(said), len(set(said) - kept), len(kept ^ sent), sorted(ready))


def main() -> None:
    """Kill as often as asked, or be the one that is killed."""
    options = argparse.ArgumentParser()
    options.add_argument("--times", type=int, default=1_000)
    options.add_argument("--seed", type=int, default=1, help="when each kill comes")
    options.add_argument("--write", type=Path)
    options.add_argument("--life", default="0")
    given = options.parse_args()
    if given.write is not None:
        asyncio.run(_write(given.write, given.life))
        return
    with tempfile.TemporaryDirectory() as folder:
        toll = kill_again_and_again(Path(folder), given.times, given.seed)
    late = toll.ready[int(0.99 * len(toll.ready))]
    sys.stdout.write(
        f"{toll.kills} kills, {toll.acknowledged:,} rows acknowledged, {toll.lost} lost, "
        f"{toll.halves} half written; ready within {late:.2f} s at p99\n"
    )
    sys.exit(bool(toll.lost or toll.halves))


if __name__ == "__main__":
    main()
