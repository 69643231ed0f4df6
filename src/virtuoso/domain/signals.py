"""Signals: a confirmed change of direction, kept as it was, with what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from virtuoso.domain.history import KeptPart, Series
from virtuoso.domain.scores import ComponentName, Direction, Reason
from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word

STOP_RANGES: Final = 1.5
"""Distance to the stop in average true ranges, of the only method there is so far."""


class SignalState(Word):
    """Where a signal is in its life."""

    ACTIVE = "active"
    CONFIRMED = "confirmed"
    """Its first target was reached before its stop; it goes on."""
    INVALIDATED = "invalidated"
    """Its stop was reached before any target."""
    EXPIRED = "expired"
    """Its horizon ended before anything else did."""
    CLOSED = "closed"
    """It ended otherwise: at the last target, at the stop after a target, with its direction."""


OPEN: Final = (SignalState.ACTIVE, SignalState.CONFIRMED)


class Outcome(Word):
    """What ended a signal."""

    STOP = "stop"
    TARGET = "last_target"
    EXPIRED = "expired"
    DIRECTION_LEFT = "direction_left"
    REVERSED = "reversed"
    LOST_DATA = "lost_data"
    """Nothing was seen for too long, of the score or of the price: it has no result."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What was said, and below it what followed so far."""

    id: str
    """Stable: the same change of direction has the same one."""
    series: Series
    opened_at: Millis
    state: SignalState
    direction: Direction
    score: float | None
    """0..100, of that very second; None when that second had none, though its minute did."""
    confidence: float | None
    """0..1."""
    coverage: float
    definition: str
    price: float | None
    """The middle when it was said, quote currency; None while none could be seen."""
    components: Mapping[ComponentName, KeptPart]
    horizon_ms: int
    """It expires so long after it was opened."""
    method: str
    """Names how stop and targets were made, and results are measured."""
    stop: float | None
    """None without a price or without a range; `reason` says why."""
    targets: tuple[float, ...]
    """Nearest first; empty where there is no stop."""
    changed_at: Millis
    """When its state was set last."""
    closed_at: Millis | None = None
    outcome: Outcome | None = None
    exit_price: float | None = None
    """Quote currency."""
    best_excursion: float | None = None
    """Largest move in its direction so far, a log return, not below 0."""
    worst_excursion: float | None = None
    """Largest move against it so far, a log return, not above 0."""
    r: float | None = None
    """Result of the whole position in units of the distance to the stop."""
    followed_to: Millis | None = None
    """Closing time of the last candle it was held against."""
    decided_on: float | None = None
    """S: the score of the minute that confirmed it, 0..100."""
    spread_bp: float | None = None
    """When it was said, 1/10,000 of the price."""
    atr: float | None = None
    """The range that stop and targets were made from, a log return."""
    reason: Reason | None = None
    """Why there is no stop."""
    targets_hit: int = 0
    last_price: float | None = None
    """Close of the last candle it was held against."""
    left_at: Millis | None = None
    """When its direction was left. It is not followed on while that may be taken back."""
    left_as: Outcome | None = None
    """`direction_left`, which may be taken back; `reversed` or `lost_data`, which may not."""
    reopened: int = 0
    """How often its direction was left and came back before it was closed."""

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.state in OPEN

    def followed_like(self, newer: "Signal") -> "Signal":
        """Give what was said here with what followed there: only that may ever be written anew."""
        return replace(
            self,
            state=newer.state,
            changed_at=newer.changed_at,
            closed_at=newer.closed_at,
            outcome=newer.outcome,
            exit_price=newer.exit_price,
            best_excursion=newer.best_excursion,
            worst_excursion=newer.worst_excursion,
            r=newer.r,
            followed_to=newer.followed_to,
            targets_hit=newer.targets_hit,
            last_price=newer.last_price,
            left_at=newer.left_at,
            left_as=newer.left_as,
            reopened=newer.reopened,
        )


class SignalEvent(NamedTuple):
    """One step of a signal's life, as it was written down then; never changed."""

    signal: str
    at: Millis
    """When it happened."""
    state: SignalState
    what: str
    """`opened`, `target_1`, `left`, `reopened`, or the outcome that ended it."""
    price: float | None
    """At that step, where one is known."""


class SignalResult(NamedTuple):
    """What statistics need of one signal."""

    symbol: str
    direction: Direction
    horizon_ms: int
    opened_at: Millis
    state: SignalState
    method: str
    definition: str
    outcome: Outcome | None
    r: float | None
    targets_hit: int
    best_excursion: float | None
    worst_excursion: float | None
    has_stop: bool
    venue: str = ""
    atr: float | None = None
    """The range that its stop was made from, a log return."""


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
