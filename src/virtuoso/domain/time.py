"""Time: integer milliseconds UTC, and the four timeframes."""

from typing import NewType, Self

from virtuoso.domain.words import Word

Millis = NewType("Millis", int)
"""Milliseconds since 1970-01-01 UTC, or a length of time in milliseconds."""

SECOND = 1_000
MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000


class Timeframe(Word):
    """The length of a candle."""

    ms: int
    """In milliseconds."""

    M1 = "1m", MINUTE
    M5 = "5m", 5 * MINUTE
    M30 = "30m", 30 * MINUTE
    H4 = "4h", 4 * HOUR

    def __new__(cls, text: str, ms: int = 0) -> Self:
        """Make a member of its text, with its length."""
        member = str.__new__(cls, text)
        member._value_ = text
        member.ms = ms
        return member

    def floor(self, at: int) -> Millis:
        """Opening time of the candle that `at` falls into."""
        return Millis(at - at % self.ms)
