"""How often somebody may do something: so many within any minute, by the monotonic clock."""

from collections import deque
from typing import Final

from cachetools import LRUCache

from virtuoso.domain.time import MINUTE
from virtuoso.ports import Clock

MOST_GROUPS: Final = 10_000
"""Addresses that are remembered."""


class Window:
    """Counts over the minute that ends now, so that no border of one lets twice as many through."""

    def __init__(self, clock: Clock, most: int, window_ms: int = MINUTE) -> None:
        self._clock = clock
        self._most = most
        self._window_ms = window_ms
        self._taken: LRUCache[str, deque[int]] = LRUCache(maxsize=MOST_GROUPS)

    def take(self, group: str) -> bool:
        """Count one more; False, and not counted, where there were as many as may be."""
        now = self._clock.monotonic_ms()
        taken = self._taken.get(group)
        if taken is None:
            taken = self._taken[group] = deque(maxlen=self._most)
        if len(taken) == self._most and now - taken[0] < self._window_ms:
            return False
        taken.append(now)
        return True
