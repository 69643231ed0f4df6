"""How far the clock of a venue is from ours, by the times its events carry."""

from collections import deque
from typing import Final

from virtuoso.domain.time import SECOND, Millis

BEHIND_MS: Final = 60 * SECOND
"""An event is not so much older than the clocks and the way explain."""


class ClockOffset:
    """How far our clock is ahead of the venue's, plus the shortest way of a message.

    The smallest receive minus event time of the last five minutes, in buckets of ten seconds.
    """

    _BUCKET_MS: Final = 10 * SECOND
    _BUCKETS: Final = 30

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, int]] = deque(maxlen=self._BUCKETS)
        self._bucket = -1
        self._newest = 0
        self._begin_ms = self._end_ms = self._usual_limit = 0
        """Of the newest bucket, and what may lie between the times of an event within it."""
        self.offset_ms: int | None = None

    def changes_nothing(self, event_time: int, receive_time: int) -> bool:
        """Whether an event's times are well within the limits and tell nothing new, as most do."""
        return (
            self._begin_ms <= receive_time < self._end_ms
            and self._newest <= receive_time - event_time <= self._usual_limit
        )

    def observe(self, event_time: int, receive_time: int) -> None:
        """Take the two times of an event into account."""
        difference = receive_time - event_time
        bucket = receive_time // self._BUCKET_MS
        if bucket != self._bucket:
            self._begin(bucket, difference)
        elif difference < self._newest:
            self._newest = difference
        offset = self.offset_ms
        if offset is None or difference < offset:
            self.offset_ms = difference
            self._usual_limit = difference + BEHIND_MS

    def venue_now(self, receive_time: int) -> Millis | None:
        """The venue's time at a moment of our clock; None before the first event."""
        if self.offset_ms is None:
            return None
        return Millis(receive_time - self.offset_ms)

    def forget(self) -> None:
        """Begin anew: one of the clocks was set."""
        self._buckets.clear()
        self._bucket = -1
        self._begin_ms = self._end_ms = 0
        self.offset_ms = None

    def _begin(self, bucket: int, difference: int) -> None:
        if self._bucket >= 0:
            self._buckets.append((self._bucket, self._newest))
        self._bucket, self._newest = bucket, difference
        self._begin_ms = bucket * self._BUCKET_MS
        self._end_ms = self._begin_ms + self._BUCKET_MS
        oldest = bucket - self._BUCKETS
        kept = [low for number, low in self._buckets if oldest < number <= bucket]
        self.offset_ms = min([*kept, difference])
        self._usual_limit = self.offset_ms + BEHIND_MS
