"""A cache that can be broken on purpose."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from virtuoso.domain.errors import CacheError
from virtuoso.ports import Clock


class FakeCache:
    """A dictionary with lives. `dead` makes every call fail, `hung` makes it never answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[bytes, int]] = {}
        self.dead = False
        self.hung = False
        self.reads: list[tuple[str, ...]] = []
        """The keys of each read, in order."""

    async def _reach(self) -> None:
        if self.hung:
            await asyncio.Event().wait()
        if self.dead:
            message = "expected an answer, found a dead cache"
            raise CacheError(message)

    def _alive(self, key: str) -> bytes | None:
        value, until = self._entries.get(key, (b"", 0))
        return value if self._clock.monotonic_ms() < until else None

    async def get(self, key: str) -> bytes | None:
        """The value, or None."""
        self.reads.append((key,))
        await self._reach()
        return self._alive(key)

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value."""
        await self._reach()
        self._entries[key] = (value, self._clock.monotonic_ms() + ttl_ms)

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys."""
        self.reads.append(tuple(keys))
        await self._reach()
        return {key: self._alive(key) for key in keys}

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store all values."""
        await self._reach()
        for key, value in values.items():
            self._entries[key] = (value, self._clock.monotonic_ms() + ttl_ms)

    def forget(self, keys: Collection[str]) -> None:
        """Nothing: there is no other place to read them from."""

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
