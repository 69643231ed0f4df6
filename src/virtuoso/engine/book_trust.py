"""Whether one market's streamed book is believed alone."""

from collections import deque

from virtuoso.domain.time import MINUTE, SECOND, Millis

GAPS_TO_DISTRUST = 3
"""More holes than this within a minute, and the streamed book is not believed alone."""
TRUST_AGAIN_MS = 60 * SECOND


class BookTrust:
    """Counts a book's holes."""

    def __init__(self) -> None:
        self.distrusted_since: Millis | None = None
        """Since when the book is checked against polled ones, because it had too many holes."""
        self._gap_times: deque[Millis] = deque(maxlen=GAPS_TO_DISTRUST + 1)

    def lost(self, at: Millis) -> bool:
        """Know of a hole. True when there were so many lately that polled books must vouch."""
        self._gap_times.append(at)
        many = len(self._gap_times) > GAPS_TO_DISTRUST
        if self.distrusted_since is None and many and at - self._gap_times[0] <= MINUTE:
            self.distrusted_since = at
            return True
        return False

    def regain(self, at: Millis) -> bool:
        """Believe the streamed book again after a minute without a hole; True when that begins."""
        last = self._gap_times[-1] if self._gap_times else None
        if self.distrusted_since is None or (last is not None and at - last < TRUST_AGAIN_MS):
            return False
        self.distrusted_since = None
        return True
