"""Alerts: a rule that fired, kept, and its way to each channel."""

from collections.abc import Mapping
from dataclasses import dataclass

from virtuoso.domain.time import Millis
from virtuoso.domain.words import Word


class AlertLevel(Word):
    """How much it matters, least first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(Word):
    """Whether somebody has seen to it."""

    ACTIVE = "active"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One firing of a rule. The row is committed before anything is sent."""

    id: str
    """Stable: the same firing has the same one, so that it is kept once."""
    at: Millis
    """When the condition became true."""
    level: AlertLevel
    rule: str
    kind: str
    """Such as `confluence`, `whale_trade`, `liquidation`, `system`."""
    source: str
    """Where its numbers are from; `simulator` is never sent as if it were live."""
    symbol: str | None
    """None: the market as a whole, or the system."""
    message: str
    details: Mapping[str, object]
    """Numbers and texts of JSON."""
    state: AlertState = AlertState.ACTIVE
    changed_at: Millis | None = None
    """When its state was set last; None while it is as it was written."""
    signal: str | None = None
    """Id of the signal it is about: its rule looked at the direction, and it was open."""


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are asked for; what is None or empty does not matter."""

    sources: tuple[str, ...] = ()
    symbol: str | None = None
    levels: tuple[AlertLevel, ...] = ()
    states: tuple[AlertState, ...] = ()
    rule: str | None = None
    kind: str | None = None
    since: Millis | None = None
    until: Millis | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Who said what about an alert, and when."""

    alert: str
    at: Millis
    by: str
    state: AlertState
    """That the alert has since."""
    note: str = ""


class DeliveryState(Word):
    """Where a message to one channel is."""

    PENDING = "pending"
    """Not tried yet."""
    SENDING = "sending"
    """Claimed by a sender; when its claim ends without a word it is tried again."""
    RETRYING = "retrying"
    SENT = "sent"
    DEAD = "dead"
    """Given up; `error` says why."""


ENDED = frozenset({DeliveryState.SENT, DeliveryState.DEAD})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert on its way to one channel."""

    id: str
    """Stable: one for each alert and channel."""
    alert: str
    channel: str
    """Messages to one channel are sent in the order in which they were written."""
    created_at: Millis
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    """Times it was claimed. A sender that comes back must still hold the newest claim."""
    due_at: Millis | None = None
    """Not before this, None: at once; for one that is being sent, when its claim ends."""
    changed_at: Millis | None = None
    error: str | None = None
    remote: str | None = None
    """What the channel calls the message, where it says so."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to a channel: one alert, or a storm of one rule told together."""

    alerts: tuple[Alert, ...]
    """Oldest first, at least one."""
    late_ms: int
    """Age of the oldest one when the message leaves."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """That a channel took a message."""

    remote: str | None = None
    """What the channel calls it, where it says so."""
    wait_ms: int = 0
    """How long it wants to hear nothing more."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Deliveries to one channel that have not ended."""

    channel: str
    count: int
    oldest: Millis
    """When the oldest of them was made."""
