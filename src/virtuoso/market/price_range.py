"""Between which prices the next one does not surprise."""

from collections import deque
from typing import Final

from virtuoso.domain.time import SECOND
from virtuoso.market.order_book import LARGEST

JUMP_SHARE: Final = 0.20
"""By so much of the last minute's range a price may leave it."""


class PriceRange:
    """Lowest and highest accepted price of the last minute in which there were any."""

    __slots__ = ("_bucket", "_buckets", "ceiling", "floor", "high", "low", "until")

    _BUCKET_MS: Final = 10 * SECOND

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, float, float]] = deque(maxlen=6)
        self._bucket = -1
        self.low = self.high = 0.0
        """Of the newest bucket of ten seconds: a price between them tells nothing new."""
        self.until = 0
        """When the newest bucket ends, ms of the receive clock."""
        self.floor = 0.0
        """A price below has jumped; 0 before the first price."""
        self.ceiling = LARGEST

    def observe(self, price: float, at: int) -> None:
        """Take an accepted price into account."""
        bucket = at // self._BUCKET_MS
        if bucket > self._bucket:
            if self._bucket >= 0:
                self._buckets.append((self._bucket, self.low, self.high))
            self._bucket, self.low, self.high = bucket, price, price
            self.until = (bucket + 1) * self._BUCKET_MS
            self._set_limits()
        elif price < self.low:
            self.low = price
            self._set_limits()
        elif price > self.high:
            self.high = price
            self._set_limits()

    def restart(self, price: float, at: int) -> None:
        """A jump was confirmed: what was before says nothing about what comes."""
        self._buckets.clear()
        self._bucket = -1
        self.observe(price, at)

    def _set_limits(self) -> None:
        recent = [row for row in self._buckets if row[0] > self._bucket - 6]
        low = min([self.low, *(row[1] for row in recent)])
        high = max([self.high, *(row[2] for row in recent)])
        self.floor = low * (1 - JUMP_SHARE)
        self.ceiling = high * (1 + JUMP_SHARE)
