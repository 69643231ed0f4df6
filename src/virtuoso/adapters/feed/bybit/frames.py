"""The frames of the public stream, as msgspec types. Unknown keys are ignored."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from virtuoso.adapters.feed.numbers import Level, Price, Quantity, Sequence, Time
from virtuoso.domain.time import Millis


class Envelope(msgspec.Struct):
    """Any frame: data has a topic, an answer has an `op`."""

    topic: str | None = None
    op: str | None = None
    success: bool = True
    ret_msg: str = ""
    req_id: str = ""


class _Frame(msgspec.Struct):
    """What every data frame has beside its data."""

    topic: str
    ts: Time
    type: str = ""
    cts: Time = Millis(0)


class BookData(
    msgspec.Struct,
    gc=False,
    rename={"bids": "b", "asks": "a", "update": "u", "cross_sequence": "seq"},
):
    """{"s": "BTCUSDT", "b": [["91000.50", "0.020"], ...], "a": [...], "u": 1, "seq": 2}."""

    bids: list[Level]
    asks: list[Level]
    update: Sequence
    cross_sequence: Sequence


class TradeRow(
    msgspec.Struct,
    gc=False,
    rename={
        "time": "T",
        "taker": "S",
        "quantity": "v",
        "price": "p",
        "id": "i",
        "is_block": "BT",
        "is_retail_improved": "RPI",
    },
):
    """{"T": 1763596800123, "S": "Buy", "v": "0.020", "p": "91000.50", "i": "c0ff", "BT": false}."""

    time: Time
    taker: Literal["Buy", "Sell"]
    quantity: Quantity
    price: Price
    id: str
    is_block: bool = False
    is_retail_improved: bool = False


class TickerData(
    msgspec.Struct,
    gc=False,
    rename={
        "last_price": "lastPrice",
        "mark_price": "markPrice",
        "index_price": "indexPrice",
        "change_24h": "price24hPcnt",
        "volume_24h": "volume24h",
        "turnover_24h": "turnover24h",
        "open_interest": "openInterest",
        "funding_rate": "fundingRate",
        "next_funding_time": "nextFundingTime",
        "funding_interval_hours": "fundingIntervalHour",
    },
):
    """Fields as text, named as in TickerField: a missing one is unchanged, an empty one absent."""

    last_price: str | UnsetType = UNSET
    mark_price: str | UnsetType = UNSET
    index_price: str | UnsetType = UNSET
    change_24h: str | UnsetType = UNSET
    volume_24h: str | UnsetType = UNSET
    turnover_24h: str | UnsetType = UNSET
    open_interest: str | UnsetType = UNSET
    funding_rate: str | UnsetType = UNSET
    next_funding_time: str | UnsetType = UNSET
    funding_interval_hours: str | UnsetType = UNSET


class CandleRow(msgspec.Struct):
    """{"start": 1763596800000, "interval": "1", "open": "91000", ..., "confirm": false}."""

    start: Time
    interval: str
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity
    confirm: bool


class LiquidationRow(
    msgspec.Struct, rename={"time": "T", "position": "S", "quantity": "v", "price": "p"}
):
    """{"T": 1763596800123, "S": "Buy", "v": "0.5", "p": "90000"}; S is the position's side."""

    time: Time
    position: Literal["Buy", "Sell"]
    quantity: Quantity
    price: Price


class BookFrame(_Frame, kw_only=True):
    """A frame of an orderbook topic."""

    data: BookData


class TradeFrame(_Frame, kw_only=True):
    """A frame of the publicTrade topic."""

    data: list[TradeRow]


class TickerFrame(_Frame, kw_only=True):
    """A frame of the tickers topic."""

    data: TickerData


class CandleFrame(_Frame, kw_only=True):
    """A frame of a kline topic."""

    data: list[CandleRow]


class LiquidationFrame(_Frame, kw_only=True):
    """A frame of the allLiquidation topic."""

    data: list[LiquidationRow]


ENVELOPE: Final = msgspec.json.Decoder(Envelope, strict=False)
BOOK: Final = msgspec.json.Decoder(BookFrame, strict=False)
TRADES: Final = msgspec.json.Decoder(TradeFrame, strict=False)
TICKER: Final = msgspec.json.Decoder(TickerFrame, strict=False)
CANDLES: Final = msgspec.json.Decoder(CandleFrame, strict=False)
LIQUIDATIONS: Final = msgspec.json.Decoder(LiquidationFrame, strict=False)
