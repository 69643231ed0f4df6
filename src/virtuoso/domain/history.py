"""What is kept of the past: one row a kind and an instant, as it was said then.

Rows are written before anybody knows what follows, and are never changed. A number that was not
there stays None, with its reason. A hole is a row of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from virtuoso.domain.instruments import Symbol, Venue
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.domain.words import Word


class Series(NamedTuple):
    """Whose rows they are. The source is part of it: simulated rows never mix with live ones."""

    source: Source
    venue: Venue
    """Of the market that spoke for the symbol."""
    symbol: Symbol
    """The symbol's name on the board."""


class KeptPart(NamedTuple):
    """One component of a kept score."""

    score: float | None
    """0..100; None exactly when `reason` is set."""
    points: float | None
    """What it added to score - 50; None when it added nothing because something was missing."""
    reason: Reason | None


class KeptScore(NamedTuple):
    """What was said of one symbol at one instant. A tuple: hundreds are made at once."""

    series: Series
    at: Millis
    """The grid second that was scored, by our clock, which the venue's differs from by ms."""
    score: float | None
    """0..100; None exactly when `reason` is set."""
    reason: Reason | None
    z: float | None
    """The composite as a normal score."""
    coverage: float
    """Share of the score's weight that was present, 0..1."""
    confidence: float | None
    """0..1."""
    direction: Direction | None
    state: State
    """The worst of the inputs that the score used."""
    definition: str
    """Hash of what it was computed by."""
    as_of: Millis | None
    """Venue time of the oldest input it needed."""
    mid: float | None
    """Middle of the best bid and ask, quote currency."""
    spread_bp: float | None
    """Ask - bid in 1/10,000 of the middle."""
    price: float | None
    """The newest of last trade and ticker, per contract of the board's symbol."""
    change_24h: float | None
    """Percent."""
    turnover_24h: float | None
    """Quote currency."""
    funding_8h: float | None
    """The coming rate converted to 8 hours, a fraction."""
    open_interest_change_1h: float | None
    """Percent, in contracts."""
    components: Mapping[ComponentName, KeptPart] | None
    """All six; None where they were not asked for."""
    backfilled: bool = False
    """Computed after the fact: no proof of what could be known then."""


class KeptOverview(NamedTuple):
    """What was said of the market as a whole at one instant."""

    source: Source
    at: Millis
    symbols: int
    scored: int
    """Symbols that had a score."""
    regime: str | None
    trend_strength: float | None
    """0..100."""
    volatility: float | None
    """Percent a year."""
    volatility_percentile: float | None
    """0..100."""
    dispersion: float | None
    """Percent."""
    breadth: float | None
    """Share, 0..1."""
    btc_dominance: float | None
    """Percent of the monitored turnover."""
    turnover_24h: float | None
    """Quote currency, of the monitored symbols."""
    definition: str


class KeptDerivatives(NamedTuple):
    """What was known of one perpetual beside its trades at one instant."""

    series: Series
    at: Millis
    funding_8h: float | None
    """The coming rate converted to 8 hours, a fraction."""
    settled_rate: float | None
    """The rate settled last, a fraction per interval."""
    settled_at: Millis | None
    open_interest: float | None
    """Contracts in base currency."""
    open_interest_as_of: Millis | None
    long_share: float | None
    """Of accounts, 0..1."""
    ratio_as_of: Millis | None
    mark_price: float | None
    index_price: float | None


class KeptCandle(NamedTuple):
    """A closed candle of a series."""

    series: Series
    candle: Candle
    backfilled: bool
    """Fetched after the fact instead of streamed."""


class GapKind(Word):
    """Which rows are missing."""

    SCORES = "scores"
    CANDLES = "candles"


class GapReason(Word):
    """Why rows are missing."""

    AWAY = "away"
    """No engine recorded."""
    NO_SCORE = "no_score"
    """There are rows, but they have no score."""
    NOT_STORED = "not_stored"
    """The store could not take them."""


class Gap(NamedTuple):
    """A hole in a series, from its first missing instant to the first that is there again."""

    series: Series
    kind: GapKind
    start: Millis
    end: Millis | None
    """None while it lasts."""
    reason: GapReason
    detail: str = ""
    """The reason of the score, the timeframe of the candles, or what the store said."""


HistoryRow: TypeAlias = KeptScore | KeptOverview | KeptDerivatives | KeptCandle | Gap
"""Everything that is recorded in bulk."""


class Snapshot(NamedTuple):
    """The last good documents of one source, as they were published."""

    source: str
    """Of the engine: what its command line named."""
    at: Millis
    value: bytes


class Newest(NamedTuple):
    """Up to where a source's rows are stored: where recording goes on."""

    scores: Mapping[Series, Millis]
    candles: Mapping[tuple[Series, Timeframe], Millis]
    """Closing time of the newest candle."""
    derivatives: Mapping[Series, Millis]
    overview: Millis | None
    open_gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, and how densely; None: for ever."""

    fine_days: float = 7.0
    """As they were recorded."""
    middle_days: float = 90.0
    """One each five minutes, until then."""
    coarse_days: float | None = None
    """One an hour, until then."""
    minute_candle_days: float = 30.0
    five_minute_candle_days: float = 90.0
    """Longer candles are kept for ever."""
    delivery_days: float = 90.0
    """Deliveries that ended; alerts, signals and the audit are kept for ever."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the store fares."""

    where: str
    """The database, without a password."""
    waiting: int
    """Rows that are not written yet."""
    room: int
    """Rows that may wait at most."""
    written: int
    """Since the start."""
    lost: int
    """Since the start: what came while there was no room."""
    last_written: Millis | None
    error: str | None
    """Why nothing can be written now; None while it can."""
    since: Millis | None
    """Since when."""
    notice: str | None = None
    """What happened at the start that a person must know of."""
