"""Alerts over the API, and the questions about them from what serves to the engine."""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from virtuoso.wire import keys
from virtuoso.wire.asking import Question, Subject
from virtuoso.wire.health import Problem

AlertAction: TypeAlias = Literal["rules", "put", "remove", "rehearse", "acknowledge", "resolve"]


class AlertRequest(Question, frozen=True, kw_only=True):
    """One question about alerts; `version` is that of the rules."""

    action: AlertAction
    target: str = ""
    """Id of a rule or of an alert."""


ALERTS: Final = Subject(
    "alerts",
    keys.ALERT_ASK,
    keys.ALERT_ANSWER,
    AlertRequest,
    changes=frozenset({"put", "remove", "acknowledge", "resolve"}),
    deadline_s=10.0,
)


class DeliveryRecord(msgspec.Struct, frozen=True):
    """One alert on its way to one channel."""

    channel: str
    state: str
    attempts: int
    changed_at: int | None
    due_at: int | None
    error: str | None
    remote: str | None


class AlertRecord(msgspec.Struct, frozen=True):
    """One alert, with everything that is known of it."""

    id: str
    level: str
    symbol: str | None
    rule: str
    kind: str
    message: str
    details: dict[str, Any]
    timestamp: str
    at: int
    state: str
    changed_at: int | None
    source: str
    delivery: tuple[DeliveryRecord, ...]
    signal: str | None = None
    """Id of the signal it is about, at `/api/signals/{id}`; null: its rule looks at none."""


class AlertList(msgspec.Struct, frozen=True):
    """`GET /api/alerts`: newest first."""

    status: str
    timestamp: str
    data_source: str
    """`store`; `cache` when the store cannot be read, and only the active ones are known."""
    alerts: tuple[Any, ...]
    """AlertRecord each; without details and delivery from the cache."""
    next: str | None
    """`before` of the next page; null: there is none."""
    reasons: tuple[str, ...] = ()


class NumberEntry(msgspec.Struct, frozen=True):
    """A number that a rule may look at."""

    name: str
    unit: str
    what: str
    scope: str
    """`symbol`, `market` or `system`."""
    recorded: bool
    """A rule over it can be rehearsed."""
    words: tuple[str, ...] = ()
    """Of a word: everything it can be."""


class RuleEntry(msgspec.Struct, frozen=True):
    """A rule in force."""

    rule: dict[str, Any]
    ready_made: bool
    own: bool
    """A person wrote it; over a ready-made one when both are true."""


class RulesDocument(msgspec.Struct, frozen=True):
    """`GET /api/alerts/rules`."""

    status: str
    timestamp: str
    version: int
    rules: tuple[RuleEntry, ...]
    numbers: tuple[NumberEntry, ...]
    channels: tuple[str, ...]
    problem: str | None
    """Why a changed file is not in force."""
    why_not: str | None = None
    """Why nobody may change rules or acknowledge here; null: who has the write token may."""


class RuleProblem(Problem, frozen=True, kw_only=True):
    """A refused rule: the body of a 422, `application/problem+json`."""

    field: str | None
    """The place in the rule, such as `when.all.0.limit`; null where it is none alone."""


class RuleSaved(msgspec.Struct, frozen=True):
    """Answer to a rule that was put or removed."""

    status: str
    timestamp: str
    version: int


class AlertChanged(msgspec.Struct, frozen=True):
    """Answer to an acknowledgement."""

    status: str
    timestamp: str
    id: str
    state: str


class FollowedEntry(msgspec.Struct, frozen=True):
    """What the price did after the firings, beside what it did anyway."""

    horizon_ms: int
    n: int
    up: int
    median_percent: float | None
    base_n: int
    base_up: int


class FiringEntry(msgspec.Struct, frozen=True):
    """One time at which a rule would have fired."""

    at: int
    symbol: str | None
    numbers: dict[str, float | str | None]
    """What it would have seen."""
    price: float | None
    after: tuple[float | None, ...]
    """Change of the price in percent over each horizon of `followed`; null: not known."""


class RehearsalDocument(msgspec.Struct, frozen=True):
    """`POST /api/alerts/rules/rehearse`."""

    status: str
    timestamp: str
    begin: int | None
    end: int | None
    step_ms: int
    symbols: int
    moments: int
    fired: int
    firings: tuple[FiringEntry, ...]
    """The newest 200, oldest first."""
    followed: tuple[FollowedEntry, ...]
