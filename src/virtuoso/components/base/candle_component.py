"""A component of which every member is computed from closed candles, on several timeframes."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from math import isnan
from operator import add
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from virtuoso.components.base.component import Member, due_candle, pool_summed
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.market_data import FormingCandle
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    Lazy,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.indicators.normal_scores import normal_scores
from virtuoso.indicators.pool_sums import new_sums, pool_sums
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import COMPARED, SEEN, SIZE, rank_state
from virtuoso.market.candles import Bars, Closing, closing_of
from virtuoso.market.market import Market

Integers: TypeAlias = NDArray[np.int64]

NOT_ASKED: Final = -1
"""The row of a timeframe that has no share."""
FIRST_ROW: Final = np.zeros(1, dtype=np.int64)
NO_POOL: Final = (np.zeros((0, 0)), new_sums(0))
NEVER: Final = -1

DELIVERY_MS = 5 * SECOND
"""A closed candle is due this long after it ended."""

EQUAL_TIMEFRAMES: Final[Mapping[Timeframe, float]] = MappingProxyType(
    dict.fromkeys(Timeframe, 1.0 / len(Timeframe))
)


@dataclass(frozen=True, slots=True)
class CandleSettings:
    """How candle members are weighed across timeframes and ranked within one."""

    timeframes: Mapping[Timeframe, float] = field(default_factory=lambda: EQUAL_TIMEFRAMES)
    """Share of each timeframe; they sum to 1."""
    window: int = 1_000
    """Earlier values a value is ranked among."""
    minimum: int = 250
    """Closed candles before the first score."""
    minimum_sizes: int = 50
    """Non-zero values before a non-zero value is ranked."""

    def __post_init__(self) -> None:
        total = sum(self.timeframes.values())
        if abs(total - 1.0) > 1e-9 or any(share < 0.0 for share in self.timeframes.values()):
            msg = f"expected timeframe shares of 0 or more that sum to 1, found sum {total:g}"
            raise SettingsError(msg)


class Advance(Protocol):
    """The kernel of a component: members and scores of more candles of some timeframes.

    rows: shape (k,), one per timeframe; NOT_ASKED is left out. bars: shape (k, 5, n), the tables of
    their candles. states, from `new_state`, and ranks, from `rank_state`, shape (rows, ...) and
    (rows, members, ...), are carried on, ranks only with `keep`. results: x and scores, shape
    (2, rows, members, n), written at `rows`. Unless `weights` is empty, the newest scores of all
    rows are added up into `sums` as `pool_sums` does: a second call would cost as much again.
    """

    def __call__(
        self,
        rows: Integers,
        bars: Floats,
        states: Floats,
        ranks: Floats,
        minimum: int,
        minimum_sizes: int,
        keep: bool,  # noqa: FBT001 - a kernel has no keyword-only arguments
        results: Floats,
        weights: Floats,
        sums: Floats,
        /,
    ) -> None:
        """Advance."""
        ...


class _Series:
    """What is known of one timeframe beside the numbers."""

    def __init__(self, timeframe: Timeframe, row: int) -> None:
        self.timeframe = timeframe
        self.row = row
        """Of every array that has a row per timeframe."""
        self.due = due_candle(timeframe)
        self.due_after = timeframe.ms + DELIVERY_MS
        """How many ms after one candle the next should be here."""

    def judge(self, at: Millis, last: Millis | None, market: Market) -> tuple[Reason | None, int]:
        """Say why the timeframe may not be scored at `at`, and by how many ms it is overdue.

        last: when its newest candle closed.
        """
        gap = market.candles.series[self.timeframe].gap
        if last is None:
            return (Reason.GAP if gap else Reason.NO_FEED), 0
        late = at - last - self.due_after
        if gap:
            return Reason.GAP, max(late, 0)
        if late <= 0:
            return None, 0
        return (Reason.STALE if late >= self.due.stale_after_ms else None), late


class _Pooled(NamedTuple):
    """A pooled component, and how many members of each timeframe are in it."""

    result: ComponentScore | Absent
    present: Sequence[float]


class CandleComponent:
    """Carries states and trailing distributions, a row per timeframe.

    A subclass gives its name, rho and table, the state that its kernel carries, and the kernel,
    which writes one row of x per line of the table.
    """

    name: ClassVar[ComponentName]
    rho: ClassVar[float]
    table: ClassVar[Sequence[Member]]

    def __init__(self, settings: CandleSettings | None = None) -> None:
        self._settings = settings or CandleSettings()
        self._series = {
            timeframe: _Series(timeframe, row)
            for row, timeframe in enumerate(self._settings.timeframes)
        }
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in self._settings.timeframes.items()
            for line in self.table
        )
        rows, members = len(self._series), len(self.table)
        self._advance = self.kernel()
        self._states, self._ranks = self._fresh(rows)
        self._latest = np.full((2, rows, members, 1), np.nan)
        """x and scores of the newest candles, NaN where there is none."""
        self._weights = np.array([weight for _, _, weight in self._lines]).reshape(rows, members)
        self._sums = new_sums(rows)
        """Of the newest candles, whatever their age."""
        self._last_closes: list[Millis | None] = [None] * rows
        self._due_after = [series.due_after for series in self._series.values()]
        self._due = NEVER
        """Until when nothing is overdue."""
        self._rows_of: dict[Sequence[Timeframe], tuple[Integers, Sequence[int]]] = {}
        """The rows of timeframes that close together, as an array and as numbers."""
        self._on_time: Sequence[Reason | None] = [None] * rows
        self._not_late = [0] * rows
        self._reasons: Sequence[Reason | None] = []
        self._result: _Pooled | None = None
        """With `_reasons`, of the newest candles; None when a candle closed since."""

    def reweigh(self, timeframes: Mapping[Timeframe, float]) -> None:
        """Weigh the timeframes anew, which are those there are; nothing carried changes."""
        shares = {timeframe: timeframes[timeframe] for timeframe in self._series}
        self._settings = replace(self._settings, timeframes=shares)
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in shares.items()
            for line in self.table
        )
        self._weights = np.array([weight for _, _, weight in self._lines]).reshape(
            self._weights.shape
        )
        pool_sums(self._latest[1, ..., 0], self._weights, self._sums)
        self._result = None

    def reweighed(self, timeframes: Mapping[Timeframe, float]) -> Self:
        """Give one of other weights beside this one, to be asked for its score of now only."""
        other = copy(self)
        other._sums = self._sums.copy()  # noqa: SLF001 - it is one of us
        other.reweigh(timeframes)
        return other

    def new_state(self) -> Floats:
        """Give the state of the kernel before the first candle."""
        raise NotImplementedError

    def kernel(self) -> Advance:
        """Give what computes and ranks the members."""
        raise NotImplementedError

    def compile_kernels(self) -> None:
        """Compute two candles of nothing, so that set-up can fill numba's cache on disk."""
        self.history(Bars(np.zeros((5, 2)), np.zeros(2, dtype=np.int64)))

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take a timeframe's closed candles, oldest first, however many."""
        series = self._series.get(timeframe)
        if series is None or not len(bars):
            return
        row = series.row
        own = slice(row, row + 1)
        results = self._take(bars.table, self._states[own], self._ranks[own])
        self._latest[:, own] = results[..., -1:]
        self._note(row, Millis(int(bars.close_time[-1])))

    def close_all(self, closing: Closing) -> None:
        """Take one closed candle each of several timeframes: the bits of `close`, in one call."""
        rows, numbers = self._rows_of.get(closing.timeframes) or self._find(closing.timeframes)
        closes = self._last_closes
        for row, at in zip(numbers, closing.close_times, strict=True):
            if row != NOT_ASKED:
                closes[row] = at
        pool = self._weights, self._sums
        self._run(rows, closing.table, self._states, self._ranks, self._latest, pool)
        self._closed()

    def _find(self, timeframes: tuple[Timeframe, ...]) -> tuple[Integers, Sequence[int]]:
        """Look up the rows of timeframes, and remember them."""
        known = [self._series.get(timeframe) for timeframe in timeframes]
        rows = [NOT_ASKED if each is None else each.row for each in known]
        found = self._rows_of[timeframes] = np.array(rows, dtype=np.int64), rows
        return found

    def _note(self, row: int, last_close: Millis | None) -> None:
        """Note that the newest numbers of a row have changed, and when its last candle closed."""
        self._last_closes[row] = last_close
        pool_sums(self._latest[1, ..., 0], self._weights, self._sums)
        self._closed()

    def _closed(self) -> None:
        """Forget what followed from the candles before."""
        self._result = None
        closes = [at for at in self._last_closes if at is not None]
        whole = len(closes) == len(self._due_after)
        self._due = min(map(add, closes, self._due_after), default=NEVER) if whole else NEVER

    def history(self, bars: Bars) -> tuple[Floats, Floats]:
        """Give x and score of every member (rows) for every candle (columns); stores nothing."""
        x, scores = self._take(bars.table, *self._fresh(1))
        return x[0], scores[0]

    def _fresh(self, rows: int) -> tuple[Floats, Floats]:
        """Give states and ranks before the first candle."""
        ranks = np.stack([rank_state(self._settings.window)] * len(self.table))
        return np.stack([self.new_state()] * rows), np.stack([ranks] * rows)

    def _take(self, table: Floats, states: Floats, ranks: Floats) -> Floats:
        """Carry one row of states and ranks on; results of shape (2, 1, members, candles)."""
        results = np.empty((2, 1, len(self.table), table.shape[1]))
        self._run(FIRST_ROW, table[np.newaxis], states, ranks, results, NO_POOL)
        return results

    def _run(
        self,
        rows: Integers,
        bars: Floats,
        states: Floats,
        ranks: Floats,
        results: Floats,
        pool: tuple[Floats, Floats],
        *,
        keep: bool = True,
    ) -> None:
        """Call the kernel with the settings; `pool` are weights and sums."""
        need, sizes = self._settings.minimum, self._settings.minimum_sizes
        self._advance(rows, bars, states, ranks, need, sizes, keep, results, *pool)

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        series = self._series.get(timeframe)
        if series is None:
            return
        row = series.row
        self._states[row : row + 1], self._ranks[row : row + 1] = self._fresh(1)
        self._latest[:, row] = np.nan
        self._note(row, None)

    def second(self, at: Millis, market: Market) -> None:
        """Nothing to do: candles close, they do not tick."""

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of the closed candles; cheap when none closed since the last call."""
        reasons, late = self._judge(at, market)
        pooled = self._result
        if pooled is None or reasons != self._reasons:
            # a copy, because the members are made of it whenever somebody reads them
            pooled = self._result = self._pool(self._latest.copy(), reasons, self._sums)
            self._reasons = reasons
        return self._dated(pooled, late)

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score as if every forming candle closed now; stores nothing."""
        reasons, late = self._judge(at, market)
        forming = [
            candle
            for series, reason in zip(self._series.values(), reasons, strict=True)
            if reason is None and (candle := self._follower(series, market)) is not None
        ]
        latest, sums = self._latest.copy(), self._sums.copy()
        rows = [self._series[candle.timeframe].row for candle in forming]
        if forming:
            bars, states = closing_of(forming).table, self._states.copy()
            at_rows = np.array(rows, dtype=np.int64)
            pool = self._weights, sums
            self._run(at_rows, bars, states, self._ranks, latest, pool, keep=False)
        return self._dated(self._pool(latest, reasons, sums, rows), late)

    def _follower(self, series: _Series, market: Market) -> FormingCandle | None:
        """Give the forming candle of a timeframe when it follows the last closed one."""
        candle = market.candles.forming.get(series.timeframe)
        follows = candle is not None and candle.open_time == self._last_closes[series.row]
        return candle if follows else None

    def _judge(self, at: Millis, market: Market) -> tuple[Sequence[Reason | None], Sequence[int]]:
        """Give the reason against each timeframe, or `_on_time`, and by how much it is late."""
        if at <= self._due and not market.candles.has_gap:
            return self._on_time, self._not_late
        judged = [
            series.judge(at, last, market)
            for series, last in zip(self._series.values(), self._last_closes, strict=True)
        ]
        return [reason for reason, _ in judged], [late for _, late in judged]

    def _pool(
        self,
        latest: Floats,
        reasons: Sequence[Reason | None],
        sums: Floats,
        peeked: Sequence[int] = (),
    ) -> _Pooled:
        """Pool the members of all timeframes; the members themselves are made when read.

        latest: x and scores of shape (2, timeframes, members, 1), NaN where there is none; it is
        kept. sums: of these scores. reasons: why a whole timeframe is absent, which `latest` and
        `sums` do not know yet. peeked: the rows that are of forming candles.
        """
        if reasons is not self._on_time:
            for row, reason in enumerate(reasons):
                if reason is not None:
                    latest[:, row] = np.nan
            sums = np.empty_like(sums)
            pool_sums(latest[1, ..., 0], self._weights, sums)
        total, weight, pooled, squares, *present = sums.tolist()
        closes = tuple(self._last_closes)
        known = [at for at, count in zip(closes, present, strict=True) if count and at is not None]
        counts = () if sum(present) == len(self._lines) else self._counts(peeked)
        result = pool_summed(
            self.name,
            self.rho,
            (total, weight, pooled, squares),
            min(known, default=None),
            Lazy(partial(_members, self._lines, self._settings, latest, reasons, closes, counts)),
            late_ms=0,
            freshness=1.0,
        )
        return _Pooled(result, present)

    def _counts(self, peeked: Sequence[int]) -> Sequence[tuple[int, Sequence[int]]]:
        """Give per timeframe how many values were seen, and the sizes they were ranked among."""
        seen = self._ranks[:, 0, SEEN].astype(np.int64)
        sizes = self._ranks[:, :, COMPARED].astype(np.int64)
        for row in peeked:
            seen[row] += 1
            sizes[row] = self._ranks[row, :, SIZE]
        return list(zip(seen.tolist(), sizes.tolist(), strict=True))

    def _dated(self, pooled: _Pooled, late: Sequence[int]) -> ComponentScore | Absent:
        """Say by how much the present timeframes are overdue."""
        result = pooled.result
        if not any(late) or isinstance(result, Absent):
            return result
        overdue = [
            (late[i], series.due.freshness(late[i]))
            for i, series in enumerate(self._series.values())
            if pooled.present[i]
        ]
        return result._replace(
            late_ms=max(late for late, _ in overdue),
            freshness=min(freshness for _, freshness in overdue),
        )


# what makes the members knows nothing of the component: it would be a cycle with its result


def _members(
    lines: Sequence[tuple[str, str, float]],
    settings: CandleSettings,
    latest: Floats,
    reasons: Sequence[Reason | None],
    closes: Sequence[Millis | None],
    counts: Sequence[tuple[int, Sequence[int]]],
) -> tuple[MemberScore, ...]:
    """Make the members of all timeframes. `counts` may be empty when every score is there."""
    width = len(lines) // len(closes)
    x, scores = latest.reshape(2, -1)
    values, ranked, z = x.tolist(), scores.tolist(), normal_scores(scores).tolist()
    members = []
    for i, (name, family, weight) in enumerate(lines):
        row, line = divmod(i, width)
        score, as_of = ranked[i], closes[row]
        if not isnan(score):
            member = MemberScore(name, family, weight, values[i], score, z[i], as_of, None)
        else:
            known = None if isnan(values[i]) else values[i]
            reason, have, need = reasons[row], None, None
            if reason is None:
                reason, have, need = _why(settings, known, counts[row], line)
            member = MemberScore(name, family, weight, known, None, None, as_of, reason, have, need)
        members.append(member)
    return tuple(members)


def _why(
    settings: CandleSettings, x: float | None, counts: tuple[int, Sequence[int]], line: int
) -> tuple[Reason, int | None, int | None]:
    """Say why a member could not be ranked: the reason, what there is and what it takes."""
    seen, sizes = counts
    if seen < settings.minimum:
        return Reason.WARMING_UP, seen, settings.minimum
    if x is not None:
        return Reason.TOO_FEW, sizes[line], settings.minimum_sizes
    return Reason.TOO_FEW, None, None
