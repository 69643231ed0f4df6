"""What Binance's frames mean, key by key."""

import json
from typing import Any

import pytest

from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.parse import Parsed, read_data, read_envelope
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    Liquidation,
    MarketEvent,
    PositionSide,
    Side,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import Millis

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
NOW = Millis(1_784_462_400_000)

DATA: dict[str, dict[str, Any]] = {
    "depth@100ms": {"E": 1, "T": 2, "U": 3, "u": 4, "pu": 2, "b": [["1", "2"]], "a": []},
    "bookTicker": {"T": 2, "u": 4, "b": "1", "B": "1", "a": "2", "A": "1"},
    "aggTrade": {"T": 2, "a": 7, "p": "1", "q": "2", "m": True},
    "trade": {"T": 2, "t": 8, "p": "1", "q": "2", "m": False, "X": "MARKET"},
    "markPrice@1s": {"E": 2, "T": 3_600_000, "p": "1", "i": "1", "r": "0.0001"},
    "ticker": {"E": 2, "c": "1", "P": "1.5", "v": "10", "q": "20"},
    "kline_1m": {
        "E": 2,
        "k": {"t": 0, "i": "1m", "o": "1", "h": "2", "l": "1", "c": "2", "v": "3", "V": "1"}
        | {"x": True},
    },
}


def read(stream: str, **changes: object) -> Parsed:
    """What a frame of BTCUSDT says; `changes` to its data."""
    data = {"s": "BTCUSDT"} | DATA[stream] | changes
    frame = json.dumps({"stream": f"btcusdt@{stream}", "data": data})
    return read_data(read_envelope(frame), {"BTCUSDT": BTC}, NOW)


def read_order(**changes: object) -> Parsed:
    """What a forced order of BTCUSDT says."""
    order = {"s": "BTCUSDT", "S": "SELL", "p": "9", "ap": "10", "q": "5", "z": "4", "T": 2}
    frame = json.dumps(
        {"stream": "btcusdt@forceOrder", "data": {"e": "forceOrder", "o": order | changes}}
    )
    return read_data(read_envelope(frame), {"BTCUSDT": BTC}, NOW)


@pytest.mark.parametrize("stream", list(DATA))
def test_only_contracts_that_settle_in_dollars_are_taken(stream: str) -> None:
    """`st` 1 or none at all; 2 settles in coins and may bear the same name."""
    assert read(stream) is not None
    assert read(stream, st=1, ps="BTCUSDT", nq="2") is not None
    assert read(stream, st=2) is None
    assert read(stream, s="ETHUSDT") is None


def test_an_order_that_sells_liquidates_a_long_at_the_average_price() -> None:
    """Size is what was filled; the order's own price and size are limits."""
    sold, bought = read_order(), read_order(S="BUY")
    assert isinstance(sold, MarketEvent)
    assert sold.data == Liquidation(PositionSide.LONG, 4.0, 10.0)
    assert isinstance(bought, MarketEvent)
    assert bought.data == Liquidation(PositionSide.SHORT, 4.0, 10.0)
    assert read_order(st=2) is None
    assert read_order(s="ETHUSDT") is None
    with pytest.raises(UnreadableFrameError, match="expected side BUY or SELL, found 'HOLD'"):
        read_order(S="HOLD")


def test_a_trade_is_the_takers() -> None:
    """`m`: the seller was the taker. Of aggregate trades the id is `a`."""
    whole, single = read("aggTrade"), read("trade")
    assert isinstance(whole, MarketEvent)
    assert whole.data == Trade("7", 1.0, 2.0, Side.SELL)
    assert isinstance(single, MarketEvent)
    assert single.data == Trade("8", 1.0, 2.0, Side.BUY)


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA", "SOMETHING_NEW"])
def test_a_print_that_is_not_of_the_market_says_so(kind: str) -> None:
    """Whatever else it is: only MARKET trades."""
    print_ = read("trade", X=kind)
    assert isinstance(print_, MarketEvent)
    assert isinstance(print_.data, Trade)
    assert print_.data.kind is TradeKind.OFF_MARKET


def test_the_time_of_a_mark_price_is_that_of_the_event() -> None:
    """`T` is the next settlement; 0 means that there is none."""
    mark = read("markPrice@1s")
    assert isinstance(mark, MarketEvent)
    assert mark.event_time == 2
    assert isinstance(mark.data, Ticker)
    assert mark.data.values[TickerField.NEXT_FUNDING_TIME] == 3_600_000.0
    without = read("markPrice@1s", T=0, r="")
    assert isinstance(without, MarketEvent)
    assert isinstance(without.data, Ticker)
    assert without.data.values[TickerField.NEXT_FUNDING_TIME] is None
    assert without.data.values[TickerField.FUNDING_RATE] is None


def test_a_difference_comes_out_as_it_is() -> None:
    """Only the bridge knows what it applies to."""
    depth = read("depth@100ms")
    assert isinstance(depth, Depth)
    assert (depth.first, depth.last, depth.previous, depth.time) == (3, 4, 2, 2)


@pytest.mark.parametrize("stream", list(DATA))
def test_a_frame_without_its_numbers_is_unreadable(stream: str) -> None:
    """Never a fact with a default."""
    for key in DATA[stream]:
        if key in {"X", "i", "r"} or (stream, key) == ("markPrice@1s", "T"):
            continue  # a market trade, a value that is not told of
        data = {"s": "BTCUSDT"} | {at: value for at, value in DATA[stream].items() if at != key}
        frame = json.dumps({"stream": f"btcusdt@{stream}", "data": data})
        with pytest.raises(UnreadableFrameError):
            read_data(read_envelope(frame), {"BTCUSDT": BTC}, NOW)
