"""What must be known of a venue beyond CCXT's unified words: differences as data.

A venue without an entry works by the unified words alone. What those leave open (the unit of a
candle's volume, the side a liquidation names) is then absent, never guessed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import ccxt.pro
from ccxt.async_support.base.exchange import Exchange

from virtuoso.adapters.feed.capabilities import Capabilities, LiquidationCoverage
from virtuoso.adapters.feed.ccxt.frames import BinanceSequence, BybitSequence, SequenceRule
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    FundingRate,
    Liquidation,
    LongShortRatio,
    OpenInterest,
    PositionSide,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)

_SAFETY: Final = 0.6
"""The share of a venue's published limit that we spend."""
_BURST: Final = 20.0
"""Weight that may be spent at once where only the pace of a venue is known."""


def _always_market(_: Mapping[str, Any]) -> TradeKind:
    return TradeKind.MARKET


def _bybit_kind(raw: Mapping[str, Any]) -> TradeKind:
    return TradeKind.BLOCK if raw.get("BT") is True else TradeKind.MARKET


def _binance_kind(raw: Mapping[str, Any]) -> TradeKind:
    return TradeKind.MARKET if raw.get("X", "MARKET") == "MARKET" else TradeKind.OFF_MARKET


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What one venue says in words of its own."""

    library: str = ""
    """CCXT's name for it, where ours is another."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of CCXT's class."""
    book_limit: int | None = None
    """Levels a side to ask for; None: as many as the venue gives."""
    sequence: Callable[[], SequenceRule] | None = None
    """The rule by which lost updates are found; None: there is none that we know."""
    ticker_fields: Mapping[str, TickerField] = field(default_factory=dict)
    """Fields of the raw ticker that the unified one leaves out."""
    candle_volume_in_base: bool | None = None
    """Whether candles tell base currency (or contracts); None: unknown."""
    liquidation_sides: Mapping[str, PositionSide] = field(default_factory=dict)
    """The position that was liquidated, by the unified side; empty: unknown."""
    trade_kind: Callable[[Mapping[str, Any]], TradeKind] = _always_market
    """How a trade came about, by the raw trade."""


DIALECTS: Final[Mapping[Venue, Dialect]] = {
    BYBIT: Dialect(
        options={"fetchMarkets": {"types": ["linear"]}},
        book_limit=200,
        sequence=BybitSequence,
        ticker_fields={
            "openInterest": TickerField.OPEN_INTEREST,
            "fundingRate": TickerField.FUNDING_RATE,
            "nextFundingTime": TickerField.NEXT_FUNDING_TIME,
            "fundingIntervalHour": TickerField.FUNDING_INTERVAL_HOURS,
        },
        candle_volume_in_base=True,
        # the side of the position that was closed
        liquidation_sides={"buy": PositionSide.LONG, "sell": PositionSide.SHORT},
        trade_kind=_bybit_kind,
    ),
    BINANCE: Dialect(
        library="binanceusdm",
        options={"fetchMarkets": {"types": ["linear"]}},
        sequence=BinanceSequence,
        candle_volume_in_base=True,
        # the side of the order that closes the position
        liquidation_sides={"sell": PositionSide.LONG, "buy": PositionSide.SHORT},
        trade_kind=_binance_kind,
    ),
    Venue("okx"): Dialect(options={"fetchMarkets": {"types": ["swap"]}}),
    Venue("gate"): Dialect(options={"fetchMarkets": {"types": ["swap"]}}),
}
_OTHER: Final = Dialect()


def dialect_of(venue: Venue) -> Dialect:
    """What is known of a venue; for one without an entry, that nothing is."""
    return DIALECTS.get(venue, _OTHER)


def find_library(name: str) -> type[Exchange]:
    """CCXT's class for a venue. Raises SettingsError when there is none that we can use."""
    library = dialect_of(Venue(name)).library or name
    if library not in ccxt.pro.exchanges:
        msg = (
            "expected ccxt:VENUE with a venue that CCXT streams (such as ccxt:okx, ccxt:gate or "
            f"ccxt:bitget), found {name[:40]!r}"
        )
        raise SettingsError(msg)
    kind: type[Exchange] = getattr(ccxt.pro, library)
    has = kind().has
    if has.get("swap") is not True or has.get("watchOrderBook") is not True:
        msg = f"expected a venue with a stream of perpetual contracts, found {name!r} without one"
        raise SettingsError(msg)
    return kind


def rate_of(venue: Venue) -> tuple[float, float] | None:
    """Weight in seconds that we spend on a venue's REST side, in the units of CCXT's costs.

    None for a venue whose published limit is known to us. Raises SettingsError for one that we
    cannot use.
    """
    if venue in {BYBIT, BINANCE}:
        return None
    return _BURST, _BURST * float(find_library(venue)().rateLimit) / 1_000 / _SAFETY


def weight_of(venue: Venue, cost: float) -> float:
    """What a call costs of the budget, by CCXT's cost of it."""
    if venue == BYBIT:
        return 1.0  # its limit counts calls
    return cost if venue == BINANCE else min(cost, _BURST)


def capabilities_of(venue: Venue) -> Capabilities:
    """What a venue gives through CCXT. Raises SettingsError for one that we cannot use."""
    has, dialect = find_library(venue)().has, dialect_of(venue)
    liquidations = has.get("watchLiquidations") is True and bool(dialect.liquidation_sides)
    streamed: dict[type, bool] = {
        BookSnapshot: True,
        Trade: has.get("watchTrades") is True,
        Ticker: has.get("watchTicker") is True,
        Liquidation: liquidations,
    }
    polled: dict[type, bool] = {
        Candle: has.get("fetchOHLCV") is True,
        FundingRate: has.get("fetchFundingRateHistory") is True,
        OpenInterest: has.get("fetchOpenInterestHistory") is True,
        LongShortRatio: has.get("fetchLongShortRatioHistory") is True,
    }
    return Capabilities(
        streamed=frozenset(kind for kind, offered in streamed.items() if offered),
        polled=frozenset(kind for kind, offered in polled.items() if offered),
        ticker_fields=UNIFIED_FIELDS | frozenset(dialect.ticker_fields.values()),
        liquidations=LiquidationCoverage.UNKNOWN,
        past_taker_split=False,
        book_sequenced=dialect.sequence is not None,
    )


UNIFIED_FIELDS: Final = frozenset(
    {
        TickerField.LAST_PRICE,
        TickerField.MARK_PRICE,
        TickerField.INDEX_PRICE,
        TickerField.CHANGE_24H,
        TickerField.VOLUME_24H,
        TickerField.TURNOVER_24H,
    }
)
"""What CCXT's unified ticker can carry; a venue may leave some out."""
