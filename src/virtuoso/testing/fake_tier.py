"""A cache server that can be broken on purpose."""

import asyncio
from collections.abc import Mapping, Sequence

from virtuoso.adapters.cache.server_memory import ServerMemory
from virtuoso.adapters.cache.shared import Held, Lived, SharedCache
from virtuoso.domain.errors import CacheRefusedError, CacheUnavailableError
from virtuoso.ports import Clock


class FakeTier(SharedCache):
    """A dictionary with lives, beside the count of what it was asked.

    `dead` fails at once, `full` refuses writes, `held_up` lets every call wait.
    """

    def __init__(self, clock: Clock, name: str = "fake") -> None:
        super().__init__(clock)
        self.name = name
        self.entries: dict[str, tuple[bytes, int]] = {}
        self.dead = False
        self.full = False
        self.held_up: asyncio.Event | None = None
        self.reads: list[tuple[str, ...]] = []
        self.writes: list[dict[str, bytes]] = []
        self.probes = 0
        self.room = ServerMemory(0, 0, None)

    def left_ms(self, key: str) -> int:
        """What is left of a value's life."""
        return self.entries[key][1] - self._clock.monotonic_ms()

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """What is there."""
        self.reads.append(tuple(keys))
        await self._reach()
        now = self._clock.monotonic_ms()
        held = {key: self.entries[key] for key in keys if key in self.entries}
        return {key: Held(value, end - now) for key, (value, end) in held.items() if end > now}

    async def store(self, values: Mapping[str, Lived]) -> None:
        """Keep everything."""
        await self._reach()
        if self.full:
            message = "expected room, found none"
            raise CacheRefusedError(message)
        self.writes.append({key: lived.value for key, lived in values.items()})
        for key, lived in values.items():
            self.entries.pop(key, None)
            if lived.life_ms > 0:
                self.entries[key] = (lived.value, self._clock.monotonic_ms() + lived.life_ms)

    async def refill(self, values: Mapping[str, Lived]) -> None:
        """Keep what is not there."""
        there = await self.fetch(tuple(values))
        self.reads.pop()
        await self.store({key: lived for key, lived in values.items() if key not in there})

    async def probe(self) -> None:
        """Count, and answer."""
        self.probes += 1
        await self._reach()

    async def memory(self) -> ServerMemory:
        """As much as was set."""
        await self._reach()
        return self.room

    async def close(self) -> None:
        """Keep what there is for whoever comes next."""

    async def _reach(self) -> None:
        if self.dead:
            message = "expected an answer, found a dead tier"
            raise CacheUnavailableError(message)
        if self.held_up is not None:
            await self.held_up.wait()
