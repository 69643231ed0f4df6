"""The order book of one instrument: synced and proven, or absent with a reason."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from virtuoso.domain.market_data import BookDelta, BookSnapshot, Levels, Quote
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word

LARGEST: Final = 1e15
"""No price and no quantity reaches this; NaN and infinity do not lie below it."""
MOST_LEVELS: Final = 1_000
"""Levels kept a side where the venue sets no depth of its own."""


class BookFault(Word):
    """Why an update was not applied, or threw the book away."""

    UNSYNCED = "unsynced"
    GAP = "gap"
    RESTART = "restart"
    CROSSED = "crossed_book"
    BOUNDS = "bounds"
    UNSORTED = "unsorted"
    TOO_DEEP = "too_deep"


class Best(NamedTuple):
    """The best level of both sides."""

    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float


class BookSide:
    """One side as (price, quantity), best first: a live view, valid until the next update.

    Kept as two parallel arrays with ascending prices, so that one `bisect` finds a level. Numbers
    that lie beside each other are read faster than a list's when hundreds of books take turns.
    """

    __slots__ = ("_descending", "prices", "quantities")

    def __init__(self, *, descending: bool) -> None:
        self._descending = descending
        self.prices: array[float] = array("d")
        """Ascending, whichever side it is."""
        self.quantities: array[float] = array("d")

    def __len__(self) -> int:
        return len(self.prices)

    def __iter__(self) -> Iterator[tuple[float, float]]:
        if self._descending:
            return zip(reversed(self.prices), reversed(self.quantities), strict=True)
        return zip(self.prices, self.quantities, strict=True)

    def top(self, count: int) -> list[tuple[float, float]]:
        """The best `count` levels, or all there are."""
        if self._descending:
            prices, quantities = self.prices[: -count - 1 : -1], self.quantities[: -count - 1 : -1]
        else:
            prices, quantities = self.prices[:count], self.quantities[:count]
        return list(zip(prices, quantities, strict=True))

    @property
    def deepest(self) -> float | None:
        """The price furthest from the market."""
        if not self.prices:
            return None
        return self.prices[0] if self._descending else self.prices[-1]

    def clear(self) -> None:
        """Forget every level."""
        del self.prices[:]
        del self.quantities[:]

    def replace(self, levels: Levels) -> bool:
        """Take over levels sorted best first; False when they are not strictly sorted."""
        ordered = list(reversed(levels)) if self._descending else list(levels)
        self.prices = array("d", [price for price, _ in ordered])
        self.quantities = array("d", [quantity for _, quantity in ordered])
        return all(low < high for low, high in pairwise(self.prices))

    def is_in_bounds(self) -> bool:
        """Whether every price and quantity is above 0 and finite."""
        return all(0 < price < LARGEST for price in self.prices) and all(
            0 < quantity < LARGEST for quantity in self.quantities
        )

    def merge(self, changes: Levels) -> bool:
        """Set the given levels; quantity 0 removes one, known or not.

        False, and only some of them set, when a number is out of bounds or none at all.
        """
        prices, quantities = self.prices, self.quantities
        for price, quantity in changes:
            at = bisect_left(prices, price)
            if at < len(prices) and prices[at] == price:
                if quantity == 0:
                    del prices[at]
                    del quantities[at]
                elif 0 < quantity < LARGEST:
                    quantities[at] = quantity
                else:
                    return False
            elif not (0 < price < LARGEST and 0 <= quantity < LARGEST):
                return False
            elif quantity:
                prices.insert(at, price)
                quantities.insert(at, quantity)
        return True

    def prune(self, most: int) -> float | None:
        """Cut to the best `most` levels; the deepest price kept, or None when nothing was cut."""
        excess = len(self.prices) - most
        if excess <= 0:
            return None
        cut = slice(0, excess) if self._descending else slice(most, None)
        del self.prices[cut]
        del self.quantities[cut]
        return self.deepest


class OrderBook:
    """Bids and asks of one instrument, applied in the venue's sequence or not at all.

    While it is not synced both sides are empty and `reason` says why: a crossed book or one with a
    hole is never served. After a loss only a snapshot makes it whole again.
    """

    def __init__(self, most_levels: int = MOST_LEVELS) -> None:
        self._most = most_levels
        self.bids: Final = BookSide(descending=True)
        self.asks: Final = BookSide(descending=False)
        self.reason: Reason | None = Reason.WARMING_UP
        """Why there is no book; None while it is synced."""
        self.sequence = 0
        self.cross_sequence: int | None = None
        self.as_of: Millis | None = None
        """Venue time of the last update, or of a later quote that confirmed it."""
        self.synced_since: Millis | None = None
        """Venue time of the snapshot it was last made whole with."""
        self.gaps = 0
        """How often it was lost: a hole, a restart, a crossing."""
        self.resyncs = 0
        """How often a snapshot made it whole after that."""
        self._depth: int | None = None
        self._complete: tuple[float | None, float | None] = (None, None)
        self._lost = False

    @property
    def synced(self) -> bool:
        """Whether there is a book."""
        return self.reason is None

    @property
    def locked(self) -> bool:
        """Whether the best bid equals the best ask, which is legal for moments."""
        best = self.best()
        return best is not None and best.bid == best.ask

    def best(self) -> Best | None:
        """The best level of both sides; None without a book, or with one side empty."""
        bids, asks = self.bids, self.asks
        if not bids.prices or not asks.prices:
            return None
        return Best(bids.prices[-1], bids.quantities[-1], asks.prices[0], asks.quantities[0])

    def levels(self, count: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """The best `count` bids and asks as (price, quantity), best first; empty without a book."""
        return self.bids.top(count), self.asks.top(count)

    @property
    def complete_to(self) -> tuple[float | None, float | None]:
        """The deepest bid and ask price down to which every level is known; None: nothing is.

        With a depth set by the venue that is the whole window. Otherwise it is the range of the
        snapshot: beyond it only those levels are known that changed since.
        """
        if self._depth is not None:
            return self.bids.deepest, self.asks.deepest
        low, high = self._complete
        bids, asks = self.bids.prices, self.asks.prices
        return (
            low if low is not None and bids and bids[-1] >= low else None,
            high if high is not None and asks and asks[0] <= high else None,
        )

    def apply(self, data: BookSnapshot | BookDelta, event_time: Millis) -> BookFault | None:
        """Apply an update whole, or say why not; any fault but UNSYNCED throws the book away."""
        if isinstance(data, BookSnapshot):
            return self._apply_snapshot(data, event_time)
        return self._apply_delta(data, event_time)

    def confirm(self, quote: Quote, event_time: Millis) -> None:
        """Take a quote that is not ahead of this book as proof that it still stood then."""
        if self.as_of is None or event_time <= self.as_of:
            return
        known = self.sequence if self.cross_sequence is None else self.cross_sequence
        if quote.sequence <= known:
            self.as_of = event_time

    def forget(self, reason: Reason) -> None:
        """Throw the book away; `reason` is what readers are told."""
        self._lost = self._lost or self.reason is None
        self.reason = reason
        self.bids.clear()
        self.asks.clear()
        self.as_of = None
        self.synced_since = None
        self._depth = None
        self._complete = (None, None)

    def lose(self, fault: BookFault) -> BookFault:
        """Throw the book away because an update proved it wrong; counts, and returns the fault."""
        self.gaps += 1
        self._lost = True
        self.forget(Reason.CROSSED_BOOK if fault is BookFault.CROSSED else Reason.GAP)
        return fault

    def _apply_snapshot(self, data: BookSnapshot, event_time: Millis) -> BookFault | None:
        bids, asks = self.bids, self.asks
        is_sorted = bids.replace(data.bids)
        is_sorted = asks.replace(data.asks) and is_sorted
        if not (bids.is_in_bounds() and asks.is_in_bounds()):
            return self.lose(BookFault.BOUNDS)
        if not is_sorted:
            return self.lose(BookFault.UNSORTED)
        if bids.prices and asks.prices and bids.prices[-1] > asks.prices[0]:
            return self.lose(BookFault.CROSSED)
        self._depth = data.depth
        if data.depth is not None and max(len(bids), len(asks)) > data.depth:
            return self.lose(BookFault.TOO_DEEP)
        self._complete = (bids.deepest, asks.deepest)
        self._prune()
        self.reason = None
        self.sequence = data.sequence
        self.cross_sequence = data.cross_sequence
        self.as_of = self.synced_since = event_time
        if self._lost:
            self.resyncs += 1
            self._lost = False
        return None

    def _apply_delta(self, data: BookDelta, event_time: Millis) -> BookFault | None:
        if data.restart:
            return self.lose(BookFault.RESTART)
        if self.reason is not None:
            return BookFault.UNSYNCED
        if data.previous != self.sequence or data.sequence < data.previous:
            return self.lose(BookFault.GAP)
        if data.cross_sequence is not None:
            if self.cross_sequence is not None and data.cross_sequence < self.cross_sequence:
                return self.lose(BookFault.GAP)
            self.cross_sequence = data.cross_sequence
        bids, asks = self.bids, self.asks
        if not (bids.merge(data.bids) and asks.merge(data.asks)):
            return self.lose(BookFault.BOUNDS)
        if bids.prices and asks.prices and bids.prices[-1] > asks.prices[0]:
            return self.lose(BookFault.CROSSED)
        if self._depth is None:
            self._prune()
        elif len(bids.prices) > self._depth or len(asks.prices) > self._depth:
            # the venue deletes what leaves the window, so a longer side proves a lost update
            return self.lose(BookFault.TOO_DEEP)
        self.sequence = data.sequence
        if self.as_of is None or event_time > self.as_of:
            self.as_of = event_time
        return None

    def _prune(self) -> None:
        if self._depth is not None:
            return
        low, high = self._complete
        cut_low, cut_high = self.bids.prune(self._most), self.asks.prune(self._most)
        if low is not None and cut_low is not None:
            low = max(low, cut_low)
        if high is not None and cut_high is not None:
            high = min(high, cut_high)
        self._complete = (low, high)
