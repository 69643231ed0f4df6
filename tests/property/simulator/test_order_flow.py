"""Those who trade one symbol."""

import numpy as np
import pytest

from virtuoso.simulator.draws import Draws
from virtuoso.simulator.listings import LISTINGS, Listing
from virtuoso.simulator.order_flow import DEPTH, Mood, OrderFlow

SOME = tuple(listing for listing in LISTINGS if listing.symbol in {"BTCUSDT", "ADAUSDT", "DOTUSDT"})


def _flow(listing: Listing) -> tuple[OrderFlow, float]:
    fair = listing.price / listing.tick
    return OrderFlow(listing, fair, Draws(np.random.default_rng(5))), fair


@pytest.mark.parametrize("listing", SOME, ids=lambda listing: listing.symbol)
def test_makers_follow_the_fair_price_and_keep_the_book_full(listing: Listing) -> None:
    """Whatever it does, the quotes are about it, not crossed, and 200 levels deep."""
    flow, fair = _flow(listing)
    draws = np.random.default_rng(6)
    for _ in range(300):
        fair *= float(np.exp(0.0004 * draws.standard_normal()))
        mood = Mood(fair, 1.0, 1.0, 0.0)
        flow.take(mood)
        flow.quote(mood)
        book = flow.book
        assert book.best_bid < book.best_ask
        assert abs((book.best_bid + book.best_ask) / 2 / fair - 1) < 0.0006
        assert len(book.bids) >= DEPTH
        assert len(book.asks) >= DEPTH
        assert book.bids.keys == sorted(book.bids.sizes)


@pytest.mark.parametrize("buys", [True, False])
def test_a_position_larger_than_the_book_leaves_one_that_can_be_traded(buys: bool) -> None:  # noqa: FBT001
    """A liquidation may eat a whole side; takers and makers who come after it go on."""
    flow, fair = _flow(SOME[0])
    mood = Mood(fair, 1.0, 1.0, 0.0)
    for _ in range(20):
        fills = flow.liquidate(10**12, fair, buys=buys)
        assert all(fill.buyer_took is buys for fill in fills)
        flow.liquidate(10**12, fair * (2.0 if buys else 0.5), buys=buys)
        assert flow.liquidate(10**12, fair * (2.0 if buys else 0.5), buys=buys) == []
        flow.take(mood)
        flow.quote(mood)
        assert flow.book.best_bid < flow.book.best_ask
        assert len(flow.book.bids) >= DEPTH
        assert len(flow.book.asks) >= DEPTH


def test_a_cheap_coin_has_no_bid_at_nothing() -> None:
    """At a price of 40 ticks there are at most 40 levels of bids."""
    flow = OrderFlow(SOME[1], 40.0, Draws(np.random.default_rng(5)))
    assert flow.book.bids.keys[0] >= 1
    assert len(flow.book.bids) <= 40
