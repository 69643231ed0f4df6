"""Who waits: the balance of resting quantity in three disjoint slices of the book.

Section 3.5 of docs/scoring.md. Horizons: the next move, 1 s, 10 s.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from math import fsum
from typing import ClassVar, Final

from virtuoso.components.base.component import DUE_BOOK, Member
from virtuoso.components.base.stream_component import (
    Fact,
    Feed,
    StreamComponent,
    feed_at,
    filling,
)
from virtuoso.domain.scores import ComponentName, Reason
from virtuoso.domain.time import SECOND, Millis
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.depth import outer_cut
from virtuoso.market.market import Market
from virtuoso.market.order_book import Best, OrderBook

NEAR_LEVELS: Final = 10

BOOK_DUE_MS: Final = SECOND
AVERAGE_FROM_SECONDS: Final = 30
"""The average of a slice is believed so long after it began."""

_HALF_LIFE_MS: Final = 10 * SECOND
"""Of the averages: ten grid seconds."""

SLICES: Final = (("queue", 0.50), ("near", 0.25), ("outer", 0.25))


class Orderbook(StreamComponent):
    """Balance of bids and asks: now, and averaged over some ten seconds."""

    name: ClassVar[ComponentName] = ComponentName.ORDERBOOK
    rho: ClassVar[float] = 0.25
    table: ClassVar[Sequence[Member]] = tuple(
        Member(f"{family}@{kind}", family, weight / 2.0)
        for family, weight in SLICES
        for kind in ("now", "ewm10")
    )

    def __init__(self, limits: StreamLimits | None = None) -> None:
        super().__init__(limits)
        self._averages: list[float | None] = [None] * len(SLICES)
        self._averages_since: list[Millis | None] = [None] * len(SLICES)
        self._averaged_at: list[Millis] = [Millis(0)] * len(SLICES)
        self._was_synced = False
        self._was_broken = False
        self._as_of: Millis | None = None
        self._seen_at: Millis | None = None

    def facts(self, at: Millis, market: Market) -> Sequence[Fact]:
        """Give x of every member at grid second `at`."""
        book = market.book
        if not book.synced:
            return self._without_book(book)
        self._was_synced = True
        if book.as_of != self._as_of:
            self._as_of, self._seen_at = book.as_of, at
        seen = at if self._seen_at is None else self._seen_at
        feed = feed_at(at, seen + BOOK_DUE_MS, DUE_BOOK, book.as_of)
        if feed.reason:
            self._forget_averages()
            return [Fact(feed)] * len(self.table)
        facts = []
        for i, now in enumerate(imbalances(book)):
            if isinstance(now, Reason):
                facts += [Fact(feed, reason=now)] * 2
            else:
                facts += [Fact(feed, now), self._average(i, now, at, feed)]
        return facts

    def _average(self, i: int, now: float, at: Millis, feed: Feed) -> Fact:
        """Move the average of slice i on to this grid second.

        After seconds in which the slice had no value, the old ones fade by as many.
        """
        before, since = self._averages[i], self._averages_since[i]
        passed, self._averaged_at[i] = at - self._averaged_at[i], at
        if before is None or since is None:
            self._averages[i], self._averages_since[i] = now, at
            return Fact(
                feed,
                reason=Reason.GAP if self._was_broken else Reason.WARMING_UP,
                have=0,
                need=AVERAGE_FROM_SECONDS,
            )
        average = before + (1.0 - 0.5 ** (passed / _HALF_LIFE_MS)) * (now - before)
        self._averages[i] = average
        fact = filling(feed, at, since, AVERAGE_FROM_SECONDS, broken=self._was_broken)
        return fact or Fact(feed, average)

    def _without_book(self, book: OrderBook) -> Sequence[Fact]:
        reason = book.reason or Reason.NO_FEED
        if reason is Reason.WARMING_UP and not self._was_synced:
            reason = Reason.NO_FEED
        self._forget_averages()
        return [Fact(Feed(reason=reason))] * len(self.table)

    def _forget_averages(self) -> None:
        """Start the averages anew: nothing is carried across a hole."""
        self._was_broken = self._was_broken or self._was_synced
        self._averages = [None] * len(SLICES)
        self._averages_since = [None] * len(SLICES)


def imbalances(book: OrderBook) -> tuple[float | Reason, float | Reason, float | Reason]:
    """Give (B - A)/(B + A) of queue, near and outer, or why a slice has none; -1..1."""
    best = book.best()
    if best is None:
        return Reason.TOO_FEW, Reason.TOO_FEW, Reason.TOO_FEW
    if best.bid >= best.ask:
        return Reason.CROSSED_BOOK, Reason.CROSSED_BOOK, Reason.CROSSED_BOOK
    bids, asks = book.bids.quantities, book.asks.quantities
    near = imbalance(
        fsum(bids[-NEAR_LEVELS:-1]),
        fsum(asks[1:NEAR_LEVELS]),
    )
    return imbalance(best.bid_quantity, best.ask_quantity), near, _outer(book, best)


def imbalance(bid: float, ask: float) -> float | Reason:
    """Give (bid - ask)/(bid + ask), -1..1; too few when nothing rests on either side."""
    total = bid + ask
    return (bid - ask) / total if total > 0.0 else Reason.TOO_FEW


def _outer(book: OrderBook, best: Best) -> float | Reason:
    """Balance from level 11 out to the cut."""
    cut = outer_cut(book, best)
    if cut is None:
        return Reason.TOO_FEW
    first = bisect_left(book.bids.prices, cut.low)
    last = bisect_right(book.asks.prices, cut.high)
    return imbalance(
        fsum(book.bids.quantities[first:-NEAR_LEVELS]),
        fsum(book.asks.quantities[NEAR_LEVELS:last]),
    )
