"""Whether all trades of a minute came: their volume beside that of its candle."""

from collections import deque

from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import SECOND, Millis
from virtuoso.market.trades import TradeFlow

TOLERANCE = 0.005
"""By so much of a candle's volume its trades may differ from it."""
CHECK_AFTER_MS = 3 * SECOND
CHECKS_KEPT = 10
WAITING = 3
"""Minutes that wait for their check, at most."""


class VolumeCheck:
    """Holds each closed minute of one market against the trades that came in it."""

    def __init__(self, trades: TradeFlow) -> None:
        """`trades`: the flow that begins anew where some are missing."""
        self._trades = trades
        self._waiting: deque[Candle] = deque(maxlen=WAITING)
        self._differed: deque[bool] = deque(maxlen=CHECKS_KEPT)

    def note(self, minute: Candle) -> None:
        """Take a closed minute, to be checked once its last trades must be here."""
        self._waiting.append(minute)

    def trades_are_missing(self, at: Millis, now: Millis) -> bool:
        """Compare the trades of the last closed minute with its candle, once both must be here.

        `at` is the second by our clock, `now` the venue's. When they differ the order flow of that
        minute is not known, and starts again. Where they differ most of the time, venue and we
        count differently: then nothing follows from it.
        """
        if not self._waiting or now < self._waiting[0].close_time + CHECK_AFTER_MS:
            return False
        minute = self._waiting.popleft()
        since = self._trades.trades_since
        if since is None or since + (now - at) + SECOND > minute.open_time:
            return False
        market, others = self._trades.minute_volume(minute.open_time)
        allowed = TOLERANCE * minute.volume
        differs = all(abs(found - minute.volume) > allowed for found in (market, market + others))
        self._differed.append(differs)
        if not differs or 2 * sum(self._differed) > CHECKS_KEPT:
            return False
        self._trades.reset_trades()
        return True
