"""What each venue can give, how, and at which grain: differences as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    FormingCandle,
    FundingRate,
    Liquidation,
    LongShortRatio,
    OpenInterest,
    Quote,
    Ticker,
    TickerField,
    Trade,
)


class LiquidationCoverage(StrEnum):
    """How much of a venue's liquidations its stream tells. Different labels are never summed."""

    ALL = "all"
    SAMPLED_1S = "sampled_1s"
    """At most one a symbol and second: a floor, worst exactly in cascades."""
    UNKNOWN = "unknown"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue gives."""

    streamed: frozenset[type]
    polled: frozenset[type]
    ticker_fields: frozenset[TickerField]
    """What its ticker stream carries; open interest that is not in it must be polled."""
    liquidations: LiquidationCoverage
    past_taker_split: bool
    """Whether candles of the past tell the taker's share."""
    series_grain_minutes: int = 5
    """The grain of open interest history and account ratio: never fresher than that."""


_STREAMED: Final = frozenset(
    {Trade, BookSnapshot, BookDelta, Quote, Ticker, Candle, FormingCandle, Liquidation}
)
_POLLED: Final = frozenset({Candle, FundingRate, OpenInterest, LongShortRatio})

CAPABILITIES: Final[Mapping[Venue, Capabilities]] = {
    BYBIT: Capabilities(
        streamed=_STREAMED,
        polled=_POLLED,
        ticker_fields=frozenset(TickerField),
        liquidations=LiquidationCoverage.ALL,
        past_taker_split=False,
    ),
    BINANCE: Capabilities(
        streamed=_STREAMED,
        polled=_POLLED,
        ticker_fields=frozenset(TickerField)
        - {TickerField.OPEN_INTEREST, TickerField.FUNDING_INTERVAL_HOURS},
        liquidations=LiquidationCoverage.SAMPLED_1S,
        past_taker_split=True,
    ),
}
