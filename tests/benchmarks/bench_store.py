"""A year of history in the retention plan: how large it is, and how quickly a month is read.

`python -m benchmarks.bench_store [--symbols 30] [--sqlite]`, from `tests/`. A year of one symbol
is written as the plan leaves it: 30 s rows for 7 days, 5 min to 90 days, an hour beyond.
"""

import argparse
import asyncio
import gc
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from benchmarks.report import Row
from support.postgres import postgres
from support.stores import opened
from virtuoso.adapters.store.care import contents
from virtuoso.adapters.store.database import Place, open_engine, place_of
from virtuoso.domain.errors import StoreUnavailableError
from virtuoso.domain.history import HistoryRow, KeptPart, KeptScore, Series
from virtuoso.domain.instruments import BYBIT, Symbol
from virtuoso.domain.scores import ComponentName, Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import kept_candle, kept_derivatives, kept_score

PLAN = ((7 * DAY, 30 * SECOND), (90 * DAY, 5 * MINUTE), (365 * DAY, HOUR))
SYMBOLS = 30
READS = 200
Times: TypeAlias = list[tuple[float, float]]
"""Seconds of the processor, and of the clock, of each read."""


def stamps() -> Iterator[int]:
    """Give the instants of a year's rows, newest first."""
    age = 0
    for until, step in PLAN:
        while age < until:
            yield START - START % HOUR - age
            age += step


def numbered(series: Series, at: int, rng: random.Random) -> KeptScore:
    """A row whose numbers do not repeat: nothing compresses what is measured."""
    value = 100 * rng.random()
    parts = {name: KeptPart(100 * rng.random(), rng.random() - 0.5, None) for name in ComponentName}
    return kept_score(at, series, value)._replace(
        components=parts,
        z=rng.random(),
        mid=90_000 * rng.random(),
        price=90_000 * rng.random(),
        change_24h=rng.random(),
        turnover_24h=1e9 * rng.random(),
        confidence=rng.random(),
        open_interest_change_1h=rng.random(),
    )


def year_of(series: Series, rng: random.Random) -> Iterator[HistoryRow]:
    """Give a year of one symbol."""
    for at in stamps():
        yield numbered(series, at, rng)
        if at % (5 * MINUTE) == 0:
            yield kept_derivatives(at, series)
    for timeframe, days in (
        (Timeframe.M1, 30),
        (Timeframe.M5, 90),
        (Timeframe.M30, 365),
        (Timeframe.H4, 365),
    ):
        last = timeframe.floor(START)
        for number in range(days * DAY // timeframe.ms):
            yield kept_candle(last - number * timeframe.ms, series, timeframe)


async def measure(place: Place, symbols: int) -> tuple[int, int, Times, Times]:
    """Give rows, bytes, and the seconds of reading a month as a chart and row by row."""
    rng = random.Random(1)  # noqa: S311 - any numbers will do
    names = [Symbol(f"S{number:02}USDT") for number in range(symbols)]
    async with opened(place, FakeClock(), room=10_000_000) as kept:
        for name in names:
            rows = list(year_of(Series(Source.BYBIT, BYBIT, name), rng))
            for first in range(0, len(rows), 2_000):
                kept.store.put(rows[first : first + 2_000])
            await kept.store.thread.flush(3_600)
        if place.path is None:
            engine = open_engine(place, "admin").execution_options(isolation_level="AUTOCOMMIT")
            with engine.connect() as link:
                link.exec_driver_sql("VACUUM ANALYZE")
            engine.dispose()
        del rows
        # who serves has no millions of rows in memory to look through
        gc.collect()
        gc.freeze()
        taken: tuple[Times, Times] = ([], [])
        end = Millis(START + 1)
        for _ in range(READS):
            for times, step in zip(taken, (30 * MINUTE, 0), strict=True):
                name = rng.choice(names)
                began, cpu = time.perf_counter(), time.process_time()
                try:
                    found = await kept.archive.marks(
                        name, (Source.BYBIT,), end - 30 * DAY, end, step
                    )
                except StoreUnavailableError as error:
                    # a machine that others keep busy
                    sys.stderr.write(f"{error}\n")
                    continue
                times.append((time.process_time() - cpu, time.perf_counter() - began))
                assert len(found) > 1_000
    whole = contents(place)
    return sum(whole.rows.values()), whole.bytes, *taken


def report(name: str, place: Place, symbols: int) -> list[Row]:
    """Measure one database and say it in rows of `make bench`."""
    rows, size, chart, whole = asyncio.run(measure(place, symbols))
    year = size * SYMBOLS / symbols
    spread = f"{rows:,} rows of {symbols} symbols, {size / rows:.0f} B a row"
    return [
        Row("H1", f"{name}: a year of 30 symbols", "2 GB", year / 2e9, "< 1", spread),
        _reading("H2", f"{name}: 30 days of one symbol, each 30 min, p99", chart),
        _reading("H3", f"{name}: the same, every row, p99", whole),
    ]


def _reading(name: str, what: str, times: Times) -> Row:
    """CPU time is the measure: the machine is shared."""
    cpu = sorted(each for each, _ in times)
    wall = sorted(each for _, each in times)
    spread = (
        f"CPU {1e3 * cpu[0]:.0f} to {1e3 * cpu[-1]:.0f} ms; clock {1e3 * wall[0]:.0f}, "
        f"median {1e3 * wall[len(wall) // 2]:.0f}, p99 {1e3 * wall[int(0.99 * len(wall))]:.0f} ms"
    )
    return Row(name, what, "50 ms CPU", cpu[int(0.99 * len(cpu))] / 0.05, "< 1", spread)


def rows(symbols: int = 2, *, on_postgres: bool = True) -> Iterator[Row]:
    """Measure both databases."""
    with tempfile.TemporaryDirectory() as folder:
        yield from report("SQLite", place_of("", Path(folder)), symbols)
    if on_postgres:
        with postgres() as server:
            place = place_of(server.new_database(), Path())
            yield from report("PostgreSQL", place, symbols)


def main() -> None:
    """Measure alone, with as many symbols as asked."""
    options = argparse.ArgumentParser()
    options.add_argument("--symbols", type=int, default=SYMBOLS)
    options.add_argument("--sqlite", action="store_true")
    given = options.parse_args()
    for row in rows(given.symbols, on_postgres=not given.sqlite):
        print(f"{row.name} {row.what}: {row.ratio:.3f} of {row.reference} ({row.spread})")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
