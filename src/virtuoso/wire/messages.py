"""What processes and browsers say to each other. One class per message, used by writer and reader.

Two encodings of the same structs: msgpack between processes, JSON to clients. Rows of the board are
arrays, which only grow at the end. Times are integer milliseconds UTC of the venue unless a field
says otherwise; `timestamp` is ISO 8601 UTC. Percentages are percent, shares are 0..1.
"""

from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State

SCHEMA: Final = 1

COMPONENT_ORDER: Final = tuple(ComponentName)
"""The order of the six values of a row: OB OF TA VOL SEN PS."""


class ScoreRow(msgspec.Struct, array_like=True, frozen=True):
    """One symbol of the board as an array: the socket's shape."""

    row: int
    """The number the snapshot gave this symbol."""
    score: float | None
    """0..100, or null, and then `reason` says why."""
    reason: Reason | None
    confidence: float | None
    """0..100."""
    direction: Direction | None
    components: tuple[float | None, ...]
    """Six values in COMPONENT_ORDER, 0..100 or null."""
    reasons: tuple[Reason | None, ...] | None
    """Why a component is null; null when all six are there."""
    price: float | None
    change_24h: float | None
    """Percent."""
    volume_24h: float | None
    """24 h turnover in quote currency."""
    funding: float | None
    """The coming rate converted to 8 hours, a fraction."""
    oi_change_1h: float | None
    """Percent, in contracts."""
    score_change_1h: float | None
    """Points."""
    cell: int | None
    """Number of an outlook in the snapshot's `cells`; null while there is no evidence."""
    as_of: int | None
    """Venue time of the oldest input the score needed."""
    price_as_of: int | None
    live_score: float | None = None
    """The score if every forming candle closed now; never stored, never alerted on."""
    coverage: float = 0.0
    """Share of the score's weight that was present, 0..1."""
    state: State = State.ABSENT
    """Of the score: the worst of the inputs it used."""
    price_state: State = State.ABSENT
    price_reason: Reason | None = None
    oldest_input: str | None = None
    """Which input `as_of` belongs to, such as `price_structure 4h`."""


class RowSymbol(msgspec.Struct, frozen=True):
    """What stays the same for one row between snapshots."""

    row: int
    symbol: str
    venue: str
    source: Source


class Limits(msgspec.Struct, frozen=True):
    """Ages from which a reader marks numbers, milliseconds."""

    heartbeat_ms: int
    price_delayed_ms: int
    price_stale_ms: int
    coverage_floor: float


class ReplayInfo(msgspec.Struct, frozen=True):
    """Which recording is being played."""

    recorded_from: int
    speed: str
    """`1`, `10`, ... or `max`."""
    ended: bool


class Notice(msgspec.Struct, frozen=True):
    """Something a reader must know about the whole: a venue out of reach, warming up."""

    code: str
    text: str
    since: int | None = None


class BoardState(msgspec.Struct, frozen=True):
    """Everything the socket serves, as of one engine cycle. Kept in the cache under keys.BOARD."""

    epoch: str
    seq: int
    now: int
    """The engine's clock corrected to the venue's."""
    source: Source
    limits: Limits
    symbols: tuple[RowSymbol, ...]
    rows: tuple[ScoreRow, ...]
    notices: tuple[Notice, ...] = ()
    replay: ReplayInfo | None = None


class RowsChanged(msgspec.Struct, frozen=True, tag="rows"):
    """Push: the rows that changed in one cycle."""

    epoch: str
    seq: int
    previous: int
    """The sequence before this one: another value means something was missed, read the board."""
    now: int
    source: Source
    rows: tuple[ScoreRow, ...]
    documents: tuple[str, ...]
    """Cache keys that were written in this cycle."""
    notices: tuple[Notice, ...] = ()


class BoardReplaced(msgspec.Struct, frozen=True, tag="board"):
    """Push: symbols, limits or the epoch changed; the whole board."""

    board: BoardState


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """Push: the engine lives; sent each second even when nothing else is."""

    epoch: str
    seq: int
    now: int
    source: Source


Push: TypeAlias = RowsChanged | BoardReplaced | Beat


class Document(msgspec.Struct, frozen=True):
    """A published document: ready JSON bytes with what a reader needs to judge them."""

    schema: int
    epoch: str
    seq: int
    now: int
    as_of: int | None
    etag: str
    body: bytes


class Quality(msgspec.Struct, frozen=True):
    """State, time and reason of one field."""

    state: State
    as_of: int | None
    reason: Reason | None = None
    basis: str | None = None


class ComponentValues(msgspec.Struct, frozen=True):
    """The six views, 0..100 or null."""

    orderbook: float | None
    orderflow: float | None
    technical: float | None
    volume: float | None
    sentiment: float | None
    price_structure: float | None


class SymbolRecord(msgspec.Struct, frozen=True):
    """One symbol in REST answers (the owner's fields, then ours)."""

    symbol: str
    confluence_score: float | None
    confidence: float | None
    """0..100."""
    direction: Direction | None
    change_24h: float | None
    """Percent."""
    price: float | None
    volume: float | None
    """24 h turnover in quote currency."""
    components: ComponentValues
    as_of: int | None
    source: Source
    state: State
    reason: Reason | None
    coverage: float
    quality: dict[str, Quality]
    venue: str
    live_score: float | None = None
    dimensions: dict[str, Any] | None = None
    """Null with `quality.dimensions.reason`: the six lenses are not computed yet."""
    outlook: dict[str, Any] | None = None
    """Null with `quality.outlook.reason`: no evidence is collected yet."""


Status: TypeAlias = Literal["success", "degraded", "error"]
DataSource: TypeAlias = Literal["cache", "live", "store"]


class SymbolsDocument(msgspec.Struct, frozen=True):
    """`/api/symbols`, and the plain key `virtuoso:symbols`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    symbols: tuple[SymbolRecord, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    definition: str = ""


class Movers(msgspec.Struct, frozen=True):
    """Five each, by 24 h change above and below zero."""

    gainers: tuple[SymbolRecord, ...]
    losers: tuple[SymbolRecord, ...]


class MarketOverview(msgspec.Struct, frozen=True):
    """The market as a whole. What is not known is null with its reason in `quality`."""

    market_regime: str | None
    """volatile, trending_up, trending_down, quiet or ranging, at two half-hour closes in a row."""
    trend_strength: float | None
    """0..100: 100 x abs(sum r) / sum abs(r) of the equal-weight index, 48 half-hours."""
    volatility: float | None
    """Percent a year: 100 x sqrt(365 x sum r^2) of the same."""
    btc_dominance: float | None
    """Percent: BTC's share of the monitored 24 h turnover."""
    total_volume_24h: float | None
    """24 h turnover of the monitored symbols, quote currency."""
    breadth: float | None
    """Share of monitored symbols with a 24 h change above zero among those that moved."""
    quality: dict[str, Quality]
    avg_volatility: float | None = None
    """Percent a year: mean of its last 1,000 half-hourly values."""
    volatility_percentile: float | None = None
    """0..100: where volatility stands among its values before."""
    market_dispersion: float | None = None
    """Percent: standard deviation across symbols of the 24 h log return."""
    avg_market_dispersion: float | None = None
    """Percent: mean of its last 1,000 half-hourly values."""


class Signal(msgspec.Struct, frozen=True):
    """A strong pressure right now, strongest first; not yet a tracked signal."""

    symbol: str
    direction: Direction | None
    score: float
    confidence: float | None


class DashboardDocument(msgspec.Struct, frozen=True):
    """`/api/dashboard/data`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    market_overview: MarketOverview
    symbols: tuple[SymbolRecord, ...]
    top_movers: Movers
    top_signals: tuple[Signal, ...]
    alerts: tuple[Any, ...]
    bitcoin_beta: dict[str, Any] | None
    """Median beta and correlation, and the symbols at both ends; all in `/api/bitcoin-beta`."""
    quality: dict[str, Quality]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class MobileDocument(msgspec.Struct, frozen=True):
    """`/api/dashboard/mobile-data`: every key is always there, absent values are null."""

    status: Status
    timestamp: str
    data_source: DataSource
    market_overview: MarketOverview
    confluence_scores: tuple[SymbolRecord, ...]
    """Strongest pressure in either direction first; symbols without a score last."""
    top_movers: Movers
    market_regime: str | None
    regime: str | None
    trend_strength: float | None
    trend_score: float | None
    current_volatility: float | None
    btc_dominance: float | None
    total_volume_24h: float | None
    gainers: tuple[SymbolRecord, ...]
    top_gainers: tuple[SymbolRecord, ...]
    losers: tuple[SymbolRecord, ...]
    symbols: tuple[SymbolRecord, ...]
    top_symbols: tuple[SymbolRecord, ...]
    as_of: int | None
    source: Source
    reasons: tuple[str, ...]
    quality: dict[str, Quality]
    truncated: bool
    epoch: str = ""
    seq: int = 0


class MemberDetail(msgspec.Struct, frozen=True):
    """One sub-statistic of a component."""

    name: str
    family: str
    weight: float
    """Share of the component, 0..1."""
    x: float | None
    score: float | None
    contribution: float | None
    """Points of score - 50."""
    as_of: int | None
    reason: Reason | None
    have: int | None = None
    need: int | None = None


class ComponentDetail(msgspec.Struct, frozen=True):
    """One component taken apart."""

    name: ComponentName
    score: float | None
    weight: float | None
    """Renormalised over the present components; null when absent."""
    contribution: float | None
    """Points of score - 50, unrounded."""
    shown: float | None
    """The same with two decimals; the shown ones add up to the shown score - 50."""
    completeness: float
    freshness: float | None
    as_of: int | None
    reason: Reason | None
    members: tuple[MemberDetail, ...]
    have: int | None = None
    need: int | None = None


class ConfidenceDetail(msgspec.Struct, frozen=True):
    """The four factors, 0..1; `record` is null while unproven and then counts as .5."""

    value: float
    agreement: float
    completeness: float
    freshness: float
    record: float | None
    record_reason: Reason | None


class FormingBar(msgspec.Struct, array_like=True, frozen=True):
    """The open candle of a timeframe: `[open time, open, high, low, close, volume]`."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class FeedAge(msgspec.Struct, frozen=True):
    """How old one kind of input is."""

    kind: str
    as_of: int | None
    state: State
    reason: Reason | None


class BookIntegrity(msgspec.Struct, frozen=True):
    """How the order book of one symbol has fared since the start."""

    synced_since: int | None
    """Venue time of the snapshot that made it whole; null while there is no book."""
    gaps: int
    """How often it was lost to a hole, a restart or a crossing."""
    resyncs: int
    """How often a snapshot made it whole again."""
    distrusted_since: int | None
    """Since when polled books stand in for a stream with too many gaps; null while it is good."""


class OtherVenue(msgspec.Struct, frozen=True):
    """The same coin on the other venue, and how far the two are apart right now."""

    venue: str
    symbol: str
    state: State
    """Of its price."""
    price: float | None
    """Per contract of the symbol that is asked about."""
    price_difference_bps: float | None
    """The other price above this one, in 1/100 of a percent; null unless both are live."""
    score: float | None
    score_difference: float | None
    """The other score less this one, points; null unless both are live."""
    speaks: bool
    """Whether the numbers shown come from it, because the first venue's are stale."""


class SymbolDetail(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}`: the record, and the score taken apart to its inputs."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    record: SymbolRecord
    components: tuple[ComponentDetail, ...]
    confidence: ConfidenceDetail | None
    z: float | None
    definition: str
    explanation: tuple[str, ...]
    forming: dict[str, FormingBar]
    inputs: tuple[FeedAge, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0
    now: int = 0
    book: BookIntegrity | None = None
    other_venue: OtherVenue | None = None
    """Null where only one venue is watched, or the coin is not on the other."""


class CandleGap(msgspec.Struct, frozen=True):
    """Minutes that the stream did not bring."""

    start: int
    end: int
    """Opening time of the first minute that is there again."""
    filled_at: int | None
    """Null while they are missing."""


class CandlesDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/candles`: closed candles, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    timeframe: str
    candles: tuple[FormingBar, ...]
    """`[open time, open, high, low, close, volume]`, all closed."""
    reason: Reason | None = None
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
    gaps: tuple[CandleGap, ...] = ()
    """Of the minutes, the newest of this run."""
    backfilled: tuple[int, ...] = ()
    """Opening times of candles that were fetched after a gap."""


class ScorePoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, score or null]`."""

    at: int
    score: float | None


class ScoreHistoryDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/scores`: sampled scores since this engine started, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    step_ms: int
    points: tuple[ScorePoint, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """One event or frame that was not let in."""

    venue: str
    at: int
    """When it was received, our clock."""
    kind: str
    reason: str
    sample: str
    """What it was, at most 4,096 characters."""


class RefusalsDocument(msgspec.Struct, frozen=True):
    """`/api/monitoring/refusals`: the last things that were not let in, newest first."""

    status: Status
    timestamp: str
    source: Source
    refusals: tuple[Refusal, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class LeadLagRecord(msgspec.Struct, frozen=True):
    """The strongest correlation with Bitcoin's returns of other instants, as description."""

    bars: int
    """Above 0: Bitcoin moved first."""
    correlation: float


class BetaRecord(msgspec.Struct, frozen=True):
    """One symbol against Bitcoin; without a beta, the reason."""

    symbol: str
    reason: Reason | None
    beta: float | None = None
    """Shrunk towards the other symbols."""
    raw_beta: float | None = None
    standard_error: float | None = None
    shrinkage: float | None = None
    """Share of its own estimate in `beta`, 0..1."""
    correlation: float | None = None
    r_squared: float | None = None
    residual_z: float | None = None
    """The last hour's own movement in standard deviations."""
    lead_lag: LeadLagRecord | None = None
    lagged: bool = False
    """Hardly traded: Bitcoin's return one bar before counts too."""
    samples: int = 0
    effective_samples: float | None = None


class BitcoinBetaDocument(msgspec.Struct, frozen=True):
    """`/api/bitcoin-beta`: regression of 5m log returns on Bitcoin's, half-life 288 bars."""

    status: Status
    timestamp: str
    as_of: int | None
    """Close time of the newest candle used."""
    state: State
    source: Source
    data_source: DataSource
    bitcoin: str | None
    """The symbol that stands for Bitcoin."""
    timeframe: str
    window: int
    """Candles looked back on."""
    symbols: tuple[BetaRecord, ...]
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class PartHealth(msgspec.Struct, frozen=True):
    """One part of the engine: feed, warm-up, clock, publisher."""

    name: str
    status: Literal["pass", "warn", "fail"]
    text: str
    since: int | None = None
    last_good: int | None = None


class EngineStatus(msgspec.Struct, frozen=True):
    """The engine about itself, each second. Kept in the cache under keys.ENGINE (msgpack)."""

    epoch: str
    seq: int
    now: int
    source: Source
    version: str
    started: int
    symbols: int
    symbols_scored: int
    parts: tuple[PartHealth, ...]
    counters: dict[str, int]
    cycle_ms: float | None
    """Wall time the last cycle took."""


class Writer(msgspec.Struct, frozen=True):
    """Who writes, as named under keys.LEASE. Plain JSON, so that a person can read it."""

    epoch: str
    """Of this very claim: a later one has another."""
    host: str
    pid: int
    since: int
    """When it was claimed, milliseconds UTC."""


class TierReport(msgspec.Struct, frozen=True):
    """What a process says of one cache tier since it started."""

    name: str
    open: bool
    """Whether it is left alone because it did not answer."""
    text: str
    """Why it is, or was last; empty when it never was."""
    lost: int
    """How often so far."""
    hits: int
    misses: int
    errors: int


class ProcessReport(msgspec.Struct, frozen=True):
    """A process that serves, about itself. Kept in the cache under keys.process."""

    epoch: str
    """Names this run of this process, and no other."""
    seq: int
    now: int
    role: Literal["web", "monitor"]
    host: str
    port: int
    pid: int
    version: str
    started: int
    leaving: bool
    """Its last word: it was asked to end."""
    engine_ms: int
    """How long ago it heard of the engine."""
    reading: Literal["pushes", "cache"]
    clients: int
    """Websocket clients."""
    tiers: tuple[TierReport, ...]


class LastGood(msgspec.Struct, frozen=True):
    """The last snapshot that was good, as it was published. Kept under keys.LAST_GOOD."""

    epoch: str
    seq: int
    now: int
    values: dict[str, bytes]
    """The board and the hot documents by their keys, encoded as they lay there."""


M = TypeVar("M")

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()


def to_json(message: msgspec.Struct) -> bytes:
    """Encode for a client. Every number must be finite; publishers make sure of it."""
    return _json.encode(message)


def pack(message: msgspec.Struct) -> bytes:
    """Encode for another process."""
    return _pack.encode(message)


def unpack(body: bytes, kind: type[M]) -> M:
    """Decode what `pack` wrote. Raises WireError when it is anything else."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected {getattr(kind, '__name__', kind)}, found bytes that are not: {error}"
        raise WireError(message) from error


_push: msgspec.msgpack.Decoder[Push] = msgspec.msgpack.Decoder(RowsChanged | BoardReplaced | Beat)


def unpack_push(body: bytes) -> Push:
    """Decode a message of the push channel. Raises WireError when it is not one."""
    try:
        return _push.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected a push message, found bytes that are not: {error}"
        raise WireError(message) from error


def writer_of(held: bytes) -> Writer | None:
    """Who is named under keys.LEASE; None for bytes that name nobody."""
    try:
        return msgspec.json.decode(held, type=Writer)
    except msgspec.DecodeError:
        return None
