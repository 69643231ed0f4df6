"""What a process says of its own health, and how it words a refusal. JSON to clients only."""

from typing import Literal

import msgspec

from virtuoso.domain.scores import Source, State


class HealthPart(msgspec.Struct, frozen=True):
    """One part a reader depends on: the engine, a feed, the cache, the pages."""

    name: str
    status: Literal["pass", "warn", "fail"]
    state: State
    text: str
    since: int | None
    """When it got into this state, milliseconds UTC; null where nobody knows."""
    last_good: int | None
    """When it was last known good, milliseconds UTC; null before the first time."""
    age_ms: int | None
    """How long ago that was, by the clock of the process that answers."""


class HealthDocument(msgspec.Struct, frozen=True):
    """`/health` and `/health/ready`: 200 while something true can be said, else 503."""

    status: Literal["success", "degraded", "error"]
    timestamp: str
    version: str
    source: Source | None
    """Null while no engine was heard of."""
    parts: tuple[HealthPart, ...]
    reasons: tuple[str, ...]


class Nothing(msgspec.Struct, frozen=True):
    """The body of a 503: nothing true can be said. Some documents add their keys, with nulls."""

    status: Literal["error"]
    error: str
    timestamp: str
    reasons: tuple[str, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """The body of every refusal, `application/problem+json` (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
