"""A cache inside this process: the only tier of the embedded default."""

from collections.abc import Collection, Mapping, Sequence

from virtuoso.adapters.cache.near import ITEMS, Near
from virtuoso.ports import Clock


class MemoryCache:
    """At most `items` values; when full the least recently used goes first."""

    def __init__(self, clock: Clock, items: int = ITEMS) -> None:
        self._near: Near[None] = Near(clock, items)

    async def get(self, key: str) -> bytes | None:
        """The value, or None when it is missing or its life is over."""
        kept = self._near.get(key)
        return None if kept is None else kept.value

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for `ttl_ms` milliseconds; without a life it is only removed."""
        self._near.put(key, value, ttl_ms, None)

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys; a missing one is None."""
        return {key: await self.get(key) for key in keys}

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store all values for `ttl_ms` milliseconds."""
        for key, value in values.items():
            self._near.put(key, value, ttl_ms, None)

    def forget(self, keys: Collection[str]) -> None:
        """Nothing: there is no other place to read them from."""

    async def close(self) -> None:
        """Forget everything."""
        self._near.clear()
