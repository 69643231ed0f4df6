"""The tiers as one cache: memory, then servers, each asked when those above it have nothing.

Read-through with promotion that keeps what is left of a life, write-behind, one flight per missing
key, never back in sequence, and a circuit before each server. In Hoc Signo Vinces.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, TypeAlias

import structlog

from virtuoso.adapters.cache.circuit import Circuit
from virtuoso.adapters.cache.counters import Answered, KeyCounters, TierCounters
from virtuoso.adapters.cache.near import Near
from virtuoso.adapters.cache.shared import Held, Lived, SharedCache
from virtuoso.adapters.cache.write_behind import WAITING, WriteBehind
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError, ValueRefusedError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.wire.codec import Inspector, Stamp
from virtuoso.wire.keys import PLAIN, kind_of
from virtuoso.wire.newest import Newest

log = structlog.get_logger()

PATIENCE_S: Final = 0.02
"""How long a write waits for living tiers to take it, so that it can be announced as written."""
MISSING: Final = "missing"
OLDER: Final = "older"

Note: TypeAlias = tuple[KeyCounters, int | None]
"""Where hits of a value are counted, and the engine's clock when it was made."""


@dataclass(frozen=True, slots=True)
class Life:
    """How long a tier keeps what is written with a life: `factor` times as long, within bounds."""

    factor: float = 1.0
    least_ms: int = 0
    most_ms: int = 24 * 3_600 * SECOND

    def of(self, ttl_ms: int) -> int:
        """Milliseconds for a value that is written with this life; nothing stays nothing."""
        if ttl_ms <= 0:
            return 0
        return max(self.least_ms, min(round(ttl_ms * self.factor), self.most_ms))


def near_life(key: str, left_ms: int) -> int:
    """How long a reader keeps in memory what it found below, with so much of its life left."""
    return min(left_ms, kind_of(key).near_ms)


@dataclass(frozen=True, slots=True)
class TierPlan:
    """A server in its place, nearest first."""

    tier: SharedCache
    life: Life


class _Tier:
    """One server with what stands before it."""

    def __init__(self, plan: TierPlan, clock: Clock, waiting: int) -> None:
        self.shared = plan.tier
        self.life = plan.life
        self.counters = TierCounters(plan.tier.name)
        self.circuit = Circuit(plan.tier.name, plan.tier.probe, on_close=self._back)
        self.writes = WriteBehind(plan.tier, self.circuit, self.counters, clock, waiting)

    def _back(self) -> None:
        self.writes.wake()


class _Flight:
    """A read under way, and what it brought. Most have nobody who waits, and need no future."""

    __slots__ = ("_landed", "_waiter", "error", "found")

    def __init__(self) -> None:
        self.found: Mapping[str, bytes | None] = {}
        self.error: CacheUnavailableError | None = None
        self._landed = False
        self._waiter: asyncio.Future[None] | None = None

    async def landed(self) -> None:
        """Wait for its end, as one of several; it may have landed while they did something else."""
        if self._landed:
            return
        if self._waiter is None:
            self._waiter = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiter)

    def land(self) -> None:
        """Let go those who wait."""
        self._landed = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class TieredCache:
    """One cache over memory and servers.

    `near` is this process's own memory. What is written stays there for its whole life; what is
    read from below only as long as `near_life` says, because another process writes it.
    """

    def __init__(
        self,
        near: Near[Note],
        plans: Sequence[TierPlan],
        clock: Clock,
        inspector: Inspector,
        keep_near: Callable[[str, int], int] = near_life,
        waiting: int = WAITING,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._near = near
        self._tiers = tuple(_Tier(plan, clock, waiting) for plan in plans)
        self._clock = clock
        self._inspector = inspector
        self._keep_near = keep_near
        self._patience_s = patience_s
        self._newest = Newest()
        self._flights: dict[str, _Flight] = {}
        self._forgotten = 0
        self._near_counters = TierCounters("memory")
        self.shared_flights = 0
        """Reads that waited for another's instead of asking themselves."""
        self.answered = Answered()

    async def get(self, key: str) -> bytes | None:
        """The value, or None. Raises CacheUnavailableError when no tier could be asked.

        Counted as an answer to somebody: what a process reads for itself it reads by `multi_get`.
        """
        kept = self._near.get(key)
        if kept is not None:
            counters, made = kept.note
            counters.hit(len(kept.value), self._age(made))
            self.answered.memory += 1
            return kept.value
        self._near_counters.of(kind_of(key).thing).misses[MISSING] += 1
        value = None
        try:
            value = (await self._through((key,)))[key]
        finally:
            if value is None:
                self.answered.nothing += 1
            else:
                self.answered.servers += 1
        return value

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys, each tier asked at most once. Raises as `get` does."""
        found: dict[str, bytes | None] = dict.fromkeys(keys)
        missing: list[str] = []
        for key in found:
            kept = self._near.get(key)
            if kept is None:
                self._near_counters.of(kind_of(key).thing).misses[MISSING] += 1
                missing.append(key)
                continue
            counters, made = kept.note
            counters.hit(len(kept.value), self._age(made))
            found[key] = kept.value
        if missing:
            found |= await self._through(missing)
        return found

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value here, and behind the caller's back in every tier."""
        await self.multi_set({key: value}, ttl_ms)

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store values here, and behind the caller's back in every tier.

        Waits a moment for tiers that live, so that what is announced afterwards can be read.
        """
        at_ms = self._clock.monotonic_ms()
        for key, value in values.items():
            stamp = self._inspector.inspect(key, value) if ttl_ms > 0 else None
            self._newest.take(key, stamp, at_ms)
            self._put_near(key, value, ttl_ms, stamp)
        for tier in self._tiers:
            life_ms = tier.life.of(ttl_ms)
            tier.writes.put((key, Lived(value, life_ms)) for key, value in values.items())
        await self._settle()

    def forget(self, keys: Collection[str]) -> None:
        """Read these from the tiers the next time; reads under way are not kept in memory."""
        if not self._tiers:
            return
        self._forgotten += 1
        for key in keys:
            self._near.drop(key)
            self._flights.pop(key, None)

    def servers(self) -> tuple[SharedCache, ...]:
        """Those in use now, nearest first."""
        return tuple(tier.shared for tier in self._tiers if tier.circuit.closed)

    def give_back(self, name: str) -> int:
        """Give a server what this process's memory holds, where it has nothing; how many values."""
        values = {key: Lived(value, left) for key, value, left in self._near.living()}
        for tier in self._tiers:
            if tier.shared.name == name:
                tier.writes.put(values.items(), refill=True)
        return len(values)

    def counters(self) -> tuple[TierCounters, ...]:
        """What each tier did so far, memory first."""
        near = self._near_counters
        near.items, near.bytes_held = len(self._near), self._near.bytes
        near.evictions = self._near.evictions
        for tier in self._tiers:
            tier.counters.waiting = tier.writes.waiting
            tier.counters.circuit = "closed" if tier.circuit.closed else "open"
            tier.counters.opened = tier.circuit.opened
            tier.counters.reason = tier.circuit.reason
        return (near, *(tier.counters for tier in self._tiers))

    async def close(self) -> None:
        """Give what waits a last moment, then release everything."""
        await self._settle()
        for tier in self._tiers:
            await tier.writes.close()
            await tier.circuit.close()
            await tier.shared.close()
        self._near.clear()

    def _age(self, made: int | None) -> int:
        return 0 if made is None else max(0, self._clock.now() - made)

    def _put_near(self, key: str, value: bytes, life_ms: int, stamp: Stamp | None) -> None:
        counters = self._near_counters.of(kind_of(key).thing)
        self._near.put(key, value, life_ms, (counters, None if stamp is None else stamp.made))

    async def _settle(self) -> None:
        """Wait until the tiers that live have everything, for a moment at most."""
        try:
            async with asyncio.timeout(self._patience_s):
                for tier in self._tiers:
                    if tier.circuit.closed:
                        await tier.writes.idle.wait()
        except TimeoutError:
            return

    def _through(self, keys: Sequence[str]) -> Awaitable[dict[str, bytes | None]]:
        """Read what is not in memory: one caller asks for each key, the others wait for it."""
        if not self._flights or self._flights.keys().isdisjoint(keys):
            return self._lead(keys)
        return self._join(keys)

    async def _join(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        """Read where others already do: wait for what they bring, ask for the rest."""
        found: dict[str, bytes | None] = {}
        left = tuple(keys)
        while left:
            mine = tuple(key for key in left if key not in self._flights)
            others = {self._flights[key] for key in left if key in self._flights}
            if mine:
                found |= await self._lead(mine)
            for flight in others:
                self.shared_flights += 1
                await flight.landed()
                if flight.error is not None:
                    raise CacheUnavailableError(str(flight.error)) from flight.error
                found |= {key: flight.found[key] for key in left if key in flight.found}
            # a leader that was cancelled brought nothing
            left = tuple(key for key in left if key not in found)
        return found

    async def _lead(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        flight = _Flight()
        flights = self._flights
        for key in keys:
            flights[key] = flight
        try:
            found = await self._read(keys)
            flight.found = found
        except CacheUnavailableError as error:
            flight.error = error
            raise
        finally:
            for key in keys:
                if flights.get(key) is flight:
                    del flights[key]
            flight.land()
        return found

    async def _read(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        """Ask tier after tier for what is still missing, and give it back to those above."""
        forgotten = self._forgotten
        found: dict[str, bytes | None] = dict.fromkeys(keys)
        missing = keys
        failed = 0
        for place, tier in enumerate(self._tiers):
            answer = await self._ask(tier, missing)
            if answer is None:
                failed += 1
                continue
            asked = missing
            missing = self._judge(tier, asked, answer, found, keep=forgotten == self._forgotten)
            if place and len(missing) < len(asked):
                good = {key: answer[key] for key in asked if found[key] is not None}
                for upper in self._tiers[:place]:
                    self._promote(upper, good)
            if not missing:
                return found
        if failed and failed == len(self._tiers):
            names = ", ".join(f"{tier.shared.name}: {tier.circuit.reason}" for tier in self._tiers)
            message = f"expected an answer of one tier at least, found none: {names}"
            raise CacheUnavailableError(message)
        return found

    async def _ask(self, tier: _Tier, keys: Sequence[str]) -> Mapping[str, Held] | None:
        """What a tier has; None when it was not asked, or did not answer."""
        if not tier.circuit.closed:
            tier.counters.errors["skipped"] += 1
            return None
        # the clock of a uvloop stands still between its rounds
        started = perf_counter()
        try:
            answer = await tier.shared.fetch(keys)
        except CacheUnavailableError as error:
            tier.counters.errors["unavailable"] += 1
            tier.circuit.failed(str(error))
            return None
        except CacheRefusedError as error:
            tier.counters.errors["refused"] += 1
            log.warning("cache_read_refused", tier=tier.shared.name, error=str(error))
            return None
        elapsed = 1e3 * (perf_counter() - started)
        tier.counters.read.add(elapsed)
        tier.circuit.succeeded(elapsed)
        return answer

    def _judge(
        self,
        tier: _Tier,
        keys: Sequence[str],
        answer: Mapping[str, Held],
        found: dict[str, bytes | None],
        *,
        keep: bool,
    ) -> list[str]:
        """Find what can be relied on; the others, each a miss with a reason, are handed back."""
        missing: list[str] = []
        at_ms = self._clock.monotonic_ms()
        now = self._clock.now()
        for key in keys:
            counters = tier.counters.of(kind_of(key).thing)
            held = answer.get(key)
            if held is None:
                counters.misses[MISSING] += 1
                missing.append(key)
                continue
            value = held.value
            try:
                stamp = self._inspector.inspect(key, value)
            except ValueRefusedError as error:
                counters.misses[error.reason] += 1
                missing.append(key)
                continue
            if not self._newest.take(key, stamp, at_ms):
                counters.misses[OLDER] += 1
                missing.append(key)
                continue
            age_ms = 0 if stamp is None or stamp.made > now else now - stamp.made
            counters.hit(len(value), age_ms)
            found[key] = value
            if keep and (life_ms := self._keep_near(key, held.left_ms)) > 0:
                self._put_near(key, value, life_ms, stamp)
        return missing

    def _promote(self, tier: _Tier, good: Mapping[str, Held]) -> None:
        """Give values back to a tier that had nothing, for what is left of their life."""
        tier.writes.put(
            (
                (key, Lived(held.value, min(held.left_ms, tier.life.most_ms)))
                for key, held in good.items()
                if key not in PLAIN
            ),
            refill=True,
        )
