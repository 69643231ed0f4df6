"""Memory that the candle components of many markets share, so that one call carries them all on.

At a full minute every market closes a candle. What is carried for one of them takes less time to
compute than the call of a kernel and the objects about it, so closes wait until somebody reads one
of them: then all that wait on a sheet are computed together.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Final, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from virtuoso.indicators.pool_sums import new_sums
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import NO_CODE, Codes, rank_state

Integers: TypeAlias = NDArray[np.int64]

NOT_ASKED: Final = -1
"""The row of a timeframe that has no share."""

PLACES: Final = 32
"""Markets of a sheet. All of them on four timeframes take about a millisecond a component, and
nothing else runs meanwhile."""


class Pool(NamedTuple):
    """Whose newest scores a kernel adds up as `pool_sums` does: a second call would cost as much.

    What is of place p lies in rows p * timeframes and following of every array with rows.
    """

    places: Integers
    weights: Floats
    """Shape (all places, timeframes, members)."""
    sums: Floats
    """Shape (all places, sums): from `new_sums(timeframes)`."""


NO_POOL: Final = Pool(np.zeros(0, dtype=np.int64), np.zeros((0, 0, 0)), np.zeros((0, 0)))


class Ranks(NamedTuple):
    """Trailing distributions of every member of some rows: see `rank_state`."""

    counts: Floats
    rings: Floats
    codes: Codes

    @classmethod
    def new(cls, rows: int, members: int, window: int) -> Self:
        """Give those that know nothing yet."""
        return cls(*[each.reshape(rows, members, -1) for each in rank_state(rows * members, window)])

    def between(self, first: int, stop: int) -> Self:
        """Give those of some rows: the same memory."""
        return type(self)(*[each[first:stop] for each in self])


class Advance(Protocol):
    """The kernel of a component: members and scores of more candles of some timeframes.

    rows: shape (k,), one per timeframe of a market; NOT_ASKED is left out. bars: shape (k, 5, n),
    the tables of their candles. states, from `new_state`, shape (rows, ...), and the fields of
    `Ranks`, shape (rows, members, ...), are carried on, the latter only with `keep`. results: x and
    scores, shape (2, rows, members, n), written at `rows`. The rest are the fields of a `Pool`.
    """

    def __call__(
        self,
        rows: Integers,
        bars: Floats,
        states: Floats,
        counts: Floats,
        rings: Floats,
        codes: Codes,
        window: int,
        minimum: int,
        minimum_sizes: int,
        keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
        results: Floats,
        places: Integers,
        weights: Floats,
        sums: Floats,
        /,
    ) -> None:
        """Advance."""
        ...


class Ranking(NamedTuple):
    """How members are ranked, the same for all of a sheet."""

    window: int
    minimum: int
    minimum_sizes: int


class CandleSheet:
    """What one kind of component carries for some markets: a place each, a row per timeframe."""

    def __init__(
        self,
        kernel: Advance,
        state: Floats,
        members: int,
        timeframes: int,
        ranking: Ranking,
        places: int,
    ) -> None:
        """state: of one row before the first candle."""
        self._kernel = kernel
        self._state = state
        self._timeframes = timeframes
        self._ranking = ranking
        rows = places * timeframes
        # what no place uses yet is zeros never written to, which take no memory
        self.states = np.zeros((rows, *state.shape))
        self.ranks = Ranks.new(rows, members, ranking.window)
        self.latest = np.full((2, rows, members, 1), np.nan)
        """x and scores of the newest candles, NaN where there is none."""
        self.weights = np.zeros((places, timeframes, members))
        self.sums = np.zeros((places, new_sums(timeframes).size))
        """Of the newest candles, whatever their age."""
        self._free = list(range(places))
        self._waiting: set[int] = set()
        """Places whose closes are not computed yet, one close each."""
        self._rows: list[int] = []
        self._numbers: list[float] = []

    @property
    def full(self) -> bool:
        """Whether every place is taken."""
        return not self._free

    def take_place(self) -> int:
        """Give a place that nobody has, as before the first candle."""
        place = self._free.pop(0)
        self.settle()
        for row in self.rows_of(place):
            self.forget(row)
        self.sums[place] = 0.0
        return place

    def give_back(self, place: int) -> None:
        """Know that a place is not needed any more."""
        self._free.append(place)

    def rows_of(self, place: int) -> range:
        """Give the rows of a place, in the order of its timeframes."""
        first = place * self._timeframes
        return range(first, first + self._timeframes)

    def forget(self, row: int) -> None:
        """Put one row back to before the first candle."""
        self.settle()
        self.states[row] = self._state
        counts, rings, codes = self.ranks.between(row, row + 1)
        counts[:], rings[:], codes[:] = 0.0, np.nan, NO_CODE
        self.latest[:, row] = np.nan

    def note(self, place: int, rows: Sequence[int], numbers: Sequence[float]) -> None:
        """Take one closed candle each of some rows of a place, to be computed when read.

        numbers: logs of open, high, low and close, and volume, of one candle after the other.
        """
        if place in self._waiting:
            self.settle()
        self._waiting.add(place)
        self._rows += rows
        self._numbers += numbers

    def settle(self) -> None:
        """Compute what waits."""
        if not self._waiting:
            return
        rows = np.array(self._rows)
        bars = np.array(self._numbers).reshape(-1, 5, 1)
        pool = Pool(np.fromiter(self._waiting, np.int64), self.weights, self.sums)
        self._waiting.clear()
        self._rows.clear()
        self._numbers.clear()
        self.run(rows, bars, self.states, self.ranks, self.latest, pool)

    def run(
        self,
        rows: Integers,
        bars: Floats,
        states: Floats,
        ranks: Ranks,
        results: Floats,
        pool: Pool = NO_POOL,
        *,
        keep: bool = True,
    ) -> None:
        """Call the kernel, on this sheet or on arrays of the same kind."""
        self._kernel(rows, bars, states, *ranks, *self._ranking, keep, results, *pool)


class CandleSheets:
    """The sheets of all markets that are scored beside each other."""

    def __init__(self, places: int = PLACES) -> None:
        """places: of each sheet."""
        self._places = places
        self._sheets: dict[Hashable, list[CandleSheet]] = {}

    def sheet(self, kind: Hashable, make: Callable[[int], CandleSheet]) -> CandleSheet:
        """Give a sheet with a free place; `make` one of so many places where there is none.

        kind: equal for those that may share a sheet.
        """
        sheets = self._sheets.setdefault(kind, [])
        for sheet in sheets:
            if not sheet.full:
                return sheet
        sheets.append(make(self._places))
        return sheets[-1]
