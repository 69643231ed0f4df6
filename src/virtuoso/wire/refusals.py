"""What was not let in."""

import msgspec

from virtuoso.domain.scores import Source
from virtuoso.wire.messages import Status


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
