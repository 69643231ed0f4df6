"""The frames of Binance USD-M that a recording may hold, as far as they are played."""

from typing import Final

import msgspec


class DepthFrame(msgspec.Struct, rename={"at": "E", "time": "T", "first": "U", "last": "u"}):
    """An update of the depth; first and last number the updates in it, `pu` the one before."""

    at: int
    time: int
    first: int
    last: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class RestBookFrame(msgspec.Struct, rename={"last": "lastUpdateId", "at": "E", "time": "T"}):
    """A whole book as REST gave it."""

    last: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    at: int = 0
    time: int = 0


class TradeFrame(
    msgspec.Struct,
    rename={"at": "E", "time": "T", "id": "t", "price": "p", "quantity": "q", "seller_took": "m"},
):
    """One trade; `X` says whether it was of the market."""

    at: int
    time: int
    id: int
    price: str
    quantity: str
    seller_took: bool
    X: str = "MARKET"


class BestFrame(
    msgspec.Struct,
    rename={"at": "E", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    """The best prices of both sides."""

    at: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class MarkFrame(
    msgspec.Struct,
    rename={"at": "E", "mark": "p", "index": "i", "rate": "r", "next_funding": "T"},
):
    """Mark and index price, and the coming funding."""

    at: int
    mark: str
    index: str
    rate: str
    next_funding: int


TRADES: Final = msgspec.json.Decoder(TradeFrame)
BESTS: Final = msgspec.json.Decoder(BestFrame)
DEPTHS: Final = msgspec.json.Decoder(DepthFrame)
REST_BOOKS: Final = msgspec.json.Decoder(RestBookFrame)
MARKS: Final = msgspec.json.Decoder(MarkFrame)
