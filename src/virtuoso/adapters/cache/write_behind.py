"""Writes to one tier without letting anybody wait for it."""

import asyncio
from collections.abc import Iterable
from time import perf_counter
from typing import Final, NamedTuple

import structlog

from virtuoso.adapters.cache.circuit import Circuit
from virtuoso.adapters.cache.counters import TierCounters
from virtuoso.adapters.cache.shared import Lived, SharedCache
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.ports import Clock
from virtuoso.wire.keys import kind_of

log = structlog.get_logger()

WAITING: Final = 10_000
AT_ONCE: Final = 200


class _Waiting(NamedTuple):
    value: bytes
    end_ms: int
    """Of its life, on the monotonic clock: it does not begin anew because a tier was away."""
    refill: bool
    """Only where there is nothing."""
    removal: bool


class WriteBehind:
    """A line of values before one tier: the newest of each key, the oldest lost when it is full."""

    def __init__(
        self,
        tier: SharedCache,
        circuit: Circuit,
        counters: TierCounters,
        clock: Clock,
        waiting: int = WAITING,
    ) -> None:
        self._tier = tier
        self._circuit = circuit
        self._counters = counters
        self._now = clock.monotonic_ms
        self._most = waiting
        self._line: dict[str, _Waiting] = {}
        self._under_way = 0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.idle = asyncio.Event()
        """Set while everything that can be written is."""
        self.idle.set()

    def put(self, values: Iterable[tuple[str, Lived]], *, refill: bool = False) -> None:
        """Take values; returns at once."""
        now = self._now()
        for key, (value, life_ms) in values:
            before = self._line.get(key)
            if refill and before is not None and not before.refill:
                continue
            self._line.pop(key, None)
            self._line[key] = _Waiting(value, now + life_ms, refill, life_ms <= 0)
        while len(self._line) > self._most:
            self._line.pop(next(iter(self._line)))
            self._counters.dropped += 1
        if self._line:
            self.idle.clear()
            self._news.set()
            if self._task is None:
                self._task = asyncio.create_task(self._run(), name=f"writing {self._tier.name}")
            elif self._task.done():
                self._task.result()

    def wake(self) -> None:
        """The tier is back."""
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._line and self._circuit.closed:
                await self._write()
                self._under_way = 0
            self.idle.set()

    async def _write(self) -> None:
        """Write the next values; those that failed go back, behind what came meanwhile."""
        now = self._now()
        taken: dict[str, _Waiting] = {}
        kept: dict[str, Lived] = {}
        filled: dict[str, Lived] = {}
        for key in tuple(self._line)[:AT_ONCE]:
            waiting = taken[key] = self._line.pop(key)
            left = waiting.end_ms - now
            if waiting.removal:
                kept[key] = Lived(b"", 0)
                continue
            if left <= 0:
                self._counters.dropped += 1
                continue
            (filled if waiting.refill else kept)[key] = Lived(waiting.value, left)
        self._under_way = len(kept) + len(filled)
        # the clock of a uvloop stands still between its rounds
        started = perf_counter()
        try:
            if kept:
                await self._tier.store(kept)
            if filled:
                await self._tier.refill(filled)
        except CacheUnavailableError as error:
            self._counters.errors["unavailable"] += 1
            self._circuit.failed(str(error))
            self._line = taken | self._line
            return
        except CacheRefusedError as error:
            # the rest of the batch was written; the engine says everything again before long
            self._counters.errors["refused"] += 1
            log.warning("cache_write_refused", tier=self._tier.name, error=str(error))
        self._counters.written.add(1e3 * (perf_counter() - started))
        self._counters.promoted += len(filled)
        for key, lived in kept.items():
            each = self._counters.of(kind_of(key).thing)
            each.writes += 1
            each.bytes_written += len(lived.value)

    @property
    def waiting(self) -> int:
        """Values that are not written yet."""
        return len(self._line) + self._under_way

    async def close(self) -> None:
        """Stop writing."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
