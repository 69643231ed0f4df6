"""What a venue tells us, one type per kind of fact, in one envelope with two clocks.

Numbers are float64 in the venue's units: prices in quote currency, quantities in base currency.
The types carry facts; whether a fact may be believed is decided at the door (`market.door`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from virtuoso.domain.instruments import Instrument, Listing, Venue
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.domain.words import Word

Levels: TypeAlias = Sequence[tuple[float, float]]
"""(price, quantity) pairs. In a snapshot sorted best first; in a delta in any order, 0 deletes."""


class Side(Word):
    """The side of the taker of a trade."""

    BUY = "buy"
    SELL = "sell"


class PositionSide(Word):
    """The side of a position; for a liquidation, of the position that was liquidated."""

    LONG = "long"
    SHORT = "short"


class TradeKind(Word):
    """How a trade came about. Only market trades enter price and order flow."""

    MARKET = "market"
    BLOCK = "block"
    OFF_MARKET = "off_market"


class Trade(NamedTuple):
    """One public execution. A tuple, because millions are made and each is read a few times."""

    id: str
    price: float
    quantity: float
    side: Side
    kind: TradeKind = TradeKind.MARKET


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """A whole order book, replacing whatever was known."""

    bids: Levels
    asks: Levels
    sequence: int
    cross_sequence: int | None = None
    """Bybit's `seq`: rises, not consecutive, compares books of different depth."""
    depth: int | None = None
    """Levels a side that the topic keeps; None where the venue sets no such limit."""


@dataclass(frozen=True, slots=True)
class BookDelta:
    """Changed levels with absolute quantities; applies only to the book at `previous`."""

    bids: Levels
    asks: Levels
    previous: int
    sequence: int
    cross_sequence: int | None = None
    restart: bool = False
    """The venue says its service restarted (Bybit `u == 1`): never merge, ask anew."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The best bid and the best ask."""

    bid: float
    bid_quantity: float
    ask: float
    ask_quantity: float
    sequence: int
    """Bybit's cross sequence, Binance's update id: never falls."""


class TickerField(Word):
    """The numbers a ticker may carry."""

    LAST_PRICE = "last_price"
    MARK_PRICE = "mark_price"
    INDEX_PRICE = "index_price"
    CHANGE_24H = "change_24h"  # a fraction: 0.01 is one percent
    VOLUME_24H = "volume_24h"  # base currency
    TURNOVER_24H = "turnover_24h"  # quote currency
    OPEN_INTEREST = "open_interest"  # contracts in base currency, both or one side as published
    FUNDING_RATE = "funding_rate"  # the coming settlement, a fraction per interval
    NEXT_FUNDING_TIME = "next_funding_time"  # ms UTC
    FUNDING_INTERVAL_HOURS = "funding_interval_hours"


@dataclass(frozen=True, slots=True)
class Ticker:
    """Ticker fields as one message carried them.

    A field that is missing is unchanged as of this message; None means the venue says it has no
    value. `whole` is False for a change that means nothing without an earlier whole ticker.
    """

    values: Mapping[TickerField, float | None]
    whole: bool


@dataclass(frozen=True, slots=True)
class Candle:
    """A closed interval."""

    timeframe: Timeframe
    open_time: Millis
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker_buy_volume: float | None = None

    @property
    def close_time(self) -> Millis:
        """The instant at which the interval ended (exclusive)."""
        return Millis(self.open_time + self.timeframe.ms)


@dataclass(frozen=True, slots=True)
class FormingCandle:
    """The open interval as the venue shows it now; never scored as if closed."""

    timeframe: Timeframe
    open_time: Millis
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Liquidation:
    """A forced close."""

    side: PositionSide
    quantity: float
    price: float


@dataclass(frozen=True, slots=True)
class FundingRate:
    """A settled funding rate, a fraction per interval."""

    settled_at: Millis
    rate: float
    interval_hours: float | None


@dataclass(frozen=True, slots=True)
class OpenInterest:
    """Open contracts in base currency at an instant."""

    at: Millis
    contracts: float


@dataclass(frozen=True, slots=True)
class LongShortRatio:
    """Shares of accounts that are long and short; they sum to one."""

    at: Millis
    long_share: float
    short_share: float


MarketData: TypeAlias = (
    Trade | BookSnapshot | BookDelta | Quote | Ticker | Candle | FormingCandle | Liquidation
)
"""The kinds of fact a stream carries."""

D_co = TypeVar("D_co", bound=MarketData, covariant=True)


class MarketEvent(NamedTuple, Generic[D_co]):
    """One fact with two clocks. A tuple for the same reason as a Trade."""

    instrument: Instrument
    data: D_co
    event_time: Millis
    """The venue's clock: when it happened, or when it was pushed where only that is known."""
    receive_time: Millis
    """Ours, stamped once, in the adapter; in a replay the recorded one."""


class Topic(Word):
    """The kinds of stream a feed subscribes to for one instrument."""

    BOOK = "book"
    QUOTE = "quote"
    TRADES = "trades"
    TICKER = "ticker"
    CANDLES = "candles"
    LIQUIDATIONS = "liquidations"


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection of the feed is up and subscribing for these instruments."""

    venue: Venue
    instruments: frozenset[Instrument]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection is gone: nothing streamed for these instruments can be trusted any more."""

    venue: Venue
    instruments: frozenset[Instrument]
    reason: str
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class Alive:
    """A sign of life of a connection that carried no market fact (a pong, an acknowledgement)."""

    venue: Venue
    instruments: frozenset[Instrument]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class FrameRefused:
    """A frame that could not be decoded; the connection is being recycled when `recycled`."""

    venue: Venue
    reason: str
    sample: bytes
    recycled: bool
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class TopicRefused:
    """The venue will not give this topic."""

    instrument: Instrument
    topic: Topic
    reason: str
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class TopicSilent:
    """A topic that should speak does not: nothing it said before is current until it speaks."""

    instrument: Instrument
    topic: Topic
    reason: str
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class TopicRestored:
    """A topic that was refused or silent gives data again."""

    instrument: Instrument
    topic: Topic
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class TradesMissing:
    """The venue numbers its trades, and so many numbers did not come: ask for the last trades."""

    instrument: Instrument
    count: int
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class UniverseChosen:
    """Which instruments are watched from here on, most traded first, with what is listed of them.

    An instrument that was watched and is not among them is given up.
    """

    venue: Venue
    listings: Sequence[Listing]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class DefinitionChosen:
    """How scores are computed from the next second on: the scoring configuration as a whole."""

    text: str
    """Its canonical JSON, see `scoring.definition`."""
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class CandlesLoaded:
    """Closed candles fetched from the past; a timeframe that the source does not have is missing.

    They replace what was known of these timeframes.
    """

    instrument: Instrument
    candles: Mapping[Timeframe, Sequence[Candle]]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class DerivativesLoaded:
    """What sentiment looks back on, as fetched; what the source does not have stays empty."""

    instrument: Instrument
    receive_time: Millis
    mark: Sequence[Candle] = ()
    index: Sequence[Candle] = ()
    funding: Sequence[FundingRate] = ()
    open_interest: Sequence[OpenInterest] = ()
    ratio: Sequence[LongShortRatio] = ()


@dataclass(frozen=True, slots=True)
class TradesLoaded:
    """Trades fetched after a cut, oldest first; most of them may be known already."""

    instrument: Instrument
    trades: Sequence[MarketEvent[Trade]]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class BookPolled:
    """A whole book that was fetched, to stand in for a stream that cannot be trusted.

    Its sequence says nothing about the stream's.
    """

    instrument: Instrument
    book: MarketEvent[BookSnapshot]
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class PriceConfirmed:
    """Another venue trades near a price that jumped: per contract of this instrument."""

    instrument: Instrument
    price: float
    receive_time: Millis


@dataclass(frozen=True, slots=True)
class Tick:
    """Our clock has passed an instant: what was received before it stands in line before this."""

    receive_time: Millis


@dataclass(frozen=True, slots=True)
class FeedEnded:
    """A finite feed (a recording) has given everything it has."""

    receive_time: Millis


FeedEvent: TypeAlias = (
    MarketEvent[MarketData]
    | Connected
    | Disconnected
    | Alive
    | FrameRefused
    | TopicRefused
    | TopicSilent
    | TopicRestored
    | TradesMissing
    | UniverseChosen
    | DefinitionChosen
    | CandlesLoaded
    | DerivativesLoaded
    | TradesLoaded
    | BookPolled
    | PriceConfirmed
    | Tick
    | FeedEnded
)
"""Everything that changes a market's state or its clock, in one line and one order."""
