"""The middle of the book and what takers did, second by second, over five minutes."""

from math import isnan, log
from typing import Final

import numpy as np

from virtuoso.domain.time import SECOND, Millis
from virtuoso.indicators.least_squares import move_per_order
from virtuoso.market.market import Market

SECONDS: Final = 300
_MILLION: Final = 1e6


class Tape:
    """Two rings of grid seconds; a second in which one is not known is a hole, and stays one."""

    def __init__(self) -> None:
        self._mids = np.full(SECONDS + 1, np.nan)
        self._orders = np.full(SECONDS + 1, np.nan)
        """Signed notional of the takers, million quote."""
        self._newest = 0
        self._at: Millis | None = None

    def second(self, at: Millis, market: Market) -> None:
        """Take one grid second: everything received at or before `at` is in `market`."""
        if self._at is not None and at - self._at != SECOND:
            self._mids.fill(np.nan)
        self._at = at
        best = market.book.best() if market.book.synced else None
        mid = order = np.nan
        if best is not None and best.bid < best.ask:
            mid = (best.bid + best.ask) / 2.0
            if market.trades.trades_since is not None:
                flow = market.trades.windows[1]
                order = (flow.flow + flow.large_flow) * mid / _MILLION
        self._newest = newest = self._newest + 1 if self._newest < SECONDS else 0
        self._mids[newest] = mid
        self._orders[newest] = order

    def impact(self) -> float | None:
        """Slope of the 1 s moves of the mid on the takers' notional, bp per million quote."""
        found = move_per_order(self._mids, self._orders, self._newest)
        return None if isnan(found) else found

    def change(self) -> float | None:
        """Log return of the mid over the whole tape."""
        oldest = self._newest + 1 if self._newest < SECONDS else 0
        now, before = self._mids[self._newest], self._mids[oldest]
        return None if isnan(now) or isnan(before) else log(now / before)
