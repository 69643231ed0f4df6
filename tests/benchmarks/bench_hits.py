"""What share of its reads a web process finds in the tiers, from its cold start on.

Simulator, engine, memcached, Redis and a web process of their own, as users start them. Not part of
`make bench`, which it would make minutes longer: python -m benchmarks.bench_hits [--seconds 60].
"""

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from support.cluster import Cluster, cluster
from support.processes import wait_for
from virtuoso.apps.load_readers import HttpReader, Tally
from virtuoso.apps.running import ask
from virtuoso.wire.metrics import CacheMetrics

SYMBOLS = 30
CONNECTIONS = 20
RATES = (10, 100)
"""Requests a second: few readers find less in memory, because it forgets before the next comes."""
READY_S = 300.0
TARGET = 0.95
MEMORY_TARGET = 0.85


def paths(names: list[str]) -> list[str]:
    """What readers look at beside the hot documents: everything of every symbol, and the market."""
    looked_at = [
        path
        for name in names
        for path in (
            f"/api/symbols/{name}",
            f"/api/symbols/{name}/candles?timeframe=5m",
            f"/api/symbols/{name}/scores",
        )
    ]
    return ["/api/market/overview", "/api/bitcoin-beta", *looked_at]


async def load(port: int, others: list[str], rate: int, seconds: float) -> dict[str, Tally]:
    """Readers who ask at this rate together; who is late is not waited for by the others."""
    tallies: dict[str, Tally] = {}
    until = asyncio.get_running_loop().time() + seconds
    readers = (
        HttpReader("127.0.0.1", port, others, tallies, seed, CONNECTIONS / rate).run(until)
        for seed in range(CONNECTIONS)
    )
    await asyncio.gather(*readers)
    return tallies


def lines(found: CacheMetrics, tallies: dict[str, Tally]) -> Iterator[str]:
    """What was asked, and how much of it each tier had."""
    answers: Counter[int] = sum((each.statuses for each in tallies.values()), Counter())
    yield f"answers by status: {dict(answers)}"
    if (given := found.answers) is not None:
        yield (
            f"documents asked for: {given.asked}, ready {given.ready}, memory {given.memory}, "
            f"servers {given.servers}, nothing {given.nothing}: {given.memory_share} from memory "
            f"(target {MEMORY_TARGET})"
        )
    yield f"reads of the tiers: {found.requests}, found: {found.hit_rate} (target {TARGET})"
    for tier in found.tiers:
        yield (
            f"  {tier.name}: {tier.hits} hits, {tier.misses} misses, rate {tier.hit_rate}, "
            f"{tier.share_of_hits} of all hits"
        )
    for thing in found.tiers[0].documents:
        counted = (
            f"{tier.name} {each.hits} of {each.hits + sum(each.misses.values())}"
            for tier in found.tiers
            if (each := tier.documents.get(thing)) is not None
        )
        yield f"    {thing}: {', '.join(counted)}"


def measure(running: Cluster, number: int, rate: int, seconds: float) -> Iterator[str]:
    """Start a web process with nothing in its memory, load it, and read what it counted."""
    running.web(number)
    port = running.web_ports[number]
    wait_for("an answer", lambda: running.ask(number).status_code == 200, READY_S)
    names = [str(each["symbol"]) for each in running.document(number)["symbols"]]
    tallies = asyncio.run(load(port, paths(names), rate, seconds))
    found = ask(f"http://127.0.0.1:{port}", "/cache-metrics", CacheMetrics)
    yield f"{rate} requests a second for {seconds:g} s, {len(names)} symbols"
    yield from lines(found, tallies)


def main() -> None:
    """Wait until the engine is warm, then measure web processes that are not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    with TemporaryDirectory() as folder, cluster(Path(folder), SYMBOLS) as running:
        running.engine()
        running.web(0)
        wait_for("scores", lambda: running.live(0), READY_S)
        running.members["web0"].kill()
        for number, rate in enumerate(RATES):
            for line in measure(running, number, rate, seconds):
                print(line)  # noqa: T201
            running.members[f"web{number}"].kill()


if __name__ == "__main__":
    main()
