"""How far from the middle a book is read: 10 bp, or to where the nearer side is known complete."""

from bisect import bisect_left, bisect_right
from math import fsum
from typing import Final, NamedTuple

from virtuoso.market.order_book import Best, OrderBook

LEVELS_NEEDED: Final = 50
"""On each side, before anything is said of what lies behind the best ten."""
REACH: Final = 1e-3
"""10 bp from the mid."""
_ROUNDING: Final = 1.0 + 1e-9
"""Keeps the deepest level inside its own distance from the mid; far below a tick."""


class Cut(NamedTuple):
    """The prices between which a book is read."""

    low: float
    high: float


def outer_cut(book: OrderBook, best: Best) -> Cut | None:
    """Where reading ends on either side, at equal distances; None when too little is known."""
    low, high = book.complete_to
    if min(len(book.bids), len(book.asks)) < LEVELS_NEEDED or low is None or high is None:
        return None
    mid = (best.bid + best.ask) / 2.0
    reach = min(mid * REACH, mid - low, high - mid) * _ROUNDING
    return Cut(mid - reach, mid + reach)


def notional_within(book: OrderBook, best: Best, cut: Cut) -> float:
    """What rests on both sides within the cut, valued at the mid, in quote currency."""
    bids, asks = book.bids, book.asks
    first = bisect_left(bids.prices, cut.low)
    last = bisect_right(asks.prices, cut.high)
    resting = fsum(bids.quantities[first:]) + fsum(asks.quantities[:last])
    return resting * (best.bid + best.ask) / 2.0
