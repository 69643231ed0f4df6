"""The sizes of the last day, by hours and by powers of two: from which size on one is rare."""

from math import floor, log2
from typing import Final

import numpy as np

from virtuoso.domain.time import HOUR, Millis
from virtuoso.indicators.window_sums import first_bin

BINS_PER_OCTAVE: Final = 4
BINS: Final = 36 * BINS_PER_OCTAVE
"""Sizes from 1 to 2^36 in quote currency; smaller and larger ones in the end bins."""
HOURS: Final = 24


class RecentSizes:
    """Counts sizes in 24 hourly histograms of 144 bins; the oldest hour goes when one begins."""

    def __init__(self) -> None:
        self.count = 0
        self._hourly = np.zeros((HOURS, BINS), dtype=np.uint32)
        self._histogram = np.zeros(BINS, dtype=np.int64)
        self._hour: int | None = None

    def take(self, size: float) -> None:
        """Count a size; nothing is counted before the first hour is known."""
        if self._hour is None:
            return
        place = 0 if size < 1.0 else min(floor(log2(size) * BINS_PER_OCTAVE), BINS - 1)
        self._hourly[self._hour % HOURS, place] += 1
        self._histogram[place] += 1
        self.count += 1

    def second(self, at: Millis) -> None:
        """Drop what is a day old at grid second `at`."""
        hour = at // HOUR
        if self._hour is not None:
            for passed in range(self._hour + 1, min(hour, self._hour + HOURS) + 1):
                old = self._hourly[passed % HOURS]
                self._histogram -= old
                self.count -= int(old.sum())
                old[:] = 0
        self._hour = hour if self._hour is None else max(hour, self._hour)

    def limit(self, percent: int, needed: int) -> float | None:
        """Give the size that so many percent do not pass; None while fewer than `needed` are known.

        It is the upper edge of a bin, so at most a fifth too large.
        """
        if self.count < needed:
            return None
        place = first_bin(self._histogram, -(-percent * self.count // 100))
        return float(2.0 ** ((place + 1) / BINS_PER_OCTAVE))
