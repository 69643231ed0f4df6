"""Events that no frame brought, written into a recording and read from it."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from virtuoso.adapters.feed.recording.format import DamagedRecordingError
from virtuoso.adapters.feed.recording.shapes import (
    AliveShape,
    BookDeltaShape,
    BookPolledShape,
    BookSnapshotShape,
    CandleShape,
    CandlesShape,
    ClosedShape,
    ConnectedShape,
    DataShape,
    DefinitionShape,
    DerivativesShape,
    DisconnectedShape,
    EndedShape,
    EventShape,
    FormingShape,
    FrameRefusedShape,
    InstrumentShape,
    LevelsShape,
    LiquidationShape,
    ListingShape,
    MarketShape,
    PriceConfirmedShape,
    QuoteShape,
    TickerShape,
    TickShape,
    TopicRefusedShape,
    TopicRestoredShape,
    TopicSilentShape,
    TradeShape,
    TradesMissingShape,
    TradesShape,
    UniverseShape,
)
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    Alive,
    BookDelta,
    BookPolled,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    DefinitionChosen,
    DerivativesLoaded,
    Disconnected,
    FeedEnded,
    FeedEvent,
    FormingCandle,
    FrameRefused,
    FundingRate,
    Liquidation,
    LongShortRatio,
    MarketData,
    MarketEvent,
    OpenInterest,
    PriceConfirmed,
    Quote,
    Tick,
    Ticker,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    Trade,
    TradesLoaded,
    TradesMissing,
    UniverseChosen,
)
from virtuoso.domain.time import Timeframe

_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(tuple[EventShape, ...])


def pack_events(batch: Sequence[FeedEvent]) -> bytes:
    """The body of a record of kind EVENTS."""
    return _encode([_shape_of(event) for event in batch])


def unpack_events(body: bytes) -> list[FeedEvent]:
    """Read the body of a record of kind EVENTS. Raises DamagedRecordingError."""
    try:
        return [_event_of(shape) for shape in _decoder.decode(body)]
    except (msgspec.MsgspecError, ValueError) as found:
        msg = f"expected events, found: {found}"
        raise DamagedRecordingError(msg) from found


def symbols_of(event: FeedEvent) -> Iterator[str]:
    """The instruments that an event is about; none where it is about a connection or the clock."""
    match event:
        case UniverseChosen():
            yield from (str(each.instrument.symbol) for each in event.listings)
        case Connected():
            yield from (str(each.symbol) for each in event.instruments)
        case MarketEvent() | CandlesLoaded() | DerivativesLoaded() | TradesLoaded():
            yield str(event.instrument.symbol)
        case _:
            pass


def _name(instrument: Instrument) -> InstrumentShape:
    return instrument.venue, instrument.symbol


def _names(instruments: frozenset[Instrument]) -> tuple[InstrumentShape, ...]:
    return tuple(_name(each) for each in sorted(instruments))


def _instruments(names: Sequence[InstrumentShape]) -> frozenset[Instrument]:
    return frozenset(Instrument(*name) for name in names)


def _candle(candle: Candle | FormingCandle) -> CandleShape:
    taker = candle.taker_buy_volume if isinstance(candle, Candle) else None
    return CandleShape(
        candle.open_time,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        taker,
    )


def _closed(timeframe: Timeframe, shape: CandleShape) -> Candle:
    return Candle(
        timeframe,
        shape.open_time,
        shape.open,
        shape.high,
        shape.low,
        shape.close,
        shape.volume,
        shape.taker_buy_volume,
    )


def _forming(timeframe: Timeframe, shape: CandleShape) -> FormingCandle:
    return FormingCandle(
        timeframe,
        shape.open_time,
        shape.open,
        shape.high,
        shape.low,
        shape.close,
        shape.volume,
    )


def _levels(levels: Sequence[tuple[float, float]]) -> LevelsShape:
    return tuple((price, quantity) for price, quantity in levels)


def _snapshot_shape(book: BookSnapshot) -> BookSnapshotShape:
    return BookSnapshotShape(
        _levels(book.bids), _levels(book.asks), book.sequence, book.cross_sequence, book.depth
    )


def _snapshot(shape: BookSnapshotShape) -> BookSnapshot:
    return BookSnapshot(shape.bids, shape.asks, shape.sequence, shape.cross_sequence, shape.depth)


def _data_shape(data: MarketData) -> DataShape:
    match data:
        case Trade():
            return TradeShape(*data)
        case BookSnapshot():
            return _snapshot_shape(data)
        case BookDelta():
            return BookDeltaShape(
                _levels(data.bids),
                _levels(data.asks),
                data.previous,
                data.sequence,
                data.cross_sequence,
                data.restart,
            )
        case Quote():
            return QuoteShape(
                data.bid, data.bid_quantity, data.ask, data.ask_quantity, data.sequence
            )
        case Ticker():
            return TickerShape(dict(data.values), data.whole)
        case Candle():
            return ClosedShape(data.timeframe, _candle(data))
        case FormingCandle():
            return FormingShape(data.timeframe, _candle(data))
        case Liquidation():
            return LiquidationShape(data.side, data.quantity, data.price)


def _data_of(shape: DataShape) -> MarketData:
    match shape:
        case TradeShape():
            return _trade(shape)
        case BookSnapshotShape():
            return _snapshot(shape)
        case BookDeltaShape():
            return BookDelta(
                shape.bids,
                shape.asks,
                shape.previous,
                shape.sequence,
                shape.cross_sequence,
                shape.restart,
            )
        case QuoteShape():
            return Quote(
                shape.bid, shape.bid_quantity, shape.ask, shape.ask_quantity, shape.sequence
            )
        case TickerShape():
            return Ticker(shape.values, shape.whole)
        case ClosedShape():
            return _closed(shape.timeframe, shape.candle)
        case FormingShape():
            return _forming(shape.timeframe, shape.candle)
        case LiquidationShape():
            return Liquidation(shape.side, shape.quantity, shape.price)


def _trade(shape: TradeShape) -> Trade:
    return Trade(shape.id, shape.price, shape.quantity, shape.side, shape.kind)


def _shape_of(event: FeedEvent) -> EventShape:
    if isinstance(event, MarketEvent):
        return MarketShape(
            _name(event.instrument), _data_shape(event.data), event.event_time, event.receive_time
        )
    at = event.receive_time
    match event:
        case Connected():
            return ConnectedShape(event.venue, _names(event.instruments), at)
        case Disconnected():
            return DisconnectedShape(event.venue, _names(event.instruments), event.reason, at)
        case Alive():
            return AliveShape(event.venue, _names(event.instruments), at)
        case FrameRefused():
            return FrameRefusedShape(event.venue, event.reason, event.sample, event.recycled, at)
        case TopicRefused():
            return TopicRefusedShape(_name(event.instrument), event.topic, event.reason, at)
        case TopicSilent():
            return TopicSilentShape(_name(event.instrument), event.topic, event.reason, at)
        case TopicRestored():
            return TopicRestoredShape(_name(event.instrument), event.topic, at)
        case TradesMissing():
            return TradesMissingShape(_name(event.instrument), event.count, at)
        case UniverseChosen():
            return UniverseShape(event.venue, tuple(_listing(each) for each in event.listings), at)
        case DefinitionChosen():
            return DefinitionShape(event.text, at)
        case CandlesLoaded():
            candles = {
                timeframe: tuple(_candle(each) for each in rows)
                for timeframe, rows in event.candles.items()
            }
            return CandlesShape(_name(event.instrument), candles, at)
        case DerivativesLoaded():
            return DerivativesShape(
                _name(event.instrument),
                at,
                tuple((each.timeframe, _candle(each)) for each in event.mark),
                tuple((each.timeframe, _candle(each)) for each in event.index),
                tuple((each.settled_at, each.rate, each.interval_hours) for each in event.funding),
                tuple((each.at, each.contracts) for each in event.open_interest),
                tuple((each.at, each.long_share, each.short_share) for each in event.ratio),
            )
        case TradesLoaded():
            trades = tuple(
                (
                    _name(each.instrument),
                    TradeShape(*each.data),
                    each.event_time,
                    each.receive_time,
                )
                for each in event.trades
            )
            return TradesShape(_name(event.instrument), trades, at)
        case BookPolled():
            return BookPolledShape(
                _name(event.instrument),
                _snapshot_shape(event.book.data),
                event.book.event_time,
                event.book.receive_time,
                at,
            )
        case PriceConfirmed():
            return PriceConfirmedShape(_name(event.instrument), event.price, at)
        case Tick():
            return TickShape(at)
        case FeedEnded():
            return EndedShape(at)


def _listing(listing: Listing) -> ListingShape:
    return ListingShape(
        _name(listing.instrument),
        listing.base,
        listing.quote,
        listing.tick_size,
        listing.quantity_step,
        listing.turnover_24h,
        listing.funding_interval_hours,
    )


def _event_of(shape: EventShape) -> FeedEvent:
    at = shape.receive_time
    match shape:
        case MarketShape():
            instrument = Instrument(*shape.instrument)
            return MarketEvent(instrument, _data_of(shape.data), shape.event_time, at)
        case ConnectedShape():
            return Connected(shape.venue, _instruments(shape.instruments), at)
        case DisconnectedShape():
            return Disconnected(shape.venue, _instruments(shape.instruments), shape.reason, at)
        case AliveShape():
            return Alive(shape.venue, _instruments(shape.instruments), at)
        case FrameRefusedShape():
            return FrameRefused(shape.venue, shape.reason, shape.sample, shape.recycled, at)
        case TopicRefusedShape():
            return TopicRefused(Instrument(*shape.instrument), shape.topic, shape.reason, at)
        case TopicSilentShape():
            return TopicSilent(Instrument(*shape.instrument), shape.topic, shape.reason, at)
        case TopicRestoredShape():
            return TopicRestored(Instrument(*shape.instrument), shape.topic, at)
        case TradesMissingShape():
            return TradesMissing(Instrument(*shape.instrument), shape.count, at)
        case UniverseShape():
            return UniverseChosen(shape.venue, tuple(_listed(each) for each in shape.listings), at)
        case DefinitionShape():
            return DefinitionChosen(shape.text, at)
        case CandlesShape():
            candles = {
                timeframe: tuple(_closed(timeframe, each) for each in rows)
                for timeframe, rows in shape.candles.items()
            }
            return CandlesLoaded(Instrument(*shape.instrument), candles, at)
        case DerivativesShape():
            return DerivativesLoaded(
                Instrument(*shape.instrument),
                at,
                tuple(_closed(*each) for each in shape.mark),
                tuple(_closed(*each) for each in shape.index),
                tuple(FundingRate(*each) for each in shape.funding),
                tuple(OpenInterest(*each) for each in shape.open_interest),
                tuple(LongShortRatio(*each) for each in shape.ratio),
            )
        case TradesShape():
            trades = tuple(
                MarketEvent(Instrument(*name), _trade(trade), event_time, receive_time)
                for name, trade, event_time, receive_time in shape.trades
            )
            return TradesLoaded(Instrument(*shape.instrument), trades, at)
        case BookPolledShape():
            instrument = Instrument(*shape.instrument)
            book = MarketEvent(
                instrument, _snapshot(shape.book), shape.event_time, shape.book_receive_time
            )
            return BookPolled(instrument, book, at)
        case PriceConfirmedShape():
            return PriceConfirmed(Instrument(*shape.instrument), shape.price, at)
        case TickShape():
            return Tick(at)
        case EndedShape():
            return FeedEnded(at)


def _listed(shape: ListingShape) -> Listing:
    return Listing(
        Instrument(*shape.instrument),
        shape.base,
        shape.quote,
        shape.tick_size,
        shape.quantity_step,
        shape.turnover_24h,
        shape.funding_interval_hours,
    )
