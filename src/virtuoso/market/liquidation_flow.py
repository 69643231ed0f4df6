"""Liquidations of the last minutes by side, which of them are large, and when they cascade.

A liquidation is large when it is above the 99th percentile of the symbol's liquidations of the last
day and at least an absolute floor. A cascade is a minute with at least five liquidations of one
side whose sum is above the 95th percentile of the symbol's minutes with any, and above the floor.
Of a venue that tells only some of them these are floors: the true numbers may be larger.
"""

from collections import deque
from typing import Final, NamedTuple

from virtuoso.domain.market_data import PositionSide
from virtuoso.domain.time import MINUTE, Millis
from virtuoso.market.recent_sizes import RecentSizes

FLOOR: Final = 50_000.0
"""Quote currency."""
SINGLES_NEEDED: Final = 200
SINGLE_PERCENT: Final = 99
MINUTES_NEEDED: Final = 50
"""Minutes with liquidations of one side, of the last day, before a cascade can be told."""
MINUTE_PERCENT: Final = 95
CASCADE_COUNT: Final = 5
FLOW_MS: Final = 5 * MINUTE
KEPT: Final = 5_000
"""Liquidations of five minutes; of more the oldest are forgotten."""


class _One(NamedTuple):
    at: Millis
    side: PositionSide
    notional: float
    is_rare: bool


class LiquidationFlow:
    """What was liquidated in the last five minutes; `side` is that of the position."""

    def __init__(self) -> None:
        self._recent: deque[_One] = deque(maxlen=KEPT)
        self._singles = RecentSizes()
        self._minutes = RecentSizes()
        self._minute = 0
        self._sums: dict[PositionSide, float] = {}
        """Of the calendar minute that runs."""
        self._at = Millis(0)

    def take(self, at: Millis, side: PositionSide, notional: float) -> None:
        """Take one liquidation, received at `at`; notional in quote currency."""
        limit = self.limit
        is_rare = limit is not None and notional > limit
        self._recent.append(_One(at, side, notional, is_rare))
        self._singles.take(notional)
        self._sums[side] = self._sums.get(side, 0.0) + notional

    def second(self, at: Millis) -> None:
        """Forget what is too old at grid second `at`."""
        self._at = at
        if at // MINUTE != self._minute:
            self._minute = at // MINUTE
            for total in self._sums.values():
                self._minutes.take(total)
            self._sums.clear()
        self._singles.second(at)
        self._minutes.second(at)
        while self._recent and self._recent[0].at <= at - FLOW_MS:
            self._recent.popleft()

    def forget(self) -> None:
        """Know nothing of the last minutes, because something of them is missing."""
        self._recent.clear()
        self._sums.clear()

    def summed(self, side: PositionSide) -> float:
        """Sum of one side, five minutes, quote currency."""
        return sum(each.notional for each in self._recent if each.side is side)

    @property
    def largest(self) -> float:
        """The largest one of the last minute, quote currency; 0 without any."""
        return max((each.notional for each in self._last_minute()), default=0.0)

    @property
    def limit(self) -> float | None:
        """Notional above which one is rare for its symbol; None while too few are known."""
        return self._singles.limit(SINGLE_PERCENT, SINGLES_NEEDED)

    def large_sides(self, floor: float = FLOOR) -> frozenset[PositionSide] | None:
        """Of which positions a large one was liquidated in the last minute; None: too few known."""
        if self.limit is None:
            return None
        return frozenset(
            each.side for each in self._last_minute() if each.is_rare and each.notional >= floor
        )

    def cascades(self, floor: float = FLOOR) -> frozenset[PositionSide] | None:
        """Which positions are being liquidated one after the other; None: too few known."""
        limit = self._minutes.limit(MINUTE_PERCENT, MINUTES_NEEDED)
        if limit is None:
            return None
        found = set()
        for side in PositionSide:
            of_side = [each.notional for each in self._last_minute() if each.side is side]
            if len(of_side) >= CASCADE_COUNT and sum(of_side) > max(limit, floor):
                found.add(side)
        return frozenset(found)

    def _last_minute(self) -> list[_One]:
        since = self._at - MINUTE
        return [each for each in self._recent if each.at > since]
