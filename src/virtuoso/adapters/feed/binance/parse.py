"""From Binance's frames to market events. Pure: bytes and times in, events out.

Depth frames come out as they are: only a `BookBridge` knows what they apply to.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from virtuoso.adapters.feed.binance import frames
from virtuoso.adapters.feed.numbers import optional_number
from virtuoso.adapters.feed.unreadable import UnreadableFrameError, refuse_unreadable
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import (
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

Instruments: TypeAlias = Mapping[str, Instrument]
"""Those subscribed to, by the venue's name for them."""
Parsed: TypeAlias = MarketEvent[MarketData] | frames.Depth | None
"""A fact, a difference of a book, or None: not of an instrument or a kind that we take."""

_TIMEFRAMES: Final[Mapping[str, Timeframe]] = {each.value: each for each in Timeframe}
USD_MARGINED: Final = 1
"""`st` of the contracts that settle in dollars; 2 are those that settle in coins."""


def read_envelope(frame: str | bytes) -> frames.Envelope:
    """Read a frame from outside in. Raises UnreadableFrameError."""
    with refuse_unreadable():
        return frames.ENVELOPE.decode(frame)


def read_rest_book(body: str | bytes) -> frames.RestBook:
    """Read the REST book. Raises UnreadableFrameError."""
    with refuse_unreadable():
        return frames.REST_BOOK.decode(body)


def read_bare(frame: str | bytes, instruments: Instruments, receive_time: Millis) -> Parsed:
    """Read a frame that came without an envelope. Raises UnreadableFrameError."""
    with refuse_unreadable():
        kind = frames.KIND.decode(frame).event
        parse = _PARSERS.get(_STREAM_OF_EVENT.get(kind, ""))
        return None if parse is None else parse(frame, instruments, receive_time)


def read_data(envelope: frames.Envelope, instruments: Instruments, receive_time: Millis) -> Parsed:
    """The fact in a data frame. Raises UnreadableFrameError."""
    stream = envelope.stream
    if stream is None:
        msg = "expected a frame with a stream, found one without"
        raise UnreadableFrameError(msg)
    # btcusdt@depth@100ms, btcusdt@kline_1m, btcusdt@markPrice@1s
    _, _, rest = stream.partition("@")
    parse = _PARSERS.get(rest.partition("@")[0].partition("_")[0])
    if parse is None:
        return None
    with refuse_unreadable():
        return parse(envelope.data, instruments, receive_time)


Frame: TypeAlias = str | bytes | msgspec.Raw


def _to_depth(data: Frame, instruments: Instruments, _receive_time: Millis) -> Parsed:
    depth = frames.DEPTH.decode(data)
    if depth.contract != USD_MARGINED or depth.symbol not in instruments:
        return None
    return depth


def _to_quote(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    best = frames.BEST_PRICES.decode(data)
    instrument = instruments.get(best.symbol)
    if instrument is None or best.contract != USD_MARGINED:
        return None
    quote = Quote(best.bid, best.bid_quantity, best.ask, best.ask_quantity, best.update)
    return MarketEvent(instrument, quote, best.time, receive_time)


def _to_trade(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    row = frames.TRADE.decode(data)
    instrument = instruments.get(row.symbol)
    if instrument is None or row.contract != USD_MARGINED:
        return None
    number = row.aggregate_id if row.id is None else row.id
    if number is None:
        msg = "expected a trade with an id, found none"
        raise ValueError(msg)
    trade = Trade(
        str(number),
        row.price,
        row.quantity,
        Side.SELL if row.seller_took else Side.BUY,
        TradeKind.MARKET if row.kind == "MARKET" else TradeKind.OFF_MARKET,
    )
    return MarketEvent(instrument, trade, row.time, receive_time)


def _to_mark(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    mark = frames.MARK_PRICE.decode(data)
    instrument = instruments.get(mark.symbol)
    if instrument is None or mark.contract != USD_MARGINED:
        return None
    values = {
        TickerField.MARK_PRICE: optional_number(mark.mark_price),
        # T is the next settlement, 0 where there is none; never the time of the event
        TickerField.NEXT_FUNDING_TIME: float(mark.next_funding_time) or None,
    }
    if mark.index_price is not msgspec.UNSET:
        values[TickerField.INDEX_PRICE] = optional_number(mark.index_price)
    if mark.funding_rate is not msgspec.UNSET:
        values[TickerField.FUNDING_RATE] = optional_number(mark.funding_rate)
    ticker = Ticker(values, whole=True)
    return MarketEvent(instrument, ticker, mark.event_time, receive_time)


def _to_ticker(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    day = frames.DAY_TICKER.decode(data)
    instrument = instruments.get(day.symbol)
    if instrument is None or day.contract != USD_MARGINED:
        return None
    change = optional_number(day.change_percent)
    values = {
        TickerField.LAST_PRICE: optional_number(day.last_price),
        TickerField.CHANGE_24H: None if change is None else change / 100,
        TickerField.VOLUME_24H: optional_number(day.volume),
        TickerField.TURNOVER_24H: optional_number(day.turnover),
    }
    ticker = Ticker(values, whole=True)
    return MarketEvent(instrument, ticker, day.event_time, receive_time)


def _to_candle(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    message = frames.CANDLE.decode(data)
    instrument = instruments.get(message.symbol)
    if instrument is None or message.contract != USD_MARGINED:
        return None
    row = message.row
    timeframe = _TIMEFRAMES.get(row.interval)
    if timeframe is None:
        return None
    prices = (row.open, row.high, row.low, row.close)
    start = row.start
    candle: Candle | FormingCandle
    if row.closed:
        candle = Candle(timeframe, start, *prices, row.volume, row.taker_buy_volume)
    else:
        candle = FormingCandle(timeframe, start, *prices, row.volume)
    return MarketEvent(instrument, candle, message.event_time, receive_time)


def _to_liquidation(data: Frame, instruments: Instruments, receive_time: Millis) -> Parsed:
    """Read forceOrder: an order that sells closes a long."""
    order = frames.FORCED_ORDER.decode(data).order
    instrument = instruments.get(order.symbol)
    if instrument is None or order.contract != USD_MARGINED:
        return None
    if order.side not in {"BUY", "SELL"}:
        msg = f"expected side BUY or SELL, found {order.side!r:.20}"
        raise ValueError(msg)
    side = PositionSide.LONG if order.side == "SELL" else PositionSide.SHORT
    liquidation = Liquidation(side, order.filled, order.average_price)
    return MarketEvent(instrument, liquidation, order.time, receive_time)


_PARSERS: Final[Mapping[str, Callable[[Frame, Instruments, Millis], Parsed]]] = {
    "depth": _to_depth,
    "bookTicker": _to_quote,
    "aggTrade": _to_trade,
    "trade": _to_trade,
    "markPrice": _to_mark,
    "ticker": _to_ticker,
    "kline": _to_candle,
    "forceOrder": _to_liquidation,
}
_STREAM_OF_EVENT: Final[Mapping[str, str]] = {
    "depthUpdate": "depth",
    "bookTicker": "bookTicker",
    "aggTrade": "aggTrade",
    "trade": "trade",
    "markPriceUpdate": "markPrice",
    "24hrTicker": "ticker",
    "kline": "kline",
    "forceOrder": "forceOrder",
}
