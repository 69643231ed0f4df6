"""From Binance's REST answers to the domain. Pure; the rows are what JSON gave.

Each function raises UnreadableFrameError when a row is not what the venue documents.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from virtuoso.adapters.feed import series
from virtuoso.adapters.feed.listings import QUOTE, Excluded, to_listing
from virtuoso.adapters.feed.numbers import Price, Quantity, Time
from virtuoso.adapters.feed.unreadable import refuse_unreadable
from virtuoso.domain.instruments import BINANCE, Listing
from virtuoso.domain.market_data import Candle, FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import Millis, Timeframe

_USUAL_FUNDING_HOURS: Final = 8.0
"""Of contracts that fundingInfo does not list."""


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
    )


def to_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles of trades with their taker split, oldest first, the open one among them."""
    return _to_candles(rows, timeframe, of_trades=True)


def to_price_candles(rows: Sequence[Sequence[object]], timeframe: Timeframe) -> list[Candle]:
    """Candles of the mark or the index price, without volume."""
    return _to_candles(rows, timeframe, of_trades=False)


def _to_candles(
    rows: Sequence[Sequence[object]], timeframe: Timeframe, *, of_trades: bool
) -> list[Candle]:
    candles = []
    with refuse_unreadable():
        for row in rows:
            start = msgspec.convert(row[0], Time, strict=False)
            prices = msgspec.convert(row[1:5], tuple[Price, Price, Price, Price], strict=False)
            volume, taker = 0.0, None
            if of_trades:
                volume = msgspec.convert(row[5], Quantity, strict=False)
                taker = msgspec.convert(row[9], Quantity, strict=False)
            candles.append(Candle(timeframe, Millis(start), *prices, volume, taker))
    return candles


def to_funding(rows: Sequence[object]) -> list[FundingRate]:
    """Settled rates, oldest first."""
    with refuse_unreadable():
        settled = msgspec.convert(rows, list[_Funding], strict=False)
        return series.to_funding([(row.at, row.rate) for row in settled])


def to_open_interest(rows: Sequence[object]) -> list[OpenInterest]:
    """Open interest, oldest first."""
    with refuse_unreadable():
        interest = msgspec.convert(rows, list[_Interest], strict=False)
        return series.to_open_interest([(row.at, row.contracts) for row in interest])


def to_ratios(rows: Sequence[object]) -> list[LongShortRatio]:
    """Shares of accounts, oldest first."""
    with refuse_unreadable():
        ratios = msgspec.convert(rows, list[_Ratio], strict=False)
        return series.to_ratios([(row.at, row.long, row.short) for row in ratios])
