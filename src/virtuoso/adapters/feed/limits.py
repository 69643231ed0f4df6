"""What may be asked of a venue's REST side: one budget per venue and process, and its stops."""

from collections.abc import Mapping
from typing import Final

from aiolimiter import AsyncLimiter

from virtuoso.domain.errors import RateLimitedError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.ports import Clock

BAN_MS: Final = 10 * MINUTE
"""How long a venue that shut us out is left alone, if it does not say."""

_RATES: Final[Mapping[Venue, tuple[float, float]]] = {
    BYBIT: (360, 5),  # requests in seconds: 60 % of 600 in 5 s
    BINANCE: (1_440, 60),  # weight in seconds: 60 % of 2,400 a minute
}


class RequestBudget:
    """Spreads requests to one venue over time, and holds all of them back after a ban."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self._venue = venue
        self._clock = clock
        amount, seconds = _RATES[venue]
        self._limiter = AsyncLimiter(amount, seconds)
        self._resume_at = 0

    async def spend(self, weight: float = 1.0) -> None:
        """Wait for a turn. Raises RateLimitedError while the venue wants to be left alone."""
        self._refuse_while_paused()
        await self._limiter.acquire(weight)
        self._refuse_while_paused()

    def pause(self, length_ms: int) -> None:
        """Ask nothing for so long."""
        self._resume_at = max(self._resume_at, self._clock.monotonic_ms() + length_ms)

    @property
    def paused_until(self) -> Millis | None:
        """Wall time at which asking is allowed again; None while it is allowed."""
        left = self._resume_at - self._clock.monotonic_ms()
        return Millis(self._clock.now() + left) if left > 0 else None

    def _refuse_while_paused(self) -> None:
        left = self._resume_at - self._clock.monotonic_ms()
        if left > 0:
            msg = f"{self._venue} wants to be left alone for another {left // SECOND + 1} s"
            raise RateLimitedError(msg)


def pause_of(status: int, retry_after: str | None) -> int | None:
    """How long to pause after an HTTP status, in ms; None: no need to."""
    try:
        told = int(retry_after or "") * SECOND
    except ValueError:
        told = 0
    if status in {403, 418}:
        return max(told, BAN_MS)
    if status == 429:
        return told or 10 * SECOND
    return None
