"""The frames of the combined streams, and the REST book, as msgspec types."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from virtuoso.adapters.feed.numbers import Level, Price, Quantity, Sequence, Time
from virtuoso.domain.time import Millis


class Envelope(msgspec.Struct):
    """Any frame: {"stream": "btcusdt@depth@100ms", "data": {...}}, or the answer to a request."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    id: int | None = None
    error: msgspec.Raw = msgspec.Raw()
    code: int | None = None
    msg: str = ""


class Kind(msgspec.Struct, rename={"event": "e"}):
    """What kind of event a frame without an envelope is."""

    event: str = ""


class Depth(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "event_time": "E",
        "time": "T",
        "first": "U",
        "last": "u",
        "previous": "pu",
        "bids": "b",
        "asks": "a",
        "contract": "st",
    },
):
    """{"e": "depthUpdate", "U": 157, "u": 160, "pu": 149, "b": [["0.0024", "10"]], "a": []}."""

    symbol: str
    event_time: Time
    time: Time
    first: Sequence
    last: Sequence
    previous: Sequence
    bids: list[Level]
    asks: list[Level]
    contract: int = 1


class BestPrices(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "time": "T",
        "update": "u",
        "bid": "b",
        "bid_quantity": "B",
        "ask": "a",
        "ask_quantity": "A",
        "contract": "st",
    },
):
    """{"e": "bookTicker", "u": 400900217, "b": "25.35", "B": "31.21", "a": "25.36", "A": "40"}."""

    symbol: str
    time: Time
    update: Sequence
    bid: Price
    bid_quantity: Quantity
    ask: Price
    ask_quantity: Quantity
    contract: int = 1


class TradeData(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "time": "T",
        "id": "t",
        "aggregate_id": "a",
        "price": "p",
        "quantity": "q",
        "seller_took": "m",
        "kind": "X",
        "contract": "st",
    },
):
    """An aggTrade (`a`) or a trade (`t`, `X`); `m` true: the buyer was the maker."""

    symbol: str
    time: Time
    price: Quantity
    """0 in some prints that are not of the market; the door refuses those."""
    quantity: Quantity
    seller_took: bool
    id: int | None = None
    aggregate_id: int | None = None
    kind: str = "MARKET"
    contract: int = 1


class MarkPrice(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "event_time": "E",
        "mark_price": "p",
        "index_price": "i",
        "funding_rate": "r",
        "next_funding_time": "T",
        "contract": "st",
    },
):
    """{"e": "markPriceUpdate", "p": mark, "i": index, "r": coming rate, "T": when it settles}."""

    symbol: str
    event_time: Time
    mark_price: str
    index_price: str | UnsetType = UNSET
    funding_rate: str | UnsetType = UNSET
    next_funding_time: Time = Millis(0)
    contract: int = 1


class DayTicker(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "event_time": "E",
        "last_price": "c",
        "change_percent": "P",
        "volume": "v",
        "turnover": "q",
        "contract": "st",
    },
):
    """{"e": "24hrTicker", "c": last, "P": change in percent, "v": base, "q": quote volume}."""

    symbol: str
    event_time: Time
    last_price: str
    change_percent: str
    volume: str
    turnover: str
    contract: int = 1


class CandleRow(
    msgspec.Struct,
    gc=False,
    rename={
        "start": "t",
        "interval": "i",
        "open": "o",
        "high": "h",
        "low": "l",
        "close": "c",
        "volume": "v",
        "taker_buy_volume": "V",
        "closed": "x",
    },
):
    """The `k` of a kline frame."""

    start: Time
    interval: str
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    taker_buy_volume: Quantity
    closed: bool


class CandleData(
    msgspec.Struct, rename={"symbol": "s", "event_time": "E", "row": "k", "contract": "st"}
):
    """{"e": "kline", "E": ..., "s": "BTCUSDT", "k": {...}}."""

    symbol: str
    event_time: Time
    row: CandleRow
    contract: int = 1


class ForcedOrder(
    msgspec.Struct,
    gc=False,
    rename={
        "symbol": "s",
        "side": "S",
        "average_price": "ap",
        "filled": "z",
        "time": "T",
        "contract": "st",
    },
):
    """The `o` of a forceOrder frame; `S` is the side of the order, not of the position."""

    symbol: str
    side: str
    average_price: Price
    filled: Quantity
    time: Time
    contract: int = 1


class ForcedOrderData(msgspec.Struct, rename={"order": "o"}):
    """{"e": "forceOrder", "E": ..., "o": {...}}."""

    order: ForcedOrder


class RestBook(
    msgspec.Struct, rename={"last_update": "lastUpdateId", "event_time": "E", "time": "T"}
):
    """{"lastUpdateId": 1027024, "E": ..., "T": ..., "bids": [...], "asks": [...]}."""

    last_update: Sequence
    bids: list[Level]
    asks: list[Level]
    event_time: Time = Millis(0)
    time: Time = Millis(0)


ENVELOPE: Final = msgspec.json.Decoder(Envelope, strict=False)
KIND: Final = msgspec.json.Decoder(Kind)
DEPTH: Final = msgspec.json.Decoder(Depth, strict=False)
BEST_PRICES: Final = msgspec.json.Decoder(BestPrices, strict=False)
TRADE: Final = msgspec.json.Decoder(TradeData, strict=False)
MARK_PRICE: Final = msgspec.json.Decoder(MarkPrice, strict=False)
DAY_TICKER: Final = msgspec.json.Decoder(DayTicker, strict=False)
CANDLE: Final = msgspec.json.Decoder(CandleData, strict=False)
FORCED_ORDER: Final = msgspec.json.Decoder(ForcedOrderData, strict=False)
REST_BOOK: Final = msgspec.json.Decoder(RestBook, strict=False)
