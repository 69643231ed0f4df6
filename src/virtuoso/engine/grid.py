"""Which grid seconds are over, given how far the receive clock has come."""

from collections.abc import Iterator

from virtuoso.domain.time import SECOND, Millis


class Grid:
    """The full seconds of a receive clock, each given out once and in order."""

    def __init__(self) -> None:
        self.next: Millis | None = None
        """The second that is open now; None before the first event."""

    def closed_before(self, event: Millis) -> Iterator[Millis]:
        """Give the seconds that are over once an event of this time has come.

        An event counts for the second in which it was received, its very end included.
        """
        return self._closed(Millis(event - 1))

    def closed_at(self, now: Millis) -> Iterator[Millis]:
        """Give the seconds that are over at this instant."""
        return self._closed(now)

    def closed_by_end(self, last: Millis) -> Iterator[Millis]:
        """Give the seconds up to and with the one in which the last event fell."""
        return self._closed(end_of_second(last))

    def behind(self, now: Millis) -> int:
        """Give how many seconds wait to be closed."""
        return 0 if self.next is None else max(0, (now - self.next) // SECOND)

    def skip_to(self, now: Millis) -> None:
        """Leave out the seconds before this instant's."""
        self.next = Millis(now - now % SECOND)

    def _closed(self, until: Millis) -> Iterator[Millis]:
        if self.next is None:
            self.next = end_of_second(until + 1)
        while self.next <= until:
            closed = self.next
            self.next = Millis(closed + SECOND)
            yield closed


def end_of_second(at: int) -> Millis:
    """Give the grid second that an event of this receive time counts for."""
    return Millis(-(-at // SECOND) * SECOND)
