"""A component of which every member is computed from closed candles, on several timeframes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan
from types import MappingProxyType
from typing import ClassVar, Final

import numpy as np

from virtuoso.components.base.component import Due, Member, due_candle, pool_scores
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

    timeframes: Mapping[Timeframe, float] = EQUAL_TIMEFRAMES
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


@dataclass(frozen=True, slots=True)
class _Condition:
    """Whether the candles of a timeframe may be scored now."""

    reason: Reason | None
    late_ms: int = 0
    freshness: float = 1.0


class _Series:
    """What is carried for one timeframe: indicator state, distributions, the newest values."""

    def __init__(
        self, timeframe: Timeframe, lines: Sequence[Member], state: Floats, ranks: TrailingRanks
    ) -> None:
        self.timeframe = timeframe
        self.due: Due = due_candle(timeframe)
        self.lines = tuple((line.name, line.family, line.weight) for line in lines)
        self.state = state
        self.ranks = ranks
        self.last_close: Millis | None = None
        self.x = self.scores = np.full(len(lines), np.nan)
        self.sizes: list[int] = []
        self.members: tuple[MemberScore, ...] = ()
        self.reason: Reason | None = None
        """Why the whole timeframe was absent when `members` were made."""
        self.present = False
        self.changed = True
        """Something was carried on since `members` were made."""

    def condition(self, at: Millis, *, gap: bool) -> _Condition:
        """Judge the newest candle's age at `at`."""
        if self.last_close is None:
            return _Condition(Reason.GAP if gap else Reason.NO_FEED)
        late = max(0, at - (self.last_close + self.timeframe.ms + DELIVERY_MS))
        if gap:
            return _Condition(Reason.GAP, late)
        stale = late >= self.due.stale_after_ms
        return _Condition(Reason.STALE if stale else None, late, self.due.freshness(late))

    def absent(self, reason: Reason) -> tuple[MemberScore, ...]:
        """Give every member without a number, for a reason they share."""
        return tuple(
            MemberScore(name, family, weight, None, None, None, self.last_close, reason)
            for name, family, weight in self.lines
        )

    def scored(
        self, x: Floats, scores: Floats, z: Floats, sizes: Sequence[int], seen: int
    ) -> tuple[MemberScore, ...]:
        """Give every member with its number, or with its own reason why there is none."""
        as_of, ranks = self.last_close, self.ranks
        members = []
        for (name, family, weight), value, score, normal, size in zip(
            self.lines, x.tolist(), scores.tolist(), z.tolist(), sizes, strict=True
        ):
            if not isnan(score):
                members.append(MemberScore(name, family, weight, value, score, normal, as_of, None))
                continue
            reason, have, need = Reason.TOO_FEW, None, None
            if seen < ranks.minimum:
                reason, have, need = Reason.WARMING_UP, seen, ranks.minimum
            elif not isnan(value):
                have, need = size, ranks.minimum_sizes
            known = None if isnan(value) else value
            members.append(
                MemberScore(name, family, weight, known, None, None, as_of, reason, have, need)
            )
        return tuple(members)


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
        self._result: ComponentScore | Absent | None = None

    def new_state(self) -> Floats:
        """Give the state of the kernel before the first candle."""
        raise NotImplementedError

    def compute(self, bars: Bars, state: Floats, out: Floats) -> None:
        """Write x of every member (rows) for every candle (columns), carrying `state` on."""
        raise NotImplementedError

    def _new(self, timeframe: Timeframe) -> _Series:
        settings = self._settings
        share = settings.timeframes[timeframe]
        lines = [
            Member(f"{line.name}@{timeframe}", line.family, line.weight * share)
            for line in self.table
        ]
        ranks = TrailingRanks(
            len(lines),
            settings.window,
            RankKind.SIZES,
            settings.minimum,
            settings.minimum_sizes,
        )
        return _Series(timeframe, lines, self.new_state(), ranks)

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take closed candles, oldest first: one when live, a thousand at warm-up."""
        series = self._series.get(timeframe)
        if series is None or not len(bars):
            return
        x = np.empty((len(self.table), len(bars)))
        self.compute(bars, series.state, x)
        scores = series.ranks.push(x)
        series.x, series.scores = x[:, -1].copy(), scores[:, -1].copy()
        series.sizes = series.ranks.sizes.tolist()
        series.last_close = Millis(int(bars.close_time[-1]))
        series.changed = True

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        if timeframe in self._series:
            self._series[timeframe] = self._new(timeframe)

    def second(self, at: Millis, market: Market) -> None:
        """Nothing to do: candles close, they do not tick."""

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of the closed candles; cheap when none closed since the last call."""
        conditions = self._conditions(at, market)
        changed = [
            (series, condition.reason)
            for series, condition in zip(self._series.values(), conditions, strict=True)
            if series.changed or series.reason is not condition.reason
        ]
        if self._result is None or changed:
            self._renew(changed)
            members = tuple(each for series in self._series.values() for each in series.members)
            self._result = pool_scores(self.name, self.rho, members, late_ms=0, freshness=1.0)
        return self._dated(self._result, conditions)

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score as if every forming candle closed now; stores nothing."""
        self.score(at, market)
        forming = {}
        for series in self._series.values():
            candle = market.candles.forming(series.timeframe)
            fresh = series.reason is None and candle is not None
            if fresh and candle is not None and candle.open_time == series.last_close:
                forming[series.timeframe] = candle
        bars = bars_of(list(forming.values()))
        members: list[MemberScore] = []
        at_bar = 0
        for series in self._series.values():
            if series.timeframe in forming:
                members += self._peek(series, bars.between(at_bar, at_bar + 1))
                at_bar += 1
            else:
                members += series.members
        result = pool_scores(self.name, self.rho, tuple(members), late_ms=0, freshness=1.0)
        return self._dated(result, self._conditions(at, market))

    def _conditions(self, at: Millis, market: Market) -> list[_Condition]:
        candles = market.candles
        return [
            series.condition(at, gap=candles[series.timeframe].gap)
            for series in self._series.values()
        ]

    def _renew(self, changed: Sequence[tuple[_Series, Reason | None]]) -> None:
        """Make the member scores of the timeframes that changed anew."""
        for series, reason in changed:
            if reason is None:
                z = np.empty_like(series.scores)
                normal_scores(series.scores, z)
                seen = series.ranks.seen
                series.members = series.scored(series.x, series.scores, z, series.sizes, seen)
                series.present = not np.isnan(series.scores).all()
            else:
                series.members = series.absent(reason)
                series.present = False
            series.reason = reason
            series.changed = False

    def _peek(self, series: _Series, bars: Bars) -> tuple[MemberScore, ...]:
        """Score one more candle with copies of what is carried."""
        x = np.empty((len(self.table), 1))
        self.compute(bars, series.state.copy(), x)
        scores = series.ranks.peek(x)[:, 0].copy()
        z = np.empty_like(scores)
        normal_scores(scores, z)
        sizes = series.ranks.sizes.tolist()
        return series.scored(x[:, 0], scores, z, sizes, series.ranks.seen + 1)

    def _dated(
        self, result: ComponentScore | Absent, conditions: Sequence[_Condition]
    ) -> ComponentScore | Absent:
        """Say by how much the present timeframes are overdue."""
        if isinstance(result, Absent):
            return result
        present = [
            condition
            for series, condition in zip(self._series.values(), conditions, strict=True)
            if series.present
        ]
        late = max((each.late_ms for each in present), default=0)
        if late == 0:
            return result
        freshness = min(each.freshness for each in present)
        return replace(result, late_ms=late, freshness=freshness)
