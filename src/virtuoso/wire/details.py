"""One score taken apart to its inputs."""

from typing import Literal

import msgspec

from virtuoso.domain.scores import ComponentName, DimensionName, Reason, Source, State
from virtuoso.wire.charts import FormingBar
from virtuoso.wire.messages import DataSource, Status
from virtuoso.wire.symbols import SymbolRecord


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
