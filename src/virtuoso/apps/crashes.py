"""When something of ours that ended is started again, and when no more."""

from collections import deque
from typing import Final

from virtuoso.domain.time import MINUTE, SECOND

MOST: Final = 5
WITHIN_MS: Final = MINUTE
FIRST_PAUSE_MS: Final = SECOND // 2
LONGEST_PAUSE_MS: Final = 8 * SECOND


class Crashes:
    """Counts the ends of one part: growing pauses, and five within a minute are the last.

    The same rule stands in the units of `deploy/`. Pure: times come in, from a monotonic clock.
    """

    def __init__(self) -> None:
        self._at: deque[int] = deque(maxlen=MOST)
        self.total = 0
        """Ends so far."""

    def note(self, now_ms: int) -> int | None:
        """Count an end; milliseconds until the next start, None when there is to be none."""
        self.total += 1
        self._at.append(now_ms)
        recent = sum(now_ms - each < WITHIN_MS for each in self._at)
        if recent >= MOST:
            return None
        return min(FIRST_PAUSE_MS << (recent - 1), LONGEST_PAUSE_MS)
