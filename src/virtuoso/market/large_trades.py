"""Large trades: taker orders that are rare for their own symbol, and large by themselves.

An order is large when its notional is above the 99.9th percentile of the symbol's orders of the
last day (`TradeFlow` counts them) and at least an absolute floor.
"""

from collections import deque
from typing import Final

from virtuoso.domain.market_data import Side
from virtuoso.domain.time import MINUTE, Millis

PER_MILLE: Final = 999
ORDERS_NEEDED: Final = 5_000
"""Orders of the last day before it is known which are rare: five of them are, at least."""
FLOOR: Final = 100_000.0
"""Quote currency."""
FLOW_MS: Final = 5 * MINUTE
KEPT: Final = 2_000
"""Large trades of five minutes; of more the oldest are forgotten."""


class LargeTrades:
    """The large trades of the last five minutes, and the largest order of the last minute."""

    def __init__(self) -> None:
        self.limit: float | None = None
        """Notional above which an order is rare for its symbol; None while too few are known."""
        self._large: deque[tuple[Millis, Side, float]] = deque(maxlen=KEPT)
        self._largest: deque[tuple[Millis, float]] = deque()
        """(second, largest notional), each larger than those behind it: sixty at most."""
        self._at: Millis = Millis(0)

    def take(self, at: Millis, side: Side, notional: float) -> None:
        """Take one whole taker order of grid second `at`."""
        while self._largest and self._largest[-1][1] <= notional:
            self._largest.pop()
        if not self._largest or self._largest[-1][0] != at:
            self._largest.append((at, notional))
        if self.limit is not None and notional > self.limit:
            self._large.append((at, side, notional))

    def second(self, at: Millis, limit: float | None) -> None:
        """Forget what is too old at grid second `at`; `limit` holds from now on."""
        self.limit = limit
        self._at = at
        while self._largest and self._largest[0][0] <= at - MINUTE:
            self._largest.popleft()
        while self._large and self._large[0][0] <= at - FLOW_MS:
            self._large.popleft()

    def forget(self) -> None:
        """Know nothing of the last minutes, because something of them is missing."""
        self._large.clear()
        self._largest.clear()

    @property
    def largest(self) -> float:
        """The largest order of the last minute, quote currency; 0 without any."""
        return self._largest[0][1] if self._largest else 0.0

    def summed(self, side: Side, floor: float = FLOOR) -> float | None:
        """Sum of one side's large trades of five minutes; None while none can be told large."""
        if self.limit is None:
            return None
        return sum(
            notional for _, each, notional in self._large if each is side and notional >= floor
        )

    def sides(self, floor: float = FLOOR) -> frozenset[Side] | None:
        """Who traded large in the last minute; None while none can be told large."""
        if self.limit is None:
            return None
        since = self._at - MINUTE
        return frozenset(side for at, side, size in self._large if at > since and size >= floor)
