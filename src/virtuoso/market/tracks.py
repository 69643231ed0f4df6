"""What one market did minute by minute: net taker volume and open interest, for a chart."""

from collections import deque
from typing import Final, NamedTuple

from virtuoso.domain.time import MINUTE, Millis
from virtuoso.market.trades import TradeFlow

MINUTES_TRACKED: Final = 360


class TrackedMinute(NamedTuple):
    """One minute that is over."""

    at: Millis
    """Venue time at which it ended."""
    flow: float | None
    """Taker buys less sells in base currency; None where trades were not received throughout."""
    open_interest: float | None
    """Contracts in base currency at its end; None while unknown."""


class Tracks:
    """The last MINUTES_TRACKED minutes, oldest first."""

    def __init__(self) -> None:
        self.minutes: deque[TrackedMinute] = deque(maxlen=MINUTES_TRACKED)

    def minute(
        self, at: Millis, now: Millis, trades: TradeFlow, open_interest: float | None
    ) -> None:
        """Note the minute that ends with grid second `at` of our clock, `now` on the venue's."""
        since = trades.trades_since
        sums = trades.windows[MINUTE // 1_000]
        whole = since is not None and at - since >= MINUTE
        flow = sums.flow + sums.large_flow if whole else None
        self.minutes.append(TrackedMinute(now, flow, open_interest))
