"""Values in this process's own memory: bounded, each with a life of its own."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, Generic, NamedTuple, TypeVar

from virtuoso.ports import Clock

ITEMS: Final = 1_000

N = TypeVar("N")


class Kept(NamedTuple, Generic[N]):
    """A value in memory."""

    value: bytes
    end_ms: int
    """Of its life, on the monotonic clock."""
    note: N
    """What its keeper knows about it."""


class Near(Generic[N]):
    """At most `items` values; when full the least recently used goes first.

    An expired value is gone when it is asked for, and makes room like any other until then.
    """

    __slots__ = ("_entries", "_items", "_now", "bytes", "evictions")

    def __init__(self, clock: Clock, items: int = ITEMS) -> None:
        if items < 1:
            message = f"expected room for at least 1 item, found {items}"
            raise ValueError(message)
        self._entries: OrderedDict[str, Kept[N]] = OrderedDict()
        self._items = items
        self._now = clock.monotonic_ms
        self.bytes = 0
        """Of all values held."""
        self.evictions = 0
        """Values that made room for others."""

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Kept[N] | None:
        """The value and its note, or None when it is missing or its life is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= self._now():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, value: bytes, life_ms: int, note: N) -> None:
        """Hold a value for `life_ms` milliseconds; without a life it is only removed."""
        self.drop(key)
        if life_ms <= 0:
            return
        self._entries[key] = Kept(value, self._now() + life_ms, note)
        self.bytes += len(value)
        if len(self._entries) > self._items:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= len(oldest.value)
            self.evictions += 1

    def living(self) -> Iterator[tuple[str, bytes, int]]:
        """Key, value and what is left of its life, of everything that lives."""
        now = self._now()
        for key, entry in self._entries.items():
            if entry.end_ms > now:
                yield key, entry.value, entry.end_ms - now

    def drop(self, key: str) -> None:
        """Remove a value if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= len(entry.value)

    def clear(self) -> None:
        """Remove everything."""
        self._entries.clear()
        self.bytes = 0
