"""What may be asked of a venue's REST side: one budget per venue and address, and its stops."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from virtuoso.adapters.feed.bans import LONGEST_BAN_MS, Ban, BanFile
from virtuoso.adapters.feed.breaker import Breaker, BreakerState
from virtuoso.adapters.feed.line import Line, Priority
from virtuoso.domain.errors import RateLimitedError, VenueRefusedError, VenueUnavailableError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

__all__ = ["BAN_MS", "BudgetStatus", "Budgets", "Pool", "Priority", "RequestBudget"]

BAN_MS: Final = 10 * MINUTE
"""How long a venue that shut us out is left alone at least."""

_USUAL_HOLD_MS: Final = 10 * SECOND
"""After a 429 that does not say how long."""
_SMALLEST_SHARE: Final = 1 / 8
_RECOVERY_MS: Final = MINUTE
"""Without another complaint for so long, an eighth of the budget comes back."""

_RATES: Final[Mapping[Venue, tuple[float, float]]] = {
    BYBIT: (360, 5),  # requests in seconds: 60 % of 600 in 5 s
    BINANCE: (1_440, 60),  # weight in seconds: 60 % of 2,400 a minute
}


class Pool:
    """Names of limits that some paths have beside the venue's own: they count requests."""

    FUTURES_DATA: Final = "futures_data"
    FUNDING: Final = "funding"


_POOLS: Final[Mapping[Venue, Mapping[str, tuple[float, float]]]] = {
    BINANCE: {
        Pool.FUTURES_DATA: (600, 300),  # 60 % of 1,000 in 5 minutes
        Pool.FUNDING: (300, 300),  # 60 % of 500 in 5 minutes
    }
}
_BANS: Final = frozenset({403, 418})
_RETURN_CODE: Final = re.compile(r'^\s*\{\s*"(?:retCode|ret_code|code)"\s*:\s*"?(-?\d{1,9})')
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})")
_TOO_FAST: Final = frozenset({10_006, 10_018, 10_429, -1_003, -1_015})
_NOT_ALLOWED: Final = frozenset({10_002, 10_003, 10_004, -1_021, -1_022, -2_014})
_SERVER_SIDE: Final = frozenset({10_000, 10_016, 10_019, -1_000, -1_001, -1_007, -1_008, -1_016})
"""Codes with which a venue says that the fault is its own."""


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What an operator wants to know of one venue's REST side."""

    venue: Venue
    address: str
    """Empty: the usual one."""
    used: float
    """Weight in the window that ends now."""
    amount: float
    """The most that a window may hold."""
    window_seconds: float
    share: float
    """Of the amount; below 1 after the venue asked us to slow down."""
    waiting: int
    banned_until: Millis | None
    """Wall time."""
    ban_reason: str
    ban_kept: bool
    """Whether the ban outlives this process."""
    breaker: BreakerState
    failures: int
    """In a row."""
    last_error: str
    last_error_at: Millis | None


class RequestBudget:
    """Spreads requests to one venue over time, slows down when told to, and stops at a ban.

    Waits and pauses run on the monotonic clock; only the kept end of a ban is wall time.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        rate: tuple[float, float] | None = None,
        *,
        address: str = "",
        bans: BanFile | None = None,
    ) -> None:
        """`rate` is weight in seconds, for a venue that is not in our table.

        With `bans` a ban outlives the process: it is read here.
        """
        self.venue: Final = venue
        self._address = address
        self._bans = bans
        self.clock: Final = clock
        amount, self._window_seconds = rate or _RATES[venue]
        now = clock.monotonic_ms
        self._line = Line(venue, amount, self._window_seconds, now)
        self._pools = {
            name: Line(f"{venue} {name}", most, seconds, now)
            for name, (most, seconds) in _POOLS.get(venue, {}).items()
        }
        self._breaker = Breaker(now)
        self._answered = False
        self._slowed_at: int | None = None
        self._recovered_at = 0
        self._banned_ms = 0
        self._ban_reason = ""
        self._ban_kept = False
        self._last_error = ""
        self._last_error_at: Millis | None = None
        self._read_ban()

    async def spend(
        self,
        weight: float = 1.0,
        priority: Priority = Priority.BOOK,
        pool: str | None = None,
    ) -> None:
        """Wait for a turn.

        Raises RateLimitedError during a ban and when the wait gets too long, and
        VenueUnavailableError while the breaker is open.
        """
        self._refuse()
        self._recover()
        if pool in self._pools:
            await self._pools[pool].wait(1.0, priority)
        await self._line.wait(weight, priority)
        self._refuse()
        self._breaker.enter()

    def answered(self, status: int, headers: Mapping[str, str], body: str = "") -> None:
        """Heed what an answer says beside its data: bans, limits, and whether the venue is well.

        Raises RateLimitedError for too many requests, VenueUnavailableError where the venue is at
        fault or sends what is not JSON, VenueRefusedError where a key or a clock is wrong. Any
        other answer is the caller's to read.
        """
        told = _told_ms(headers.get("Retry-After"))
        self._count_theirs(headers)
        if status in _BANS:
            until = _BANNED_UNTIL.search(body[:500])
            if until is not None:
                told = max(told, int(until[1]) - self.clock.now())
            self.ban(max(told, BAN_MS), self._reason_of(status))
            raise self._ban_error(self._banned_ms - self.clock.monotonic_ms())
        found = _RETURN_CODE.match(body[:100])
        code = 0 if found is None else int(found[1])
        if status == 429 or code in _TOO_FAST:
            reason = f"code {code}" if code in _TOO_FAST else "status 429"
            self.slow_down(told or self._reset_ms(headers) or _USUAL_HOLD_MS, reason)
            msg = f"{self.venue} was asked too much: {reason}"
            raise RateLimitedError(msg)
        fault = ""
        if status >= 500:
            fault = f"status {status}"
        elif body and body.lstrip()[:1] not in {"{", "["}:
            fault = f"status {status} and, instead of JSON, {body.lstrip()[:40]!r}"
        elif code in _SERVER_SIDE:
            fault = f"code {code}: the venue says that the fault is its own"
        if fault:
            self.failed(fault)
            msg = f"{self.venue} is not well: {fault}"
            raise VenueUnavailableError(msg)
        self.succeeded()
        if code in _NOT_ALLOWED:
            msg = f"{self.venue} refuses the key, its signature or the time of it: code {code}"
            raise VenueRefusedError(msg)

    def succeeded(self) -> None:
        """A request was answered as it should be."""
        self._answered = True
        self._breaker.succeeded()

    def failed(self, reason: str) -> None:
        """A request was not answered, or not with what can be read."""
        self._note(reason)
        before = self._breaker.state
        self._breaker.failed()
        if self._breaker.state is BreakerState.OPEN and before is not BreakerState.OPEN:
            _log.warning("rest_paused", venue=self.venue, reason=reason)

    def slow_down(self, length_ms: int, reason: str) -> None:
        """Ask nothing for so long, and half as much for a while after that."""
        length_ms = min(length_ms, LONGEST_BAN_MS)
        self._note(f"too many requests: {reason}")
        self._recover()
        self._line.hold(length_ms)
        # one complaint a second: those that were under way together are one
        now = self.clock.monotonic_ms()
        if self._slowed_at is None or now - self._slowed_at > SECOND:
            self._line.share = max(self._line.share / 2, _SMALLEST_SHARE)
            self._slowed_at = self._recovered_at = now
            _log.warning(
                "rest_slowed",
                venue=self.venue,
                reason=reason,
                wait_ms=length_ms,
                share=self._line.share,
            )

    def ban(self, length_ms: int, reason: str) -> None:
        """Ask nothing for so long, also after a restart."""
        length_ms = min(length_ms, LONGEST_BAN_MS)
        end = self.clock.monotonic_ms() + length_ms
        self._note(reason)
        if end <= self._banned_ms:
            return
        self._banned_ms, self._ban_reason = end, reason
        now = self.clock.now()
        if self._bans is not None:
            self._ban_kept = self._bans.write(Ban(now, now + length_ms, reason))
        _log.error("rest_banned", venue=self.venue, reason=reason, seconds=length_ms // SECOND)
        self._line.refuse(self._ban_error(length_ms))

    @property
    def banned_until(self) -> Millis | None:
        """Wall time at which asking is allowed again; None while it is allowed."""
        left = self._banned_ms - self.clock.monotonic_ms()
        return Millis(self.clock.now() + left) if left > 0 else None

    @property
    def status(self) -> BudgetStatus:
        """All of it, for an operator."""
        self._recover()
        banned_until = self.banned_until
        return BudgetStatus(
            venue=self.venue,
            address=self._address,
            used=self._line.used,
            amount=self._line.amount,
            window_seconds=self._window_seconds,
            share=self._line.share,
            waiting=self._line.waiting + sum(each.waiting for each in self._pools.values()),
            banned_until=banned_until,
            ban_reason=self._ban_reason if banned_until is not None else "",
            ban_kept=banned_until is not None and self._ban_kept,
            breaker=self._breaker.state,
            failures=self._breaker.failures,
            last_error=self._last_error,
            last_error_at=self._last_error_at,
        )

    def _refuse(self) -> None:
        left = self._banned_ms - self.clock.monotonic_ms()
        if left > 0:
            raise self._ban_error(left)
        if self._ban_reason and self._bans is not None:
            self._bans.remove()
        self._ban_reason = ""
        wait = self._breaker.wait_ms
        if wait > 0:
            trying = self._breaker.state is BreakerState.HALF_OPEN
            until = (
                "until a request that tries it is back"
                if trying
                else f"for another {wait // SECOND + 1} s"
            )
            msg = (
                f"{self.venue} is not asked {until}, after "
                f"{self._breaker.failures} failures in a row, the last one: {self._last_error}"
            )
            raise VenueUnavailableError(msg)

    def _ban_error(self, left_ms: int) -> RateLimitedError:
        msg = (
            f"{self.venue} wants to be left alone for another {left_ms // SECOND + 1} s: "
            f"{self._ban_reason}"
        )
        return RateLimitedError(msg)

    def _reason_of(self, status: int) -> str:
        if status == 418:
            return "status 418, this address is banned for asking too much"
        if not self._answered:
            return (
                "status 403 to the first request of this process: the venue refuses addresses of "
                "some countries (Bybit the USA), or this address asked too much before"
            )
        return "status 403, this address asked too much"

    def _count_theirs(self, headers: Mapping[str, str]) -> None:
        """Count what the venue counts beyond what we know of: others share our address."""
        if self.venue == BINANCE:
            used = _whole(headers.get("X-MBX-USED-WEIGHT-1M"))
            if used is not None and used > self._line.used:
                self._line.add(used - self._line.used)
            return
        remaining = _whole(headers.get("X-Bapi-Limit-Status"))
        if remaining == 0:
            self._line.hold(self._reset_ms(headers))

    def _reset_ms(self, headers: Mapping[str, str]) -> int:
        """How long until Bybit's limit begins anew; 0 if it does not say. Its clock is not ours."""
        reset = _whole(headers.get("X-Bapi-Limit-Reset-Timestamp"))
        if reset is None:
            return 0
        return min(max(reset - self.clock.now(), SECOND), _USUAL_HOLD_MS)

    def _recover(self) -> None:
        now = self.clock.monotonic_ms()
        while self._line.share < 1 and now - self._recovered_at >= _RECOVERY_MS:
            self._line.share = min(1.0, self._line.share + _SMALLEST_SHARE)
            self._recovered_at += _RECOVERY_MS

    def _read_ban(self) -> None:
        ban = None if self._bans is None else self._bans.read()
        if ban is None or self._bans is None:
            return
        left = ban.left_ms(self.clock.now())
        if left == 0:
            self._bans.remove()
            return
        self._banned_ms = self.clock.monotonic_ms() + left
        self._ban_reason, self._ban_kept = ban.reason, True
        _log.warning("rest_still_banned", venue=self.venue, seconds=left // SECOND)

    def _note(self, error: str) -> None:
        self._last_error, self._last_error_at = error[:300], self.clock.now()


class Budgets:
    """The budgets of this process: one for each venue at each address, whoever asks for it."""

    def __init__(self, clock: Clock, folder: Path | None = None) -> None:
        """`folder` is where bans outlive the process; None: nowhere."""
        self._clock = clock
        self._folder = folder
        self._budgets: dict[tuple[Venue, str], RequestBudget] = {}

    def of(
        self, venue: Venue, url: str | None = None, rate: tuple[float, float] | None = None
    ) -> RequestBudget:
        """The budget of a venue; `url` where it is not asked at its usual address."""
        address = "" if url is None else urlsplit(url).netloc
        budget = self._budgets.get((venue, address))
        if budget is None:
            name = f"{venue}@{address}" if address else str(venue)
            bans = None if self._folder is None else BanFile(self._folder, name)
            budget = RequestBudget(venue, self._clock, rate, address=address, bans=bans)
            self._budgets[venue, address] = budget
        return budget

    def statuses(self) -> tuple[BudgetStatus, ...]:
        """What there is to say of each."""
        return tuple(each.status for each in self._budgets.values())


def _told_ms(text: str | None) -> int:
    """Read Retry-After in seconds; 0 if it is missing, or not a number."""
    seconds = _whole(text)
    return 0 if seconds is None else min(seconds * SECOND, LONGEST_BAN_MS)


def _whole(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 15:
        return None
    return int(text)
