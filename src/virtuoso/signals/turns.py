"""A confirmed change of direction with everything that was known at that second."""

from collections.abc import Mapping
from typing import NamedTuple

from virtuoso.domain.history import KeptPart
from virtuoso.domain.scores import ComponentName, Direction, Reason
from virtuoso.domain.time import Millis


class Turn(NamedTuple):
    """One change of direction; the same inputs give the same one."""

    at: Millis
    """The grid second that confirmed it, by our clock."""
    before: Direction | None
    after: Direction | None
    """None: nothing was seen for too long."""
    decided_on: float | None
    """The score of the minute that confirmed it, 0..100."""
    score: float | None
    """Of that second, 0..100."""
    coverage: float
    confidence: float | None
    definition: str
    components: Mapping[ComponentName, KeptPart]
    mid: float | None
    """Quote currency."""
    spread_bp: float | None
    atr: float | Reason
    """A log return, or why there is none."""
