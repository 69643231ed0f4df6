"""A component of which every member is computed from closed candles, on several timeframes."""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import ClassVar, Final, Self, TypeAlias

import numpy as np

from virtuoso.components.base.candle_members import members_of
from virtuoso.components.base.candle_sheet import (
    DELIVERY_MS,
    Advance,
    CandleSheets,
    Newest,
    Place,
    Ranking,
    Ranks,
    Telling,
)
from virtuoso.components.base.component import Member, component_of, due_candle
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    Lazy,
    Reason,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.pool import POOL, PRESENT, pool_rows
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import COMPARED, SEEN, SIZE
from virtuoso.market.candles import Bars, Closing, closing_of
from virtuoso.market.market import Market

FIRST: Final = np.zeros(1, dtype=np.int64)
"""The first row, or the first place."""
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

    @property
    def ranking(self) -> Ranking:
        """How members are ranked, whatever they weigh."""
        return Ranking(self.window, self.minimum, self.minimum_sizes)

    def __post_init__(self) -> None:
        total = sum(self.timeframes.values())
        if abs(total - 1.0) > 1e-9 or any(share < 0.0 for share in self.timeframes.values()):
            msg = f"expected timeframe shares of 0 or more that sum to 1, found sum {total:g}"
            raise SettingsError(msg)


def place_of(sheets: CandleSheets, settings: CandleSettings) -> Place:
    """Give a market that is scored by these settings a place."""
    return sheets.place(tuple(settings.timeframes), settings.ranking)


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


_Pooled: TypeAlias = tuple[ComponentScore | Absent, Sequence[float]]
"""A pooled component, and how many members of each timeframe are in it."""


class CandleComponent:
    """Carries states and trailing distributions, a row per timeframe, in its place on a sheet.

    A subclass gives its name, rho and table, the state that its kernel carries, and the kernel,
    which writes one row of x per line of the table.
    """

    name: ClassVar[ComponentName]
    rho: ClassVar[float]
    table: ClassVar[Sequence[Member]]

    def __init__(self, settings: CandleSettings | None = None, place: Place | None = None) -> None:
        """`place`: of its market, for these settings; without it, it is computed alone."""
        self._settings = settings or CandleSettings()
        self._all_weigh = all(self._settings.timeframes.values())
        self._series = {
            timeframe: _Series(timeframe, row)
            for row, timeframe in enumerate(self._settings.timeframes)
        }
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in self._settings.timeframes.items()
            for line in self.table
        )
        self._ranking = self._settings.ranking
        # the place itself too, because it is given back with the last that has it
        self._place = place or place_of(CandleSheets(places=1), self._settings)
        self._sheet, self._number = self._place.sheet, self._place.number
        self._block = block = self._sheet.block(
            self.name, self.kernel(), self.new_state(), len(self.table), self.rho
        )
        for row in range(len(self._series)):
            block.forget(self._number, row)
        rows = block.rows_of(self._number)
        own = slice(rows.start, rows.stop)
        self._states, self._latest = block.states[own], block.latest[:, own]
        self._ranks = block.ranks.between(rows.start, rows.stop)
        self._weights = block.weights[self._number]
        self._weights[:] = self._line_weights()
        self._newest: Newest | None = None
        """None when a candle closed since."""
        self._on_time: Sequence[Reason | None] = [None] * len(self._series)
        self._not_late = [0] * len(self._series)
        self._reasons: Sequence[Reason | None] = []
        self._result: _Pooled | None = None
        """With `_reasons`, of the newest candles; None when a candle closed since."""

    def reweigh(self, timeframes: Mapping[Timeframe, float]) -> None:
        """Weigh the timeframes anew, which are those there are; nothing carried changes."""
        shares = {timeframe: timeframes[timeframe] for timeframe in self._series}
        self._settings = replace(self._settings, timeframes=shares)
        self._all_weigh = all(shares.values())
        self._lines = tuple(
            (f"{line.name}@{timeframe}", line.family, line.weight * share)
            for timeframe, share in shares.items()
            for line in self.table
        )
        newest = self._read()
        self._weights[:] = self._line_weights()
        self._newest = self._pooled_anew(newest, newest.own)
        self._result = None

    def reweighed(self, timeframes: Mapping[Timeframe, float]) -> Self:
        """Give one of other weights beside this one, to be asked for its score of now only."""
        other = copy(self)
        other._weights = self._weights.copy()  # noqa: SLF001 - it is one of us
        other.reweigh(timeframes)
        return other

    @classmethod
    def new_state(cls) -> Floats:
        """Give the state of the kernel before the first candle."""
        raise NotImplementedError

    @classmethod
    def kernel(cls) -> Advance:
        """Give what computes and ranks the members."""
        raise NotImplementedError

    def _line_weights(self) -> Floats:
        """Give the weight of each member of each timeframe."""
        return np.array([weight for _, _, weight in self._lines]).reshape(len(self._series), -1)

    def compile_kernels(self) -> None:
        """Compute two candles of nothing, so that set-up can fill numba's cache on disk."""
        self.history(Bars(np.zeros((5, 2)), np.zeros(2, dtype=np.int64)))

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take a timeframe's closed candles, oldest first, however many."""
        series = self._series.get(timeframe)
        if series is None or not len(bars):
            return
        self._sheet.settle()
        row = series.row
        own = slice(row, row + 1)
        results = self._take(bars.table, self._states[own], self._ranks.between(row, row + 1))
        self._latest[:, own] = results[..., -1:]
        self._block.amend(self._number, row, Millis(int(bars.close_time[-1])))
        self._newest = self._result = None

    def close_all(self, closing: Closing) -> None:
        """Take one closed candle each of several timeframes: the bits of `close`, when read."""
        self._sheet.note(self._number, closing)
        self._newest = self._result = None

    def history(self, bars: Bars) -> tuple[Floats, Floats]:
        """Give x and score of every member (rows) for every candle (columns); stores nothing."""
        ranks = Ranks.new(1, len(self.table), self._ranking.window)
        x, scores = self._take(bars.table, self.new_state()[np.newaxis], ranks)
        return x[0], scores[0]

    def _take(self, table: Floats, states: Floats, ranks: Ranks) -> Floats:
        """Carry one row of states and ranks on; results of shape (2, 1, members, candles)."""
        results = np.empty((2, 1, len(self.table), table.shape[1]))
        self._block.run(FIRST, table[np.newaxis], states, ranks, results)
        return results

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        series = self._series.get(timeframe)
        if series is None:
            return
        self._sheet.settle()
        self._block.forget(self._number, series.row)
        self._newest = self._result = None

    def second(self, at: Millis, market: Market) -> None:
        """Nothing to do: candles close, they do not tick."""

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of the closed candles; cheap when none closed since the last call."""
        newest = self._newest or self._read()
        reasons, late = self._judge(at, newest, market)
        result = self._result
        if result is None or reasons != self._reasons:
            result = self._result = self._pool(newest, reasons)
            self._reasons = reasons
        return result[0] if late is self._not_late else self._dated(result, late)

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score as if every forming candle closed now; stores nothing."""
        newest = self._newest or self._read()
        reasons, late = self._judge(at, newest, market)
        forming = [
            (row, candle)
            for row, (timeframe, close) in enumerate(zip(self._series, newest.closes, strict=True))
            if reasons[row] is None
            and (candle := market.candles.forming.get(timeframe)) is not None
            and candle.open_time == close
        ]
        if not forming:
            return self._dated(self._pool(newest, reasons), late)
        rows = [row for row, _ in forming]
        bars = np.array(closing_of([candle for _, candle in forming]).numbers).reshape(-1, 5, 1)
        telling = Telling(FIRST, np.empty((1, self._block.told_size)), self._weights[np.newaxis])
        latest, states = self._latest.copy(), self._states.copy()
        self._block.run(np.array(rows), bars, states, self._ranks, latest, telling, keep=False)
        pool = telling.told[0, : len(newest.pool)].tolist()
        peeked = newest._replace(pool=pool, told=telling.told, number=0)
        return self._dated(self._pool(peeked, reasons, rows), late)

    def _read(self) -> Newest:
        """Give what the closed candles made, computed now unless it is already."""
        newest = self._newest
        if newest is None:
            self._sheet.settle()
            newest = self._newest = self._block.newest[self._number]
        return newest

    def _pooled_anew(self, newest: Newest, numbers: Floats) -> Newest:
        """Give `newest` with other x and scores, of shape (2, timeframes, members)."""
        pool = np.empty(len(newest.pool))
        pool_rows(numbers[1], self._weights, self.rho, pool)
        told = np.concatenate((pool, numbers.ravel()))[np.newaxis]
        return newest._replace(pool=pool.tolist(), told=told, number=0)

    def _judge(
        self, at: Millis, newest: Newest, market: Market
    ) -> tuple[Sequence[Reason | None], Sequence[int]]:
        """Give the reason against each timeframe, or `_on_time`, and by how much it is late."""
        if at <= newest.age.due and not market.candles.has_gap:
            return self._on_time, self._not_late
        judged = [
            series.judge(at, last, market)
            for series, last in zip(self._series.values(), newest.closes, strict=True)
        ]
        return [reason for reason, _ in judged], [late for _, late in judged]

    def _pool(
        self, newest: Newest, reasons: Sequence[Reason | None], peeked: Sequence[int] = ()
    ) -> _Pooled:
        """Pool the members of all timeframes; the members themselves are made when read.

        reasons: why a whole timeframe is absent, which `newest` does not know yet. peeked: the rows
        that are of forming candles.
        """
        if reasons is not self._on_time:
            newest = self._without(newest, reasons)
        closes, pool = newest.closes, newest.pool
        present = pool[POOL:]
        counts: Sequence[tuple[int, Sequence[int]]] = ()
        is_whole = pool[PRESENT] == len(self._lines)
        if not is_whole:
            counts = self._counts(peeked)
        if is_whole and self._all_weigh:
            as_of = newest.age.oldest
        else:
            weighed = zip(closes, self._weighed(present), strict=True)
            as_of = min([at for at, n in weighed if n and at is not None], default=None)
        members = partial(members_of, self._lines, self._ranking, newest, reasons, counts)
        result = component_of(
            self.name, pool[:PRESENT], as_of, Lazy(members), late_ms=0, freshness=1.0
        )
        return result, present

    def _weighed(self, present: Sequence[float]) -> Sequence[float]:
        """Give how many members of each timeframe are needed: none of one that weighs nothing."""
        shares = self._settings.timeframes.values()
        return [n if share else 0.0 for n, share in zip(present, shares, strict=True)]

    def _without(self, newest: Newest, reasons: Sequence[Reason | None]) -> Newest:
        """Leave out the timeframes that there is a reason against."""
        numbers = newest.own.copy()
        for row, reason in enumerate(reasons):
            if reason is not None:
                numbers[:, row] = np.nan
        return self._pooled_anew(newest, numbers)

    def _counts(self, peeked: Sequence[int]) -> Sequence[tuple[int, Sequence[int]]]:
        """Give per timeframe how many values were seen, and the sizes they were ranked among."""
        counts = self._ranks.counts
        seen = counts[:, 0, SEEN].astype(np.int64)
        sizes = counts[:, :, COMPARED].astype(np.int64)
        for row in peeked:
            seen[row] += 1
            sizes[row] = counts[row, :, SIZE]
        return list(zip(seen.tolist(), sizes.tolist(), strict=True))

    def _dated(self, pooled: _Pooled, late: Sequence[int]) -> ComponentScore | Absent:
        """Say by how much the present timeframes are overdue."""
        result, present = pooled
        if not any(late) or isinstance(result, Absent):
            return result
        needed = self._weighed(present)
        overdue = [
            (late[i], series.due.freshness(late[i]))
            for i, series in enumerate(self._series.values())
            if needed[i]
        ]
        return result._replace(
            late_ms=max(late for late, _ in overdue),
            freshness=min(freshness for _, freshness in overdue),
        )
