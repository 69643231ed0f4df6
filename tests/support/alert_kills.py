"""Kills a process that writes and sends alerts, at random, and counts what Discord was told.

`python -m support.alert_kills --times 1000`, from `tests/`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from support.discord import fake_discord
from support.stores import opened
from virtuoso.adapters.alert_channel.discord import DiscordChannel
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.alerts import Alert
from virtuoso.engine.outbox import Sender
from virtuoso.testing.history_rows import alert, delivery

CLAIM_MS: Final = 200
LONGEST_S: Final = 0.4
PAUSE_S: Final = 0.01


@dataclass
class Toll:
    """What so many kills did."""

    kills: int
    committed: int
    lost: int
    """Alerts that were committed and never told."""
    messages: int
    repeated: int
    """Messages beyond the first of each alert."""
    out_of_order: int
    """Alerts told for the first time after a younger one was."""


async def _work(folder: Path, url: str, life: str) -> None:
    """Write and send until killed; life `end` only sends, until nothing is left."""
    clock = SystemClock()
    async with opened(place_of("", folder), clock) as kept:

        async def find(name: str) -> Alert | None:
            return await kept.archive.alert(name)

        channel = DiscordChannel(url, None)
        sender = Sender(channel, kept.ledger, find, clock, random.random, CLAIM_MS)
        sending = asyncio.create_task(sender.run())
        number = 0
        while life != "end":
            name, now = f"{life}-{number:06}", clock.now()
            # each of a rule of its own: a storm is one message, which would hide a loss
            fired = replace(alert(name, now), rule=f"r{name}")
            to_send = replace(delivery(f"{name}:discord", name), created_at=now, due_at=None)
            await kept.ledger.add_alert(fired, [to_send])
            sys.stdout.write(name + "\n")
            sys.stdout.flush()
            sender.wake()
            number += 1
            await asyncio.sleep(PAUSE_S)
        while await kept.archive.unsent():  # noqa: ASYNC110 - another task empties it
            await asyncio.sleep(PAUSE_S)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await channel.close()


async def _start(folder: Path, url: str, life: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "support.alert_kills",
        "--work",
        str(folder),
        url,
        life,
        cwd=Path(__file__).parents[1],
        stdout=asyncio.subprocess.PIPE,
    )


async def kill_again_and_again(folder: Path, times: int, seed: int = 1) -> Toll:
    """Start, kill, start again; in the end let it send what is left."""
    draw = random.Random(seed)  # noqa: S311 - a place in time, nothing secret
    committed: list[str] = []
    async with fake_discord() as discord:
        for life in range(times):
            process = await _start(folder, discord.url, f"{life:05}")
            assert process.stdout is not None
            first = await asyncio.wait_for(process.stdout.readline(), 60)
            await asyncio.sleep(draw.uniform(0.0, LONGEST_S))
            process.kill()
            rest = await process.stdout.read()
            await process.wait()
            lines = (first + rest).decode().split("\n")
            # the last piece has no end of line: it was not said
            committed += [each for each in lines[:-1] if each]
        process = await _start(folder, discord.url, "end")
        await asyncio.wait_for(process.wait(), 120)
        told = discord.told()
    seen = Counter(told)
    firsts = list(dict.fromkeys(told))
    return Toll(
        kills=times,
        committed=len(committed),
        lost=sum(each not in seen for each in committed),
        messages=len(told),
        repeated=len(told) - len(seen),
        out_of_order=sum(a > b for a, b in pairwise(firsts)),
    )


def main() -> None:
    """Run as a worker, or kill workers and say what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="when each kill comes")
    parser.add_argument("--work", nargs=3, metavar=("FOLDER", "URL", "LIFE"))
    given = parser.parse_args()
    if given.work:
        asyncio.run(_work(Path(given.work[0]), given.work[1], given.work[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        toll = asyncio.run(kill_again_and_again(Path(folder), given.times, given.seed))
    sys.stdout.write(f"{toll}\n")
    sys.exit(toll.lost > 0 or toll.repeated > toll.kills)


if __name__ == "__main__":
    main()
