"""Shapes of the events in a recording that no frame brought.

They are the format; the domain's types may change beside them. New fields go to the end of a shape
and have a default.
"""

from typing import TypeAlias

import msgspec

from virtuoso.domain.instruments import Symbol, Venue
from virtuoso.domain.market_data import (
    PositionSide,
    Side,
    TickerField,
    Topic,
    TradeKind,
)
from virtuoso.domain.time import Millis, Timeframe

InstrumentShape: TypeAlias = tuple[Venue, Symbol]
LevelsShape: TypeAlias = tuple[tuple[float, float], ...]


class Shape(msgspec.Struct, array_like=True, gc=False):
    """An array in msgpack; where several kinds may stand, their tag comes first."""


class CandleShape(Shape):
    """A closed candle of a timeframe that is known from where it stands."""

    open_time: Millis
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker_buy_volume: float | None = None


class TradeShape(Shape, tag="trade"):
    """A Trade."""

    id: str
    price: float
    quantity: float
    side: Side
    kind: TradeKind


class BookSnapshotShape(Shape, tag="snapshot"):
    """A BookSnapshot."""

    bids: LevelsShape
    asks: LevelsShape
    sequence: int
    cross_sequence: int | None
    depth: int | None


class BookDeltaShape(Shape, tag="delta"):
    """A BookDelta."""

    bids: LevelsShape
    asks: LevelsShape
    previous: int
    sequence: int
    cross_sequence: int | None
    restart: bool


class QuoteShape(Shape, tag="quote"):
    """A Quote."""

    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float
    sequence: int


class TickerShape(Shape, tag="ticker"):
    """A Ticker."""

    values: dict[TickerField, float | None]
    whole: bool


class ClosedShape(Shape, tag="candle"):
    """A Candle."""

    timeframe: Timeframe
    candle: CandleShape


class FormingShape(Shape, tag="forming"):
    """A FormingCandle."""

    timeframe: Timeframe
    candle: CandleShape


class LiquidationShape(Shape, tag="liquidation"):
    """A Liquidation."""

    side: PositionSide
    quantity: float
    price: float


DataShape: TypeAlias = (
    TradeShape
    | BookSnapshotShape
    | BookDeltaShape
    | QuoteShape
    | TickerShape
    | ClosedShape
    | FormingShape
    | LiquidationShape
)


class MarketShape(Shape, tag="market"):
    """A MarketEvent."""

    instrument: InstrumentShape
    data: DataShape
    event_time: Millis
    receive_time: Millis


class ConnectedShape(Shape, tag="connected"):
    """A Connected."""

    venue: Venue
    instruments: tuple[InstrumentShape, ...]
    receive_time: Millis


class DisconnectedShape(Shape, tag="disconnected"):
    """A Disconnected."""

    venue: Venue
    instruments: tuple[InstrumentShape, ...]
    reason: str
    receive_time: Millis


class AliveShape(Shape, tag="alive"):
    """An Alive."""

    venue: Venue
    instruments: tuple[InstrumentShape, ...]
    receive_time: Millis


class FrameRefusedShape(Shape, tag="frame_refused"):
    """A FrameRefused."""

    venue: Venue
    reason: str
    sample: bytes
    recycled: bool
    receive_time: Millis


class TopicRefusedShape(Shape, tag="topic_refused"):
    """A TopicRefused."""

    instrument: InstrumentShape
    topic: Topic
    reason: str
    receive_time: Millis


class TopicSilentShape(Shape, tag="topic_silent"):
    """A TopicSilent."""

    instrument: InstrumentShape
    topic: Topic
    reason: str
    receive_time: Millis


class TopicRestoredShape(Shape, tag="topic_restored"):
    """A TopicRestored."""

    instrument: InstrumentShape
    topic: Topic
    receive_time: Millis


class TradesMissingShape(Shape, tag="trades_missing"):
    """A TradesMissing."""

    instrument: InstrumentShape
    count: int
    receive_time: Millis


class ListingShape(Shape):
    """A Listing."""

    instrument: InstrumentShape
    base: str
    quote: str
    tick_size: float
    quantity_step: float
    turnover_24h: float | None
    funding_interval_hours: float | None


class UniverseShape(Shape, tag="universe"):
    """A UniverseChosen."""

    venue: Venue
    listings: tuple[ListingShape, ...]
    receive_time: Millis


class DefinitionShape(Shape, tag="definition"):
    """A DefinitionChosen."""

    text: str
    receive_time: Millis


class CandlesShape(Shape, tag="candles_loaded"):
    """A CandlesLoaded, its timeframes in their order."""

    instrument: InstrumentShape
    candles: dict[Timeframe, tuple[CandleShape, ...]]
    receive_time: Millis


class DerivativesShape(Shape, tag="derivatives_loaded"):
    """A DerivativesLoaded."""

    instrument: InstrumentShape
    receive_time: Millis
    mark: tuple[tuple[Timeframe, CandleShape], ...]
    index: tuple[tuple[Timeframe, CandleShape], ...]
    funding: tuple[tuple[Millis, float, float | None], ...]
    open_interest: tuple[tuple[Millis, float], ...]
    ratio: tuple[tuple[Millis, float, float], ...]


class TradesShape(Shape, tag="trades_loaded"):
    """A TradesLoaded: (instrument, trade, event time, receive time) each."""

    instrument: InstrumentShape
    trades: tuple[tuple[InstrumentShape, TradeShape, Millis, Millis], ...]
    receive_time: Millis


class BookPolledShape(Shape, tag="book_polled"):
    """A BookPolled: its book, the book's event time and receive time."""

    instrument: InstrumentShape
    book: BookSnapshotShape
    event_time: Millis
    book_receive_time: Millis
    receive_time: Millis


class PriceConfirmedShape(Shape, tag="price_confirmed"):
    """A PriceConfirmed."""

    instrument: InstrumentShape
    price: float
    receive_time: Millis


class TickShape(Shape, tag="tick"):
    """A Tick."""

    receive_time: Millis


class EndedShape(Shape, tag="ended"):
    """A FeedEnded."""

    receive_time: Millis


EventShape: TypeAlias = (
    MarketShape
    | ConnectedShape
    | DisconnectedShape
    | AliveShape
    | FrameRefusedShape
    | TopicRefusedShape
    | TopicSilentShape
    | TopicRestoredShape
    | TradesMissingShape
    | UniverseShape
    | DefinitionShape
    | CandlesShape
    | DerivativesShape
    | TradesShape
    | BookPolledShape
    | PriceConfirmedShape
    | TickShape
    | EndedShape
)
