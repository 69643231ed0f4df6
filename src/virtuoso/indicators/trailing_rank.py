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

SEEN, HELD, NEXT, SIZE, COMPARED, COUNTS = range(6)
"""Places in the counts of a distribution: values seen, absent ones included; values held in its
ring; where the next one goes; its size; the size that the last value was compared with."""

Codes: TypeAlias = NDArray[np.uint16]

BLOCK = 128
"""Codes counted at a time, in counters as narrow as the codes."""
_MANY = 3
"""So many alike in a block are quicker looked up one by one than with all of the block."""
_DROPPED_BITS = 12
"""Of the 23 bits behind the point of a number in single precision."""
_LOWEST = (127 - 24) << (23 - _DROPPED_BITS)
NO_CODE = 65_535
"""The highest of the codes, which tell sizes from 2^-24 to 2^8 apart, 2,048 to an octave."""


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


# both are made part of `rank_rows`, and take a row by its number: to count the arrays of a call, or
# the parts of an array, in and out takes as long as a rank
@njit(cache=True, inline="always")
def code_of(key: float, by_size: bool) -> int:  # noqa: FBT001 - a kernel has no keywords
    """Give 16 bits that never fall where `key` rises; near keys, and extreme ones, share them."""
    if key == 0.0 and by_size:
        return 0
    bits = np.float32(abs(key)).view(np.int32) >> _DROPPED_BITS
    size = min(max(int(bits) - _LOWEST, 1), NO_CODE)
    if by_size:
        return size
    return 32_768 + (size >> 1) if key > 0.0 else 32_767 - (size >> 1)


@njit(cache=True, inline="always")
def count_twice(rings: Floats, codes: Codes, row: int, held: int, key: float, code: int) -> int:
    """How many of the values held in a row are below `key`, and again how many are not above it.

    codes, code: `code_of` the values and of the key; where no value is held, NO_CODE and NaN.
    The codes alone are read, a quarter of the memory, but for values with a code like the key's.
    """
    near = np.uint16(code)
    twice = 0
    for block in range((held + BLOCK - 1) // BLOCK):
        start = block * BLOCK
        below = through = np.uint16(0)
        # every value, with two counters as wide as it: this way the loop runs in vector registers,
        # which for a thousand values is quicker than to keep them sorted and to search
        for j in range(BLOCK):
            i = np.uint64(start + j)  # unsigned: no place is counted from the end
            below = np.uint16(below + np.uint16(codes[row, i] < near))
            through = np.uint16(through + np.uint16(codes[row, i] <= near))
        alike = int(through) - int(below)
        if alike > _MANY:
            exactly_below = exactly_through = 0
            for j in range(BLOCK):
                i = np.uint64(start + j)
                exactly_below += rings[row, i] < key
                exactly_through += rings[row, i] <= key
            twice += exactly_below + exactly_through
            continue
        twice += 2 * int(below)
        i = np.uint64(start)
        while alike > 0:
            if codes[row, i] == near:
                twice += int(rings[row, i] < key) + int(rings[row, i] <= key)
                alike -= 1
            i += np.uint64(1)
    return twice


def rank_state(series: int, window: int) -> tuple[Floats, Floats, Codes]:
    """Carried state of `rank_rows`: for each series counts, a ring of keys, their codes.

    A key is what is ranked: a value or its size. Rings have room for whole blocks, of which the
    first `window` are used.
    """
    room = -(-window // BLOCK) * BLOCK
    codes = np.full((series, room), NO_CODE, dtype=np.uint16)
    return np.zeros((series, COUNTS)), np.full((series, room), np.nan), codes


@njit(cache=True)
def rank_rows(
    values: Floats,
    kind: int,
    window: int,
    minimum: int,
    minimum_sizes: int,
    keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
    counts: Floats,
    rings: Floats,
    codes: Codes,
    scores: Floats,
) -> None:
    """Score the values of some series against what came before each, in time order.

    values, scores: shape (series, n); values are rounded in place, NaN is absent. counts, rings,
    codes: from rank_state(series, window); with `keep` false they do not change. Score NaN: absent,
    fewer than `minimum` values seen (this one included), or a distribution below `minimum_sizes`.
    Source: docs/scoring.md section 2.
    """
    by_size = kind == 1
    for row in range(values.shape[0]):
        seen, held, slot = int(counts[row, SEEN]), int(counts[row, HELD]), int(counts[row, NEXT])
        size = int(counts[row, SIZE])
        compared = size
        for t in range(values.shape[1]):
            x = round_x(values[row, t])
            values[row, t] = x
            scores[row, t] = np.nan
            compared = size
            seen += 1
            if np.isnan(x):
                continue
            key = abs(x) if by_size else x
            code = code_of(key, by_size)
            if seen >= minimum:
                if by_size and x == 0.0:
                    scores[row, t] = 50.0
                elif size >= max(minimum_sizes, 1):
                    # zeros lie in the ring of sizes, below every key, and are not part of them
                    twice = count_twice(rings, codes, row, held, key, code) - 2 * (held - size)
                    share = 0.5 * twice / size
                    scores[row, t] = 50.0 + 50.0 * np.sign(x) * share if by_size else 100.0 * share
            if not keep:
                continue
            if held < window:
                held += 1
            elif not (by_size and codes[row, slot] == 0):
                size -= 1
            if not (by_size and key == 0.0):
                size += 1
            rings[row, slot], codes[row, slot] = key, code
            slot = slot + 1 if slot + 1 < window else 0
        if keep:
            counts[row, SEEN], counts[row, HELD], counts[row, NEXT] = seen, held, slot
            counts[row, SIZE], counts[row, COMPARED] = size, compared


class TrailingRanks:
    """The trailing distributions of several series that advance together."""

    def __init__(
        self, series: int, window: int, kind: RankKind, minimum: int, minimum_sizes: int
    ) -> None:
        self.minimum = minimum
        self.minimum_sizes = minimum_sizes
        self._kind = int(kind)
        self._window = window
        self._counts, self._rings, self._codes = rank_state(series, window)

    @property
    def seen(self) -> int:
        """Values pushed so far, absent ones included."""
        return int(self._counts[0, SEEN])

    @property
    def sizes(self) -> Floats:
        """Per series, the size of the distribution now: what the next value is compared with."""
        return self._counts[:, SIZE].copy()

    @property
    def compared(self) -> Floats:
        """Per series, the size of the distribution that the last value was compared with."""
        return self._counts[:, COMPARED].copy()

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
        rank_rows(
            values,
            self._kind,
            self._window,
            self.minimum,
            self.minimum_sizes,
            keep,
            self._counts,
            self._rings,
            self._codes,
            scores,
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
