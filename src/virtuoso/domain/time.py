"""Time: integer milliseconds UTC, and the four timeframes."""

from enum import StrEnum
from typing import NewType

Millis = NewType("Millis", int)
"""Milliseconds since 1970-01-01 UTC, or a length of time in milliseconds."""

SECOND = 1_000
MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000


class Timeframe(StrEnum):
    """The length of a candle."""

    M1 = "1m"
    M5 = "5m"
    M30 = "30m"
    H4 = "4h"

    @property
    def ms(self) -> int:
        """Length in milliseconds."""
        return _LENGTH_MS[self]

    def floor(self, at: int) -> Millis:
        """Opening time of the candle that `at` falls into."""
        return Millis(at - at % self.ms)


_LENGTH_MS = {
    Timeframe.M1: MINUTE,
    Timeframe.M5: 5 * MINUTE,
    Timeframe.M30: 30 * MINUTE,
    Timeframe.H4: 4 * HOUR,
}
