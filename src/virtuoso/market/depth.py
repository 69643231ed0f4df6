"""How far from the middle a book is read: 10 bp, or to where the nearer side is known complete."""

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


def notional_within(book: OrderBook, cut: Cut) -> float:
    """What rests on both sides within the cut, in quote currency."""
    bids, asks = book.bids, book.asks
    return fsum(
        price * quantity
        for side in (bids, asks)
        for price, quantity in zip(side.prices, side.quantities, strict=True)
        if cut.low <= price <= cut.high
    )
