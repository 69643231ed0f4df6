"""A cache inside this process: the only tier of the embedded default."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from cachetools import TLRUCache

from virtuoso.ports import Clock


class _Entry(NamedTuple):
    value: bytes
    ttl_ms: int


def _end_of_life(_key: str, entry: _Entry, now_ms: float) -> float:
    return now_ms + entry.ttl_ms


class MemoryCache:
    """At most `items` values; when full the expired go first, then the least recently used."""

    def __init__(self, clock: Clock, items: int = 1_000) -> None:
        if items < 1:
            message = f"expected room for at least 1 item, found {items}"
            raise ValueError(message)
        self._entries: TLRUCache[str, _Entry] = TLRUCache(
            maxsize=items, ttu=_end_of_life, timer=clock.monotonic_ms
        )

    async def get(self, key: str) -> bytes | None:
        """The value, or None when it is missing or its life is over."""
        entry = self._entries.get(key)
        return None if entry is None else entry.value

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for `ttl_ms` milliseconds; without a life it is only removed."""
        self._entries.pop(key, None)
        if ttl_ms > 0:
            self._entries[key] = _Entry(value, ttl_ms)

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys; a missing one is None."""
        return {key: await self.get(key) for key in keys}

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store all values for `ttl_ms` milliseconds."""
        for key, value in values.items():
            await self.set(key, value, ttl_ms)

    async def close(self) -> None:
        """Forget everything."""
        self._entries.clear()
