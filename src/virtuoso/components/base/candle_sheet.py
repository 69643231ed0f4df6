"""Memory that the candle components of many markets share, so that one call carries them all on.

At a full minute every market closes a candle. What is carried for one of them takes less time to
compute than the call of a kernel and the objects about it, so closes wait until somebody reads one
of them: then all that wait on a sheet are computed together.
"""

from array import array
from collections.abc import Hashable, Sequence
from operator import add
from typing import Final, NamedTuple, Protocol, Self
from weakref import finalize

import numpy as np

from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.indicators.pool import POOL, tell_places, told_size
from virtuoso.indicators.state import Floats, Integers
from virtuoso.indicators.trailing_rank import NO_CODE, Codes, rank_state
from virtuoso.market.candles import Closing

NEVER: Final = -1
DELIVERY_MS: Final = 5 * SECOND
"""A closed candle is due this long after it ended."""

PLACES: Final = 32
"""Markets of a sheet. All of them on four timeframes take two to three milliseconds, and nothing
else runs meanwhile."""


class Telling(NamedTuple):
    """Of which places a kernel tells what is newest, as `tell_places` does.

    A second call would cost as much. What is of place p lies in rows p * timeframes and following
    of every array with rows.
    """

    places: Integers
    told: Floats
    """A row for each of them, which the kernel writes."""
    weights: Floats
    """Shape (all places, timeframes, members)."""


NOTHING_TOLD: Final = Telling(np.zeros(0, dtype=np.int64), np.zeros((0, 0)), np.zeros((0, 0, 0)))


class Ranks(NamedTuple):
    """Trailing distributions of every member of some rows: see `rank_state`."""

    counts: Floats
    rings: Floats
    codes: Codes

    @classmethod
    def new(cls, rows: int, members: int, window: int) -> Self:
        """Give those that know nothing yet."""
        counts, rings, codes = rank_state(rows * members, window)
        shape = rows, members, -1
        return cls(counts.reshape(shape), rings.reshape(shape), codes.reshape(shape))

    @classmethod
    def unwritten(cls, rows: int, members: int, window: int) -> Self:
        """Give room for as many, each to be begun by `begin`; until then it takes no memory."""
        counts, rings, codes = rank_state(1, window)
        shape = rows, members
        return cls(
            np.zeros((*shape, counts.size)),
            np.zeros((*shape, rings.size)),
            np.zeros((*shape, codes.size), dtype=codes.dtype),
        )

    def begin(self, row: int) -> None:
        """Have those of one row know nothing."""
        self.counts[row], self.rings[row], self.codes[row] = 0.0, np.nan, NO_CODE

    def between(self, first: int, stop: int) -> Self:
        """Give those of some rows: the same memory."""
        own = slice(first, stop)
        return type(self)(self.counts[own], self.rings[own], self.codes[own])


class Advance(Protocol):
    """The kernel of a component: members and scores of more candles of some timeframes.

    rows: shape (k,), one per timeframe of a market. bars: shape (k, 5, n), the tables of their
    candles. states, from `new_state`, shape (rows, ...), and the fields of
    `Ranks`, shape (rows, members, ...), are carried on, the latter only with `keep`. results: x and
    scores, shape (2, rows, members, n), written at `rows`. places, told and weights: a `Telling`,
    of a pool with `rho`.
    """

    def __call__(
        self,
        rows: Integers,
        bars: Floats,
        places: Integers,
        told: Floats,
        states: Floats,
        counts: Floats,
        rings: Floats,
        codes: Codes,
        window: int,
        minimum: int,
        minimum_sizes: int,
        keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
        results: Floats,
        weights: Floats,
        rho: float,
        /,
    ) -> None:
        """Advance."""
        ...


class Ranking(NamedTuple):
    """How members are ranked, the same for all of a sheet."""

    window: int
    minimum: int
    minimum_sizes: int


class Rows(NamedTuple):
    """Where candles of a place go."""

    place: Integers
    """Shape (1,)."""
    rows: Integers
    """Of every array that has a row for each timeframe of each place."""
    within: Sequence[int]
    """The same, counted from the first row of the place."""


class Age(NamedTuple):
    """How old the newest candles of all timeframes are."""

    oldest: Millis | None
    """When the first of them closed; None before there is one."""
    due: int
    """Until when nothing is overdue; NEVER before all timeframes are there."""


class Ages:
    """Works out how old candles are, once for all blocks and markets that have the same."""

    def __init__(self, timeframes: Sequence[Timeframe]) -> None:
        self._due_after = [each.ms + DELIVERY_MS for each in timeframes]
        """How many ms after one candle of each the next should be here."""
        self._closes: Sequence[Millis | None] = ()
        self._age = Age(None, NEVER)

    def of(self, closes: Sequence[Millis | None]) -> Age:
        """Give the age of candles that closed then, in the order of the timeframes."""
        if closes != self._closes:
            known = [at for at in closes if at is not None]
            whole = len(known) == len(closes)
            due = min(map(add, known, self._due_after)) if whole else NEVER
            self._closes, self._age = closes, Age(min(known, default=None), due)
        return self._age


class Newest(NamedTuple):
    """What is known of a place since candles last closed there; none of it changes any more."""

    closes: Sequence[Millis | None]
    """When the newest candle of each timeframe closed."""
    age: Age
    pool: Sequence[float]
    """What `pool_rows` wrote of its scores, whatever their age."""
    told: Floats
    """What `tell_places` wrote of all places computed together."""
    number: int
    """Which of them it is."""

    @property
    def own(self) -> Floats:
        """Shape (2, timeframes, members): x and scores, NaN where there is none."""
        own: Floats = self.told[self.number, len(self.pool) :].reshape(2, len(self.closes), -1)
        return own


class CandleBlock:
    """What one kind of component carries on a sheet: a place a market, a row a timeframe of it."""

    def __init__(
        self,
        kernel: Advance,
        state: Floats,
        members: int,
        rho: float,
        timeframes: Sequence[Timeframe],
        ages: Ages,
        ranking: Ranking,
        places: int,
    ) -> None:
        """state: of one row before the first candle."""
        self._kernel = kernel
        self._state = state
        self._rho = rho
        self._ranking = ranking
        self._timeframes = tuple(timeframes)
        self._width = width = len(timeframes)
        self._ages = ages
        rows = places * width
        self.states = np.zeros((rows, *state.shape))
        self.ranks = Ranks.unwritten(rows, members, ranking.window)
        self.latest = np.full((2, rows, members, 1), np.nan)
        """x and scores of the newest candles, NaN where there is none."""
        self.weights = np.zeros((places, width, members))
        self._carried = (self.states, *self.ranks, *ranking, True, self.latest, self.weights, rho)
        self._pool_size = POOL + width
        self.told_size = told_size(width, members)
        self.newest: dict[int, Newest] = {}
        """By place."""

    def rows_of(self, place: int) -> range:
        """Give the rows of a place, in the order of its timeframes."""
        return range(place * self._width, (place + 1) * self._width)

    def forget(self, place: int, row: int) -> None:
        """Put one row of a place back to before the first candle."""
        at = self.rows_of(place).start + row
        self.states[at] = self._state
        self.ranks.begin(at)
        self.latest[:, at] = np.nan
        self.amend(place, row, None)

    def amend(self, place: int, row: int, last_close: Millis | None) -> None:
        """Know that the numbers of a row were changed, and when its newest candle closed."""
        places, told = np.array([place]), np.empty((1, self.told_size))
        tell_places(self.latest, places, self.weights, self._rho, told)
        pool = told[0, : self._pool_size].tolist()
        closes = self._closes_with(place, [row], [last_close])
        self.newest[place] = Newest(closes, self._ages.of(closes), pool, told, 0)

    def advance(
        self,
        places: Integers,
        rows: Integers,
        bars: Floats,
        found: Sequence[Rows],
        closings: Sequence[Closing],
    ) -> None:
        """Take closed candles of several places, each with its rows and its closing.

        places, rows, bars: of all of them; rows and bars as `Advance` says.
        """
        told = np.empty((len(closings), self.told_size))
        self._kernel(rows, bars, places, told, *self._carried)
        pools = told[:, : self._pool_size].tolist()
        age_of, own = self._ages.of, self._timeframes
        for number, (place, closing) in enumerate(zip(places.tolist(), closings, strict=True)):
            closes: Sequence[Millis | None] = closing.close_times
            if closing.timeframes != own:
                closes = self._closes_with(place, found[number].within, closes)
            self.newest[place] = Newest(closes, age_of(closes), pools[number], told, number)

    def _closes_with(
        self, place: int, rows: Sequence[int], times: Sequence[Millis | None]
    ) -> Sequence[Millis | None]:
        """Give the newest closes of a place, those of some rows replaced."""
        known = self.newest.get(place)
        closes: list[Millis | None] = [None] * self._width
        if known is not None:
            closes[:] = known.closes
        for row, at in zip(rows, times, strict=True):
            closes[row] = at
        return tuple(closes)

    def run(
        self,
        rows: Integers,
        bars: Floats,
        states: Floats,
        ranks: Ranks,
        results: Floats,
        telling: Telling = NOTHING_TOLD,
        *,
        keep: bool = True,
    ) -> None:
        """Call the kernel on arrays of the same kind as those of the block."""
        places, told, weights = telling
        carried = (states, *ranks, *self._ranking, keep, results, weights, self._rho)
        self._kernel(rows, bars, places, told, *carried)


class CandleSheet:
    """Places for some markets, and the blocks of the components that are computed there."""

    def __init__(self, timeframes: Sequence[Timeframe], ranking: Ranking, places: int) -> None:
        self._timeframes = tuple(timeframes)
        self._takes_all = len(self._timeframes) == len(Timeframe)
        self._ages = Ages(self._timeframes)
        self._ranking = ranking
        self._places = places
        self._free = list(range(places))
        self._blocks: dict[ComponentName, CandleBlock] = {}
        self._found: dict[tuple[int, Sequence[Timeframe]], Rows] = {}
        """Where candles of a place go whose timeframes close together."""
        self._taken: list[Closing | None] = [None] * places
        """What closed last at each place."""
        self._waiting: dict[int, Closing] = {}
        """Of these places, that is not computed yet; only of timeframes that are asked for."""

    @property
    def full(self) -> bool:
        """Whether every place is taken."""
        return not self._free

    def block(
        self, name: ComponentName, kernel: Advance, state: Floats, members: int, rho: float
    ) -> CandleBlock:
        """Give the block of a component, made for the first that asks."""
        self.settle()
        block = self._blocks.get(name)
        if block is None:
            block = self._blocks[name] = CandleBlock(
                kernel,
                state,
                members,
                rho,
                self._timeframes,
                self._ages,
                self._ranking,
                self._places,
            )
        return block

    def take_place(self) -> int:
        """Give a place that nobody has."""
        self.settle()
        place = self._free.pop(0)
        self._taken[place] = None
        return place

    def give_back(self, place: int) -> None:
        """Know that a place is not needed any more."""
        self._free.append(place)

    def note(self, place: int, closing: Closing) -> None:
        """Take closed candles of a place, to be computed when somebody reads what they make.

        Every component there hears of the same closing; it is taken once, for all of them.
        """
        if self._taken[place] is closing:
            return
        if place in self._waiting:
            self.settle()
        self._taken[place] = closing
        if not self._takes_all:
            closing = closing.only(self._timeframes)
        if closing.timeframes:
            self._waiting[place] = closing

    def settle(self) -> None:
        """Compute what waits, all of it in one call for each component."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        found = [
            self._found.get((place, closing.timeframes)) or self._find(place, closing.timeframes)
            for place, closing in waiting.items()
        ]
        closings = list(waiting.values())
        if len(found) == 1:
            places, rows, numbers = found[0].place, found[0].rows, closings[0].numbers
        else:
            places = np.array(list(waiting))
            rows = np.concatenate([each.rows for each in found])
            numbers = array("d", b"".join([each.numbers for each in closings]))
        bars = np.frombuffer(numbers).reshape(-1, 5, 1)
        for block in self._blocks.values():
            block.advance(places, rows, bars, found, closings)

    def _find(self, place: int, timeframes: tuple[Timeframe, ...]) -> Rows:
        """Look up the rows of timeframes of a place, and remember them."""
        within = [self._timeframes.index(each) for each in timeframes]
        first = place * len(self._timeframes)
        rows = np.array([first + row for row in within])
        found = self._found[place, timeframes] = Rows(np.array([place]), rows, within)
        return found


class Place:
    """One market's place on a sheet, shared by its components; given back when they are gone."""

    def __init__(self, sheet: CandleSheet) -> None:
        self.sheet = sheet
        self.number = sheet.take_place()
        finalize(self, sheet.give_back, self.number).atexit = False


class CandleSheets:
    """The sheets of all markets that are scored beside each other."""

    def __init__(self, places: int = PLACES) -> None:
        """places: of each sheet."""
        self._places = places
        self._sheets: dict[Hashable, list[CandleSheet]] = {}

    def place(self, timeframes: Sequence[Timeframe], ranking: Ranking) -> Place:
        """Give a market a place among those of the same timeframes and ranking."""
        sheets = self._sheets.setdefault((tuple(timeframes), ranking), [])
        for sheet in sheets:
            if not sheet.full:
                return Place(sheet)
        sheets.append(CandleSheet(timeframes, ranking, self._places))
        return Place(sheets[-1])
