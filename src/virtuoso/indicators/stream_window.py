"""Trailing windows of stream statistics: one value a second, thinned, ranked before it is kept.

The transform is T1 of section 2 of docs/scoring.md, the symmetrised trailing ECDF. Each of k
statistics has a ring of at most `capacity` values of the last 24 hours, in time order, and beside
it the sorted sizes of its non-zero values. All k are taken in one call of one kernel.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from virtuoso.domain.errors import SettingsError, WireError
from virtuoso.domain.time import DAY, SECOND, Millis
from virtuoso.indicators.ordered import insert, remove, share_below
from virtuoso.indicators.pool import new_pool, pool_rows
from virtuoso.indicators.state import Floats, Integers
from virtuoso.indicators.trailing_rank import round_x

Seconds: TypeAlias = NDArray[np.uint32]

DAY_SECONDS: Final = DAY // SECOND
LARGEST_STEP: Final = 12
"""Steps are 1, 2, 4, 12 seconds: at 12 a day fits into 7,200 values."""

SCORED: Final = 0
NO_VALUE: Final = 1
WARMING_UP: Final = 2
TOO_FEW: Final = 3

NO_POOL: Final = (np.zeros((0, 0)), 0.0, new_pool(0))


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much a window holds and how much it needs before it ranks."""

    capacity: int = 7_200
    minimum: int = 300
    """Values held before anything is scored."""
    minimum_sizes: int = 100
    """Non-zero values held before a non-zero value is scored."""

    def __post_init__(self) -> None:
        if not 1 <= self.minimum_sizes <= self.minimum <= self.capacity:
            msg = (
                "expected 1 <= minimum_sizes <= minimum <= capacity of a stream window, found "
                f"{self.minimum_sizes}, {self.minimum} and {self.capacity}"
            )
            raise SettingsError(msg)


@dataclass(frozen=True, slots=True)
class WindowState:
    """The content of k windows as plain arrays, for a snapshot."""

    steps: Integers
    """Shape (k,): 1, 2, 4 or 12."""
    counts: Integers
    """Shape (k,): values held by each."""
    seconds: Seconds
    """Shape (sum of counts,): seconds since 1970, oldest first, window after window."""
    values: Floats
    """Shape (sum of counts,): x at those seconds."""


@njit(cache=True)
def _take(
    second: int,
    xs: Floats,
    limits: Integers,
    held_now: Integers,
    seconds: Seconds,
    values: Floats,
    sizes: Floats,
    scores: Floats,
    why: Integers,
    weights: Floats,
    rho: float,
    pool: Floats,
) -> None:
    """Score k values against their windows, then let them in (section 2, "exact").

    xs: shape (k,), NaN where there is no value; replaced by the value rounded to 9 decimals.
    limits: capacity, minimum, minimum of sizes. held_now: shape (4, k), steps, heads, counts and
    counts of sizes. seconds, values, sizes: shape (k, capacity). scores: shape (k,), 0..100 or
    NaN; why: shape (3, k), codes, and counts and counts of sizes before. Unless `weights` is empty
    the scores are pooled as `pool_rows` does: a second call would cost as much again.
    """
    capacity, minimum, minimum_sizes = limits[0], limits[1], limits[2]
    steps, heads, counts, n_sizes = held_now[0], held_now[1], held_now[2], held_now[3]
    codes = why[0]
    why[1] = counts
    why[2] = n_sizes
    for m in range(len(xs)):
        scores[m] = np.nan
        if np.isnan(xs[m]):
            codes[m] = NO_VALUE
            continue
        x = round_x(xs[m])
        xs[m] = x
        size = abs(x)
        n, held, head, step = n_sizes[m], counts[m], heads[m], steps[m]
        codes[m] = SCORED
        if held < minimum:
            codes[m] = WARMING_UP
        elif x == 0.0:
            scores[m] = 50.0
        elif n < minimum_sizes:
            codes[m] = TOO_FEW
        else:
            rank = share_below(sizes[m], n, size)
            scores[m] = 50.0 + 50.0 * rank if x > 0.0 else 50.0 - 50.0 * rank
        if second % step != 0:
            continue
        if held > 0 and seconds[m, (head + held - 1) % capacity] >= second:
            continue
        while held > 0 and seconds[m, head] + DAY_SECONDS < second:
            old = abs(values[m, head])
            if old != 0.0:
                remove(sizes[m], n, old)
                n -= 1
            head = (head + 1) % capacity
            held -= 1
        if held == capacity and step < LARGEST_STEP:
            step = 12 if step == 4 else step * 2
            kept_seconds = np.empty(capacity, np.uint32)
            kept = np.empty(capacity, np.float64)
            held_then, held, n = held, 0, 0
            for i in range(held_then):
                place = (head + i) % capacity
                if seconds[m, place] % step == 0:
                    kept_seconds[held] = seconds[m, place]
                    kept[held] = values[m, place]
                    held += 1
                    if values[m, place] != 0.0:
                        sizes[m, n] = abs(values[m, place])
                        n += 1
            seconds[m, :held] = kept_seconds[:held]
            values[m, :held] = kept[:held]
            sizes[m, :n] = np.sort(sizes[m, :n])
            head = 0
        if second % step == 0:
            if held == capacity:
                old = abs(values[m, head])
                if old != 0.0:
                    remove(sizes[m], n, old)
                    n -= 1
                head = (head + 1) % capacity
                held -= 1
            place = (head + held) % capacity
            seconds[m, place] = second
            values[m, place] = x
            held += 1
            if x != 0.0:
                insert(sizes[m], n, size)
                n += 1
        n_sizes[m], counts[m], heads[m], steps[m] = n, held, head, step
    if weights.size > 0:
        pool_rows(scores.reshape((1, len(scores))), weights, rho, pool)


class StreamWindows:
    """The windows of k statistics, taken together once a second.

    After `take`, `scores` (shape (k,), NaN where there is none) and `why` (shape (3, k): codes,
    and how many values and values other than zero each was ranked among) say what came out, in
    arrays that are never written to again; `counts` and `n_sizes` say how much each window now
    holds.
    """

    def __init__(self, k: int, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        capacity = self.limits.capacity
        self._limits = np.array(
            [capacity, self.limits.minimum, self.limits.minimum_sizes], dtype=np.int64
        )
        self._held = np.zeros((4, k), dtype=np.int64)
        self.steps, self._heads, self.counts, self.n_sizes = self._held
        self.steps[:] = 1
        self._seconds = np.zeros((k, capacity), dtype=np.uint32)
        self._values = np.zeros((k, capacity), dtype=np.float64)
        self._sizes = np.zeros((k, capacity), dtype=np.float64)
        self.scores = np.full(k, np.nan)
        self.why: Integers = np.zeros((3, k), dtype=np.int64)
        self.why[0] = NO_VALUE

    @property
    def codes(self) -> Integers:
        """Why each has a score, or none: shape (k,)."""
        found: Integers = self.why[0]
        return found

    def take(self, at: Millis, xs: Floats, pool: tuple[Floats, float, Floats] = NO_POOL) -> None:
        """Score the values of grid second `at`, then keep them.

        xs: shape (k,), NaN where a statistic has no value; rounded in place to 9 decimals.
        pool: weights of shape (1, k), rho, and what `pool_rows` makes of the scores.
        """
        self.scores = np.empty(len(xs))
        self.why = np.empty((3, len(xs)), dtype=np.int64)
        _take(
            at // SECOND,
            xs,
            self._limits,
            self._held,
            self._seconds,
            self._values,
            self._sizes,
            self.scores,
            self.why,
            *pool,
        )

    def content(self, member: int) -> tuple[Seconds, Floats]:
        """Give the seconds and the values of one window, oldest first."""
        places = (self._heads[member] + np.arange(self.counts[member])) % self.limits.capacity
        return self._seconds[member, places], self._values[member, places]

    def snapshot(self) -> WindowState:
        """Give everything needed to go on after a restart as if there had been none."""
        parts = [self.content(member) for member in range(len(self.counts))]
        return WindowState(
            steps=self.steps.copy(),
            counts=self.counts.copy(),
            seconds=np.concatenate([seconds for seconds, _ in parts]),
            values=np.concatenate([values for _, values in parts]),
        )

    def restore(self, state: WindowState) -> None:
        """Take what `snapshot` gave. Raises WireError when it cannot be one of these windows."""
        k, capacity = len(self.counts), self.limits.capacity
        total = int(state.counts.sum())
        if (
            state.steps.shape != (k,)
            or state.counts.shape != (k,)
            or state.seconds.shape != (total,)
            or state.values.shape != (total,)
            or not np.isin(state.steps, (1, 2, 4, LARGEST_STEP)).all()
            or (state.counts < 0).any()
            or (state.counts > capacity).any()
            or not np.isfinite(state.values).all()
        ):
            msg = f"expected {k} windows of at most {capacity} finite values, found {total} values"
            raise WireError(msg)
        ends = np.cumsum(state.counts)
        for member, end in enumerate(ends):
            own = slice(int(end - state.counts[member]), int(end))
            if (np.diff(state.seconds[own].astype(np.int64)) <= 0).any():
                msg = f"expected ascending seconds in window {member}, found a step back"
                raise WireError(msg)
        self.steps[:] = state.steps
        self.counts[:] = state.counts
        self._heads[:] = 0
        for member, end in enumerate(ends):
            held = int(state.counts[member])
            values = state.values[end - held : end]
            self._seconds[member, :held] = state.seconds[end - held : end]
            self._values[member, :held] = values
            sizes = np.sort(np.abs(values[values != 0.0]))
            self.n_sizes[member] = len(sizes)
            self._sizes[member, : len(sizes)] = sizes
