"""What goes into an edition, and what comes out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from virtuoso.domain.alerts import Alert
from virtuoso.domain.fees import Fees
from virtuoso.domain.scores import Source
from virtuoso.domain.signals import Signal
from virtuoso.domain.time import Millis
from virtuoso.engine.across import AcrossView
from virtuoso.engine.lane import Lane
from virtuoso.engine.pairing import Shown
from virtuoso.engine.view import CycleView, Value
from virtuoso.market.overview import Overview
from virtuoso.market.verdict import Sample
from virtuoso.patterns.scans import Found
from virtuoso.wire.board import BoardState, Notice, ReplayInfo
from virtuoso.wire.cycles import CycleTotals, CycleTrace
from virtuoso.wire.measures import Measure
from virtuoso.wire.processes import EngineStatus, PartHealth


@dataclass(frozen=True, slots=True)
class Content:
    """Everything that is said in one cycle, as it was when the edition began."""

    cycle: CycleView
    definition: str
    coverage_floor: float
    shown: Sequence[Shown]
    sources: Mapping[str, Source]
    """What a reader is told, by venue."""
    lanes: Mapping[str, Lane]
    """The market behind each symbol on the board."""
    overview: tuple[Overview, Value]
    across: AcrossView
    notices: tuple[Notice, ...]
    parts: tuple[PartHealth, ...]
    counters: Mapping[str, int]
    cycle_ms: float | None
    started: Millis
    replay: ReplayInfo | None = None
    refusals: Sequence[tuple[str, Sample]] = ()
    amended: frozenset[str] = frozenset()
    """Symbols whose details must be made, whoever's turn it is."""
    details: bool = True
    """False: only the board, because it must not wait."""
    cycles: Sequence[CycleTrace] = ()
    """The last ones of each venue."""
    cycle_totals: tuple[CycleTotals, ...] = ()
    looked_at: frozenset[str] = frozenset()
    """Symbols whose book, trades, liquidations and derivatives somebody reads."""
    behind_ms: int = 0
    """By how much the cycle is older than the present of an engine that cannot keep up."""
    alerts: tuple[int, tuple[Alert, ...]] | None = None
    """How often they changed, and those that nobody has resolved; None without a watch."""
    signals: tuple[int, tuple[Signal, ...]] | None = None
    """How often they changed, and those that are open or ended last; None while not known."""
    fees: Fees = field(default_factory=dict)
    """By venue, what results of signals are reckoned after."""
    patterns: Mapping[str, Sequence[Found]] = field(default_factory=dict)
    """What the scans say, by symbol."""
    measures: tuple[Measure, ...] = ()
    second: Millis | None = None
    """The grid second that the scores are of, our clock; None before the first."""


@dataclass(slots=True)
class Printed:
    """What comes of an edition."""

    board: BoardState
    status: EngineStatus
    documents: dict[str, bytes] = field(default_factory=dict)
