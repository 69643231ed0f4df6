"""What processes and browsers say to each other. One class per message, used by writer and reader.

Two encodings of the same structs: msgpack between processes, JSON to clients. Rows of the board are
arrays, which only grow at the end. Times are integer milliseconds UTC of the venue unless a field
says otherwise; `timestamp` is ISO 8601 UTC. Percentages are percent, shares are 0..1.
"""

from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import (
    ComponentName,
    DimensionName,
    Direction,
    Reason,
    Source,
    State,
)
from virtuoso.wire.finite import is_suspect, without_nonfinite
from virtuoso.wire.measures import Measure

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
    definition: str = ""
    """Hash of what its score is computed by."""
    coverage_floor: float | None = None
    """Under this coverage its score is null; null where it is that of the limits."""


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


AlertLevel: TypeAlias = Literal["info", "warning", "critical"]
AlertState: TypeAlias = Literal["active", "acknowledged", "resolved"]


class Alert(msgspec.Struct, frozen=True):
    """A rule that fired, as it stands now: the same `id` comes again when its state changes."""

    id: str
    level: AlertLevel
    symbol: str | None
    """Null: about the whole."""
    rule: str
    message: str
    timestamp: str
    """When it fired, ISO 8601 UTC."""
    state: AlertState
    source: Source
    signal: str | None = None
    """Id of the signal it is about; null: its rule looks at none."""


class AlertsChanged(msgspec.Struct, frozen=True, tag="alerts"):
    """Push: alerts that fired or changed their state, oldest first."""

    epoch: str
    seq: int
    """Of the board as it was then; alerts do not move it."""
    now: int
    source: Source
    number: int
    """How many changes of alerts this epoch has seen with these: a hole means some were missed."""
    alerts: tuple[Alert, ...]


Push: TypeAlias = RowsChanged | BoardReplaced | Beat | AlertsChanged


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


class DimensionValues(msgspec.Struct, frozen=True):
    """The six lenses beside the score, 0..100 or null; what each measures is its label."""

    order_flow: float | None
    """Buying (above 50) or selling pressure, now."""
    sentiment: float | None
    """Crowd positioning: 100 is long and paying; not a forecast."""
    liquidity: float | None
    """Ease of trading against the last 24 hours; no direction."""
    bitcoin_beta: float | None
    """Percent of the movement that is shared with BTC: 100 x R2."""
    smart_money: float | None
    """Large-trade flow; who trades is not observable."""
    machine_learning: float | None
    """Percent: a measured probability; null while unproven."""


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
    dimensions: DimensionValues | None = None
    """Null in the socket's records, which are made of rows: `/api/symbols/{symbol}` has them."""
    outlook: dict[str, Any] | None = None
    """Null with `quality.outlook.reason`: no evidence is collected yet."""
    definition: str = ""
    """Hash of what the score was computed by: weights, thresholds, windows and formulas."""


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


class ScoreMove(msgspec.Struct, frozen=True):
    """How one symbol's score changed over a window."""

    symbol: str
    score: float
    """0..100: the newest kept score (one each 10 s)."""
    before: float
    """0..100: the score that was kept at `since`."""
    change: float
    """Points: score - before."""
    since: int
    """Venue time of `before`."""
    state: State
    """Of the symbol's score now."""


class ScoreMovers(msgspec.Struct, frozen=True):
    """The symbols whose score changed most over one window, five each way."""

    window_ms: int | None
    """Length of the window; null: since each symbol's first score that is kept, 6 h at most."""
    risers: tuple[ScoreMove, ...]
    """Changes above 0, largest first."""
    fallers: tuple[ScoreMove, ...]
    """Changes below 0, largest first."""
    compared: int
    """Symbols that had a score at both ends of the window."""
    as_of: int
    """Venue time of the newest scores."""


class MarketOverview(msgspec.Struct, frozen=True):
    """The market as a whole. What is not known is null with its reason in `quality`.

    Every field says its unit first, then its formula; r are the half-hourly log returns of the
    equal-weight index of the monitored symbols.
    """

    market_regime: str | None
    """Label: the first that holds at two half-hour closes in a row of volatile (percentile >= 90),
    trending_up (trend >= 25, sum r > 0, share up >= .6), trending_down (mirrored), quiet
    (percentile <= 10), ranging."""
    trend_strength: float | None
    """0..100: 100 x abs(sum r) / sum abs(r) over 48 half-hours."""
    volatility: float | None
    """Percent a year: 100 x sqrt(365 x sum r^2) over 48 half-hours."""
    btc_dominance: float | None
    """Percent: 100 x Bitcoin's 24 h turnover / the monitored symbols'; not of market value."""
    total_volume_24h: float | None
    """Quote currency (USDT): sum of the monitored symbols' 24 h turnover."""
    breadth: float | None
    """Share, 0..1: up / (up + down), up being a 24 h change above zero, down one below."""
    quality: dict[str, Quality]
    """By field: its state, the time of what it rests on, and the reason where it is null."""
    avg_volatility: float | None = None
    """Percent a year: mean of the last 1,000 half-hourly values of `volatility`."""
    volatility_percentile: float | None = None
    """0..100: 100 x (smaller + equal / 2) / n of volatility among its n values before, 250 to
    1,000."""
    market_dispersion: float | None = None
    """Percent: 100 x standard deviation (n - 1) across symbols of the 24 h log return."""
    avg_market_dispersion: float | None = None
    """Percent: mean of the last 1,000 half-hourly values of `market_dispersion`."""
    score_movers_1h: ScoreMovers | None = None
    """Points: newest kept score - the one kept 1 h before, within 15 s; till then `warming_up`."""
    score_movers_4h: ScoreMovers | None = None
    """Points: newest kept score - the one kept 4 h before, within 15 s; till then `warming_up`."""
    score_movers_observed: ScoreMovers | None = None
    """Points: newest kept score - the symbol's first score since the start, at most 6 h back."""
    score_movers_24h: ScoreMovers | None = None
    """Points: newest kept score (one each 5 min) - the one kept 24 h before, within 5 min."""


class OverviewDocument(msgspec.Struct, frozen=True):
    """`/api/market/overview`."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    market_overview: MarketOverview
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


class AlertsDocument(msgspec.Struct, frozen=True):
    """The alerts that nobody has resolved, oldest first; the store has all of them."""

    status: Status
    timestamp: str
    as_of: int | None
    source: Source
    data_source: DataSource
    alerts: tuple[Alert, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
    """Why none can be known."""


class Signal(msgspec.Struct, frozen=True):
    """An open signal as it was said; the rest is at `/api/signals/{id}`."""

    symbol: str
    direction: Direction
    score: float | None
    """0..100, of the second that confirmed it."""
    confidence: float | None
    """0..100."""
    id: str
    source: Source
    venue: str
    state: str
    """`active`, or `confirmed`: its first target was reached."""
    opened: str
    """ISO 8601 UTC."""
    opened_at: int
    price: float | None
    """The middle of the best quote then."""
    spread_bp: float | None
    coverage: float
    """Share of the score's weight that was present, 0..1."""
    horizon_ms: int
    stop: float | None
    targets: tuple[float, ...]
    reason: Reason | None
    """Why there is no stop."""
    followed_to: int | None
    """Closing time of the last one-minute candle it was held against."""
    left_at: int | None
    """When its direction was left; within 30 minutes it may come back."""


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
    """Open ones, strongest first, five at most; `quality` says why there are none."""
    alerts: tuple[Alert, ...]
    """Those that nobody has resolved, newest first, 50 at most."""
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
    alerts: tuple[Alert, ...] = ()
    """The critical ones."""
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


class DimensionPart(msgspec.Struct, frozen=True):
    """One thing that a lens is made of."""

    name: str
    value: float | None
    unit: str
    """z: normal score; rank: 0..100 among its own past; bp: 1/100 of a percent; and so on."""


class DimensionDetail(msgspec.Struct, frozen=True):
    """One lens beside the score: it describes, and never votes."""

    name: DimensionName
    label: str
    """What the value means."""
    value: float | None
    """0..100; null, and then `reason` says why."""
    state: State
    """The worst of the inputs it was made from."""
    as_of: int | None
    """Venue time of the oldest input it needed."""
    source: Source
    reason: Reason | None
    record: Reason | None
    """`unproven` on a value of which nothing has been measured to follow."""
    parts: tuple[DimensionPart, ...]


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


class PressureRecord(msgspec.Struct, frozen=True):
    """What one member adds to score - 50."""

    component: ComponentName
    member: str
    points: float


class MissingRecord(msgspec.Struct, frozen=True):
    """A component, or members of one that is there, without a value, and what that costs."""

    component: ComponentName
    members: tuple[str, ...]
    """Empty: the whole component."""
    reason: Reason
    have: int | None
    need: int | None
    coverage: float
    """Share of the score's weight that is lost, 0..1; all of them add up to 1 - coverage."""
    confidence: float | None
    """Points by which confidence would be higher with it, agreement, freshness and record staying
    as they are: 100 x agreement x freshness x record x `coverage`; null without a score."""


class WhatIfRecord(msgspec.Struct, frozen=True):
    """The score computed anew with one input changed."""

    component: ComponentName
    member: str | None
    """Null: the component as a whole."""
    case: Literal["neutral", "absent"]
    """Neutral: it says 50, weights stay. Absent: it has no value, weights are renormalised."""
    score: float | None
    """0..100; null, with its reason, when there would be none."""
    change: float | None
    """Points: this score less the one of the document, both unrounded."""
    coverage: float
    reason: Reason | None


class ScoreAccount(msgspec.Struct, frozen=True):
    """What presses up, what down, what is missing, and what would change the score most."""

    points_up: float
    """Sum of all members that press up; with `points_down` it is score - 50."""
    points_down: float
    up: tuple[PressureRecord, ...]
    """The strongest members, strongest first."""
    down: tuple[PressureRecord, ...]
    missing: tuple[MissingRecord, ...]
    """The costliest first."""
    neutral: WhatIfRecord | None
    """The member that changes the score most when it says 50; null without a score."""
    absent: WhatIfRecord | None
    """The member that changes the score most when it is not there; null without a score."""
    without: tuple[WhatIfRecord, ...]
    """The score without each component that is there."""
    coverage: float
    coverage_floor: float
    """Under it there is no score."""
    rho: tuple[tuple[float, ...], ...]
    """How alike the six components are taken to be, in COMPONENT_ORDER: the denominator."""
    weights: tuple[float, ...]
    """Of the six components before any is missing, in COMPONENT_ORDER; they sum to 1."""


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
    account: ScoreAccount | None = None
    """Null while no second was scored."""
    now: int = 0
    book: BookIntegrity | None = None
    other_venue: OtherVenue | None = None
    """Null where only one venue is watched, or the coin is not on the other."""
    dimensions: tuple[DimensionDetail, ...] = ()
    """The six lenses, always in one order."""


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


class DefinitionSince(msgspec.Struct, array_like=True, frozen=True):
    """`[time, hash]`: by what the scores from this time on were computed."""

    at: int
    """0 for the first since the start."""
    definition: str


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
    definitions: tuple[DefinitionSince, ...] = ()
    """Scores on two sides of a change were measured with different rules."""


class TrackPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, flow, open interest]` of one minute that is over, each number or null."""

    at: int
    """Venue time at which it ended."""
    flow: float | None
    """Taker buys less sells, base currency; null where trades were not received throughout."""
    open_interest: float | None
    """Contracts in base currency."""


class TimedValue(msgspec.Struct, array_like=True, frozen=True):
    """`[time, value]`."""

    at: int
    value: float


class TracksDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/tracks`: what runs beside the candles of one symbol, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    minutes: tuple[TrackPoint, ...]
    """Of the last 6 hours, since this engine started."""
    open_interest: tuple[TimedValue, ...]
    """At full hours, contracts in base currency."""
    funding: tuple[TimedValue, ...]
    """Settled rates converted to 8 hours, a fraction."""
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class Sparkline(msgspec.Struct, array_like=True, frozen=True):
    """Two small lines of one symbol: `[symbol, low, high, prices, scores, scores since]`."""

    symbol: str
    low: float | None
    """Lowest and highest of the closes drawn; null without any."""
    high: float | None
    prices: tuple[int, ...]
    """Closes of the last 48 half-hours, 0 at `low` and 100 at `high`."""
    scores: tuple[int | None, ...]
    """At most 40 at equal distances, 0..100, null where there was none."""
    since: int | None
    """Venue time of the first of the scores."""


class SparklinesDocument(msgspec.Struct, frozen=True):
    """`/api/sparklines`: the lines in a row of the board; `?symbols=A,B` gives only these."""

    status: Status
    timestamp: str
    source: Source
    lines: tuple[Sparkline, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class AboutDocument(msgspec.Struct, frozen=True):
    """`/api/about`: which program this is, and what day."""

    status: Status
    version: str
    day: str
    """In UTC, ISO 8601."""
    feast: str | None
    """Of the day; null on a day without one."""
    prayer: str
    dedication: str


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
    """One symbol against Bitcoin; without a beta, the reason. x Bitcoin's returns, y its own."""

    symbol: str
    reason: Reason | None
    beta: float | None = None
    """Shrunk towards the other symbols: shrinkage x raw_beta + (1 - shrinkage) x their mean."""
    raw_beta: float | None = None
    """sum w x y / sum w x^2; where `lagged`, the sum of both slopes."""
    standard_error: float | None = None
    """Of raw_beta."""
    shrinkage: float | None = None
    """Share of its own estimate in `beta`, 0..1."""
    correlation: float | None = None
    """sum w x y / sqrt(sum w x^2 sum w y^2), -1..1."""
    r_squared: float | None = None
    """correlation^2: share of movement that is Bitcoin's, 0..1."""
    residual_z: float | None = None
    """The last hour's own movement in standard deviations; null when one of its returns is not
    there."""
    lead_lag: LeadLagRecord | None = None
    """Null when no lag of 1 to 6 bars either way stands out: abs > 3 / sqrt(effective_samples)."""
    lagged: bool = False
    """Hardly traded: Bitcoin's return one bar before counts too."""
    samples: int = 0
    """n: common returns in the window."""
    effective_samples: float | None = None
    """1 / sum w^2."""


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
    half_life: float | None = None
    """Candles: a return so old weighs half."""
    minimum_pairs: int | None = None
    """Fewer common returns give no beta."""


class BetaMatrixDocument(msgspec.Struct, frozen=True):
    """`/api/bitcoin-beta/matrix`: how alike the most traded symbols move, each with each.

    Correlation about zero of log returns between equal closes, weighted by age with the half-life:
    sum w x y / sqrt(sum w x^2 sum w y^2), -1..1, over the instants at which both have a return.
    """

    status: Status
    timestamp: str
    as_of: int | None
    """Close time of the newest candle used."""
    state: State
    source: Source
    data_source: DataSource
    timeframe: str
    window: int
    """Candles looked back on."""
    half_life: float
    """Candles."""
    minimum_pairs: int
    """Fewer common returns give no correlation."""
    symbols: tuple[str, ...]
    """Of rows and columns, most traded first."""
    monitored: int
    """Symbols watched in all; the matrix holds the first of them."""
    correlations: tuple[tuple[float | Reason, ...], ...]
    """A number, or the reason why there is none: `warming_up` below the minimum of pairs, `too_few`
    where a symbol did not move."""
    samples: tuple[tuple[int, ...], ...]
    """n: common returns behind each correlation."""
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


class CycleTrace(msgspec.Struct, frozen=True):
    """One score cycle: every market of a venue computed for one second."""

    venue: str
    at: int
    """The second that was closed, our clock."""
    seq: int
    wall_ms: float
    """From its first slice to its last, pauses included."""
    cpu_ms: float
    """Processor time of the slices."""
    slices: int
    """Pieces it was computed in; the others had their turn between them."""
    symbols: int
    scored: int
    absent: dict[str, int]
    """Symbols without a score, by reason."""
    components_absent: dict[str, dict[str, int]]
    """Symbols without a component's score, by component and reason."""
    definition: str


class CyclesDocument(msgspec.Struct, frozen=True):
    """`/api/monitoring/cycles`: the last score cycles, oldest first."""

    status: Status
    timestamp: str
    source: Source
    kept: int
    """How many of a venue are kept at most."""
    cycles: tuple[CycleTrace, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class CycleTotals(msgspec.Struct, frozen=True):
    """Everything since the start of one venue's cycles, for counters and histograms."""

    venue: str
    count: int
    wall_seconds: float
    cpu_seconds: float
    wall_buckets: tuple[int, ...]
    """Cycles up to each bound of CYCLE_BOUNDS_MS, those under the bounds before included."""
    cpu_buckets: tuple[int, ...]
    slices: int
    scored: int
    absent: dict[str, int]
    """Scores that were null, by reason."""
    components_absent: dict[str, dict[str, int]]


CYCLE_BOUNDS_MS: Final = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0)
"""Upper bounds of the histograms of a cycle's duration."""


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
    definition: str = ""
    """Hash of what the newest cycle was computed by."""
    cycles: tuple[CycleTotals, ...] = ()
    """One for each venue."""
    measures: tuple[Measure, ...] = ()
    """Numbers of its process, feeds, alerts and store, made anew every 5 s."""


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
    measures: tuple[Measure, ...] = ()
    """Numbers of its process and of its socket clients."""


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
    """Encode for a client. A number that is not finite becomes null, and `reasons` say so."""
    if is_suspect(_pack.encode(message)):
        return _json.encode(without_nonfinite(message))
    return _json.encode(message)


def pack(message: msgspec.Struct) -> bytes:
    """Encode for another process."""
    return _pack.encode(message)


def unpack(body: bytes | memoryview, kind: type[M]) -> M:
    """Decode what `pack` wrote. Raises WireError when it is anything else."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected {getattr(kind, '__name__', kind)}, found bytes that are not: {error}"
        raise WireError(message) from error


_push: msgspec.msgpack.Decoder[Push] = msgspec.msgpack.Decoder(
    RowsChanged | BoardReplaced | Beat | AlertsChanged
)


def unpack_push(body: bytes | memoryview) -> Push:
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
