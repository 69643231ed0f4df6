"""A component of which every member is computed from closed candles, on several timeframes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isnan
from types import MappingProxyType
from typing import ClassVar, Final, NamedTuple

import numpy as np

from virtuoso.components.base.component import Member, due_candle, pool_summed
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    LazyMembers,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.indicators.normal_scores import normal_scores
from virtuoso.indicators.pool_sums import pool_sums
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import RankKind, TrailingRanks
from virtuoso.market.candles import Bars, bars_of
from virtuoso.market.market import Market

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


class _Series:
    """What is carried for one timeframe: the kernel's state and the distributions."""

    def __init__(
        self, timeframe: Timeframe, state: Floats, ranks: TrailingRanks, x: Floats, scores: Floats
    ) -> None:
        self.timeframe = timeframe
        self.x, self.scores = x, scores
        """Of the newest candle, NaN where there is none: shape (members, 1)."""
        self.due = due_candle(timeframe)
        self._due_after = timeframe.ms + DELIVERY_MS
        self.state = state
        self.ranks = ranks
        self.last_close: Millis | None = None

    def judge(self, at: Millis, *, gap: bool) -> tuple[Reason | None, int]:
        """Say why the timeframe may not be scored at `at`, and by how many ms it is overdue."""
        if self.last_close is None:
            return (Reason.GAP if gap else Reason.NO_FEED), 0
        late = max(0, at - self.last_close - self._due_after)
        if gap:
            return Reason.GAP, late
        return (Reason.STALE if late >= self.due.stale_after_ms else None), late


class _Pooled(NamedTuple):
    """A pooled component, and how many members of each timeframe are in it."""

    result: ComponentScore | Absent
    present: Sequence[int]


class CandleComponent:
    """Carries one state and one set of trailing distributions per timeframe.

    A subclass gives its name, rho and table, the state that its kernel carries, and the kernel,
    which writes one row of x per line of the table.
    """

    name: ClassVar[ComponentName]
    rho: ClassVar[float]
    table: ClassVar[Sequence[Member]]

    def __init__(self, settings: CandleSettings | None = None) -> None:
        self._settings = settings or CandleSettings()
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in self._settings.timeframes.items()
            for line in self.table
        )
        shape = (len(self._settings.timeframes), len(self.table))
        self._x, self._scores = np.full(shape, np.nan), np.full(shape, np.nan)
        self._weights = np.array([weight for _, _, weight in self._lines]).reshape(shape)
        self._present = np.zeros(len(self._settings.timeframes), dtype=np.int64)
        self._series = {
            timeframe: self._new(timeframe, row)
            for row, timeframe in enumerate(self._settings.timeframes)
        }
        self._changed = True
        self._reasons: list[Reason | None] = []
        self._result: _Pooled | None = None

    def new_state(self) -> Floats:
        """Give the state of the kernel before the first candle."""
        raise NotImplementedError

    def compute(self, bars: Bars, state: Floats, out: Floats) -> None:
        """Write x of every member (rows) for every candle (columns), carrying `state` on."""
        raise NotImplementedError

    def compile_kernels(self) -> None:
        """Compute two candles of nothing, so that set-up can fill numba's cache on disk."""
        flat, ends = np.zeros(2), np.zeros(2, dtype=np.int64)
        bars = Bars(flat, flat, flat, flat, flat, ends)
        self.compute(bars, self.new_state(), np.empty((len(self.table), 2)))

    def _new(self, timeframe: Timeframe, row: int) -> _Series:
        """Give a timeframe without a candle; its x and scores are row `row` of all of them."""
        settings = self._settings
        x, scores = self._x[row].reshape(-1, 1), self._scores[row].reshape(-1, 1)
        x[:] = scores[:] = np.nan
        ranks = TrailingRanks(
            len(self.table),
            settings.window,
            RankKind.SIZES,
            settings.minimum,
            settings.minimum_sizes,
        )
        return _Series(timeframe, self.new_state(), ranks, x, scores)

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take closed candles, oldest first: one when live, a thousand at warm-up."""
        series = self._series.get(timeframe)
        if series is None or not len(bars):
            return
        if len(bars) == 1:
            self.compute(bars, series.state, series.x)
            series.ranks.push(series.x, series.scores)
        else:
            x = np.empty((len(self.table), len(bars)))
            self.compute(bars, series.state, x)
            scores = series.ranks.push(x)
            series.x[:], series.scores[:] = x[:, -1:], scores[:, -1:]
        series.last_close = Millis(int(bars.close_time[-1]))
        self._changed = True

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        if timeframe in self._series:
            row = tuple(self._series).index(timeframe)
            self._series[timeframe] = self._new(timeframe, row)
            self._changed = True

    def second(self, at: Millis, market: Market) -> None:
        """Nothing to do: candles close, they do not tick."""

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of the closed candles; cheap when none closed since the last call."""
        reasons, late = self._judge(at, market)
        if self._result is None or self._changed or reasons != self._reasons:
            self._result = self._pool(self._x.copy(), self._scores.copy(), reasons)
            self._changed, self._reasons = False, reasons
        return self._dated(self._result, late)

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score as if every forming candle closed now; stores nothing."""
        reasons, late = self._judge(at, market)
        x, scores = self._x.copy(), self._scores.copy()
        peeked = set()
        for row, (series, reason) in enumerate(zip(self._series.values(), reasons, strict=True)):
            candle = None if reason else market.candles.forming(series.timeframe)
            if candle is not None and candle.open_time == series.last_close:
                x[row], scores[row] = self._peek(series, bars_of([candle]))
                peeked.add(row)
        return self._dated(self._pool(x, scores, reasons, frozenset(peeked)), late)

    def _judge(self, at: Millis, market: Market) -> tuple[list[Reason | None], list[int]]:
        candles = market.candles
        judged = [
            series.judge(at, gap=candles[timeframe].gap)
            for timeframe, series in self._series.items()
        ]
        return [reason for reason, _ in judged], [late for _, late in judged]

    def _peek(self, series: _Series, bars: Bars) -> tuple[Floats, Floats]:
        """Compute x and score of one more candle with copies of what is carried."""
        x = np.empty((len(self.table), 1))
        self.compute(bars, series.state.copy(), x)
        scores = series.ranks.peek(x)
        return x[:, 0], scores[:, 0]

    def _pool(
        self,
        x: Floats,
        scores: Floats,
        reasons: Sequence[Reason | None],
        peeked: frozenset[int] = frozenset(),
    ) -> _Pooled:
        """Pool the members of all timeframes; the members themselves are made when read.

        x, scores: shape (timeframes, members), NaN where there is none; they are kept. `reasons`:
        why a whole timeframe is absent. `peeked`: the rows that are of forming candles.
        """
        for row, reason in enumerate(reasons):
            if reason is not None:
                x[row] = scores[row] = np.nan
        sums = pool_sums(scores, self._weights, self._present)
        present = self._present.tolist()
        closes = [series.last_close for series in self._series.values()]
        known = [at for at, count in zip(closes, present, strict=True) if count and at is not None]
        counts = () if sum(present) == scores.size else self._counts(peeked)
        make = partial(self._members, x, scores, reasons, closes, counts)
        result = pool_summed(
            self.name,
            self.rho,
            sums,
            min(known, default=None),
            LazyMembers(make),
            late_ms=0,
            freshness=1.0,
        )
        return _Pooled(result, present)

    def _counts(self, peeked: frozenset[int]) -> Sequence[tuple[int, Sequence[int]]]:
        """Give per timeframe how many values were seen, and the sizes they were ranked among."""
        return [
            (series.ranks.seen + 1, series.ranks.peek_sizes.tolist())
            if row in peeked
            else (series.ranks.seen, series.ranks.sizes.tolist())
            for row, series in enumerate(self._series.values())
        ]

    def _members(
        self,
        x: Floats,
        scores: Floats,
        reasons: Sequence[Reason | None],
        closes: Sequence[Millis | None],
        counts: Sequence[tuple[int, Sequence[int]]],
    ) -> tuple[MemberScore, ...]:
        """Make the members of all timeframes. `counts` may be empty when every score is there."""
        width = len(self.table)
        values, ranked = x.ravel().tolist(), scores.ravel().tolist()
        z = normal_scores(scores.ravel()).tolist()
        members = []
        for i, (name, family, weight) in enumerate(self._lines):
            row, line = divmod(i, width)
            score, as_of = ranked[i], closes[row]
            if not isnan(score):
                member = MemberScore(name, family, weight, values[i], score, z[i], as_of, None)
            else:
                known = None if isnan(values[i]) else values[i]
                reason, have, need = reasons[row], None, None
                if reason is None:
                    reason, have, need = self._why(known, counts[row], line)
                member = MemberScore(
                    name, family, weight, known, None, None, as_of, reason, have, need
                )
            members.append(member)
        return tuple(members)

    def _why(
        self, x: float | None, counts: tuple[int, Sequence[int]], line: int
    ) -> tuple[Reason, int | None, int | None]:
        """Say why a member could not be ranked: the reason, what there is and what it takes."""
        seen, sizes = counts
        if seen < self._settings.minimum:
            return Reason.WARMING_UP, seen, self._settings.minimum
        if x is not None:
            return Reason.TOO_FEW, sizes[line], self._settings.minimum_sizes
        return Reason.TOO_FEW, None, None

    def _dated(self, pooled: _Pooled, late: Sequence[int]) -> ComponentScore | Absent:
        """Say by how much the present timeframes are overdue."""
        result = pooled.result
        if isinstance(result, Absent) or not any(late):
            return result
        overdue = [
            (late[i], series.due.freshness(late[i]))
            for i, series in enumerate(self._series.values())
            if pooled.present[i]
        ]
        return replace(
            result,
            late_ms=max(late for late, _ in overdue),
            freshness=min(freshness for _, freshness in overdue),
        )
