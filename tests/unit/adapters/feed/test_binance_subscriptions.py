"""Who shares a connection, and where the streams are."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.binance.subscriptions import (
    CANARY,
    INSTRUMENTS_A_GROUP,
    STREAMS_A_CONNECTION,
    Category,
    share_out,
    streams_of,
)
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import Topic

ALL = [Instrument(BINANCE, Symbol(f"COIN{number}USDT")) for number in range(200)]


def test_seven_streams_of_an_instrument_lie_on_two_categories_of_connections() -> None:
    """In the venue's lower case."""
    names = streams_of(Instrument(BINANCE, Symbol("1000SHIBUSDT")))
    of = {
        category: sorted(each.text for each in names if each.category is category)
        for category in Category
    }
    assert of == {
        Category.PUBLIC: ["1000shibusdt@bookTicker", "1000shibusdt@depth@100ms"],
        Category.MARKET: [
            "1000shibusdt@aggTrade",
            "1000shibusdt@forceOrder",
            "1000shibusdt@kline_1m",
            "1000shibusdt@markPrice@1s",
            "1000shibusdt@ticker",
        ],
    }
    assert {each.topic for each in names} == set(Topic)
    assert CANARY == "btcusdt@bookTicker"


def test_thirty_six_instruments_fill_a_connection() -> None:
    """Five streams each on the fuller one make 180; the other has room for a canary."""
    streams = Counter(each.category for instrument in ALL[:36] for each in streams_of(instrument))
    assert INSTRUMENTS_A_GROUP == 36
    assert streams[Category.MARKET] == STREAMS_A_CONNECTION == 180
    assert streams[Category.PUBLIC] < STREAMS_A_CONNECTION
    assert [len(each) for each in share_out([], ALL[:100])] == [36, 36, 28]


@given(st.lists(st.lists(st.sampled_from(ALL), unique=True, max_size=200), max_size=4))
def test_nobody_moves_and_no_connection_overflows(universes: list[list[Instrument]]) -> None:
    """Whatever universe follows whatever other."""
    groups: list[list[Instrument]] = []
    for universe in universes:
        before = {each: number for number, group in enumerate(groups) for each in group}
        groups = share_out(groups, universe)
        after = {each: number for number, group in enumerate(groups) for each in group}
        assert set(after) == set(universe)
        assert all(after[each] == before[each] for each in set(before) & set(after))
        assert all(len(group) <= INSTRUMENTS_A_GROUP for group in groups)
        for group in groups:  # the most needed first
            assert group == sorted(group, key=universe.index)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"stream_url": "https://fstream.binance.com"}, "such as wss://"),
        ({"rest_url": "fapi.binance.com"}, "such as https://"),
        ({"stream_url": "wss://me:secret@fstream.binance.com"}, "a login or a query"),
        ({"rest_url": "https://fapi.binance.com/?key=secret"}, "a login or a query"),
        ({"life_seconds": 0.0}, "life_seconds above 0, found 0"),
        ({"silence_seconds": float("nan")}, "silence_seconds above 0, found nan"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, str], complaint: str) -> None:
    """And no secret is repeated."""
    with pytest.raises(SettingsError, match=complaint) as caught:
        BinanceSettings(**settings)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
