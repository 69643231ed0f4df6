"""A component of which every member is computed from closed candles, on several timeframes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from virtuoso.components.base.component import Member, due_candle, pool_scores
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.indicators.normal_scores import normal_scores
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

    def __init__(self, timeframe: Timeframe, state: Floats, ranks: TrailingRanks) -> None:
        self.timeframe = timeframe
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
        self._series = {timeframe: self._new(timeframe) for timeframe in self._settings.timeframes}
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in self._settings.timeframes.items()
            for line in self.table
        )
        shape = (len(self._series), len(self.table))
        self._x, self._scores = np.full(shape, np.nan), np.full(shape, np.nan)
        self._rows = {timeframe: i for i, timeframe in enumerate(self._series)}
        self._changed = True
        self._reasons: list[Reason | None] = []
        self._result: ComponentScore | Absent | None = None

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

    def _new(self, timeframe: Timeframe) -> _Series:
        settings = self._settings
        ranks = TrailingRanks(
            len(self.table),
            settings.window,
            RankKind.SIZES,
            settings.minimum,
            settings.minimum_sizes,
        )
        return _Series(timeframe, self.new_state(), ranks)

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take closed candles, oldest first: one when live, a thousand at warm-up."""
        series = self._series.get(timeframe)
        if series is None or not len(bars):
            return
        x = np.empty((len(self.table), len(bars)))
        self.compute(bars, series.state, x)
        scores = series.ranks.push(x)
        row = self._rows[timeframe]
        self._x[row], self._scores[row] = x[:, -1], scores[:, -1]
        series.last_close = Millis(int(bars.close_time[-1]))
        self._changed = True

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        if timeframe in self._series:
            self._series[timeframe] = self._new(timeframe)
            self._x[self._rows[timeframe]] = self._scores[self._rows[timeframe]] = np.nan
            self._changed = True

    def second(self, at: Millis, market: Market) -> None:
        """Nothing to do: candles close, they do not tick."""

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of the closed candles; cheap when none closed since the last call."""
        reasons, late = self._judge(at, market)
        if self._result is None or self._changed or reasons != self._reasons:
            self._result = self._pool(self._x, self._scores, reasons)
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
    ) -> ComponentScore | Absent:
        """Make the members of all timeframes, and the component's score from them.

        x, scores: shape (timeframes, members), NaN where there is none. `reasons`: why a whole
        timeframe is absent. `peeked`: the rows that are of forming candles.
        """
        values, ranked = x.ravel().tolist(), scores.ravel().tolist()
        z = normal_scores(scores.ravel()).tolist()
        closes = [series.last_close for series in self._series.values() for _ in self.table]
        members = [
            MemberScore(name, family, weight, value, score, normal, as_of, None)
            for (name, family, weight), value, score, normal, as_of in zip(
                self._lines, values, ranked, z, closes, strict=True
            )
        ]
        if isnan(sum(ranked)):
            for i, score in enumerate(ranked):
                if isnan(score):
                    members[i] = self._without(members[i], i, peeked)
        width = len(self.table)
        for row, reason in enumerate(reasons):
            if reason is not None:
                span = slice(row * width, (row + 1) * width)
                members[span] = [_absent(member, reason) for member in members[span]]
        return pool_scores(self.name, self.rho, tuple(members), late_ms=0, freshness=1.0)

    def _without(self, member: MemberScore, i: int, peeked: frozenset[int]) -> MemberScore:
        """Give a member that could not be ranked, with the reason why."""
        row, line = divmod(i, len(self.table))
        ranks = tuple(self._series.values())[row].ranks
        seen, sizes = ranks.seen, ranks.sizes
        if row in peeked:
            seen, sizes = seen + 1, ranks.peek_sizes
        known = None if member.x is None or isnan(member.x) else member.x
        reason, have, need = Reason.TOO_FEW, None, None
        if seen < self._settings.minimum:
            reason, have, need = Reason.WARMING_UP, seen, self._settings.minimum
        elif known is not None:
            have, need = int(sizes[line]), self._settings.minimum_sizes
        return member._replace(x=known, score=None, z=None, reason=reason, have=have, need=need)

    def _dated(
        self, result: ComponentScore | Absent, late: Sequence[int]
    ) -> ComponentScore | Absent:
        """Say by how much the present timeframes are overdue."""
        if isinstance(result, Absent) or not any(late):
            return result
        width = len(self.table)
        overdue = [
            (late[i], series.due.freshness(late[i]))
            for i, series in enumerate(self._series.values())
            if any(each.score is not None for each in result.members[i * width : (i + 1) * width])
        ]
        return replace(
            result,
            late_ms=max(late for late, _ in overdue),
            freshness=min(freshness for _, freshness in overdue),
        )


def _absent(member: MemberScore, reason: Reason) -> MemberScore:
    """Give a member without a number, whatever it would have been."""
    return member._replace(x=None, score=None, z=None, reason=reason, have=None, need=None)
