"""Signals: a confirmed change of direction, kept as it was, with what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from virtuoso.domain.history import KeptPart, Series
from virtuoso.domain.scores import ComponentName, Direction
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word


class SignalState(Word):
    """Where a signal is in its life."""

    ACTIVE = "active"
    CONFIRMED = "confirmed"
    INVALIDATED = "invalidated"
    EXPIRED = "expired"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Signal:
    """What was said, and below it what followed so far."""

    id: str
    """Stable: the same change of direction has the same one."""
    series: Series
    opened_at: Millis
    state: SignalState
    direction: Direction
    score: float
    confidence: float | None
    """0..1."""
    coverage: float
    definition: str
    price: float
    """The middle when it was said, quote currency."""
    components: Mapping[ComponentName, KeptPart]
    horizon_ms: int
    """It expires so long after it was opened."""
    method: str
    """Names how stop and targets were made."""
    stop: float | None
    targets: tuple[float, ...]
    changed_at: Millis
    """When its state was set last."""
    closed_at: Millis | None = None
    outcome: str | None = None
    """What ended it, such as `target_1`, `stop`, `expired`."""
    exit_price: float | None = None
    best_excursion: float | None = None
    """Largest move in its direction, a fraction of the price."""
    worst_excursion: float | None = None
    """Largest move against it, a fraction of the price, not above 0."""
    r: float | None = None
    """Result in units of the distance to the stop."""
    followed_to: Millis | None = None
    """Closing time of the last candle it was held against."""


@dataclass(frozen=True, slots=True)
class SignalFilter:
    """Which signals are asked for; what is None or empty does not matter."""

    sources: tuple[str, ...] = ()
    symbol: str | None = None
    direction: Direction | None = None
    states: tuple[SignalState, ...] = ()
    since: Millis | None = None
    until: Millis | None = None
    """Opened from `since` on and before `until`."""
