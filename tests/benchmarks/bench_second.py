"""P5: what a second costs at 500 markets: every view, score and direction from what streamed in.

Run: cd tests && python -m benchmarks.bench_second [--symbols 500] [--publish]
"""

import argparse
import gc
from collections.abc import Sequence
from statistics import median
from time import thread_time

from benchmarks.markets import SteadyMarkets
from benchmarks.report import Row
from support.markets import NOW
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.garbage import GENERATIONS, NEVER, YOUNG

SYMBOLS = 500
SECONDS = 12
WARM_SECONDS = 33
"""By then the averages of the book are believed."""


def seconds_of(markets: SteadyMarkets, count: int, first: int = NOW) -> list[float]:
    """CPU seconds that closing each of `count` grid seconds takes; what streams in is not in it."""
    spent = []
    for number in range(1, count + 1):
        at = first + number * SECOND
        markets.stream(at)
        began = thread_time()
        markets.pipeline.second(Millis(at))
        spent.append(thread_time() - began)
    return spent


def rows(symbols: int = SYMBOLS) -> Sequence[Row]:
    """Measure P5: CPU time of closing a second, over a second."""
    thresholds = gc.get_threshold()
    markets = SteadyMarkets(symbols)
    # what lives as long as the process is not searched for garbage, as in the engine
    gc.freeze()
    gc.set_threshold(YOUNG, GENERATIONS, NEVER)
    spent = seconds_of(markets, WARM_SECONDS + SECONDS)[WARM_SECONDS:]
    cycle = markets.pipeline.view()
    assert cycle is not None
    for view in cycle.markets:
        assert view.score.coverage > 0.99, view.score.coverage
        assert view.live_score is not None
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    each = 1e6 * median(spent) / symbols
    return [
        Row(
            name="P5",
            what=f"a second of {symbols} markets: {each:.0f} us each",
            reference="one core for a second",
            ratio=median(spent),
            target="<= 0.20",
            spread=f"{min(spent):.3f}..{max(spent):.3f}",
        )
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.bench_second", description=__doc__)
    parser.add_argument("--symbols", type=int, default=SYMBOLS)
    for row in rows(parser.parse_args().symbols):
        print(row)  # noqa: T201 - a benchmark prints
