"""Both venues' streams give both venues' books, whatever seed and symbols."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.simulator.binance.changes import Differences
from virtuoso.simulator.binance.contracts import contract_of
from virtuoso.simulator.listings import listings_of
from virtuoso.simulator.market import Market

START = 1_763_700_000_000


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 2**32), which=st.integers(0, 60), stirs=st.lists(st.booleans()))
def test_differences_from_any_moment_give_the_venues_own_book(
    seed: int, which: int, stirs: list[bool]
) -> None:
    """At every `u`, level for level, with load on top, and with no break in `pu`."""
    listings = (listings_of(which + 1)[which],)
    contracts = tuple(map(contract_of, listings))
    market = Market(listings, START, np.random.default_rng(seed), contracts)
    binance = market.binance
    assert binance is not None
    live = binance.symbols[0]
    sides = (live.book.bids, live.book.asks)
    known = [dict(side.levels(10_000)) for side in sides]
    last = live.last_update
    for step in range(100):
        if step < len(stirs):
            stir = binance.stir_quote if stirs[step] else binance.stir_trade
            stir(0, market.now_ms)
        market.step(market.now_ms + 100)
        for change in binance.changes:
            if isinstance(change, Differences):
                assert change.previous == last < change.first <= change.last
                last = change.last
                for levels, rows in zip(known, (change.bids, change.asks), strict=True):
                    levels.update(rows)
                    for ticks, steps in rows:
                        if not steps:
                            del levels[ticks]
                assert known == [dict(side.levels(10_000)) for side in sides]
                assert live.book.best_bid < live.book.best_ask
