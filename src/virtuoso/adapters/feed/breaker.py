"""A circuit breaker: after a row of failures nothing is asked for a while, then one probe."""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from virtuoso.domain.time import SECOND

FAILURES: Final = 5
"""In a row, after which the breaker opens."""
FIRST_PAUSE_MS: Final = 2 * SECOND
LONGEST_PAUSE_MS: Final = 60 * SECOND
PROBE_MS: Final = 15 * SECOND
"""A probe of which nothing was heard for so long makes way for another."""


class BreakerState(StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Counts failures in a row on a monotonic clock; the pause doubles from opening to opening."""

    def __init__(self, monotonic_ms: Callable[[], int]) -> None:
        self._now = monotonic_ms
        self._pause = FIRST_PAUSE_MS
        self._open_until: int | None = None
        self._probing_until = 0
        self.failures = 0
        """In a row."""

    @property
    def state(self) -> BreakerState:
        """Open until the pause is over; half-open until a probe has succeeded."""
        if self._open_until is None:
            return BreakerState.CLOSED
        waiting = self._now() < self._open_until
        return BreakerState.OPEN if waiting else BreakerState.HALF_OPEN

    @property
    def wait_ms(self) -> int:
        """How long nothing may be asked; 0: a request may go, when half-open as the probe."""
        if self._open_until is None:
            return 0
        return max(self._open_until, self._probing_until) - self._now()

    def enter(self) -> None:
        """A request goes out; when half-open, no other goes until it is back."""
        if self._open_until is not None:
            self._probing_until = self._now() + PROBE_MS

    def succeeded(self) -> None:
        """Close."""
        self.failures = 0
        self._pause = FIRST_PAUSE_MS
        self._open_until = None
        self._probing_until = 0

    def failed(self) -> None:
        """Open after the last one of a row; when half-open at once, and for longer."""
        self.failures += 1
        if self._open_until is None:
            if self.failures >= FAILURES:
                self._open_until = self._now() + self._pause
        elif self._probing_until:  # the others were under way when it opened
            self._pause = min(2 * self._pause, LONGEST_PAUSE_MS)
            self._open_until = self._now() + self._pause
            self._probing_until = 0
