"""One order book, and what the venue's streams see of it."""

from bisect import bisect_left
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

Level: TypeAlias = tuple[int, int]
"""(price in ticks, quantity in steps)"""


class BookSide:
    """Bids, or asks, by price. Internally a key is a price that grows towards the best one."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        """1 for bids, -1 for asks: a key is the price times the sign."""
        self.keys: list[int] = []
        """Ascending: the best is the last."""
        self.sizes: dict[int, int] = {}
        self.touched: set[int] = set()
        """Keys whose size may have changed since the views were last told."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def best(self) -> int:
        """The best key."""
        return self.keys[-1]

    def put(self, key: int, steps: int) -> None:
        """Set the quantity at a level, which may be a new one."""
        if key not in self.sizes:
            self.keys.insert(bisect_left(self.keys, key), key)
        self.sizes[key] = steps
        self.touched.add(key)

    def remove_above(self, key: int) -> None:
        """Remove every level better than `key`."""
        while self.keys and self.keys[-1] > key:
            self._forget(self.keys.pop())

    def remove(self, key: int) -> None:
        """Remove one level."""
        self._forget(key)
        del self.keys[bisect_left(self.keys, key)]

    def take(self, steps: int, limit: int) -> list[Level]:
        """Let a taker have up to `steps` from the best down to key `limit`; return the fills."""
        fills = []
        while steps > 0 and self.keys and self.keys[-1] >= limit:
            key = self.keys[-1]
            size = self.sizes[key]
            filled = min(size, steps)
            fills.append((key * self.sign, filled))
            steps -= filled
            if filled == size:
                self._forget(self.keys.pop())
            else:
                self.put(key, size - filled)
        return fills

    def keep(self, count: int) -> None:
        """Remove all but the best `count` levels."""
        if len(self.keys) > count:
            for key in self.keys[:-count]:
                self._forget(key)
            del self.keys[:-count]

    def floor(self, depth: int) -> int:
        """Return the worst key of the best `depth` levels."""
        return self.keys[-depth] if len(self.keys) >= depth else self.keys[0]

    def between(self, lower: int, upper: int) -> list[int]:
        """Return the keys from `lower` up to, not including, `upper`."""
        return self.keys[bisect_left(self.keys, lower) : bisect_left(self.keys, upper)]

    def levels(self, depth: int) -> list[Level]:
        """Return the best `depth` levels, best first."""
        keys = self.keys[: -depth - 1 : -1]
        return [(key * self.sign, self.sizes[key]) for key in keys]

    def _forget(self, key: int) -> None:
        del self.sizes[key]
        self.touched.add(key)


class Book:
    """Both sides of one symbol."""

    def __init__(self) -> None:
        self.bids = BookSide(1)
        self.asks = BookSide(-1)

    @property
    def best_bid(self) -> int:
        """The highest price somebody pays, in ticks."""
        return self.bids.best

    @property
    def best_ask(self) -> int:
        """The lowest price somebody takes, in ticks."""
        return -self.asks.best

    def take_touched(self) -> tuple[set[int], set[int]]:
        """Return the keys touched since the last call: of the bids, and of the asks."""
        touched = self.bids.touched, self.asks.touched
        self.bids.touched, self.asks.touched = set(), set()
        return touched

    def sides(self) -> Iterator[BookSide]:
        """Yield the bids, then the asks."""
        yield self.bids
        yield self.asks


@dataclass(frozen=True, slots=True)
class BookUpdate:
    """A snapshot, or the difference to the one before, of the best `depth` levels a side.

    In a difference, quantity 0 means that the level is gone, or out of the window.
    """

    depth: int
    update_id: int
    sequence: int
    matched_at: int
    """Milliseconds UTC, the matching engine's clock."""
    bids: list[Level]
    asks: list[Level]


class _Window:
    """The best levels of one side as the subscribers of one depth know them."""

    def __init__(self, depth: int, side: BookSide) -> None:
        self._depth = depth
        self._side = side
        self._floor = side.floor(depth)
        self._known = {key: side.sizes[key] for key in side.keys[-depth:]}

    def advance(self, touched: AbstractSet[int]) -> list[Level]:
        """Return what changed, given the keys that were touched since the last call.

        Looking at those, and at what the window's lower end has passed, is enough.
        """
        side, known = self._side, self._known
        floor, before = side.floor(self._depth), self._floor
        self._floor = floor
        changed = []
        for key in sorted(touched, reverse=True):
            size = side.sizes.get(key, 0) if key >= floor else 0
            if size != known.get(key, 0):
                changed.append((key * side.sign, size))
                if size:
                    known[key] = size
                else:
                    del known[key]
        for key in side.between(floor, before):
            if key not in known:
                known[key] = side.sizes[key]
                changed.append((key * side.sign, known[key]))
        left = [key for key in side.between(before, floor) if known.pop(key, 0)]
        return changed + [(key * side.sign, 0) for key in left]

    def levels(self) -> list[Level]:
        """Return all levels, best first."""
        return [(key * self._side.sign, self._known[key]) for key in sorted(self._known)[::-1]]


class DepthView:
    """The book as the subscribers of one depth know it."""

    def __init__(self, depth: int, book: Book, update_id: int) -> None:
        self.depth = depth
        self._windows = [_Window(depth, side) for side in book.sides()]
        self._update_id = update_id
        self._sequence = 0
        self._matched_at = 0

    def advance(
        self, touched: tuple[AbstractSet[int], AbstractSet[int]], sequence: int, matched_at: int
    ) -> BookUpdate | None:
        """Return what changed since the last call, None if nothing did."""
        bids, asks = (
            window.advance(keys) for window, keys in zip(self._windows, touched, strict=True)
        )
        self._sequence, self._matched_at = sequence, matched_at
        if not bids and not asks:
            return None
        self._update_id += 1
        return BookUpdate(self.depth, self._update_id, sequence, matched_at, bids, asks)

    def restart(self) -> None:
        """Begin to count updates anew, as a venue does whose service was restarted."""
        self._update_id = 1

    def snapshot(self) -> BookUpdate:
        """Return all levels as of the last update."""
        bids, asks = (window.levels() for window in self._windows)
        return BookUpdate(self.depth, self._update_id, self._sequence, self._matched_at, bids, asks)


class BestView:
    """The best level of each side: a snapshot at every change, and again after a quiet time."""

    def __init__(self, book: Book, update_id: int, repeat_after_ms: int) -> None:
        self._book = book
        self._update_id = update_id
        self._repeat_after_ms = repeat_after_ms
        self._known: tuple[list[Level], list[Level]] = ([], [])
        self._sequence = 0
        self._matched_at = 0
        self._sent_at = 0

    def advance(self, sequence: int, matched_at: int, now_ms: int) -> BookUpdate | None:
        """Return the best levels if they changed since the last call."""
        best = (self._book.bids.levels(1), self._book.asks.levels(1))
        if best == self._known:
            return None
        self._known = best
        self._sequence, self._matched_at = sequence, matched_at
        self._update_id += 1
        self._sent_at = now_ms
        return self.snapshot()

    def repeat(self, now_ms: int) -> BookUpdate | None:
        """Return the last snapshot once more, number and all, if it has been quiet for long."""
        if now_ms - self._sent_at < self._repeat_after_ms:
            return None
        self._sent_at = now_ms
        return self.snapshot()

    def snapshot(self) -> BookUpdate:
        """Return the best levels as of the last update."""
        bids, asks = self._known
        return BookUpdate(1, self._update_id, self._sequence, self._matched_at, bids, asks)
