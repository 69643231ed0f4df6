"""Requests in line for a share of a limit: the most urgent first, never above the limit."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from virtuoso.domain.errors import RateLimitedError
from virtuoso.domain.time import SECOND

MOST_WAITING: Final = 2_000
PATIENCE_SECONDS: Final = 60.0


class Priority(IntEnum):
    """Who goes first."""

    BOOK = 0
    """Order books, clocks, tickers: what is shown depends on it this second."""
    BACK_FILL = 1
    """What a cut left out."""
    WARM_UP = 2
    """The long past."""


_SHARES: Final = {Priority.BOOK: 1.0, Priority.BACK_FILL: 0.9, Priority.WARM_UP: 0.75}
"""How much of the window each may fill: some is always left for who is more urgent."""


@dataclass(order=True, slots=True)
class _Waiter:
    priority: Priority
    number: int
    weight: float = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class Line:
    """Lets weight pass so that no window of time ever holds more than `amount` of it."""

    def __init__(
        self, name: str, amount: float, seconds: float, monotonic_ms: Callable[[], int]
    ) -> None:
        self._name = name
        self.amount: Final = amount
        self._window_ms = int(seconds * SECOND)
        self._now = monotonic_ms
        self._spent: deque[tuple[int, float]] = deque()
        self._sum = 0.0
        self._waiters: list[_Waiter] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._held_until = 0
        self.share = 1.0
        """Of the amount: less after the venue asked us to slow down."""

    @property
    def used(self) -> float:
        """Weight in the window that ends now."""
        before = self._now() - self._window_ms
        while self._spent and self._spent[0][0] <= before:
            self._sum -= self._spent.popleft()[1]
        return self._sum if self._spent else 0.0

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return sum(not each.turn.done() for each in self._waiters)

    def hold(self, length_ms: int) -> None:
        """Let nobody pass for so long."""
        self._held_until = max(self._held_until, self._now() + length_ms)

    def add(self, weight: float) -> None:
        """Count what somebody else spent of the same limit."""
        now = self._now()
        if self.used == 0:
            self._sum = 0.0  # no rounding is left over
        self._spent.append((now, weight))
        self._sum += weight

    async def wait(self, weight: float, priority: Priority) -> None:
        """Wait for a turn. Raises RateLimitedError when the line is too long, or the wait."""
        if self.waiting >= MOST_WAITING:
            msg = f"{self._name}: expected at most {MOST_WAITING} requests in line, found more"
            raise RateLimitedError(msg)
        self._count += 1
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, _Waiter(priority, self._count, weight, turn))
        self._serve()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await turn
        except TimeoutError as error:
            msg = f"{self._name}: no turn for a request within {PATIENCE_SECONDS:g} s"
            raise RateLimitedError(msg) from error

    def refuse(self, error: Exception) -> None:
        """Send everybody home."""
        for each in self._waiters:
            if not each.turn.done():
                each.turn.set_exception(error)
        self._waiters.clear()

    def _serve(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            first = self._waiters[0]
            if first.turn.done():  # it gave up
                heapq.heappop(self._waiters)
                continue
            wait_ms = self._wait_ms(first.weight, first.priority)
            if wait_ms > 0:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(wait_ms / SECOND, self._serve)
                return
            heapq.heappop(self._waiters)
            self.add(first.weight)
            first.turn.set_result(None)

    def _wait_ms(self, weight: float, priority: Priority) -> int:
        """How long until so much may pass; what is larger than the window goes alone."""
        now = self._now()
        if now < self._held_until:
            return self._held_until - now
        too_much = self.used + weight - self.amount * self.share * _SHARES[priority]
        for at, spent in self._spent:
            if too_much <= 0:
                break
            too_much -= spent
            if too_much <= 0:
                return max(1, at + self._window_ms - now)
        if too_much > 0 and self._spent:
            return max(1, self._spent[-1][0] + self._window_ms - now)
        return 0
