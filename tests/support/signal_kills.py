"""Kills a process that follows signals, at random, and holds what is stored against the whole past.

`python -m support.signal_kills --times 100`, from `tests/`.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

from support.signals import AT, turn
from support.stores import opened
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.history import Series
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Source
from virtuoso.domain.signals import Signal, SignalFilter
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.signals import SignalDesk
from virtuoso.signals.course import advance
from virtuoso.signals.course import opened as made_of
from virtuoso.signals.turns import Turn

SYMBOLS: Final = 20
MINUTES: Final = 700
MINUTES_A_SECOND: Final = 200.0
LONGEST_S: Final = 0.5


@dataclass
class Toll:
    """What so many kills did."""

    kills: int
    kept: int
    ended: int
    wrong: list[str]
    """Signals that are not as the whole past says, and steps that were written twice."""


def turn_of(number: int) -> Turn:
    """The one change of direction of a symbol."""
    return turn(at=AT + number * 20 * MINUTE)


def candles_of(number: int) -> list[Candle]:
    """The whole past of a symbol: a walk that begins at 100 when its direction changes."""
    walk = random.Random(number)  # noqa: S311 - a walk, nothing secret
    price, found = 0.0, []
    for minute in range(number * 20, MINUTES):
        close = price + walk.gauss(0.0, 0.001)
        high, low = max(price, close) + 0.0003, min(price, close) - 0.0003
        at = Millis(AT + minute * MINUTE)
        first, top, bottom, last = (100.0 * exp(each) for each in (price, high, low, close))
        found.append(Candle(Timeframe.M1, at, first, top, bottom, last, 1.0))
        price = close
    return found


def series_of(number: int) -> Series:
    """Whose signal it is."""
    return Series(Source.BYBIT, BYBIT, Symbol(f"S{number:02}USDT"))


def content(minute: int, whole: Sequence[Sequence[Candle]]) -> Content:
    """What an engine knows at a minute."""
    shown, lanes = [], {}
    for number in range(SYMBOLS):
        symbol = series_of(number).symbol
        known = [each for each in whole[number] if each.close_time <= AT + minute * MINUTE]
        last = known[-1].close_time if known else None
        candles = SimpleNamespace(closed=known, gap=False, last_close=last)
        turns = [turn_of(number)] if number * 20 <= minute else []
        market = SimpleNamespace(candles={Timeframe.M1: candles})
        lanes[str(symbol)] = SimpleNamespace(turns=turns, loaded=True, market=market)
        shown.append(SimpleNamespace(symbol=str(symbol), instrument=Instrument(BYBIT, symbol)))
    made = SimpleNamespace(
        second=Millis(AT + minute * MINUTE), shown=shown, lanes=lanes, sources={BYBIT: Source.BYBIT}
    )
    return cast("Content", made)


async def _work(folder: Path, first: int) -> None:
    """Follow from this minute on until killed, or until all is over and written."""
    whole = [candles_of(number) for number in range(SYMBOLS)]
    async with opened(place_of("", folder), SystemClock()) as kept:
        desk = SignalDesk(SystemClock(), (Source.BYBIT,), kept.ledger, kept.archive)
        following = asyncio.create_task(desk.run())
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        began = time.monotonic()
        while True:
            gone = int((time.monotonic() - began) * MINUTES_A_SECOND)
            minute = min(MINUTES, first + gone)
            for _ in desk.taking(content(minute, whole)):
                pass
            await asyncio.sleep(0.005)
            if minute == MINUTES:
                results = await kept.archive.signals(SignalFilter(), 100)
                if len(results) == SYMBOLS and not any(each.is_open for each in results):
                    break
        following.cancel()


async def kill_again_and_again(folder: Path, times: int) -> Toll:
    """Let it live and kill it so often, then let it end, and look at what is stored."""
    dice = random.Random(7)  # noqa: S311 - when to kill, nothing secret
    command = [sys.executable, "-m", "support.signal_kills", "--work", str(folder)]
    here = Path(__file__).parents[1]
    for life in range(times + 1):
        process = await asyncio.create_subprocess_exec(
            *command, str(life * MINUTES // (times + 1)), stdout=asyncio.subprocess.PIPE, cwd=here
        )
        assert process.stdout is not None
        async with asyncio.timeout(60):
            await process.stdout.readline()
            if life < times:
                await asyncio.sleep(dice.uniform(0.0, LONGEST_S))
                process.kill()
            await process.wait()
    wrong: list[str] = []
    async with opened(place_of("", folder), SystemClock()) as kept:
        results = {each.id: each for each in await kept.archive.signals(SignalFilter(), 100)}
        for number in range(SYMBOLS):
            expected = advance(made_of(series_of(number), turn_of(number)), candles_of(number))
            found = results.get(expected.id)
            if found is None or _result(found) != _result(expected):
                wrong.append(f"{expected.id}: {found and _result(found)} {_result(expected)}")
            steps = [each.what for each in await kept.archive.signal_events(expected.id)]
            if len(set(steps)) != len(steps) or steps[:1] != ["opened"]:
                wrong.append(f"{expected.id}: {steps}")
    ended = sum(not each.is_open for each in results.values())
    return Toll(times, len(results), ended, wrong)


def _result(signal: Signal) -> tuple[Any, ...]:
    return (
        signal.state,
        signal.outcome,
        signal.r,
        signal.closed_at,
        signal.targets_hit,
        signal.best_excursion,
        signal.worst_excursion,
    )


def main() -> None:
    """Kill, or be the one that is killed."""
    top = argparse.ArgumentParser()
    top.add_argument("--times", type=int, default=100)
    top.add_argument("--work", nargs=2, metavar=("FOLDER", "MINUTE"))
    arguments = top.parse_args()
    if arguments.work:
        asyncio.run(_work(Path(arguments.work[0]), int(arguments.work[1])))
        return
    with tempfile.TemporaryDirectory() as folder:
        toll = asyncio.run(kill_again_and_again(Path(folder), arguments.times))
    sys.stdout.write(f"{toll}\n")


if __name__ == "__main__":
    main()
