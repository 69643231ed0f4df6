"""What the score cycles did."""

from typing import Final

import msgspec

from virtuoso.domain.scores import Source
from virtuoso.wire.messages import Status


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
