"""From Bybit's frames to market events. Pure: bytes and times in, events out."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from virtuoso.adapters.feed.bybit import frames
from virtuoso.adapters.feed.numbers import optional_number
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
Parse: TypeAlias = Callable[["TopicName", frames.Envelope, Millis], Events]

INTERVALS: Final[Mapping[str, Timeframe]] = {
    "1": Timeframe.M1,
    "5": Timeframe.M5,
    "30": Timeframe.M30,
    "240": Timeframe.H4,
}

_TICKER_FIELDS: Final = tuple((field, field.value) for field in TickerField)


class TopicName(NamedTuple):
    """A topic that was subscribed to: its kind, its parameter and the instrument behind it."""

    text: str
    topic: Topic
    instrument: Instrument
    depth: int = 0
    """Of a book topic: levels a side."""


def read_envelope(frame: str | bytes) -> frames.Envelope:
    """Read a frame from outside in. Raises UnreadableFrameError when it is not one."""
    with refuse_unreadable():
        return frames.ENVELOPE.decode(frame)


def to_events(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    """The facts in a data frame of this topic. Raises UnreadableFrameError."""
    with refuse_unreadable():
        return _PARSERS[name.topic](name, envelope, receive_time)


def _to_quote(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    """Read orderbook.1: always a snapshot, sent again after 3 s without a change."""
    if envelope.type != "snapshot":
        msg = f"expected type snapshot for {name.text}, found {envelope.type!r:.20}"
        raise ValueError(msg)
    data = frames.BOOK.decode(envelope.data)
    if not data.bids or not data.asks:
        return []  # no best price on one side: nothing to say
    (bid, bid_quantity), (ask, ask_quantity) = data.bids[0], data.asks[0]
    # the push time, not the match time: a book sent again is proof that it still stands
    return [
        MarketEvent(
            name.instrument,
            Quote(bid, bid_quantity, ask, ask_quantity, data.cross_sequence),
            Millis(envelope.ts),
            receive_time,
        )
    ]


def _to_book(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    data = frames.BOOK.decode(envelope.data)
    update: BookSnapshot | BookDelta
    if envelope.type == "snapshot":
        update = BookSnapshot(data.bids, data.asks, data.update, data.cross_sequence, name.depth)
    elif envelope.type == "delta":
        # u == 1 in a delta: the service restarted, the content may be partial
        update = BookDelta(
            data.bids,
            data.asks,
            data.update - 1,
            data.update,
            data.cross_sequence,
            restart=data.update == 1,
        )
    else:
        msg = f"expected type snapshot or delta for {name.text}, found {envelope.type!r:.20}"
        raise ValueError(msg)
    at = Millis(envelope.cts or envelope.ts)
    return [MarketEvent(name.instrument, update, at, receive_time)]


def _to_trades(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    instrument = name.instrument
    return [
        MarketEvent(
            instrument,
            Trade(
                row.id,
                row.price,
                row.quantity,
                Side.BUY if row.taker == "Buy" else Side.SELL,
                TradeKind.BLOCK if row.is_block else TradeKind.MARKET,
            ),
            Millis(row.time),
            receive_time,
        )
        for row in frames.TRADES.decode(envelope.data)
    ]


def _to_ticker(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    data = frames.TICKER.decode(envelope.data)
    values: dict[TickerField, float | None] = {}
    for field, attribute in _TICKER_FIELDS:
        text = getattr(data, attribute)
        if text is not msgspec.UNSET:
            values[field] = optional_number(text)
    ticker = Ticker(values, whole=envelope.type == "snapshot")
    return [MarketEvent(name.instrument, ticker, Millis(envelope.ts), receive_time)]


def _to_candles(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    events: Events = []
    for row in frames.CANDLES.decode(envelope.data):
        timeframe = INTERVALS.get(row.interval)
        if timeframe is None:
            msg = f"expected an interval of {', '.join(INTERVALS)}, found {row.interval!r:.10}"
            raise ValueError(msg)
        kind = Candle if row.confirm else FormingCandle
        candle = kind(
            timeframe, Millis(row.start), row.open, row.high, row.low, row.close, row.volume
        )
        events.append(MarketEvent(name.instrument, candle, Millis(envelope.ts), receive_time))
    return events


def _to_liquidations(name: TopicName, envelope: frames.Envelope, receive_time: Millis) -> Events:
    """Read allLiquidation; Buy is the side of the position: a long was liquidated."""
    return [
        MarketEvent(
            name.instrument,
            Liquidation(
                PositionSide.LONG if row.position == "Buy" else PositionSide.SHORT,
                row.quantity,
                row.price,
            ),
            Millis(row.time),
            receive_time,
        )
        for row in frames.LIQUIDATIONS.decode(envelope.data)
    ]


_PARSERS: Final[Mapping[Topic, Parse]] = {
    Topic.QUOTE: _to_quote,
    Topic.BOOK: _to_book,
    Topic.TRADES: _to_trades,
    Topic.TICKER: _to_ticker,
    Topic.CANDLES: _to_candles,
    Topic.LIQUIDATIONS: _to_liquidations,
}
