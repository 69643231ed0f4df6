"""Reads what will be asked for before it is: at the start, and ahead of its end in memory.

Only what is already there is read; nothing is ever made up to be warm. This market never closes,
so how often is decided by how much is asked, and the four profiles keep their old names.
"""

import asyncio
from dataclasses import dataclass
from time import thread_time
from typing import Final

import structlog

from virtuoso.domain.errors import CacheError
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import MINUTE, SECOND, Timeframe
from virtuoso.ports import Cache, Clock
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower
from virtuoso.wire.metrics import WarmingMetrics

log = structlog.get_logger()

LEADING: Final = 10
"""Symbols whose documents are warmed, whether anybody asked for them or not."""
ASKED: Final = 200
"""Keys that were asked for since the last round, of which no more are remembered."""
PATIENCE_S: Final = 1.0
AT_ONCE: Final = 200
"""Keys that are read together; between two such reads others have their turn."""
MOMENT_MS: Final = 55 * SECOND
"""Of each minute: rounds are counted from here, so that a minute begins warm."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How often to warm, and from how many requests a minute on."""

    name: str
    interval_s: int
    least_a_minute: float


PROFILES: Final = (
    Profile("market_hours", 15, 60.0),
    Profile("pre_market", 60, 6.0),
    Profile("after_hours", 120, 1.0),
    Profile("overnight", 300, 0.0),
)


def profile_for(a_minute: float) -> Profile:
    """The profile for so many requests a minute."""
    return next(each for each in PROFILES if a_minute >= each.least_a_minute)


def wait_ms(now: int, interval_s: int) -> int:
    """Milliseconds to the next round of this interval, counted from second 55."""
    interval = interval_s * SECOND
    return interval - (now - MOMENT_MS) % interval


class Warmer:
    """Keeps a process's own memory warm, and counts what came of it."""

    def __init__(self, follower: Follower, cache: Cache, clock: Clock) -> None:
        self._follower = follower
        self._cache = cache
        self._clock = clock
        self._asked: dict[str, None] = {}
        self._requests = 0
        self._unused: set[str] = set()
        self._round_ms = clock.monotonic_ms()
        self._a_minute = 0.0
        self._profile = PROFILES[0]
        self._rounds = self._attempted = self._warmed = self._failed = self._used = 0
        self._busy_ms = 0
        self._cpu_ms = 0.0

    def note(self, key: str) -> None:
        """Somebody asked for this."""
        self._requests += 1
        if key in self._unused:
            self._unused.discard(key)
            self._used += 1
        if key in self._asked or len(self._asked) < ASKED:
            self._asked[key] = None

    async def run(self) -> None:
        """Warm for ever; ends only by cancellation."""
        while self._follower.reader.board is None:  # noqa: ASYNC110 (once, at the start)
            await asyncio.sleep(0.1)
        while True:
            await self.warm()
            await asyncio.sleep(wait_ms(self._clock.now(), self._profile.interval_s) / SECOND)

    async def warm(self) -> None:
        """Do one round, and choose when the next one is."""
        at_ms = self._clock.monotonic_ms()
        elapsed = max(SECOND, at_ms - self._round_ms)
        if self._rounds:
            self._a_minute = self._requests * MINUTE / elapsed
            self._profile = profile_for(self._a_minute)
        self._requests, self._round_ms = 0, at_ms
        wanted = tuple(dict.fromkeys((*self._active(), *self._leading(), *self._asked)))
        self._asked.clear()
        self._rounds += 1
        self._attempted += len(wanted)
        self._unused = set()
        began = thread_time()
        try:
            for first in range(0, len(wanted), AT_ONCE):
                await self._some(wanted[first : first + AT_ONCE])
        finally:
            self._busy_ms += self._clock.monotonic_ms() - at_ms
            self._cpu_ms += 1e3 * (thread_time() - began)

    async def _some(self, wanted: tuple[str, ...]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await self._cache.multi_get(wanted)
        except (CacheError, TimeoutError) as error:
            self._failed += len(wanted)
            log.warning("warming_failed", error=str(error))
            return
        warmed = {key for key, value in found.items() if value is not None}
        self._unused |= warmed
        self._warmed += len(warmed)
        self._failed += len(wanted) - len(warmed)

    def _active(self) -> tuple[str, ...]:
        """The market data of every symbol on the board: the candles a page opens with."""
        board = self._follower.reader.board
        symbols = () if board is None else board.symbols
        return tuple(keys.candles(Symbol(each.symbol), Timeframe.M5) for each in symbols)

    def _leading(self) -> tuple[str, ...]:
        """The scores of the symbols that lean most, as a page opens them."""
        board = self._follower.reader.board
        if board is None:
            return ()
        rows = self._follower.reader.rows
        scores = {each.symbol: rows[each.row].score for each in board.symbols if each.row in rows}
        known = {symbol: score for symbol, score in scores.items() if score is not None}
        most = sorted(known, key=lambda each: (-abs(known[each] - 50), each))[:LEADING]
        found: list[str] = []
        for each in most:
            symbol = Symbol(each)
            found += [keys.symbol_detail(symbol), keys.score_history(symbol)]
        return tuple(found)

    def metrics(self) -> WarmingMetrics:
        """What came of it so far."""
        warmed = self._warmed - len(self._unused)
        return WarmingMetrics(
            profile=self._profile.name,
            interval_s=self._profile.interval_s,
            why=f"{self._a_minute:.1f} requests a minute in the last round"
            if self._rounds > 1
            else "the first round: nothing was measured yet",
            rounds=self._rounds,
            attempted=self._attempted,
            warmed=self._warmed,
            failed=self._failed,
            used=self._used,
            # those of the running round may still be asked for
            efficiency=round(min(1.0, self._used / warmed), 4) if warmed > 0 else None,
            busy_ms=self._busy_ms,
            cpu_ms=round(self._cpu_ms, 3),
        )
