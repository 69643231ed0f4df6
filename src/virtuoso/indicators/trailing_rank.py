"""Sub-statistic to 0..100: its rank among its own last values, the transforms T1 and T2."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from virtuoso.domain.scores import Reason
from virtuoso.indicators.state import Floats

# where a carried state holds the values seen, absent ones included; the values kept; the size of
# the distribution; the size that the last value was compared with; two rings follow
SEEN, KEPT, SIZE, COMPARED, COUNTS = range(5)

Singles: TypeAlias = NDArray[np.float32]


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


# made part of `rank_rows`, as `rank` is: the arrays of a call are counted in and out, which for one
# value takes as long as its rank
@njit(cache=True, inline="always")
def count_twice(values: Floats, coarse: Singles, key: float) -> int:
    """How many values are below `key`, and again how many are not above it.

    coarse: the values in single precision, which keeps their order but for making some equal.
    """
    near = np.float32(key)
    below = through = np.int32(0)
    # every value, with two counters as wide as it: this way the loop runs in vector registers,
    # which for a thousand values is quicker than to keep them sorted and to search
    for i in range(coarse.size):
        below = np.int32(below + (coarse[i] < near))
        through = np.int32(through + (coarse[i] <= near))
    if below == through:
        return 2 * int(below)
    exactly_below = exactly_through = 0
    for i in range(values.size):
        exactly_below += values[i] < key
        exactly_through += values[i] <= key
    return exactly_below + exactly_through


def rank_state(window: int) -> Floats:
    """Carried state of `rank`: the counts SEEN, KEPT, SIZE and COMPARED; two rings of `window`.

    The second ring holds the values of the first in single precision, two in the place of one.
    """
    return np.zeros(COUNTS + window + (window + 1) // 2)


@njit(cache=True, inline="always")
def rank(
    values: Floats,
    kind: int,
    minimum: int,
    minimum_sizes: int,
    keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
    state: Floats,
    scores: Floats,
) -> None:
    """Score the values of a series against what came before each, in time order.

    values, scores: shape (n,); values are rounded in place, NaN is absent. state: from
    rank_state(window); with `keep` false it does not change. Score NaN: absent, fewer than
    `minimum` values seen (this one included), or a distribution below `minimum_sizes`.
    Source: docs/scoring.md section 2.
    """
    by_size = kind == 1
    window = 2 * (state.size - COUNTS) // 3
    ring = state[COUNTS : COUNTS + window]
    coarse = state[COUNTS + window :].view(np.float32)
    seen, kept, size = int(state[SEEN]), int(state[KEPT]), int(state[SIZE])
    compared = size
    for t in range(values.size):
        x = round_x(values[t])
        values[t] = x
        scores[t] = np.nan
        compared = size
        seen += 1
        if np.isnan(x):
            continue
        key = abs(x) if by_size else x
        held = min(kept, window)
        if seen >= minimum:
            if by_size and x == 0.0:
                scores[t] = 50.0
            elif size >= max(minimum_sizes, 1):
                # zeros lie in the ring of sizes, below every key, and are not part of them
                share = (
                    0.5 * (count_twice(ring[:held], coarse[:held], key) - 2 * (held - size)) / size
                )
                scores[t] = 50.0 + 50.0 * np.sign(x) * share if by_size else 100.0 * share
        if not keep:
            continue
        slot = kept % window
        if kept >= window and not (by_size and ring[slot] == 0.0):
            size -= 1
        if not (by_size and key == 0.0):
            size += 1
        ring[slot] = coarse[slot] = key
        kept += 1
    if keep:
        state[SEEN], state[KEPT], state[SIZE], state[COMPARED] = seen, kept, size, compared


@njit(cache=True)
def rank_rows(
    values: Floats,
    kind: int,
    minimum: int,
    minimum_sizes: int,
    keep: bool,  # noqa: FBT001
    states: Floats,
    scores: Floats,
) -> None:
    """Score several series at once: a row of values, states and scores each."""
    for row in range(values.shape[0]):
        rank(values[row], kind, minimum, minimum_sizes, keep, states[row], scores[row])


class TrailingRanks:
    """The trailing distributions of several series that advance together."""

    def __init__(
        self, series: int, window: int, kind: RankKind, minimum: int, minimum_sizes: int
    ) -> None:
        self.minimum = minimum
        self.minimum_sizes = minimum_sizes
        self._kind = int(kind)
        self._states = np.stack([rank_state(window)] * series)

    @property
    def seen(self) -> int:
        """Values pushed so far, absent ones included."""
        return int(self._states[0, SEEN])

    @property
    def sizes(self) -> Floats:
        """Per series, the size of the distribution now: what the next value is compared with."""
        return self._states[:, SIZE].copy()

    @property
    def compared(self) -> Floats:
        """Per series, the size of the distribution that the last value was compared with."""
        return self._states[:, COMPARED].copy()

    def push(self, values: Floats) -> Floats:
        """Score values of shape (series, n), oldest first, then keep each.

        Rounds `values` in place. Returns scores of the same shape, NaN where there is none.
        """
        return self._rank(values, keep=True)

    def peek(self, values: Floats) -> Floats:
        """Score values of shape (series, 1) as `push` would, and keep nothing."""
        return self._rank(values, keep=False)

    def _rank(self, values: Floats, *, keep: bool) -> Floats:
        scores = np.empty_like(values)
        rank_rows(values, self._kind, self.minimum, self.minimum_sizes, keep, self._states, scores)
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
        return self.push_all([x])

    def push_all(self, xs: Sequence[float | None]) -> Ranked:
        """Do as `push` does with one value or more, oldest first; gives the score of the last."""
        values = np.array([[np.nan if x is None else x for x in xs]])
        scores = self._ranks.push(values)
        return self._ranked(values[:, -1:], scores[:, -1:], self._ranks.compared, self.seen)

    def peek(self, x: float | None) -> Ranked:
        """Score a value as `push` would, and keep nothing."""
        values = np.array([[np.nan if x is None else x]])
        scores = self._ranks.peek(values)
        return self._ranked(values, scores, self._ranks.sizes, self.seen + 1)

    def _ranked(self, values: Floats, scores: Floats, sizes: Floats, seen: int) -> Ranked:
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
