"""What the core asks of the world. `adapters/` has one folder per port.

Every call may wait for the outside; each adapter sets its own deadline and raises from
`domain.errors`, never a library's exception.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from virtuoso.domain.audit import AuditEntry, AuditRow
from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.instruments import Instrument, Listing, Venue
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    FeedEvent,
    FundingRate,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    Ticker,
    Topic,
    Trade,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe


class Clock(Protocol):
    """Wall time for stamps, monotonic time for ages and deadlines."""

    def now(self) -> Millis:
        """Milliseconds UTC. In a replay, the recorded time."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since some fixed instant; never goes back."""
        ...


class Feed(Protocol):
    """A stream of events from one venue, for ever or to the end of a recording."""

    @property
    def venue(self) -> Venue:
        """The venue whose protocol is spoken."""
        ...

    @property
    def source(self) -> Source:
        """What a reader is told: the venue itself, the simulator or a replay."""
        ...

    def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Sequence[FeedEvent]]:
        """Connect, subscribe and yield events, one batch a frame; reconnects by itself.

        Never ends on a live venue. An adapter raises only for a mistake in its settings.
        """
        ...

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Stream these instruments from now on and no others. Returns at once."""
        ...

    async def insert(self, event: FeedEvent) -> None:
        """Put an event of ours in line behind what was received so far; `events` yields it.

        History, ticks and the choice of the universe go this way, so that all that changes a
        market stands in one order, which a recording keeps.
        """
        ...

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Ask for a topic anew, because what came of it cannot be trusted. Returns at once."""
        ...

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connection that carries this instrument. Returns at once."""
        ...


class CandleKind(StrEnum):
    """Which price a candle is made of."""

    TRADE = "trade"
    MARK = "mark"
    INDEX = "index"


class Spacing(StrEnum):
    """How far apart the rows of a series are."""

    FIVE_MINUTES = "5m"
    HOUR = "1h"

    @property
    def ms(self) -> int:
        """That distance in ms."""
        return 5 * MINUTE if self is Spacing.FIVE_MINUTES else HOUR


class History(Protocol):
    """What a venue (or a folder of files) knows about the past, oldest first.

    Raises VenueUnavailableError (retry), VenueRefusedError (do not), NotOfferedError (absent).
    """

    async def listings(self) -> Sequence[Listing]:
        """Every tradable USDT perpetual with its 24 h turnover where known."""
        ...

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` closed candles; the forming one is left out."""
        ...

    async def trades(self, instrument: Instrument, limit: int) -> Sequence[MarketEvent[Trade]]:
        """The last `limit` trades, oldest first, with the identities that the stream uses."""
        ...

    async def book(self, instrument: Instrument) -> MarketEvent[BookSnapshot]:
        """The order book now. Its sequence need not be that of the stream."""
        ...

    async def tickers(self) -> Sequence[MarketEvent[Ticker]]:
        """The tickers of all instruments, in one call."""
        ...

    async def open_interest_now(self, instrument: Instrument) -> OpenInterest:
        """Open contracts now, for a venue whose ticker does not carry them."""
        ...

    async def venue_time(self) -> Millis:
        """The venue's clock."""
        ...

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """Settled funding rates."""
        ...

    async def open_interest(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[OpenInterest]:
        """Open interest in contracts at equal distances."""
        ...

    async def long_short_ratio(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[LongShortRatio]:
        """Shares of long and short accounts at equal distances."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Cache(Protocol):
    """Bytes by key with a life. A dead tier raises CacheError; a miss is None."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when it is missing or its life is over."""
        ...

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for `ttl_ms` milliseconds."""
        ...

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys in one round trip; a missing one is None."""
        ...

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store all values for `ttl_ms` milliseconds in one round trip; with 0, remove them."""
        ...

    def forget(self, keys: Collection[str]) -> None:
        """Read these anew from where they are shared, because newer ones were written there.

        A cache that shares nothing keeps them.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Broker(Protocol):
    """Carries messages between our processes; the newest may overtake a slow subscriber."""

    async def publish(self, channel: str, message: bytes) -> None:
        """Hand a message to every subscriber of now; nobody waits for a slow one."""
        ...

    def subscribe(self, channel: str) -> AsyncIterator[bytes]:
        """Messages published from now on. A subscriber that lags loses the oldest.

        The way may be cut and mended without a word: messages are numbered, and the engine's
        heartbeat is one of them.
        """
        ...

    async def close(self) -> None:
        """End every subscription."""
        ...


class Lease(Protocol):
    """A place that names the one writer for a while. Every call is atomic there.

    Raises CacheError when the place is lost, or answers no.
    """

    @property
    def name(self) -> str:
        """Of the place."""
        ...

    async def holder(self) -> bytes | None:
        """Whoever is named now."""
        ...

    async def keep(self, ours: bytes, life_ms: int) -> bytes:
        """Be named for `life_ms` from now on, when nobody else is; who is named now."""
        ...

    async def release(self, ours: bytes) -> None:
        """Be named no more; somebody else's name stays."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class Keepsake(Protocol):
    """The last good snapshot, in a place that outlives all processes. Raises CacheError."""

    async def keep(self, value: bytes) -> None:
        """Put it in the place of the one before."""
        ...

    async def recall(self) -> bytes | None:
        """What was kept last, if it is still there."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class AuditLog(Protocol):
    """Rows chained by hash that are only ever added. Raises StateError when it cannot."""

    async def append(self, entry: AuditEntry) -> AuditRow:
        """Add a row behind the newest one of any process; it is on the disk when this returns."""
        ...

    async def last(self, count: int) -> Sequence[AuditRow]:
        """The newest rows, oldest first."""
        ...

    async def close(self) -> None:
        """Release what is open."""
        ...


class ConfigVersions(Protocol):
    """Saved versions of the settings. Raises StateError when they cannot be read or written."""

    @property
    def broken(self) -> Sequence[str]:
        """Names of newer versions that are not whole, as `newest` found them."""
        ...

    async def newest(self) -> ConfigVersion | None:
        """The version in force: the newest that is whole."""
        ...

    async def find(self, number: int) -> ConfigVersion | None:
        """One version, if it is there and whole."""
        ...

    async def last(self, count: int) -> Sequence[ConfigVersion]:
        """The newest whole ones, newest first."""
        ...

    async def next_number(self) -> int:
        """The number that the next version must have."""
        ...

    async def add(self, version: ConfigVersion) -> None:
        """Save it, whole or not at all. Raises ConflictError when its number is taken."""
        ...
