"""Sub-statistic to 0..100: its rank among its own last values, the transforms T1 and T2."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from virtuoso.domain.scores import Reason
from virtuoso.indicators.state import Floats


class RankKind(IntEnum):
    """Which distribution a value is ranked in."""

    SIZES = 1
    """T1: sizes of the non-zero values; the sign decides the side of 50."""
    VALUES = 2
    """T2: signed values; 50 is the median of what was seen."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A value with its score, or with the reason why there is none."""

    x: float | None
    """Rounded to 9 decimals; None when absent."""
    score: float | None
    reason: Reason | None = None
    have: int | None = None
    need: int | None = None


@njit(cache=True)
def round_x(x: float) -> float:
    """Round to 9 decimals, half to even; never gives -0."""
    rounded: float = np.rint(x * 1e9) / 1e9
    return rounded + 0.0


@njit(cache=True)
def first_at_least(ordered: Floats, count: int, value: float) -> int:
    """How many of the first `count` values of an ascending array are below `value`."""
    start, left = 0, count
    while left > 0:
        half = (left + 1) >> 1
        # added, not branched on: which way a search turns cannot be predicted
        start += half if ordered[start + half - 1] < value else 0
        left -= half
    return start


@njit(cache=True)
def first_above(ordered: Floats, count: int, value: float) -> int:
    """How many of the first `count` values of an ascending array are not above `value`."""
    start, left = 0, count
    while left > 0:
        half = (left + 1) >> 1
        start += half if ordered[start + half - 1] <= value else 0
        left -= half
    return start


@njit(cache=True)
def turn_left(part: Floats, value: float) -> None:
    """Drop the first element, move the others down and put `value` last."""
    last = part.size - 1
    for i in range(last):
        part[i] = part[i + 1]
    part[last] = value


@njit(cache=True)
def turn_right(part: Floats, value: float) -> None:
    """Drop the last element, move the others up and put `value` first."""
    for i in range(part.size - 1, 0, -1):
        part[i] = part[i - 1]
    part[0] = value


@njit(cache=True)
def insert(ordered: Floats, count: int, value: float) -> None:
    """Put a value into the first `count` values of an ascending array."""
    turn_right(ordered[first_above(ordered, count, value) : count + 1], value)


@njit(cache=True)
def remove(ordered: Floats, count: int, value: float) -> None:
    """Take a value that is there out of the first `count` values of an ascending array."""
    turn_left(ordered[first_at_least(ordered, count, value) : count], 0.0)


@njit(cache=True)
def exchange(ordered: Floats, count: int, old: float, new: float) -> None:
    """Remove `old` and insert `new` at once: only what lies between them moves."""
    at_old = first_at_least(ordered, count, old)
    at_new = first_above(ordered, count, new)
    if new >= old:
        turn_left(ordered[at_old:at_new], new)
    else:
        turn_right(ordered[at_new : at_old + 1], new)


@njit(cache=True)
def share_below(ordered: Floats, count: int, value: float) -> float:
    """Mid-rank F = (L + E/2)/n of `value` among the first `count` values, 0..1."""
    below = first_at_least(ordered, count, value)
    through = first_above(ordered, count, value)
    return 0.5 * (below + through) / count


@njit(cache=True)
def rank_values(
    values: Floats,
    kind: int,
    minimum: int,
    minimum_sizes: int,
    rings: Floats,
    ordered: Floats,
    counts: NDArray[np.int64],
    scores: Floats,
    sizes: NDArray[np.int64],
    keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
) -> None:
    """Score k series of n values against what each saw before, in time order.

    values, scores: shape (k, n); values are rounded in place, NaN is absent. rings, ordered: shape
    (k, window), the last values in time order and their distribution in size order. counts: shape
    (k, 3): values seen, values kept, size of the distribution. sizes: shape (k,), what the last
    value was compared with. With `keep` false nothing carried changes. Score NaN: absent, fewer
    than `minimum` values seen (this one included), or a distribution below `minimum_sizes`.
    Source: docs/scoring.md section 2.
    """
    window = rings.shape[1]
    by_size = kind == 1
    for k in range(values.shape[0]):
        ring = rings[k]
        row = ordered[k]
        seen, kept, size = counts[k, 0], counts[k, 1], counts[k, 2]
        for t in range(values.shape[1]):
            x = round_x(values[k, t])
            values[k, t] = x
            scores[k, t] = np.nan
            sizes[k] = size
            seen += 1
            if np.isnan(x):
                continue
            key = abs(x) if by_size else x
            if seen >= minimum:
                if by_size and x == 0.0:
                    scores[k, t] = 50.0
                elif size >= max(minimum_sizes, 1):
                    share = share_below(row, size, key)
                    scores[k, t] = 50.0 + 50.0 * np.sign(x) * share if by_size else 100.0 * share
            if not keep:
                continue
            slot = kept % window
            leaves = kept >= window and not (by_size and ring[slot] == 0.0)
            enters = not (by_size and x == 0.0)
            leaving = abs(ring[slot]) if by_size else ring[slot]
            if leaves and enters:
                exchange(row, size, leaving, key)
            elif leaves:
                remove(row, size, leaving)
                size -= 1
            elif enters:
                insert(row, size, key)
                size += 1
            ring[slot] = x
            kept += 1
        if keep:
            counts[k, 0], counts[k, 1], counts[k, 2] = seen, kept, size


class TrailingRanks:
    """The trailing distributions of several series that advance together."""

    def __init__(
        self, series: int, window: int, kind: RankKind, minimum: int, minimum_sizes: int
    ) -> None:
        self.series = series
        self.minimum = minimum
        self.minimum_sizes = minimum_sizes
        self.sizes = np.zeros(series, dtype=np.int64)
        """Per series, the size of the distribution that the last pushed value was compared with."""
        self.peek_sizes = np.zeros(series, dtype=np.int64)
        """The same for the last peek."""
        self._kind = int(kind)
        self._rings = np.zeros((series, window))
        self._ordered = np.zeros((series, window))
        self._counts = np.zeros((series, 3), dtype=np.int64)

    @property
    def seen(self) -> int:
        """Values pushed so far, absent ones included."""
        return int(self._counts[0, 0])

    def push(self, values: Floats, scores: Floats | None = None) -> Floats:
        """Score values of shape (series, n), oldest first, then keep each.

        Rounds `values` in place. Returns scores of the same shape, NaN where there is none; they
        are written into `scores` when it is given.
        """
        scores = np.empty_like(values) if scores is None else scores
        return self._rank(values, scores, self.sizes, keep=True)

    def peek(self, values: Floats) -> Floats:
        """Score values of shape (series, 1) as `push` would, and keep nothing."""
        return self._rank(values, np.empty_like(values), self.peek_sizes, keep=False)

    def _rank(
        self, values: Floats, scores: Floats, sizes: NDArray[np.int64], *, keep: bool
    ) -> Floats:
        rank_values(
            values,
            self._kind,
            self.minimum,
            self.minimum_sizes,
            self._rings,
            self._ordered,
            self._counts,
            scores,
            sizes,
            keep,
        )
        return scores


class TrailingRank:
    """The trailing distribution of one series, value by value.

    A value needs `minimum` values seen, itself included, and `minimum_sizes` in the distribution
    of what came before it (T1: non-zero ones).
    """

    def __init__(self, window: int, kind: RankKind, minimum: int, minimum_sizes: int = 1) -> None:
        self._ranks = TrailingRanks(1, window, kind, minimum, minimum_sizes)

    @property
    def seen(self) -> int:
        """Values pushed so far, absent ones included."""
        return self._ranks.seen

    def push(self, x: float | None) -> Ranked:
        """Score a value against those before it, then keep it. None is absent and not kept."""
        values = np.array([[np.nan if x is None else x]])
        scores = self._ranks.push(values)
        return self._ranked(values, scores, self._ranks.sizes, self.seen)

    def peek(self, x: float | None) -> Ranked:
        """Score a value as `push` would, and keep nothing."""
        values = np.array([[np.nan if x is None else x]])
        scores = self._ranks.peek(values)
        return self._ranked(values, scores, self._ranks.peek_sizes, self.seen + 1)

    def _ranked(
        self, values: Floats, scores: Floats, sizes: NDArray[np.int64], seen: int
    ) -> Ranked:
        x, score = float(values[0, 0]), float(scores[0, 0])
        known = None if np.isnan(x) else x
        if not np.isnan(score):
            return Ranked(x=known, score=score)
        if seen < self._ranks.minimum:
            return Ranked(known, None, Reason.WARMING_UP, have=seen, need=self._ranks.minimum)
        if known is None:
            return Ranked(known, None, Reason.TOO_FEW)
        have = int(sizes[0])
        return Ranked(known, None, Reason.TOO_FEW, have=have, need=self._ranks.minimum_sizes)
