"""What no market can have does not reach the library, and lost updates are found."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.adapters.feed.ccxt.frames import (
    BinanceSequence,
    BybitSequence,
    Continuity,
    check_frame,
)
from virtuoso.adapters.feed.unreadable import UnreadableFrameError

BAD_PRICES: list[object] = [
    None,
    "abc",
    "NaN",
    "Infinity",
    "1e999",
    "0",
    "-1",
    {"p": 1},
    [],
    True,
    float("inf"),
]
BAD_QUANTITIES: list[object] = [None, "abc", "NaN", "-0.1", {}, True, float("nan")]


@pytest.mark.parametrize("price", BAD_PRICES)
@pytest.mark.parametrize("side", ["b", "a", "bids", "asks"])
def test_a_bad_price_is_refused(side: str, price: object) -> None:
    """Wherever the sides of a book lie in the frame."""
    for frame in (
        {side: [[price, "1"]]},
        {"arg": {}, "data": [{side: [["1", "1"], [price, "1"]]}]},
    ):
        with pytest.raises(UnreadableFrameError):
            check_frame(frame)


@pytest.mark.parametrize("quantity", BAD_QUANTITIES)
def test_a_bad_quantity_is_refused(quantity: object) -> None:
    """Zero is none of them: it deletes."""
    check_frame({"data": {"b": [["1.5", "0"]]}})
    with pytest.raises(UnreadableFrameError):
        check_frame({"data": {"b": [["1.5", quantity]]}})


@pytest.mark.parametrize("level", [None, 7, "text", ["1"]])
def test_a_row_that_is_no_row_is_refused(level: object) -> None:
    """A level has a price and a quantity."""
    with pytest.raises(UnreadableFrameError):
        check_frame({"asks": [level]})


def test_rows_that_name_their_numbers_are_looked_at_too() -> None:
    """In words we know; rows in other words are left to the door."""
    check_frame({"asks": [{"p": "10", "s": 5}], "bids": [{"rate": "-3"}]})
    with pytest.raises(UnreadableFrameError):
        check_frame({"asks": [{"price": "10", "qty": -5}]})


def test_numbers_anywhere_are_finite_and_nesting_has_an_end() -> None:
    """Python's JSON reads NaN and Infinity; a name that looks like one is a name."""
    check_frame({"symbol": "INFUSDT", "data": {"last": 1.0, "name": "nan"}})
    with pytest.raises(UnreadableFrameError):
        check_frame({"data": {"last": float("nan")}})
    deep: list[Any] = []
    for _ in range(50):
        deep = [deep]
    with pytest.raises(UnreadableFrameError, match="nesting"):
        check_frame(deep)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "b", "bids", "data", "topic", "u", "e", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_passed_or_refused(frame: object) -> None:
    """Nothing else is raised than what the guard catches."""
    for look in (check_frame, BybitSequence().judge, BinanceSequence().judge):
        try:
            look(frame)
        except (UnreadableFrameError, ValueError, TypeError, LookupError, ArithmeticError):
            continue


def bybit(update: int, kind: str = "delta") -> dict[str, Any]:
    """A book frame."""
    return {"topic": "orderbook.200.BTCUSDT", "type": kind, "data": {"u": update}}


def test_bybit_updates_rise_by_one() -> None:
    """From a snapshot on; before it a change is early, a hole or a repetition breaks the book."""
    rule = BybitSequence()
    assert rule.judge(bybit(4)) is Continuity.EARLY
    assert rule.judge(bybit(5, "snapshot")) is Continuity.NONE
    assert rule.judge(bybit(6)) is Continuity.NONE
    assert rule.judge({"topic": "tickers.BTCUSDT", "data": {}}) is Continuity.NONE
    assert rule.judge({"op": "subscribe", "success": True}) is Continuity.NONE
    assert rule.judge(bybit(8)) is Continuity.BROKEN
    assert rule.judge(bybit(9)) is Continuity.EARLY
    assert rule.judge(bybit(20, "snapshot")) is Continuity.NONE
    assert rule.judge(bybit(20)) is Continuity.BROKEN


def test_a_push_without_data_is_refused() -> None:
    """The library would take it for a sign that nothing changed."""
    with pytest.raises(UnreadableFrameError, match="data under a topic"):
        BybitSequence().judge({"topic": "tickers.BTCUSDT", "type": "delta", "data": None})


def test_binance_updates_name_the_one_before() -> None:
    """In plain frames and in those of a combined stream."""
    rule = BinanceSequence()
    first = {"e": "depthUpdate", "s": "BTCUSDT", "u": 10, "pu": 7}
    assert rule.judge(first) is Continuity.NONE
    assert rule.judge({"data": first | {"u": 15, "pu": 10}}) is Continuity.NONE
    assert rule.judge(first | {"s": "ETHUSDT", "u": 3, "pu": 1}) is Continuity.NONE
    assert rule.judge(first | {"u": 20, "pu": 16}) is Continuity.BROKEN
