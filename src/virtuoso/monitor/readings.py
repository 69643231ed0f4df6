"""Everything the monitor knows in numbers at one moment, and the loop that keeps it."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from virtuoso.domain.time import SECOND
from virtuoso.monitor.judging import Limits, judged
from virtuoso.monitor.record import STEP_MS, Record
from virtuoso.monitor.roster import Roster
from virtuoso.ports import Clock
from virtuoso.wire.asking import Question
from virtuoso.wire.checks import parts_of
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import HealthPart
from virtuoso.wire.measures import Measure, labelled
from virtuoso.wire.messages import to_json
from virtuoso.wire.monitoring import MOST_MINUTES, HistoryRequest
from virtuoso.wire.processes import ProcessReport, TierReport

ITS_OWN: Final = ("process_", "loop_", "machine_", "disk_", "build_")
"""How measures begin that are of a process, and are told apart by it."""
STATUSES: Final = {"pass": 0.0, "warn": 1.0, "fail": 2.0}


class Readings:
    """Puts together what engine, web processes and this one say; `run` keeps it for a day."""

    def __init__(
        self,
        follower: Follower,
        clock: Clock,
        roster: Roster | None = None,
        own: Callable[[], Iterable[Measure]] = tuple,
        limits: Limits | None = None,
    ) -> None:
        """`own`: what this process says of itself, where it is not the engine's."""
        self._follower = follower
        self._clock = clock
        self._roster = roster
        self._own = own
        self._limits = limits or Limits()
        self.record = Record(clock)

    async def run(self) -> None:
        """Look at everything each step; ends only by cancellation."""
        while True:
            self.record.note(self.measures())
            left = STEP_MS - self._clock.monotonic_ms() % STEP_MS
            # into the middle of the next step, so that a late timer is still in it
            await asyncio.sleep((left + STEP_MS // 2) / SECOND)

    def measures(self) -> tuple[Measure, ...]:
        """Everything that is known now; what a silent process said is not."""
        return tuple(self._all())

    def parts(self) -> tuple[HealthPart, ...]:
        """What passes, warns or fails by the limits that are set."""
        return judged(self.measures(), self._limits, self._clock.now())

    async def answer(self, request: Question) -> tuple[int, bytes, int]:
        """Answer what a process that serves pages asks for."""
        if not isinstance(request, HistoryRequest):
            return 404, b"", 0
        minutes = min(max(1, request.minutes), MOST_MINUTES)
        return 200, to_json(self.record.history(minutes, request.series)), 0

    def _all(self) -> Iterator[Measure]:
        follower = self._follower
        engine = follower.engine
        if engine is not None and not follower.engine_silent():
            for each in engine.measures:
                if each.name.startswith(ITS_OWN):
                    yield from labelled((each,), process="engine")
                else:
                    yield each
        reports = () if self._roster is None else self._roster.living()
        for report in reports:
            process = f"{report.role}_{report.port}"
            yield from labelled(report.measures, process=process)
            yield from labelled(_of_report(report), process=process)
        yield from labelled(self._own(), process="monitor")
        heard = follower.engine_ms() / 1e3 if follower.reader.engine_now else None
        yield Measure("heard_engine_seconds", heard, {"process": "monitor"})
        parts = parts_of(follower, self._clock)
        beside = () if self._roster is None else self._roster.parts()
        for part in (*parts, *beside):
            yield Measure("part_failing", STATUSES[part.status], {"part": part.name})


def _of_report(report: ProcessReport) -> Iterator[Measure]:
    """What a report says beside its measures."""
    yield Measure("websocket_clients", float(report.clients))
    yield Measure("heard_engine_seconds", report.engine_ms / 1e3)
    yield Measure("cache_hit_ratio", _hit_ratio(report.tiers))
    yield Measure("cache_tiers_lost", float(sum(each.open for each in report.tiers)))


def _hit_ratio(tiers: tuple[TierReport, ...]) -> float | None:
    """Of all reads, those that any tier answered; None before the first."""
    if not tiers:
        return None
    asked = tiers[0].hits + tiers[0].misses
    return sum(each.hits for each in tiers) / asked if asked else None
