"""Ten thousand rules looked at in one second, in processor time."""

import random
import time

from benchmarks.report import Row
from virtuoso.alerting.numbers import Reading
from virtuoso.alerting.rules import parse
from virtuoso.alerting.watch import Watch
from virtuoso.domain.time import SECOND, Millis

RULES = 10_000
SYMBOLS = 500
LOOKS = 40
TARGET_MS = 50.0
START = 1_784_462_400_000


def rows() -> list[Row]:
    """Two comparisons a rule, each rule of one symbol, numbers that move."""
    rng = random.Random(1)  # noqa: S311 - the same numbers in each run
    names = [f"S{number}USDT" for number in range(SYMBOLS)]
    rules = [
        parse(
            {
                "id": f"r{number}",
                "title": "a bench",
                "kind": "bench",
                "level": "info",
                "symbols": [names[number % SYMBOLS]],
                "when": {
                    "all": [
                        {"number": "score", "is": "at_least", "limit": 70.0 + number % 25},
                        {"number": "coverage", "is": "at_least", "limit": 0.5},
                    ]
                },
            }
        )
        for number in range(RULES)
    ]
    watch = Watch(rules)
    taken: list[float] = []
    for look in range(LOOKS):
        numbers: dict[str, dict[str, Reading]] = {
            name: {"score": rng.uniform(0, 100), "coverage": rng.random()} for name in names
        }
        began = time.process_time()
        watch.look(Millis(START + look * SECOND), {}, numbers)
        taken.append(1_000 * (time.process_time() - began))
    taken.sort()
    middle = taken[len(taken) // 2]
    spread = f"{taken[0]:.0f} to {taken[-1]:.0f} ms of CPU"
    what = f"a look at {RULES:,} rules of two comparisons, {SYMBOLS} symbols"
    return [Row("A1", what, f"{TARGET_MS:.0f} ms of CPU", middle / TARGET_MS, "< 1", spread)]
