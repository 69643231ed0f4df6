"""What the core asks of the world. `adapters/` has one folder per port.

Every call may wait for the outside; each adapter sets its own deadline and raises from
`domain.errors`, never a library's exception.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from virtuoso.domain.alerts import (
    Acknowledgement,
    Alert,
    AlertFilter,
    AlertState,
    Delivery,
    Outgoing,
    Receipt,
    Waiting,
)
from virtuoso.domain.audit import AuditEntry, AuditRow
from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.deeds import ChainedDeed, Deed, SettingsVersion
from virtuoso.domain.history import (
    Gap,
    HistoryRow,
    KeptCandle,
    KeptDerivatives,
    KeptOverview,
    KeptScore,
    Newest,
    Series,
    Snapshot,
    StoreState,
)
from virtuoso.domain.instruments import Instrument, Listing, Symbol, Venue
from virtuoso.domain.maintenance import Maintenance
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
from virtuoso.domain.signals import Signal, SignalEvent, SignalFilter, SignalResult, SignalState
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

    async def maintenance(self) -> Sequence[Maintenance]:
        """What the venue announces of pauses that are not over, the nearest first."""
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


class Store(Protocol):
    """Takes the rows of history. Held by the one engine; nothing here waits for a disk."""

    def put(self, rows: Sequence[HistoryRow]) -> bool:
        """Hand rows over to be written soon, in this order; returns at once.

        All of them or none: False when there is no room for them, and then they are lost unless
        they are put again. A row that is stored already stays as it was.
        """
        ...

    def define(self, definition: str, text: str) -> None:
        """Know what a definition's hash stands for, so that old scores can be made again."""
        ...

    @property
    def state(self) -> StoreState:
        """How it fares; asked each second."""
        ...

    async def newest(self, sources: Collection[Source]) -> Newest:
        """Say up to where rows are stored. Raises StoreError."""
        ...

    async def compact(self) -> int:
        """Thin out what is old, behind everything else; gives how many rows went.

        Raises StoreError.
        """
        ...

    async def flush(self) -> None:
        """Wait until all that was put before is written. Raises StoreError."""
        ...

    async def close(self) -> None:
        """Write what waits, as far as that goes within a deadline, and release connections."""
        ...


class Sink(Protocol):
    """Copies recorded rows to another program. Losing it changes nothing else."""

    def put(self, rows: Sequence[HistoryRow]) -> None:
        """Take rows; returns at once, and drops the oldest when too many wait."""
        ...

    async def run(self) -> None:
        """Send for ever, trying again while the other is away."""
        ...


class Ledger(Protocol):
    """What must not be lost: it is on the disk when a call returns. Raises StoreError.

    What is written under an id that is there already changes nothing: asking twice is safe.
    """

    async def add_signal(self, signal: Signal, events: Sequence[SignalEvent] = ()) -> bool:
        """Keep a signal and its first steps, together; False when it is kept already."""
        ...

    async def change_signal(
        self, signal: Signal, before: SignalState, events: Sequence[SignalEvent] = ()
    ) -> bool:
        """Keep what became of a signal, if its state is still `before`; False when it is not.

        What was said when it was opened stays as it was, whatever `signal` says of it.
        """
        ...

    async def add_alert(self, alert: Alert, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep an alert and what is to be sent of it, together; False when it is kept already."""
        ...

    async def change_alert(self, said: Acknowledgement, before: Collection[AlertState]) -> bool:
        """Set an alert's state and keep who said so, if its state is one of `before`."""
        ...

    async def claim_deliveries(
        self, channel: str, now: Millis, life_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Take what is to be sent to a channel next, oldest first, for `life_ms`.

        Never past one that is being tried: a channel's messages keep their order. One that was not
        tried yet and is not due yet, because of quiet hours, lets others past. A claim that ended
        without a word is taken again.
        """
        ...

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep how an attempt ended, if its claim (`attempts`) is still the newest."""
        ...

    async def add_settings(self, version: SettingsVersion) -> bool:
        """Keep a version; False when its number is taken: somebody else was quicker."""
        ...

    async def add_deed(self, deed: Deed) -> ChainedDeed:
        """Chain a deed to the audit."""
        ...


class AlertChannel(Protocol):
    """Where alerts are told: a chat, a mailbox, a program."""

    @property
    def name(self) -> str:
        """As rules and deliveries call it."""
        ...

    async def send(self, message: Outgoing) -> Receipt:
        """Tell it, within a deadline. Raises ChannelError."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class RuleShelf(Protocol):
    """Where the rules of a person lie, as plain tables with a version. Raises StateError."""

    async def changed(self) -> bool:
        """Whether they changed since they were read or written here."""
        ...

    async def read(self) -> tuple[int, Sequence[object]]:
        """Version and rules; 0 and none where nothing was ever kept."""
        ...

    async def write(self, version: int, rules: Sequence[object]) -> None:
        """Keep them, whole or not at all."""
        ...


class Archive(Protocol):
    """Reads what is stored, each call within a deadline. Raises StoreError.

    `sources` keeps simulated rows and live ones apart; times are `start <= at < end`, oldest
    first unless said otherwise.
    """

    async def scores(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        *,
        step_ms: int = 0,
        components: bool = False,
        limit: int = 50_000,
    ) -> Sequence[KeptScore]:
        """One symbol's scores; with `step_ms` the first of each such interval."""
        ...

    async def marks(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        step_ms: int = 0,
    ) -> Sequence[tuple[Millis, float | None, str]]:
        """(time, score, definition) alone, which is much quicker to read."""
        ...

    async def board(
        self, at: int, sources: Collection[Source], within_ms: int
    ) -> Sequence[KeptScore]:
        """Each symbol's last row at or before an instant, no older than `within_ms`."""
        ...

    async def derivatives(
        self,
        symbol: Symbol,
        sources: Collection[Source],
        start: int,
        end: int,
        step_ms: int = 0,
    ) -> Sequence[KeptDerivatives]:
        """One symbol's derivatives; with `step_ms` the first of each such interval."""
        ...

    async def overview(
        self, sources: Collection[Source], start: int, end: int, step_ms: int = 0
    ) -> Sequence[KeptOverview]:
        """The market as a whole."""
        ...

    async def candles(
        self,
        series: Series,
        timeframe: Timeframe,
        start: int,
        end: int,
        limit: int = 1_000,
    ) -> Sequence[KeptCandle]:
        """The last `limit` candles that opened in that time, oldest first."""
        ...

    async def gaps(
        self, symbol: Symbol | None, sources: Collection[Source], start: int, end: int
    ) -> Sequence[Gap]:
        """Holes that touch that time; `symbol` None: of all."""
        ...

    async def series(self, sources: Collection[Source] = ()) -> Sequence[Series]:
        """Everything of which there are rows; no sources: of all."""
        ...

    async def snapshot(self, source: str | None) -> Snapshot | None:
        """The last good documents of one source, or the newest of all."""
        ...

    async def definition(self, hash_: str) -> str | None:
        """What a definition's hash stands for, canonical JSON."""
        ...

    async def signal(self, signal: str) -> Signal | None:
        """One signal by its id."""
        ...

    async def signals(
        self, wanted: SignalFilter, limit: int = 100, before: str | None = None
    ) -> Sequence[Signal]:
        """Signals, newest first; `before` names the last one of the page before."""
        ...

    async def signal_events(self, signal: str) -> Sequence[SignalEvent]:
        """The steps of a signal's life, in the order in which they were written."""
        ...

    async def signal_results(
        self, wanted: SignalFilter, limit: int = 200_000
    ) -> Sequence[SignalResult]:
        """What statistics need of signals, newest first."""
        ...

    async def alert(self, alert: str) -> Alert | None:
        """One alert by its id."""
        ...

    async def alerts(
        self, wanted: AlertFilter, limit: int = 100, before: str | None = None
    ) -> Sequence[Alert]:
        """Alerts, newest first; `before` names the last one of the page before."""
        ...

    async def deliveries(self, alerts: Collection[str]) -> Sequence[Delivery]:
        """How these alerts fare on their channels, in the order in which they were written."""
        ...

    async def unsent(self, channel: str | None = None) -> int:
        """How many deliveries have not ended."""
        ...

    async def waiting(self) -> Sequence[Waiting]:
        """Deliveries that have not ended, by channel; a channel without any is not there."""
        ...

    async def acknowledgements(self, alert: str) -> Sequence[Acknowledgement]:
        """Who said what about an alert, oldest first."""
        ...

    async def settings(
        self, limit: int = 50, before: int | None = None
    ) -> Sequence[SettingsVersion]:
        """Versions of the settings, newest first."""
        ...

    async def audit(self, limit: int = 100, before: int | None = None) -> Sequence[ChainedDeed]:
        """What was done, newest first."""
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
