"""Long work in slices: the loop gets its turn before anybody notices the work."""

import asyncio
import time

SLICE_SECONDS = 0.006
"""How long a piece of work may hold the loop before the others get their turn.

A turn of the loop has a slice of each: of every venue's line and of the edition.
"""


class Breath:
    """Says when a piece of work has held the loop long enough; one for each piece."""

    def __init__(self, slice_seconds: float = SLICE_SECONDS) -> None:
        self._slice = slice_seconds
        self._until = 0.0

    def begin(self) -> None:
        """Start counting: the loop was given its turn just now."""
        self._until = time.perf_counter() + self._slice

    @property
    def due(self) -> bool:
        """Whether the loop should get its turn."""
        return time.perf_counter() >= self._until

    async def take(self) -> None:
        """Give the loop its turn, if it is due."""
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self.begin()


class LoopLag:
    """Measures how late the loop serves a timer: what everybody waits when something blocks it."""

    _STEP_SECONDS = 0.02
    _SECONDS_KEPT = 60

    def __init__(self) -> None:
        self._worst: dict[int, float] = {}

    async def run(self) -> None:
        """Measure for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._STEP_SECONDS
            await asyncio.sleep(self._STEP_SECONDS)
            self.note(loop.time(), loop.time() - due)

    def note(self, at: float, late: float) -> None:
        """Take one measurement: how late, both in seconds."""
        second = int(at)
        if late > self._worst.get(second, -1.0):
            self._worst[second] = late
        if len(self._worst) > self._SECONDS_KEPT:
            for old in [each for each in self._worst if each <= second - self._SECONDS_KEPT]:
                del self._worst[old]

    @property
    def worst_ms(self) -> int:
        """The longest delay of the last minute, milliseconds."""
        return round(1_000 * max(self._worst.values(), default=0.0))
