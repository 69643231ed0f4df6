"""What an edition costs more for each symbol that somebody looks at (ADR 0041).

Run: cd tests && python -m benchmarks.bench_looks [--symbols 500]
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from time import thread_time

from benchmarks.markets import SteadyMarkets
from benchmarks.report import Row
from support.editions import content_of
from support.markets import NOW
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.edition import Editor

SYMBOLS = 500
EDITIONS = 12
LOOKED_AT = (0, 10, 50)


def rows(symbols: int = SYMBOLS) -> Sequence[Row]:
    """CPU seconds of an edition, by how many symbols are looked at, in turns."""
    markets = SteadyMarkets(symbols)
    editor = Editor("one", Source.SIMULATOR, "1")
    spent: dict[int, list[float]] = {count: [] for count in LOOKED_AT}
    at = NOW
    for number in range(EDITIONS):
        for count in LOOKED_AT:
            at += SECOND
            markets.stream(at)
            markets.pipeline.second(Millis(at))
            said = content_of(markets.pipeline, Source.SIMULATOR)
            content = replace(said, looked_at=frozenset(e.symbol for e in said.shown[:count]))
            begun = thread_time()
            for _ in editor.edit(content):
                pass
            if number:
                spent[count].append(thread_time() - begun)
    alone = median(spent[0])
    return [
        Row(
            name="E",
            what=f"an edition of {symbols} symbols, {count} looked at: "
            f"{1e3 * median(found):.1f} ms of CPU",
            reference="the same, none looked at",
            ratio=median(found) / alone,
            target="",
            spread=f"{1e3 * min(found):.1f}..{1e3 * max(found):.1f} ms",
        )
        for count, found in spent.items()
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.bench_looks", description=__doc__)
    parser.add_argument("--symbols", type=int, default=SYMBOLS)
    for row in rows(parser.parse_args().symbols):
        print(row)  # noqa: T201 - a benchmark prints
