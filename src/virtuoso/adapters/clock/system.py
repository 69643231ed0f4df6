"""The clock of this computer."""

import time

from virtuoso.domain.time import Millis

_ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Counts while the computer sleeps, so that on waking everything is as old as it really is."""


class SystemClock:
    """Wall time as of the start plus the time elapsed since.

    A step of the wall clock, back or forth, changes nothing here.
    """

    def __init__(self) -> None:
        self._started_ns = time.time_ns() - time.clock_gettime_ns(_ELAPSED)

    def now(self) -> Millis:
        """Milliseconds UTC; never jumps back."""
        return Millis((self._started_ns + time.clock_gettime_ns(_ELAPSED)) // 1_000_000)

    def monotonic_ms(self) -> int:
        """Milliseconds since this computer was started."""
        return time.clock_gettime_ns(_ELAPSED) // 1_000_000
