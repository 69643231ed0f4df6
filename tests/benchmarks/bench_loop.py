"""The turns of the event loop: how long the engine holds it, at 500 symbols and 5,000 messages/s.

The engine of `virtuoso run` with cache, broker and follower, against the simulator in a process of
its own. A turn is what the loop does between two looks at its sockets and timers: CPU time of the
loop's thread, so that a machine shared with others says the same. A step is one callback or one
piece of a task within it: what runs without anybody else having a chance. It runs on asyncio's own
loop, whose turns can be seen; `virtuoso run` has uvloop, which serves the same callbacks at less
cost.

Run: cd tests && python -m benchmarks.bench_loop [--symbols 500] [--rate 5000]

Warming up lasts until every market's past is here and nothing is being fetched, the steady state
begins `--settle` seconds later: the windows of five minutes are full by then. With `--longer MS`
it tells what was worked on in turns longer than that.
"""

import argparse
import asyncio
import json
import random
import selectors
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.compile import load_all
from virtuoso.apps.engine import DOCUMENTS_A_SYMBOL, RunOptions, build_engine, open_sources
from virtuoso.apps.logs import configure_logs
from virtuoso.apps.settings_sources import load_settings
from virtuoso.domain.time import SECOND
from virtuoso.engine.publisher import Publisher
from virtuoso.ports import Cache
from virtuoso.testing.own_memory import own_memory
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.follower import Follower
from virtuoso.wire.processes import EngineStatus

LIMIT_NS = 50_000_000
"""What nothing may hold the loop for."""
SAMPLE_SECONDS = 0.004
TOLD = ("seconds_skipped", "disconnects", "book_gaps", "topic_silent", "trades_backfilled")
"""Counters that are zero in an engine that keeps up with a venue without faults."""
DEEPEST = 12
"""Frames of a sample that are told, the innermost last."""


@dataclass(slots=True)
class Phase:
    """The turns of one part of the run."""

    name: str
    turns_ns: list[int] = field(default_factory=list)
    longest_step_ns: int = 0
    long_steps: int = 0
    """Steps of more than `LIMIT_NS`."""
    grid_seconds: int = 0
    """Closed and published, or a book's loss told between two of them."""
    wall_seconds: float = 0.0
    thread_seconds: float = 0.0
    process_seconds: float = 0.0

    def quantile_ms(self, share: float) -> float:
        """The turn that this share of all turns is not longer than."""
        ordered = sorted(self.turns_ns)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] / 1e6 if ordered else 0.0


class Turns(selectors.DefaultSelector):
    """A selector that knows for how long the loop did not ask it."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = Phase("start")
        self.thread = threading.get_ident()
        self.longer_ns: int | None = None
        self.seen: list[str] = []
        """What was sampled in the present turn."""
        self.told: list[tuple[str, int, Counter[str]]] = []
        """Phase, length and samples of each turn that was longer."""
        self._woke = time.thread_time_ns()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """End a turn, wait, begin the next one."""
        spent = time.thread_time_ns() - self._woke
        self.phase.turns_ns.append(spent)
        if self.longer_ns is not None:
            seen, self.seen = self.seen, []
            if spent >= self.longer_ns:
                self.told.append((self.phase.name, spent, Counter(seen)))
        events = super().select(timeout)
        self._woke = time.thread_time_ns()
        return events


@contextmanager
def timed_steps(turns: Turns) -> Iterator[None]:
    """Have each step of a loop tell how long it took."""
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time_ns()
        run(handle)
        spent, phase = time.thread_time_ns() - began, turns.phase
        phase.longest_step_ns = max(phase.longest_step_ns, spent)
        phase.long_steps += spent > LIMIT_NS

    with patch.object(asyncio.Handle, "_run", timed):
        yield


def sample(turns: Turns, stop: threading.Event) -> None:
    """Look again and again at what the loop's thread is doing."""
    while not stop.wait(SAMPLE_SECONDS):
        frame = sys._current_frames().get(turns.thread)
        if frame is not None:
            turns.seen.append(described(frame))


def described(frame: FrameType) -> str:
    """The innermost frames of this project, outermost first."""
    names: list[str] = []
    each: FrameType | None = frame
    while each is not None and len(names) < DEEPEST:
        code = each.f_code
        if "asyncio" not in code.co_filename and "selectors" not in code.co_filename:
            names.append(f"{Path(code.co_filename).stem}.{code.co_name}:{each.f_lineno}")
        each = each.f_back
    return " < ".join(names)


@contextmanager
def simulator(symbols: int, rate: float) -> Iterator[str]:
    """Run the simulator as a process of its own; gives its address."""
    command = [
        sys.executable,
        "-c",
        "from virtuoso.apps.cli import main; main()",
        "exchange",
        "--port=0",
        f"--symbols={symbols}",
        f"--rate={rate:g}",
        "--with-parent",
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        try:
            yield str(json.loads(child.stdout.readline())["exchange"])
        finally:
            child.terminate()


async def status_of(cache: Cache) -> EngineStatus | None:
    """What the engine says of itself."""
    value = await cache.get(keys.ENGINE)
    return None if value is None else Codec().decode(keys.ENGINE, value, EngineStatus)


async def watch(turns: Turns, cache: Cache, arguments: argparse.Namespace) -> list[Phase]:
    """Divide the run into warming up, settling and the steady state."""
    phases = []

    async def measured(phase: Phase, until: asyncio.Task[object]) -> None:
        turns.phase = phase
        phases.append(phase)
        began = time.perf_counter(), time.thread_time(), time.process_time()
        closed_before = await cycles()
        await until
        phase.grid_seconds = await cycles() - closed_before
        ended = time.perf_counter(), time.thread_time(), time.process_time()
        phase.wall_seconds, phase.thread_seconds, phase.process_seconds = (
            end - start for start, end in zip(began, ended, strict=True)
        )

    async def cycles() -> int:
        status = await status_of(cache)
        return 0 if status is None else status.seq

    async def warm() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(all_is_here(), arguments.warm_up)

    async def all_is_here() -> None:
        while True:
            await asyncio.sleep(1.0)
            status = await status_of(cache)
            parts = () if status is None else status.parts
            is_warm = any(each.name == "warm_up" and each.status == "pass" for each in parts)
            if status and is_warm and not status.counters.get("fetches_waiting"):
                return

    loop = asyncio.get_running_loop()
    await measured(Phase("warming up"), loop.create_task(warm()))
    await measured(Phase("settling"), loop.create_task(asyncio.sleep(arguments.settle)))
    await measured(Phase("steady"), loop.create_task(asyncio.sleep(arguments.seconds)))
    turns.phase = Phase("end")
    return phases


async def measure(
    turns: Turns, arguments: argparse.Namespace, address: str, folder: str
) -> list[Phase]:
    """Run the engine against the simulator at `address`, and watch it."""
    settings = load_settings(None, {"VIRTUOSO_STATE_DIR": folder})
    clock = SystemClock()
    rng = random.Random(1)  # noqa: S311 - spreads retries
    options = RunOptions("simulator", None, None, address, symbols=arguments.symbols)
    cache = own_memory(clock, arguments.symbols * DOCUMENTS_A_SYMBOL * 2 + 100)
    broker = MemoryBroker()
    publisher = Publisher(cache, broker, settings.cache.ttl_seconds * SECOND)
    follower = Follower(cache, broker, clock)
    async with open_sources(settings, options, clock, rng) as sources:
        engine = build_engine(settings, options, sources.first, clock, publisher, rng)
        tasks = [asyncio.create_task(each) for each in (engine.run(), follower.run())]
        watching = asyncio.create_task(watch(turns, cache, arguments))
        await asyncio.wait({*tasks, watching}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                await task  # raises what it died of
        phases = await watching
        status = await status_of(cache)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if status is not None:
        print(f"{status.symbols_scored} of {status.symbols} scored, cycle {status.cycle_ms} ms")  # noqa: T201
        print({name: status.counters.get(name, 0) for name in TOLD})  # noqa: T201
    return phases


def table_of(phases: Sequence[Phase]) -> Table:
    """The phases, a row each."""
    table = Table(title="Turns of the event loop, CPU time")
    for heading in ("", "turns", "median ms", "p99 ms", "p99.9 ms", "max ms"):
        table.add_column(heading, justify="right")
    for heading in (
        "> 50 ms",
        "longest step",
        "steps > 50 ms",
        "loop's share of a core",
        "process",
        "wall s",
        "grid s",
    ):
        table.add_column(heading, justify="right")
    for each in phases:
        table.add_row(
            each.name,
            f"{len(each.turns_ns):,}",
            *(f"{each.quantile_ms(share):.2f}" for share in (0.5, 0.99, 0.999, 1.0)),
            str(sum(turn > LIMIT_NS for turn in each.turns_ns)),
            f"{each.longest_step_ns / 1e6:.2f}",
            str(each.long_steps),
            f"{each.thread_seconds / each.wall_seconds:.2f}",
            f"{each.process_seconds / each.wall_seconds:.2f}",
            f"{each.wall_seconds:.0f}",
            str(each.grid_seconds),
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench_loop", description=__doc__)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--rate", type=float, default=5_000.0)
    parser.add_argument("--warm-up", type=float, default=900.0, help="seconds at most")
    parser.add_argument("--settle", type=float, default=330.0)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--longer", type=float, help="tell what turns longer than MS worked on")
    arguments = parser.parse_args()
    configure_logs(debug=False)
    load_all()
    turns = Turns()
    stop = threading.Event()
    if arguments.longer is not None:
        turns.longer_ns = int(arguments.longer * 1e6)
        threading.Thread(target=sample, args=(turns, stop), daemon=True).start()
    with (
        TemporaryDirectory() as folder,
        simulator(arguments.symbols, arguments.rate) as address,
        timed_steps(turns),
        asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(turns)) as runner,
    ):
        phases = runner.run(measure(turns, arguments, address, folder))
    stop.set()
    console = Console(width=180)
    console.print(table_of(phases))
    for phase, spent, seen in turns.told:
        console.print(f"{phase}: {spent / 1e6:.1f} ms")
        for where, times in seen.most_common(6):
            console.print(f"    {times:>3} {where}", soft_wrap=True, highlight=False)


if __name__ == "__main__":
    main()
