"""One line of events, and the grid seconds that pass between them.

Everything that changes a market stands in this line in one order, ticks of the clock among it, so
a recording of the line gives the same seconds with the same content, however late each was taken.
"""

from collections.abc import Iterator

from virtuoso.domain.market_data import FeedEnded, FeedEvent, Tick
from virtuoso.domain.time import Millis
from virtuoso.engine.grid import Grid
from virtuoso.engine.pipeline import Pipeline

LONGEST_CATCH_UP = 10
"""Seconds; after a longer pause (sleep, a stopped process) those in between are left out."""


class Timeline:
    """Hands events to a pipeline, and has it close the seconds that are over."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.grid = Grid()
        self._pipeline = pipeline

    def is_within_second(self, at: Millis) -> bool:
        """Whether no second is over yet when an event of this time is next in line."""
        due = self.grid.next
        return due is not None and at <= due

    def steps(self, event: FeedEvent) -> Iterator[Millis | None]:
        """Take one event in parts; gives each second when it is closed, None between the parts."""
        at = event.receive_time
        if self.grid.behind(at) > LONGEST_CATCH_UP:
            self._pipeline.skipped()
            self.grid.skip_to(at)
        yield from self._close(self.grid.closed_before(at))
        for _ in self._pipeline.handling(event):
            yield None
        match event:
            case Tick():
                yield from self._close(self.grid.closed_at(at))
            case FeedEnded():
                yield from self._close(self.grid.closed_by_end(at))
            case _:
                pass

    def _close(self, seconds: Iterator[Millis]) -> Iterator[Millis | None]:
        for second in seconds:
            for _ in self._pipeline.closing(second):
                yield None
            yield second
