"""Bybit's frames: what they mean, and what is refused."""

import json
from typing import Any

import pytest

from virtuoso.adapters.feed.bybit.parse import (
    Answer,
    DataFrame,
    TopicName,
    UnknownTopic,
    read_frame,
)
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.topics import share_out, topics_of
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    FormingCandle,
    Liquidation,
    MarketData,
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
NOW = Millis(1_763_700_000_123)
AT = 1_763_700_000_000
SETTINGS = BybitSettings(candle_intervals=("1", "5", "30", "240"))
TOPICS = {name.text: name for name in topics_of(BTC, SETTINGS)}


def read(topic: str, data: object, kind: str = "snapshot", **more: object) -> list[MarketData]:
    """The facts in a frame."""
    frame = {"topic": topic, "type": kind, "ts": AT, "data": data, **more}
    found = read_frame(json.dumps(frame, separators=(",", ":")), TOPICS, NOW)
    assert isinstance(found, DataFrame)
    for event in found.events:
        assert (event.instrument, event.receive_time) == (BTC, NOW)
    return [event.data for event in found.events]


def book(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The data of a book frame."""
    whole = {"s": "BTCUSDT", "b": [["100.50", "1.5"]], "a": [["101.0", "2"]], "u": 7, "seq": 70}
    return whole | changes


def trade(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A row of a trade frame."""
    row = {"T": AT - 5, "s": "BTCUSDT", "S": "Sell", "v": "0.5", "p": "100.5", "i": "a-b"}
    return row | changes


def test_a_snapshot_and_a_delta_of_the_book() -> None:
    """The delta applies to the update before it; the time is the matching engine's."""
    assert read("orderbook.200.BTCUSDT", book(), cts=AT - 3) == [
        BookSnapshot([(100.5, 1.5)], [(101.0, 2.0)], 7, 70, 200)
    ]
    delta = book(b=[["100.5", "0"]], a=[])
    assert read("orderbook.200.BTCUSDT", delta, "delta", cts=AT - 3) == [
        BookDelta([(100.5, 0.0)], [], 6, 7, 70)
    ]


def test_an_update_id_of_one_in_a_delta_is_a_restart() -> None:
    """In a snapshot it is a beginning."""
    (restarted,) = read("orderbook.200.BTCUSDT", book(u=1), "delta")
    assert isinstance(restarted, BookDelta)
    assert restarted.restart
    assert isinstance(read("orderbook.200.BTCUSDT", book(u=1))[0], BookSnapshot)


def test_level_one_is_a_quote_at_its_push_time() -> None:
    """A book that is sent again proves that it still stands."""
    frame = {"topic": "orderbook.1.BTCUSDT", "type": "snapshot", "ts": AT, "cts": AT - 9_000}
    found = read_frame(json.dumps(frame | {"data": book()}), TOPICS, NOW)
    assert isinstance(found, DataFrame)
    (event,) = found.events
    assert event.event_time == AT
    assert event.data == Quote(100.5, 1.5, 101.0, 2.0, 70)
    assert read("orderbook.1.BTCUSDT", book(b=[])) == []


def test_trades_keep_the_takers_side_and_blocks_are_told_apart() -> None:
    """Whatever makes them, they equal what the domain's own constructors make."""
    rows = [trade(), trade(i="c", S="Buy", BT=True, RPI=True)]
    frame = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": AT, "data": rows}
    found = read_frame(json.dumps(frame), TOPICS, NOW)
    assert isinstance(found, DataFrame)
    expected: list[MarketEvent[MarketData]] = [
        MarketEvent(BTC, Trade("a-b", 100.5, 0.5, Side.SELL), Millis(AT - 5), NOW),
        MarketEvent(BTC, Trade("c", 100.5, 0.5, Side.BUY, TradeKind.BLOCK), Millis(AT - 5), NOW),
    ]
    assert found.events == expected
    assert [repr(event) for event in found.events] == [repr(event) for event in expected]


def test_a_ticker_tells_missing_from_empty() -> None:
    """Missing is unchanged, empty is absent."""
    fields = {"symbol": "BTCUSDT", "lastPrice": "100.5", "fundingRate": "", "bid1Price": "1"}
    assert read("tickers.BTCUSDT", fields, "delta") == [
        Ticker({TickerField.LAST_PRICE: 100.5, TickerField.FUNDING_RATE: None}, whole=False)
    ]
    (whole,) = read("tickers.BTCUSDT", {"symbol": "BTCUSDT", "nextFundingTime": "1763712000000"})
    assert whole == Ticker({TickerField.NEXT_FUNDING_TIME: 1_763_712_000_000.0}, whole=True)


@pytest.mark.parametrize(
    ("interval", "timeframe"), list(zip(["1", "5", "30", "240"], Timeframe, strict=True))
)
def test_only_a_confirmed_candle_is_a_candle(interval: str, timeframe: Timeframe) -> None:
    """The open one is forming."""
    row = {
        "start": AT,
        "interval": interval,
        "open": "1",
        "high": "4",
        "low": "0.5",
        "close": "2",
        "volume": "9",
        "confirm": False,
    }
    numbers = (Millis(AT), 1.0, 4.0, 0.5, 2.0, 9.0)
    topic = f"kline.{interval}.BTCUSDT"
    assert read(topic, [row]) == [FormingCandle(timeframe, *numbers)]
    assert read(topic, [row | {"confirm": True}]) == [Candle(timeframe, *numbers)]


def test_a_liquidation_has_the_side_of_the_position() -> None:
    """Buy: a long was closed."""
    rows = [{"T": AT, "s": "BTCUSDT", "S": side, "v": "2", "p": "90"} for side in ("Buy", "Sell")]
    assert read("allLiquidation.BTCUSDT", rows) == [
        Liquidation(PositionSide.LONG, 2.0, 90.0),
        Liquidation(PositionSide.SHORT, 2.0, 90.0),
    ]


def test_the_order_of_keys_does_not_matter() -> None:
    """The venue itself writes them in different orders."""
    frame = {"data": [trade()], "ts": AT, "type": "snapshot", "topic": "publicTrade.BTCUSDT"}
    for text in (json.dumps(frame), json.dumps(frame).encode(), json.dumps(frame, indent=2)):
        found = read_frame(text, TOPICS, NOW)
        assert isinstance(found, DataFrame)
        assert len(found.events) == 1


def test_answers_and_unknown_topics_are_told_apart() -> None:
    """A pong says ping."""
    pong = b'{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}'
    assert read_frame(pong, TOPICS, NOW) == Answer("ping", "", success=True, message="pong")
    refusal = '{"success":false,"ret_msg":"error:handler not found,topic:x","op":"subscribe"}'
    answer = read_frame(refusal, TOPICS, NOW)
    assert isinstance(answer, Answer)
    assert not answer.success
    unknown = b'{"topic":"priceLimit.BTCUSDT","data":{}}'
    assert read_frame(unknown, TOPICS, NOW) == UnknownTopic("priceLimit.BTCUSDT")


BAD_NUMBERS: list[object] = [
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "1e999",
    "-1",
    "",
    "abc",
    "1e15",
    None,
    {},
]


@pytest.mark.parametrize("number", BAD_NUMBERS, ids=repr)
def test_impossible_numbers_are_refused(number: object) -> None:
    """As price and as quantity, in books and in trades."""
    for topic, data in (
        ("orderbook.200.BTCUSDT", book(b=[[number, "1"]])),
        ("orderbook.200.BTCUSDT", book(a=[["1", number]])),
        ("orderbook.1.BTCUSDT", book(a=[["1", number]])),
        ("publicTrade.BTCUSDT", [trade(p=number)]),
        ("publicTrade.BTCUSDT", [trade(v=number)]),
    ):
        with pytest.raises(UnreadableFrameError):
            read(topic, data)


@pytest.mark.parametrize("price", ["0", "0.0"])
def test_a_price_of_zero_is_refused(price: str) -> None:
    """A quantity of zero removes a level, a price of zero is none."""
    with pytest.raises(UnreadableFrameError):
        read("orderbook.200.BTCUSDT", book(b=[[price, "1"]]))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"42",
        b"[1,2,3]",
        b"upstream connect error",
        b'{"topic":7,"type":"delta","data":{}}',
        b'{"topic":"\xff\xfe"}',
        b"{}",
        b"[" * 20_000 + b"]" * 20_000,
        b'{"topic":"tickers.BTCUSDT","type":"delta","data":null,"cs":1,"ts":1}',
        b'{"topic":"tickers.BTCUSDT","type":"delta","data":'
        + b'{"a":' * 20_000
        + b"1"
        + b"}" * 20_000
        + b',"ts":1}',
        b'{"topic":"tickers.BTCUSDT","ts":1,"data":{"lastPrice":"abc"}}',
        b'{"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1,"data":{"b":[null],"a":[],"u":2}}',
        b'{"topic":"orderbook.200.BTCUSDT","type":"new","ts":1,"data":{"b":[],"a":[],"u":2,"seq":2}}',
        b'{"topic":"publicTrade.BTCUSDT","topic":"x","ts":1,"data":[]}',
        b'{"topic":"kline.1.BTCUSDT","ts":1,"data":[{"start":1,"interval":"7"}]}',
    ],
    ids=lambda frame: frame[:30].decode(errors="replace"),
)
def test_malformed_frames_raise_one_error(frame: bytes) -> None:
    """And nothing else, whatever is wrong with them."""
    with pytest.raises(UnreadableFrameError):
        read_frame(frame, TOPICS, NOW)


def test_instruments_are_packed_by_count_and_by_text() -> None:
    """At most 50 on a connection, and at most 18,000 characters of topics."""
    many = [Instrument(BYBIT, Symbol(f"A{number:03d}USDT")) for number in range(120)]
    groups = share_out([], many, BybitSettings())
    assert [len(group) for group in groups] == [50, 50, 20]
    assert [each for group in groups for each in group] == many
    long = [Instrument(BYBIT, Symbol(f"{'X' * 25}{number:03d}")) for number in range(120)]
    everything = BybitSettings(candle_intervals=("1", "5", "30", "240"))
    groups = share_out([], long, everything)
    for group in groups:
        names: list[TopicName] = [name for each in group for name in topics_of(each, everything)]
        assert sum(len(name.text) for name in names) <= 18_000
    assert sum(map(len, groups)) == 120


def test_who_is_carried_stays_and_newcomers_take_the_room_there_is() -> None:
    """A connection that nobody is left on stays in the list, empty."""
    many = [Instrument(BYBIT, Symbol(f"A{number:03d}USDT")) for number in range(150)]
    carried = [many[:50], many[50:70], many[70:75]]
    wanted = [*many[1:50], *many[50:70], *many[80:140]]
    shared = share_out(carried, wanted, BybitSettings())
    assert [len(group) for group in shared] == [50, 50, 29]
    for before, after in zip(carried, shared, strict=True):
        assert set(before) & set(wanted) <= set(after)
    assert share_out(carried, many[:50], BybitSettings())[1:] == [[], []]


def test_settings_refuse_what_the_venue_does_not_have() -> None:
    """Level 500 no longer exists."""
    with pytest.raises(SettingsError, match="expected a book depth of 50 or 200, found 500"):
        BybitSettings(book_depth=500)
    with pytest.raises(SettingsError, match="found 7"):
        BybitSettings(candle_intervals=("7",))
    with pytest.raises(SettingsError, match="expected an address such as wss:"):
        BybitSettings(url="https://stream.bybit.com")
    with pytest.raises(SettingsError, match="one with a login or a query") as refused:
        BybitSettings(url="wss://me:secret@stream.bybit.com/v5/public/linear?key=secret")
    assert "secret" not in str(refused.value)
    with pytest.raises(SettingsError, match="expected silence above 0 s"):
        Patience(silence=0)


def test_best_prices_sent_again_confirm_the_quiet_book() -> None:
    """Not ahead of the book: it still stood at that push. Ahead of it: nothing is known."""
    door, order_book = Door([BTC]), OrderBook()

    def take(topic: str, at: int, data: object, **more: object) -> Action:
        text = json.dumps({"topic": topic, "type": "snapshot", "ts": at, "data": data, **more})
        found = read_frame(text, TOPICS, Millis(at + 20))
        assert isinstance(found, DataFrame)
        (event,) = found.events
        return door.judge(event, order_book).action

    assert take("orderbook.200.BTCUSDT", AT, book(), cts=AT - 3) is Action.ACCEPT
    assert order_book.as_of == AT - 3
    for later in (3_000, 6_000):
        take("orderbook.1.BTCUSDT", AT + later, book(u=9, seq=70))
        assert order_book.as_of == AT + later
    take("orderbook.1.BTCUSDT", AT + 9_000, book(u=10, seq=71))
    assert order_book.as_of == AT + 6_000
