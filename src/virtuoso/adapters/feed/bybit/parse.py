"""From Bybit's frames to market events. Pure: bytes and times in, events out."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import UNSET

from virtuoso.adapters.feed.bybit import frames
from virtuoso.adapters.feed.unreadable import refuse_unreadable
from virtuoso.domain.instruments import Instrument
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
    Topic,
    Trade,
    TradeKind,
)
from virtuoso.domain.time import Millis, Timeframe

Events: TypeAlias = list[MarketEvent[MarketData]]
Frame: TypeAlias = str | bytes
Parse: TypeAlias = Callable[["TopicName", Frame, Millis], "DataFrame"]

INTERVALS: Final[Mapping[str, Timeframe]] = {
    "1": Timeframe.M1,
    "5": Timeframe.M5,
    "30": Timeframe.M30,
    "240": Timeframe.H4,
}

# reading a member of an enum costs more than a comparison, and these are read for every trade
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_MARKET: Final = TradeKind.MARKET
_BLOCK: Final = TradeKind.BLOCK
_tuple: Final = tuple.__new__
_TICKER_FIELDS: Final = tuple((field, field.value) for field in TickerField)


class TopicName(NamedTuple):
    """A topic that was subscribed to: its kind, its parameter and the instrument behind it."""

    text: str
    topic: Topic
    instrument: Instrument
    depth: int = 0
    """Of a book topic: levels a side."""


class DataFrame(NamedTuple):
    """A frame with market data."""

    name: TopicName
    is_snapshot: bool
    events: Events


class UnknownTopic(NamedTuple):
    """A frame of a topic that was not subscribed to."""

    text: str


class Answer(NamedTuple):
    """A reply to a request, or to a ping: its `op` says ping too, its message pong."""

    op: str
    request_id: str
    success: bool
    message: str


def read_frame(
    frame: Frame, topics: Mapping[str, TopicName], receive_time: Millis
) -> DataFrame | UnknownTopic | Answer:
    """Read any frame. Raises UnreadableFrameError when it is not what the venue documents."""
    with refuse_unreadable():
        # the venue mostly writes the topic first, which spares finding it; it need not
        name = topics.get(_leading_topic(frame))
        if name is not None:
            return _PARSERS[name.topic](name, frame, receive_time)
        envelope = frames.ENVELOPE.decode(frame)
        if envelope.topic is not None:
            name = topics.get(envelope.topic)
            if name is None:
                return UnknownTopic(envelope.topic)
            return _PARSERS[name.topic](name, frame, receive_time)
        if envelope.op is None:
            msg = "expected a topic or an op, found neither"
            raise ValueError(msg)
        return Answer(envelope.op, envelope.req_id, envelope.success, envelope.ret_msg)


def _leading_topic(frame: Frame) -> str:
    """The topic, if it is what the frame begins with."""
    if isinstance(frame, bytes):
        return frame[10:70].partition(b'"')[0].decode(errors="replace")
    return frame[10:70].partition('"')[0]


def _begin(name: TopicName, topic: str) -> None:
    """Make sure that the frame is of the topic that it began like."""
    if topic != name.text:
        msg = f"expected topic {name.text}, found {topic!r:.60}"
        raise ValueError(msg)


def _to_quote(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    """Read orderbook.1: always a snapshot, sent again after 3 s without a change."""
    frame = frames.BOOK.decode(raw)
    _begin(name, frame.topic)
    if frame.type != "snapshot":
        msg = f"expected type snapshot for {name.text}, found {frame.type!r:.20}"
        raise ValueError(msg)
    data = frame.data
    if not data.bids or not data.asks:
        return DataFrame(
            name, is_snapshot=True, events=[]
        )  # no best price on one side: nothing to say
    (bid, bid_quantity), (ask, ask_quantity) = data.bids[0], data.asks[0]
    quote = Quote(bid, bid_quantity, ask, ask_quantity, data.cross_sequence)
    # the push time, not the match time: a book sent again is proof that it still stands
    event = MarketEvent(name.instrument, quote, frame.ts, receive_time)
    return DataFrame(name, is_snapshot=True, events=[event])


def _to_book(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    frame = frames.BOOK.decode(raw)
    _begin(name, frame.topic)
    data = frame.data
    update: BookSnapshot | BookDelta
    if frame.type == "delta":
        # u == 1 in a delta: the service restarted, the content may be partial
        update = BookDelta(
            data.bids,
            data.asks,
            data.update - 1,
            data.update,
            data.cross_sequence,
            data.update == 1,
        )
    elif frame.type == "snapshot":
        update = BookSnapshot(data.bids, data.asks, data.update, data.cross_sequence, name.depth)
    else:
        msg = f"expected type snapshot or delta for {name.text}, found {frame.type!r:.20}"
        raise ValueError(msg)
    event = MarketEvent(name.instrument, update, frame.cts or frame.ts, receive_time)
    return DataFrame(name, frame.type == "snapshot", [event])


def _to_trades(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    frame = frames.TRADES.decode(raw)
    _begin(name, frame.topic)
    instrument = name.instrument
    # what MarketEvent(instrument, Trade(...), ...) makes, without its two calls in Python: trades
    # come without bound, and this is most of what one costs
    events: Events = [
        _tuple(
            MarketEvent,
            (
                instrument,
                _tuple(
                    Trade,
                    (
                        row.id,
                        row.price,
                        row.quantity,
                        _BUY if row.taker == "Buy" else _SELL,
                        _BLOCK if row.is_block else _MARKET,
                    ),
                ),
                row.time,
                receive_time,
            ),
        )
        for row in frame.data
    ]
    return DataFrame(name, is_snapshot=False, events=events)


def _to_ticker(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    frame = frames.TICKER.decode(raw)
    _begin(name, frame.topic)
    data = frame.data
    values: dict[TickerField, float | None] = {}
    for field, attribute in _TICKER_FIELDS:
        text = getattr(data, attribute)
        if text is not UNSET:
            values[field] = float(text) if text else None  # NaN passes: the door refuses the field
    whole = frame.type == "snapshot"
    event = MarketEvent(name.instrument, Ticker(values, whole), frame.ts, receive_time)
    return DataFrame(name, whole, [event])


def _to_candles(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    frame = frames.CANDLES.decode(raw)
    _begin(name, frame.topic)
    events: Events = []
    for row in frame.data:
        timeframe = INTERVALS.get(row.interval)
        if timeframe is None:
            msg = f"expected an interval of {', '.join(INTERVALS)}, found {row.interval!r:.10}"
            raise ValueError(msg)
        kind = Candle if row.confirm else FormingCandle
        candle = kind(timeframe, row.start, row.open, row.high, row.low, row.close, row.volume)
        events.append(MarketEvent(name.instrument, candle, frame.ts, receive_time))
    return DataFrame(name, is_snapshot=False, events=events)


def _to_liquidations(name: TopicName, raw: Frame, receive_time: Millis) -> DataFrame:
    """Read allLiquidation; Buy is the side of the position: a long was liquidated."""
    frame = frames.LIQUIDATIONS.decode(raw)
    _begin(name, frame.topic)
    events: Events = [
        MarketEvent(
            name.instrument,
            Liquidation(
                PositionSide.LONG if row.position == "Buy" else PositionSide.SHORT,
                row.quantity,
                row.price,
            ),
            row.time,
            receive_time,
        )
        for row in frame.data
    ]
    return DataFrame(name, is_snapshot=False, events=events)


_PARSERS: Final[Mapping[Topic, Parse]] = {
    Topic.QUOTE: _to_quote,
    Topic.BOOK: _to_book,
    Topic.TRADES: _to_trades,
    Topic.TICKER: _to_ticker,
    Topic.CANDLES: _to_candles,
    Topic.LIQUIDATIONS: _to_liquidations,
}
