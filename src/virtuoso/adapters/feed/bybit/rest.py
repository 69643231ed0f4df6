"""From Bybit's REST answers to the domain. Pure; the rows are what JSON gave.

Each function raises UnreadableFrameError when a row is not what the venue documents.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from virtuoso.adapters.feed import series
from virtuoso.adapters.feed.listings import QUOTE, Excluded, to_listing
from virtuoso.adapters.feed.numbers import Price, Quantity, Time
from virtuoso.adapters.feed.unreadable import refuse_unreadable
from virtuoso.domain.instruments import BYBIT, Listing
from virtuoso.domain.market_data import Candle, FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import Millis, Timeframe

INTERVALS: Final[Mapping[Timeframe, str]] = {
    Timeframe.M1: "1",
    Timeframe.M5: "5",
    Timeframe.M30: "30",
    Timeframe.H4: "240",
}
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
    delivery_time: str = "0"
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
    if contract.is_pre_listing or contract.status != "Trading":
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
    )


def to_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles, oldest first, the open one among them; those of mark and index have volume 0."""
    candles = []
    with refuse_unreadable():
        for row in reversed(rows):
            start = msgspec.convert(row[0], Time, strict=False)
            prices = msgspec.convert(row[1:5], tuple[Price, Price, Price, Price], strict=False)
            volume = msgspec.convert(row[5], Quantity, strict=False) if len(row) > 5 else 0.0
            candles.append(Candle(timeframe, Millis(start), *prices, volume))
    return candles


def to_funding(rows: Sequence[object]) -> list[FundingRate]:
    """Settled rates, oldest first."""
    with refuse_unreadable():
        settled = msgspec.convert(rows, list[_Funding], strict=False)
        return series.to_funding([(row.at, row.rate) for row in settled])


def to_open_interest(rows: Sequence[object]) -> list[OpenInterest]:
    """Open interest of both sides, oldest first."""
    with refuse_unreadable():
        interest = msgspec.convert(rows, list[_Interest], strict=False)
        return series.to_open_interest([(row.at, row.contracts) for row in interest])


def to_ratios(rows: Sequence[object]) -> list[LongShortRatio]:
    """Shares of accounts, oldest first."""
    with refuse_unreadable():
        ratios = msgspec.convert(rows, list[_Ratio], strict=False)
        return series.to_ratios([(row.at, row.long, row.short) for row in ratios])
