"""A year of history in the retention plan: how large it is, and how quickly a month is read.

`python -m benchmarks.bench_store [--symbols 30] [--postgres]`, from `tests/`. A year of one symbol
is written as the plan leaves it: 30 s rows for 7 days, 5 min to 90 days, an hour beyond.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row
from support.postgres import postgres
from support.stores import opened
from virtuoso.adapters.store.care import contents
from virtuoso.adapters.store.database import Place, open_engine, place_of
from virtuoso.domain.history import HistoryRow, KeptPart, KeptScore, Series
from virtuoso.domain.instruments import BYBIT, Symbol
from virtuoso.domain.scores import ComponentName, Source
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import kept_candle, kept_derivatives, kept_score

PLAN = ((7 * DAY, 30 * SECOND), (90 * DAY, 5 * MINUTE), (365 * DAY, HOUR))
SYMBOLS = 30
READS = 200


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


async def measure(place: Place, symbols: int) -> tuple[int, int, list[float], list[float]]:
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
        taken: tuple[list[float], list[float]] = ([], [])
        end = Millis(START + 1)
        for _ in range(READS):
            for times, step in zip(taken, (30 * MINUTE, 0), strict=True):
                name = rng.choice(names)
                began = time.perf_counter()
                found = await kept.archive.marks(name, (Source.BYBIT,), end - 30 * DAY, end, step)
                times.append(time.perf_counter() - began)
                assert len(found) > 1_000
    found = contents(place)
    return sum(found.rows.values()), found.bytes, sorted(taken[0]), sorted(taken[1])


def report(name: str, place: Place, symbols: int) -> list[Row]:
    """Measure one database and say it in rows of `make bench`."""
    rows, size, chart, whole = asyncio.run(measure(place, symbols))
    year = size * SYMBOLS / symbols
    low, middle = 1e3 * whole[0], 1e3 * whole[len(whole) // 2]
    high = 1e3 * whole[int(0.99 * len(whole))]
    spread = f"{rows:,} rows of {symbols} symbols, {size / rows:.0f} B a row"
    return [
        Row("H1", f"{name}: a year of 30 symbols", "2 GB", year / 2e9, "< 1", spread),
        Row(
            "H2",
            f"{name}: 30 days of one symbol, a point each 30 min, p99 of {READS}",
            "50 ms",
            1e3 * chart[int(0.99 * len(chart))] / 50,
            "< 1",
            f"{1e3 * chart[0]:.1f} to {1e3 * chart[-1]:.1f} ms",
        ),
        Row(
            "H3",
            f"{name}: the same, every row",
            "50 ms",
            high / 50,
            "< 1",
            f"{low:.1f}, {middle:.1f} in the median, {1e3 * whole[-1]:.1f} ms",
        ),
    ]


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
