"""Patterns over the API and in the cache."""

import msgspec

from virtuoso.domain.scores import Reason, Source
from virtuoso.wire.messages import DataSource, Status


class PatternRecord(msgspec.Struct, frozen=True):
    """One scan's answer for one symbol."""

    name: str
    """`correlation_breakdown`, `beta_expansion`, `beta_compression`, `timeframe_agreement` or
    `residual_breakout`."""
    found: bool | None
    """null: the numbers that it needs are not known, and `reason` says why."""
    direction: str | None
    """`up` or `down` where the pattern has a side."""
    value: float | None
    """What is held against the limit."""
    limit: float
    reason: Reason | None
    numbers: dict[str, float | None]
    """Everything that the scan looked at."""


class SymbolPatterns(msgspec.Struct, frozen=True):
    """What the scans say of one symbol."""

    symbol: str
    venue: str
    patterns: tuple[PatternRecord, ...]


class PatternKind(msgspec.Struct, frozen=True):
    """What a scan looks for, and what is known of what followed."""

    name: str
    title: str
    what: str
    """Its formula, in words."""
    record: str
    """`unproven`: nothing was measured of what followed it."""


class PatternsDocument(msgspec.Struct, frozen=True):
    """`/api/patterns`: scans over numbers that are published already."""

    status: Status
    timestamp: str
    as_of: int | None
    """Closing time of the five minutes that the betas are of."""
    source: Source
    data_source: DataSource
    kinds: tuple[PatternKind, ...]
    symbols: tuple[SymbolPatterns, ...]
    epoch: str = ""
    seq: int = 0
