"""What the socket counts, for the monitor and for Prometheus."""

from collections import Counter, deque
from typing import Final

DELIVERIES_KEPT: Final = 1_000


class Figures:
    """Counters since the start, and how long the last deliveries took."""

    def __init__(self) -> None:
        self.accepted = 0
        self.refused = 0
        self.sent = 0
        self.bytes = 0
        self.resumed = 0
        self.changes = 0
        """Rows that changed, counted once for each form they were kept in."""
        self.evicted: Counter[str] = Counter()
        """By reason."""
        self._deliveries: deque[float] = deque(maxlen=DELIVERIES_KEPT)

    def delivered(self, seconds: float) -> None:
        """Note how long it took from a push to the last client of a rhythm."""
        self._deliveries.append(seconds)

    def delivery_us(self, quantile: float) -> int:
        """A quantile of the last deliveries, microseconds; 0 before the first."""
        if not self._deliveries:
            return 0
        ordered = sorted(self._deliveries)
        return round(1e6 * ordered[min(len(ordered) - 1, int(quantile * len(ordered)))])
