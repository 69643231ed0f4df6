"""What a process can say of itself and of its machine: time, memory, disk, tasks, loop."""

import asyncio
import os
import platform
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from virtuoso.domain.time import Millis
from virtuoso.engine.breath import LoopLag
from virtuoso.ports import Clock
from virtuoso.wire.measures import Measure

EVERY_S: Final = 1.0
DISK_EVERY: Final = 10
"""Looks at everything else between two looks at the disk, which may be slow."""
CPU_SECONDS: Final = 60
"""What a share of processor time is taken over."""
PROC: Final = Path("/proc")


class SelfWatch:
    """Looks each second; `run` must run. What the system does not tell is null."""

    def __init__(
        self,
        clock: Clock,
        version: str,
        folder: Path,
        started: Millis,
    ) -> None:
        """`folder`: whose disk is looked at."""
        self._clock = clock
        self._version = version
        self._folder = folder
        self._started = started
        self._loop_lag = LoopLag()
        self._spent: list[tuple[float, float]] = []
        """Wall and processor time of the last looks."""
        self._busy: list[tuple[float, float]] = []
        """Busy and all time of the machine's cores."""
        self._disk: tuple[float, float] | None = None
        self._measures: tuple[Measure, ...] = ()

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._loop_lag.run())
            looks = 0
            while True:
                if looks % DISK_EVERY == 0:
                    self._disk = await asyncio.to_thread(_disk_of, self._folder)
                looks += 1
                self._measures = tuple(self._look())
                await asyncio.sleep(EVERY_S)

    def measures(self) -> tuple[Measure, ...]:
        """What was seen last."""
        return self._measures

    def _look(self) -> Iterator[Measure]:
        now = time.perf_counter()
        _remember(self._spent, (now, time.process_time()))
        yield Measure("process_cpu_ratio", _share(self._spent, swapped=True))
        yield Measure("process_memory_bytes", _resident())
        yield Measure("process_open_files", _count(PROC / "self" / "fd"))
        yield Measure("process_threads", float(threading.active_count()))
        yield Measure("process_tasks", float(len(asyncio.all_tasks())))
        uptime = (self._clock.now() - self._started) / 1e3
        yield Measure("process_uptime_seconds", max(0.0, uptime))
        yield Measure("loop_lag_seconds", self._loop_lag.worst_ms / 1e3)
        cores = _cores()
        if cores is not None:
            _remember(self._busy, cores)
        yield Measure("machine_cpu_ratio", _share(self._busy))
        yield Measure("machine_load_ratio", os.getloadavg()[0] / (os.cpu_count() or 1))
        memory = _memory()
        yield Measure("machine_memory_bytes", memory.get("MemTotal"))
        yield Measure("machine_memory_available_bytes", memory.get("MemAvailable"))
        total, free = self._disk or (None, None)
        yield Measure("disk_bytes", total)
        yield Measure("disk_free_bytes", free)
        python = platform.python_version()
        yield Measure("build_info", 1.0, {"version": self._version, "python": python})


def _remember(looks: list[tuple[float, float]], look: tuple[float, float]) -> None:
    looks.append(look)
    del looks[: max(0, len(looks) - CPU_SECONDS)]


def _share(looks: list[tuple[float, float]], *, swapped: bool = False) -> float | None:
    """The part that one clock went of the other; None before there are two looks."""
    if len(looks) < 2:
        return None
    part, whole = (looks[-1][0] - looks[0][0], looks[-1][1] - looks[0][1])
    if swapped:
        part, whole = whole, part
    return max(0.0, part / whole) if whole > 0 else None


def _read(path: Path) -> str:
    """What a file of the system says; nothing where there is none."""
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""


def _resident() -> float | None:
    fields = _read(PROC / "self" / "statm").split()
    return float(fields[1]) * os.sysconf("SC_PAGE_SIZE") if len(fields) > 1 else None


def _count(folder: Path) -> float | None:
    try:
        return float(sum(1 for _ in folder.iterdir()))
    except OSError:
        return None


def _cores() -> tuple[float, float] | None:
    """Busy and all time of all cores, in ticks."""
    fields = _read(PROC / "stat").partition("\n")[0].split()[1:9]
    if len(fields) < 5:
        return None
    ticks = [float(each) for each in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def _memory() -> dict[str, float]:
    found = {}
    for line in _read(PROC / "meminfo").splitlines()[:5]:
        name, _, value = line.partition(":")
        amount = value.split()
        if amount and amount[0].isdecimal():
            found[name] = 1_024.0 * float(amount[0])
    return found


def _disk_of(folder: Path) -> tuple[float, float] | None:
    """Size and free bytes of the disk of a folder, or of the nearest one above that exists."""
    for each in (folder, *folder.parents):
        try:
            usage = shutil.disk_usage(each)
        except OSError:
            continue
        return float(usage.total), float(usage.free)
    return None
