"""Which serving processes there are, which of them fell silent, and for how long."""

import asyncio
from dataclasses import dataclass
from typing import Final, TypeAlias

from cachetools import LRUCache

from virtuoso.domain.errors import CacheError
from virtuoso.domain.scores import State
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock
from virtuoso.wire.health import HealthPart
from virtuoso.wire.processes import ProcessReport
from virtuoso.wire.records import iso
from virtuoso.wire.roll import Roll

SILENT_MS: Final = 3 * SECOND
REMEMBERED_MS: Final = 15 * MINUTE
"""A process that fell silent is named for so long; then it is taken for given up."""
MOST: Final = 64
Place: TypeAlias = tuple[str, str, int]
"""Role, host and port."""
LOOK_S: Final = 1.0


@dataclass(slots=True)
class _Known:
    report: ProcessReport
    heard_ms: int
    """On our monotonic clock, when it last said something new."""


class Roster:
    """Everybody who said that they live. A process that ends on purpose is forgotten at once."""

    def __init__(self, roll: Roll, clock: Clock) -> None:
        self._roll = roll
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._gone: LRUCache[Place, int] = LRUCache(maxsize=4 * MOST)
        """When the newest one started that left, or was replaced."""

    async def run(self) -> None:
        """Look each second; ends only by cancellation."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Read the roll; when it cannot be read nobody has said anything."""
        try:
            reports = await self._roll.read()
        except CacheError:
            return
        at_ms, now = self._clock.monotonic_ms(), self._clock.now()
        for report in reports:
            self._take(report, at_ms, max(0, now - report.now))
        for epoch, known in tuple(self._known.items()):
            if at_ms - known.heard_ms > REMEMBERED_MS:
                del self._known[epoch]

    def _take(self, report: ProcessReport, at_ms: int, age_ms: int) -> None:
        place = _place(report)
        # a tier may keep the word of one that was replaced, or left, for minutes
        if report.started <= self._gone.get(place, -1):
            return
        known = self._known.get(report.epoch)
        if report.leaving:
            self._forget(place, report.started)
        elif known is not None:
            if report.seq > known.report.seq:
                self._known[report.epoch] = _Known(report, at_ms)
        elif age_ms < REMEMBERED_MS and len(self._known) < MOST:
            self._forget(place, report.started - 1)
            if not any(_place(each.report) == place for each in self._known.values()):
                self._known[report.epoch] = _Known(report, at_ms - age_ms)

    def _forget(self, place: Place, until: int) -> None:
        """Forget everybody of a place who had started by then."""
        self._gone[place] = until
        for epoch, known in tuple(self._known.items()):
            if _place(known.report) == place and known.report.started <= until:
                del self._known[epoch]

    def reports(self) -> tuple[ProcessReport, ...]:
        """What each said last, by role and port."""
        found = (each.report for each in self._known.values())
        return tuple(sorted(found, key=lambda each: (each.role, each.host, each.port)))

    def living(self) -> tuple[ProcessReport, ...]:
        """What each said last that is not silent."""
        at_ms = self._clock.monotonic_ms()
        return tuple(
            each for each in self.reports() if at_ms - self._known[each.epoch].heard_ms <= SILENT_MS
        )

    def parts(self) -> tuple[HealthPart, ...]:
        """Health of each process, as the monitor sees it."""
        return tuple(self._part(report) for report in self.reports())

    def _part(self, report: ProcessReport) -> HealthPart:
        age = self._clock.monotonic_ms() - self._known[report.epoch].heard_ms
        heard_at = self._clock.now() - age
        name = f"{report.role}_{report.port}"
        who = f"process {report.pid} on {report.host}"
        if age > SILENT_MS:
            text = f"{who}: no sign of life since {iso(heard_at)}"
            return HealthPart(name, "fail", State.STALE, text, heard_at, heard_at, age)
        lost = [each.name for each in report.tiers if each.open]
        if report.reading == "cache":
            text = f"{who}: hears no pushes, reads the cache"
        elif lost:
            text = f"{who}: does without {', '.join(lost)}"
        else:
            return HealthPart(name, "pass", State.LIVE, f"{who} serves", None, heard_at, age)
        return HealthPart(name, "warn", State.DELAYED, text, None, heard_at, age)


def _place(report: ProcessReport) -> Place:
    return (report.role, report.host, report.port)
