"""What each score cycle of a venue took and found: the last ones, and totals for the counters."""

from bisect import bisect_left
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from virtuoso.domain.scores import Absent
from virtuoso.engine.view import CycleView
from virtuoso.wire.cycles import CYCLE_BOUNDS_MS, CycleTotals, CycleTrace

CYCLES_KEPT: Final = 120


class CycleLog:
    """Takes the duration of each slice while a cycle is made, and its result when it is whole."""

    def __init__(self, venue: str) -> None:
        self._venue = venue
        self._kept: deque[CycleTrace] = deque(maxlen=CYCLES_KEPT)
        self._began: float | None = None
        self._cpu = 0.0
        self._slices = 0
        self._count = self._all_slices = self._scored = 0
        self._wall_seconds = self._cpu_seconds = 0.0
        self._wall_counts = [0] * len(CYCLE_BOUNDS_MS)
        self._cpu_counts = [0] * len(CYCLE_BOUNDS_MS)
        self._absent: dict[str, int] = {}
        self._parts_absent: dict[str, dict[str, int]] = {}

    def work(self, began: float, cpu_seconds: float) -> None:
        """Take one slice: when it began, monotonic seconds, and the processor time it took."""
        if self._began is None:
            self._began = began
        self._cpu += cpu_seconds
        self._slices += 1

    def close(self, cycle: CycleView, ended: float, definition: str) -> None:
        """Take the cycle that is whole at `ended`, monotonic seconds."""
        wall = ended - (ended if self._began is None else self._began)
        absent, parts_absent = absent_of(cycle)
        scored = len(cycle.markets) - sum(absent.values())
        trace = CycleTrace(
            venue=self._venue,
            at=cycle.at,
            seq=cycle.seq,
            wall_ms=round(1_000 * wall, 3),
            cpu_ms=round(1_000 * self._cpu, 3),
            slices=self._slices,
            symbols=len(cycle.markets),
            scored=scored,
            absent=absent,
            components_absent=parts_absent,
            definition=definition,
        )
        self._kept.append(trace)
        self._count += 1
        self._all_slices += self._slices
        self._scored += scored
        self._wall_seconds += wall
        self._cpu_seconds += self._cpu
        _count(self._wall_counts, trace.wall_ms)
        _count(self._cpu_counts, trace.cpu_ms)
        _add(self._absent, absent)
        for name, reasons in parts_absent.items():
            _add(self._parts_absent.setdefault(name, {}), reasons)
        self.drop()

    def drop(self) -> None:
        """Forget the slices since the last cycle: they were other work."""
        self._began, self._cpu, self._slices = None, 0.0, 0

    @property
    def kept(self) -> Sequence[CycleTrace]:
        """The last cycles, oldest first."""
        return tuple(self._kept)

    @property
    def totals(self) -> CycleTotals:
        """Everything since the start."""
        return CycleTotals(
            venue=self._venue,
            count=self._count,
            wall_seconds=round(self._wall_seconds, 6),
            cpu_seconds=round(self._cpu_seconds, 6),
            wall_buckets=tuple(accumulate(self._wall_counts)),
            cpu_buckets=tuple(accumulate(self._cpu_counts)),
            slices=self._all_slices,
            scored=self._scored,
            absent=dict(self._absent),
            components_absent={name: dict(each) for name, each in self._parts_absent.items()},
        )


def absent_of(cycle: CycleView) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Count the scores that are null by reason, and the components by name and reason."""
    scores: dict[str, int] = {}
    parts: dict[str, dict[str, int]] = {}
    for market in cycle.markets:
        score = market.score
        if score.score is None:
            reason = str(score.reason)
            scores[reason] = scores.get(reason, 0) + 1
        for name, part in score.components.items():
            if isinstance(part, Absent):
                reasons = parts.setdefault(name, {})
                reasons[part.reason] = reasons.get(part.reason, 0) + 1
    return scores, parts


def _count(counts: list[int], value_ms: float) -> None:
    """Count a value in its own bucket; what is above the last bound is in the count of all only."""
    place = bisect_left(CYCLE_BOUNDS_MS, value_ms)
    if place < len(counts):
        counts[place] += 1


def _add(totals: dict[str, int], some: Mapping[str, int]) -> None:
    for name, count in some.items():
        totals[name] = totals.get(name, 0) + count
