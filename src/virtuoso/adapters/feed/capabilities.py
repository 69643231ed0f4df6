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
from virtuoso.domain.scores import Source
from virtuoso.ports import CandleKind


class LiquidationCoverage(StrEnum):
    """How much of a venue's liquidations its stream tells. Different labels are never summed."""

    ALL = "all"
    SAMPLED_1S = "sampled_1s"
    """At most one a symbol and second: a floor, worst exactly in cascades."""
    UNKNOWN = "unknown"
    SYNTHETIC = "synthetic"


class OpenInterestSides(StrEnum):
    """Whether open interest counts each contract once or for both its sides.

    Levels of different kinds are never compared, only their changes.
    """

    BOTH = "both"
    ONE = "one"
    UNKNOWN = "unknown"


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
    open_interest: OpenInterestSides = OpenInterestSides.UNKNOWN
    candle_kinds: frozenset[CandleKind] = frozenset(CandleKind)
    """The prices that its candles of the past are made of."""
    book_sequenced: bool = True
    """Whether lost updates of the book are found; else it is never shown as better than delayed."""
    announces_maintenance: bool = False
    """Whether its pauses can be asked for before they begin."""


_STREAMED: Final = frozenset(
    {Trade, BookSnapshot, BookDelta, Quote, Ticker, Candle, FormingCandle, Liquidation}
)
_POLLED: Final = frozenset(
    {Candle, FundingRate, OpenInterest, LongShortRatio, Trade, BookSnapshot, Ticker}
)

CAPABILITIES: Final[Mapping[Venue, Capabilities]] = {
    BYBIT: Capabilities(
        streamed=_STREAMED,
        polled=_POLLED,
        ticker_fields=frozenset(TickerField),
        liquidations=LiquidationCoverage.ALL,
        past_taker_split=False,
        open_interest=OpenInterestSides.BOTH,
        announces_maintenance=True,
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

OTHERS: Final = Capabilities(
    streamed=frozenset({Trade, BookSnapshot, Ticker}),
    polled=frozenset({Candle}),
    ticker_fields=frozenset(),
    liquidations=LiquidationCoverage.UNKNOWN,
    past_taker_split=False,
    candle_kinds=frozenset({CandleKind.TRADE}),
    book_sequenced=False,
)
"""What may be taken for granted of any other venue, which we see through CCXT only."""


def capabilities_known_of(venue: Venue) -> Capabilities:
    """What a venue gives as far as its name tells, for a recording tells no more."""
    return CAPABILITIES.get(venue, OTHERS)


def liquidations_told(venue: Venue, source: Source) -> LiquidationCoverage:
    """How much of the liquidations is told: as the venue does, but a simulator's are its own."""
    if source is Source.SIMULATOR:
        return LiquidationCoverage.SYNTHETIC
    return capabilities_known_of(venue).liquidations
