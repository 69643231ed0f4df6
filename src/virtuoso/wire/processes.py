"""What processes say of themselves: the engine, those that serve, the one that writes."""

from typing import Literal

import msgspec

from virtuoso.domain.scores import Source
from virtuoso.wire.cycles import CycleTotals
from virtuoso.wire.measures import Measure


class PartHealth(msgspec.Struct, frozen=True):
    """One part of the engine: feed, warm-up, clock, publisher."""

    name: str
    status: Literal["pass", "warn", "fail"]
    text: str
    since: int | None = None
    last_good: int | None = None


class EngineStatus(msgspec.Struct, frozen=True):
    """The engine about itself, each second. Kept in the cache under keys.ENGINE (msgpack)."""

    epoch: str
    seq: int
    now: int
    source: Source
    version: str
    started: int
    symbols: int
    symbols_scored: int
    parts: tuple[PartHealth, ...]
    counters: dict[str, int]
    cycle_ms: float | None
    """Wall time the last cycle took."""
    definition: str = ""
    """Hash of what the newest cycle was computed by."""
    cycles: tuple[CycleTotals, ...] = ()
    """One for each venue."""
    measures: tuple[Measure, ...] = ()
    """Numbers of its process, feeds, alerts and store, made anew every 5 s."""


class Writer(msgspec.Struct, frozen=True):
    """Who writes, as named under keys.LEASE. Plain JSON, so that a person can read it."""

    epoch: str
    """Of this very claim: a later one has another."""
    host: str
    pid: int
    since: int
    """When it was claimed, milliseconds UTC."""


class TierReport(msgspec.Struct, frozen=True):
    """What a process says of one cache tier since it started."""

    name: str
    open: bool
    """Whether it is left alone because it did not answer."""
    text: str
    """Why it is, or was last; empty when it never was."""
    lost: int
    """How often so far."""
    hits: int
    misses: int
    errors: int


class ProcessReport(msgspec.Struct, frozen=True):
    """A process that serves, about itself. Kept in the cache under keys.process."""

    epoch: str
    """Names this run of this process, and no other."""
    seq: int
    now: int
    role: Literal["web", "monitor"]
    host: str
    port: int
    pid: int
    version: str
    started: int
    leaving: bool
    """Its last word: it was asked to end."""
    engine_ms: int
    """How long ago it heard of the engine."""
    reading: Literal["pushes", "cache"]
    clients: int
    """Websocket clients."""
    tiers: tuple[TierReport, ...]
    measures: tuple[Measure, ...] = ()
    """Numbers of its process and of its socket clients."""


class LastGood(msgspec.Struct, frozen=True):
    """The last snapshot that was good, as it was published. Kept under keys.LAST_GOOD."""

    epoch: str
    seq: int
    now: int
    values: dict[str, bytes]
    """The board and the hot documents by their keys, encoded as they lay there."""


def writer_of(held: bytes) -> Writer | None:
    """Who is named under keys.LEASE; None for bytes that name nobody."""
    try:
        return msgspec.json.decode(held, type=Writer)
    except msgspec.DecodeError:
        return None
