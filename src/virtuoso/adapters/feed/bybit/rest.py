"""From Bybit's REST answers to the domain. Pure; the rows are what JSON gave.

Each function raises UnreadableFrameError when a row is not what the venue documents.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import UNSET

from virtuoso.adapters.feed import series
from virtuoso.adapters.feed.bybit.frames import BookData, TickerData
from virtuoso.adapters.feed.listings import QUOTE, Excluded, to_listing
from virtuoso.adapters.feed.numbers import Price, Quantity, Time
from virtuoso.adapters.feed.unreadable import refuse_unreadable
from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import BYBIT, Instrument, Listing, parse_symbol
from virtuoso.domain.maintenance import LONGEST_TITLE, Maintenance
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
    TradeKind,
)
from virtuoso.domain.time import HOUR, Millis, Timeframe

INTERVALS: Final[Mapping[Timeframe, str]] = {
    Timeframe.M1: "1",
    Timeframe.M5: "5",
    Timeframe.M30: "30",
    Timeframe.H4: "240",
}
_FUTURES: Final = 1
_DEMO: Final = "2"
_NOT_COINS: Final = frozenset({"stock", "commodity", "forex"})


class _PriceFilter(msgspec.Struct, rename="camel"):
    tick_size: Quantity


class _LotFilter(msgspec.Struct, rename="camel"):
    qty_step: Quantity


class _Contract(msgspec.Struct, rename="camel"):
    symbol: str
    contract_type: str
    status: str
    base_coin: str
    quote_coin: str
    price_filter: _PriceFilter
    lot_size_filter: _LotFilter
    delivery_time: Time = Millis(0)
    """Of a perpetual: when it is delisted, 0 as long as that is not announced."""
    funding_interval: int = 0
    """Minutes, unlike in the ticker."""
    is_pre_listing: bool = False
    symbol_type: str = ""


class _Ticker(msgspec.Struct, rename={"turnover": "turnover24h"}):
    symbol: str
    turnover: str = ""


class _Funding(msgspec.Struct, rename={"rate": "fundingRate", "at": "fundingRateTimestamp"}):
    rate: float
    at: Time


class _Interest(msgspec.Struct, rename={"contracts": "openInterest", "at": "timestamp"}):
    contracts: Quantity
    """Of both sides together."""
    at: Time


class _Ratio(msgspec.Struct, rename={"long": "buyRatio", "short": "sellRatio", "at": "timestamp"}):
    long: Quantity
    short: Quantity
    at: Time


class _Trade(
    msgspec.Struct,
    rename={
        "id": "execId",
        "quantity": "size",
        "taker": "side",
        "at": "time",
        "is_block": "isBlockTrade",
    },
):
    id: str
    price: Price
    quantity: Quantity
    taker: Literal["Buy", "Sell"]
    at: Time
    is_block: bool = False


class _Book(BookData, rename={"push_time": "ts", "match_time": "cts"}, kw_only=True):
    """The stream's book with its times; here `u` is that of the deepest stream."""

    push_time: Time
    match_time: Time = Millis(0)


class _WholeTicker(TickerData, kw_only=True):
    symbol: str


class _InterestNow(msgspec.Struct, rename={"contracts": "openInterest"}):
    contracts: Quantity


class _Pause(msgspec.Struct, rename="camel"):
    state: str
    """scheduled, ongoing, completed or canceled."""
    begin: Time
    title: str = ""
    end: Time = Millis(0)
    product: Sequence[int] = ()
    """1 stands for futures; none: all of them."""
    env: int | str = 1
    """2 stands for the demo service."""


class _Now(msgspec.Struct, rename={"nanoseconds": "timeNano"}):
    nanoseconds: int


def to_turnovers(rows: Sequence[object]) -> dict[str, float]:
    """Quote currency of the last 24 hours by symbol, where the venue says it."""
    with refuse_unreadable():
        tickers = msgspec.convert(rows, list[_Ticker], strict=False)
        return {each.symbol: float(each.turnover) for each in tickers if each.turnover}


def to_listings(rows: Sequence[object], turnovers: Mapping[str, float]) -> list[Listing | Excluded]:
    """Every contract of a catalogue page."""
    with refuse_unreadable():
        contracts = [msgspec.convert(row, _Contract, strict=False) for row in rows]
    return [_to_listing(contract, turnovers.get(contract.symbol)) for contract in contracts]


def _to_listing(contract: _Contract, turnover: float | None) -> Listing | Excluded:
    def exclude(reason: str) -> Excluded:
        return Excluded(contract.symbol, reason)

    if contract.contract_type != "LinearPerpetual":
        return exclude(f"it is a {contract.contract_type}")
    if contract.quote_coin != QUOTE:
        return exclude(f"it is quoted in {contract.quote_coin}")
    if contract.is_pre_listing:
        return exclude("it is not traded continuously yet")
    if contract.status != "Trading":
        return exclude(f"its status is {contract.status}")
    if contract.symbol_type in _NOT_COINS:
        return exclude(f"it is a {contract.symbol_type}")
    return to_listing(
        BYBIT,
        contract.symbol,
        base=contract.base_coin,
        tick_size=contract.price_filter.tick_size,
        quantity_step=contract.lot_size_filter.qty_step,
        turnover_24h=turnover,
        funding_interval_hours=contract.funding_interval / 60 or None,
        delisting_at=contract.delivery_time or None,
    )


class CandleRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A row of a candle page; those of mark and index end with the prices."""

    start: Time
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Quantity = 0.0


def to_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles, oldest first, the open one among them; those of mark and index have volume 0."""
    with refuse_unreadable():
        # a whole page at once: row by row it would hold the loop for tens of milliseconds
        read = msgspec.convert(rows, list[CandleRow], strict=False)
    return [
        Candle(timeframe, Millis(row.start), row.open, row.high, row.low, row.close, row.volume)
        for row in reversed(read)
    ]


def to_funding(rows: Sequence[object]) -> list[FundingRate]:
    """Settled rates, oldest first."""
    with refuse_unreadable():
        settled = msgspec.convert(rows, list[_Funding], strict=False)
        return series.to_funding([(row.at, row.rate) for row in settled])


def to_open_interest(rows: Sequence[object], step: int = HOUR) -> list[OpenInterest]:
    """Open interest of both sides, oldest first."""
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
    """Trades, oldest first, with the ids that the stream calls `i`."""
    with refuse_unreadable():
        trades = msgspec.convert(rows, list[_Trade], strict=False)
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
            row.at,
            receive_time,
        )
        for row in reversed(trades)
    ]


def to_book(
    result: object, instrument: Instrument, depth: int, receive_time: Millis
) -> MarketEvent[BookSnapshot]:
    """The book at the time of the matching engine; its `u` says nothing about the stream's."""
    with refuse_unreadable():
        book = msgspec.convert(result, _Book, strict=False)
    snapshot = BookSnapshot(book.bids, book.asks, book.update, book.cross_sequence, depth)
    return MarketEvent(instrument, snapshot, book.match_time or book.push_time, receive_time)


def to_tickers(
    rows: Sequence[object], at: object, receive_time: Millis
) -> list[MarketEvent[Ticker]]:
    """Whole tickers of one answer, which was given `at`; a name that is no symbol is left out."""
    found = []
    with refuse_unreadable():
        time = msgspec.convert(at, Time, strict=False)
        for row in msgspec.convert(rows, list[_WholeTicker], strict=False):
            try:
                instrument = Instrument(BYBIT, parse_symbol(row.symbol))
            except UnknownSymbolError:
                continue
            values: dict[TickerField, float | None] = {}
            for field in TickerField:
                text = getattr(row, field.value)
                if text is not UNSET:
                    values[field] = float(text) if text else None  # the door refuses NaN
            found.append(MarketEvent(instrument, Ticker(values, whole=True), time, receive_time))
    return found


def to_open_interest_now(rows: Sequence[object], at: object) -> OpenInterest:
    """Open interest of both sides, out of the ticker of one instrument."""
    with refuse_unreadable():
        time = msgspec.convert(at, Time, strict=False)
        tickers = msgspec.convert(rows, list[_InterestNow], strict=False)
        if len(tickers) != 1:
            msg = f"expected one ticker, found {len(tickers)}"
            raise ValueError(msg)
    return OpenInterest(time, tickers[0].contracts)


def to_maintenance(rows: Sequence[object]) -> list[Maintenance]:
    """Pauses of the futures that are announced or go on, the nearest first."""
    with refuse_unreadable():
        pauses = msgspec.convert(rows, list[_Pause], strict=False)
    return [
        Maintenance(
            title="".join([each if each.isprintable() else " " for each in pause.title])[
                :LONGEST_TITLE
            ],
            begin=pause.begin,
            end=pause.end or None,
            ongoing=pause.state == "ongoing",
        )
        for pause in sorted(pauses, key=lambda each: each.begin)
        if pause.state in {"scheduled", "ongoing"}
        and (not pause.product or _FUTURES in pause.product)
        and str(pause.env) != _DEMO
    ]


def to_time(result: object) -> Millis:
    """The venue's clock."""
    with refuse_unreadable():
        return Millis(msgspec.convert(result, _Now, strict=False).nanoseconds // 1_000_000)
