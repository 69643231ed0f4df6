"""From Binance's REST answers to the domain. Pure; the rows are what JSON gave.

Each function raises UnreadableFrameError when a row is not what the venue documents.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from virtuoso.adapters.feed import series
from virtuoso.adapters.feed.binance.frames import RestBook
from virtuoso.adapters.feed.listings import QUOTE, Excluded, to_listing
from virtuoso.adapters.feed.numbers import Price, Quantity, Time, optional_number
from virtuoso.adapters.feed.unreadable import refuse_unreadable
from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import BINANCE, Instrument, Listing, parse_symbol
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    FundingRate,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    Side,
    Ticker,
    TickerField,
    Trade,
)
from virtuoso.domain.time import HOUR, Millis, Timeframe

_USUAL_FUNDING_HOURS: Final = 8.0
"""Of contracts that fundingInfo does not list."""
_NEVER: Final = 4_000_000_000_000
"""In 2096: a delivery beyond it is none."""


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: Quantity = 0.0
    step_size: Quantity = 0.0


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    contract_type: str
    status: str
    base_asset: str
    quote_asset: str
    underlying_type: str
    filters: list[_Filter]
    delivery_date: Time = Millis(0)
    """Of a perpetual: when it is delisted, a day of the year 2100 as long as none is announced."""


class _Ticker(msgspec.Struct, rename={"turnover": "quoteVolume"}):
    symbol: str
    turnover: Quantity


class _Interval(msgspec.Struct, rename={"hours": "fundingIntervalHours"}):
    symbol: str
    hours: Quantity


class _Funding(msgspec.Struct, rename={"rate": "fundingRate", "at": "fundingTime"}):
    rate: float
    at: Time


class _Interest(msgspec.Struct, rename={"contracts": "sumOpenInterest", "at": "timestamp"}):
    contracts: Quantity
    at: Time


class _Ratio(
    msgspec.Struct, rename={"long": "longAccount", "short": "shortAccount", "at": "timestamp"}
):
    """The venue's own `longShortRatio` is not read: its samples contradict their shares."""

    long: Quantity
    short: Quantity
    at: Time


class _AggregateTrade(
    msgspec.Struct,
    rename={"id": "a", "price": "p", "quantity": "q", "at": "T", "seller_took": "m"},
):
    id: int
    price: Price
    quantity: Quantity
    at: Time
    seller_took: bool


class _Day(
    msgspec.Struct,
    rename={
        "last_price": "lastPrice",
        "change_percent": "priceChangePercent",
        "turnover": "quoteVolume",
        "at": "closeTime",
    },
):
    symbol: str
    last_price: str
    change_percent: str
    volume: str
    turnover: str
    at: Time


class _Premium(
    msgspec.Struct,
    rename={
        "mark_price": "markPrice",
        "index_price": "indexPrice",
        "funding_rate": "lastFundingRate",
        "next_funding_time": "nextFundingTime",
        "at": "time",
    },
):
    """`lastFundingRate` is the rate of the coming settlement, as `r` of the stream."""

    symbol: str
    mark_price: str
    index_price: str
    funding_rate: str
    next_funding_time: Time
    at: Time


class _InterestNow(msgspec.Struct, rename={"contracts": "openInterest", "at": "time"}):
    contracts: Quantity
    at: Time


class _Now(msgspec.Struct, rename={"at": "serverTime"}):
    at: Time


def to_turnovers(rows: Sequence[object]) -> dict[str, float]:
    """Quote currency of the last 24 hours by symbol."""
    with refuse_unreadable():
        tickers = msgspec.convert(rows, list[_Ticker], strict=False)
    return {each.symbol: each.turnover for each in tickers}


def to_intervals(rows: Sequence[object]) -> dict[str, float]:
    """Hours between settlements, of the contracts whose interval is not the usual one."""
    with refuse_unreadable():
        intervals = msgspec.convert(rows, list[_Interval], strict=False)
    return {each.symbol: each.hours for each in intervals if each.hours}


def to_listings(
    rows: Sequence[object],
    turnovers: Mapping[str, float],
    intervals: Mapping[str, float],
) -> list[Listing | Excluded]:
    """Every contract of the catalogue."""
    with refuse_unreadable():
        contracts = [msgspec.convert(row, _Contract, strict=False) for row in rows]
    return [
        _to_listing(
            contract,
            turnovers.get(contract.symbol),
            intervals.get(contract.symbol, _USUAL_FUNDING_HOURS),
        )
        for contract in contracts
    ]


def _to_listing(contract: _Contract, turnover: float | None, hours: float) -> Listing | Excluded:
    def exclude(reason: str) -> Excluded:
        return Excluded(contract.symbol, reason)

    if contract.contract_type != "PERPETUAL":
        return exclude(f"it is a {contract.contract_type or 'contract without a type'}")
    if contract.quote_asset != QUOTE:
        return exclude(f"it is quoted in {contract.quote_asset}")
    if contract.status != "TRADING":
        return exclude(f"its status is {contract.status}")
    if contract.underlying_type != "COIN":
        return exclude(f"it is a {contract.underlying_type}")
    return to_listing(
        BINANCE,
        contract.symbol,
        base=contract.base_asset,
        tick_size=max((each.tick_size for each in contract.filters), default=0.0),
        quantity_step=next(
            (each.step_size for each in contract.filters if each.filter_type == "LOT_SIZE"), 0.0
        ),
        turnover_24h=turnover,
        funding_interval_hours=hours,
        delisting_at=contract.delivery_date if 0 < contract.delivery_date < _NEVER else None,
    )


def to_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles of trades with their taker split, oldest first, the open one among them."""
    return _to_candles(rows, timeframe, of_trades=True)


def to_price_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles of the mark or the index price, without volume."""
    return _to_candles(rows, timeframe, of_trades=False)


class CandleRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row of a candle page. Of mark and index only start and prices mean anything."""

    start: Time
    open: Price
    high: Price
    low: Price
    close: Price
    volume: object
    close_time: object
    quote_volume: object
    trades: object
    taker_volume: object


class TradedRow(CandleRow, frozen=True):
    """A row of a page of candles of trades."""

    volume: Quantity
    taker_volume: Quantity


def _to_candles(
    rows: Sequence[Sequence[object]], timeframe: Timeframe, *, of_trades: bool
) -> list[Candle]:
    kind = list[TradedRow] if of_trades else list[CandleRow]
    with refuse_unreadable():
        # a whole page at once: row by row it would hold the loop for tens of milliseconds
        read: Sequence[CandleRow] = msgspec.convert(rows, kind, strict=False)
    candles = []
    for row in read:
        volume, taker = 0.0, None
        if isinstance(row, TradedRow):
            volume, taker = row.volume, row.taker_volume
        candles.append(
            Candle(
                timeframe,
                Millis(row.start),
                row.open,
                row.high,
                row.low,
                row.close,
                volume,
                taker,
            )
        )
    return candles


def to_funding(rows: Sequence[object]) -> list[FundingRate]:
    """Settled rates, oldest first."""
    with refuse_unreadable():
        settled = msgspec.convert(rows, list[_Funding], strict=False)
        return series.to_funding([(row.at, row.rate) for row in settled])


def to_open_interest(rows: Sequence[object], step: int = HOUR) -> list[OpenInterest]:
    """Open interest, oldest first."""
    with refuse_unreadable():
        interest = msgspec.convert(rows, list[_Interest], strict=False)
        return series.to_open_interest([(row.at, row.contracts) for row in interest], step)


def to_ratios(rows: Sequence[object], step: int = HOUR) -> list[LongShortRatio]:
    """Shares of accounts, oldest first."""
    with refuse_unreadable():
        ratios = msgspec.convert(rows, list[_Ratio], strict=False)
        return series.to_ratios([(row.at, row.long, row.short) for row in ratios], step)


def to_trades(
    rows: Sequence[object], instrument: Instrument, receive_time: Millis
) -> list[MarketEvent[Trade]]:
    """Aggregate trades, oldest first, with the ids of the stream's aggTrade."""
    with refuse_unreadable():
        trades = msgspec.convert(rows, list[_AggregateTrade], strict=False)
    return [
        MarketEvent(
            instrument,
            Trade(str(row.id), row.price, row.quantity, Side.SELL if row.seller_took else Side.BUY),
            row.at,
            receive_time,
        )
        for row in trades
    ]


def to_book(
    answer: object, instrument: Instrument, receive_time: Millis
) -> MarketEvent[BookSnapshot]:
    """The book at its transaction time, its sequence as in the depth stream."""
    with refuse_unreadable():
        book = msgspec.convert(answer, RestBook, strict=False)
        if not book.time:
            msg = "expected a book with its time, found none"
            raise ValueError(msg)
    snapshot = BookSnapshot(book.bids, book.asks, book.last_update)
    return MarketEvent(instrument, snapshot, book.time, receive_time)


def to_tickers(
    days: Sequence[object], premiums: Sequence[object], receive_time: Millis
) -> list[MarketEvent[Ticker]]:
    """The day's figures and the mark price of each contract, as old as the older of the two.

    A contract without one of the two, and a name that is no symbol, are left out.
    """
    found = []
    with refuse_unreadable():
        marks = {
            each.symbol: each for each in msgspec.convert(premiums, list[_Premium], strict=False)
        }
        for day in msgspec.convert(days, list[_Day], strict=False):
            mark = marks.get(day.symbol)
            try:
                instrument = Instrument(BINANCE, parse_symbol(day.symbol))
            except UnknownSymbolError:
                continue
            if mark is None:
                continue
            change = optional_number(day.change_percent)
            values = {
                TickerField.LAST_PRICE: optional_number(day.last_price),
                TickerField.CHANGE_24H: None if change is None else change / 100,
                TickerField.VOLUME_24H: optional_number(day.volume),
                TickerField.TURNOVER_24H: optional_number(day.turnover),
                TickerField.MARK_PRICE: optional_number(mark.mark_price),
                TickerField.INDEX_PRICE: optional_number(mark.index_price),
                TickerField.FUNDING_RATE: optional_number(mark.funding_rate),
                TickerField.NEXT_FUNDING_TIME: float(mark.next_funding_time) or None,
            }
            ticker = Ticker(values, whole=True)
            found.append(MarketEvent(instrument, ticker, min(day.at, mark.at), receive_time))
    return found


def to_open_interest_now(answer: object) -> OpenInterest:
    """Open interest of this moment."""
    with refuse_unreadable():
        interest = msgspec.convert(answer, _InterestNow, strict=False)
    return OpenInterest(interest.at, interest.contracts)


def to_time(answer: object) -> Millis:
    """The venue's clock."""
    with refuse_unreadable():
        return msgspec.convert(answer, _Now, strict=False).at
