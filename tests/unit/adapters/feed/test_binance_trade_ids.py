"""Counting the trades that did not come."""

import random

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.adapters.feed.binance.trade_ids import PATIENCE_MS, TradeIds
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
ETH = Instrument(BINANCE, Symbol("ETHUSDT"))


def test_a_number_left_out_is_lost_after_a_while() -> None:
    """Until then it may still come; it is told once."""
    ids = TradeIds()
    for number in (100, 101, 104, 105):
        ids.note(BTC, number, 0)
    ids.note(BTC, 102, 500)
    assert ids.lost(PATIENCE_MS) == {}
    assert ids.lost(PATIENCE_MS + 1) == {BTC: 1}
    assert ids.lost(PATIENCE_MS + 2) == {}
    assert ids.last(BTC) == 105
    assert ids.last(ETH) is None


def test_a_very_large_hole_is_lost_at_once() -> None:
    """What is awaited is bounded."""
    ids = TradeIds()
    ids.note(BTC, 1, 0)
    ids.note(BTC, 1_000_002, 0)
    assert ids.lost(0) == {BTC: 1_000_000}


def test_after_a_cut_the_next_number_begins_anew() -> None:
    """That trades are missing is known then."""
    ids = TradeIds()
    ids.note(BTC, 1, 0)
    ids.note(BTC, 5, 0)
    ids.forget(BTC)
    ids.note(BTC, 1_000, 1)
    assert ids.lost(60_000) == {}


@given(
    st.lists(st.booleans(), min_size=2, max_size=200).filter(lambda kept: kept[0] and kept[-1]),
    st.integers(0, 2**32),
)
def test_whatever_the_order_only_what_never_came_is_lost(kept: list[bool], seed: int) -> None:
    """Numbers between the first and the highest, each once, repeats or not."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    numbers = [number for number, is_kept in enumerate(kept) if is_kept]
    rest = numbers[1:] + rng.choices(numbers, k=5)
    rng.shuffle(rest)
    ids = TradeIds()
    for number in [numbers[0], *rest]:
        ids.note(BTC, number, 0)
    assert ids.lost(PATIENCE_MS + 1).get(BTC, 0) == kept.count(False)
