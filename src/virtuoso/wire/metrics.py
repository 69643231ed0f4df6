"""What a process says of its cache since its start: JSON for people, and what Prometheus reads."""

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """How long calls took; null before the first. Quantiles are upper ends of classes."""

    calls: int
    mean_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    worst_ms: float | None


class DocumentMetrics(msgspec.Struct, frozen=True):
    """One kind of document in one tier."""

    hits: int
    misses: dict[str, int]
    """By reason; a value that was refused is a miss."""
    hit_rate: float | None
    """Share of the requests, 0..1; null before the first."""
    bytes_read: int
    bytes_written: int
    writes: int
    age_mean_ms: float | None
    """Of what was served: from its making by the engine's clock to its serving by ours."""
    age_worst_ms: int | None


class TierMetrics(msgspec.Struct, frozen=True):
    """One tier, as this process knows it."""

    name: str
    state: Literal["in_use", "left_alone"]
    text: str
    """Why it is left alone, or was last."""
    lost: int
    """How often it was lost."""
    hits: int
    misses: int
    hit_rate: float | None
    share_of_hits: float | None
    """Of all hits, those that this tier gave."""
    errors: dict[str, int]
    read: Latency
    written: Latency
    promoted: int
    dropped: int
    waiting: int
    evictions: int | None
    """Null for a server, which counts its own."""
    items: int | None
    bytes_held: int | None
    documents: dict[str, DocumentMetrics]


class MemoryMetrics(msgspec.Struct, frozen=True):
    """Memory of one server, as it says itself."""

    used: int
    allocated: int
    limit: int | None
    share: float | None
    """Used of the limit, 0..1; null where none is set."""
    alarm: bool
    """Whether it is 0.8 or more."""
    text: str
    at: int
    """When it was asked."""


class WarmingMetrics(msgspec.Struct, frozen=True):
    """What was read ahead of being asked for."""

    profile: str
    interval_s: float
    why: str
    rounds: int
    attempted: int
    warmed: int
    failed: int
    used: int
    """Warmed values that somebody asked for before they were warmed again."""
    efficiency: float | None
    """Share of the warmed values that were used, 0..1."""
    busy_ms: float
    """Time that warming took so far."""
    cpu_ms: float = 0.0
    """Processor time of this process's loop meanwhile: at most so much was warming's."""


class AnswerMetrics(msgspec.Struct, frozen=True):
    """Where the documents lay that readers asked this process for.

    What it reads for itself is not here: ahead of being asked, to warm, to follow the engine. The
    tiers count that too.
    """

    asked: int
    ready: int
    """Held ready as bytes and renewed at each push: no tier was read."""
    memory: int
    """Read from this process's memory, the first tier."""
    servers: int
    """Waited for from memcached or Redis."""
    nothing: int
    """Found nowhere, or no tier could be asked."""
    memory_share: float | None
    """Ready and memory together, of all that was asked for, 0..1; null before the first."""


class CacheMetrics(msgspec.Struct, frozen=True):
    """`/cache-metrics`. All figures since the start of this process: cold ones are included."""

    status: Literal["success", "degraded"]
    timestamp: str
    role: str
    backend: str
    """`cache.type` as it is in force."""
    since: int
    since_ms: int
    hit_rate: float | None
    """Requests that any tier answered, 0..1."""
    requests: int
    shared_flights: int
    """Reads that waited for another's instead of asking themselves."""
    tiers: tuple[TierMetrics, ...]
    warming: WarmingMetrics | None
    reasons: tuple[str, ...]
    cache_memory_usage: dict[str, MemoryMetrics] = {}
    """By server; one that was not asked yet, or does not answer, is not there."""
    emptied: int = 0
    """Servers that were found empty and got back what this process held; the engine's business."""
    restored: int = 0
    """Values given back to them."""
    answers: AnswerMetrics | None = None
    """Null for a process that answers nobody."""


PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[str, str, str, Mapping[str, str], float]
"""Name, kind, help, labels, value."""


def cache_exposition(metrics: CacheMetrics, more: Mapping[str, float]) -> bytes:
    """Write metrics as Prometheus reads them; `more` are counters by their short names."""
    lines: list[str] = []
    said: set[str] = set()
    for name, kind, text, labels, value in (*_cache_samples(metrics), *_others(more)):
        if name not in said:
            said.add(name)
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
        pairs = ",".join(f'{key}="{_escaped(each)}"' for key, each in labels.items())
        lines.append(f"{name}{{{pairs}}} {value:g}" if pairs else f"{name} {value:g}")
    # a metric's samples must stand together
    return ("\n".join(_grouped(lines)) + "\n").encode()


def _grouped(lines: list[str]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for line in lines:
        name = line.split(" ")[2] if line.startswith("#") else line.split("{")[0].split(" ")[0]
        groups.setdefault(name, []).append(line)
    for group in groups.values():
        yield from group


def _cache_samples(metrics: CacheMetrics) -> Iterator[Sample]:
    start = "virtuoso_cache_"
    yield "virtuoso_up_seconds", "gauge", "Since the start.", {}, metrics.since_ms / 1e3
    for name, memory in metrics.cache_memory_usage.items():
        bytes_of = {"used": memory.used, "allocated": memory.allocated, "limit": memory.limit}
        for kind, count in bytes_of.items():
            if count is not None:
                where = {"tier": name, "kind": kind}
                yield f"{start}memory_bytes", "gauge", "Memory of a server.", where, count
        alarm = float(memory.alarm)
        yield f"{start}memory_alarm", "gauge", "1 from 80 % on.", {"tier": name}, alarm
    if (answers := metrics.answers) is not None:
        found = {"ready": answers.ready, "memory": answers.memory, "servers": answers.servers}
        for place, count in (found | {"nothing": answers.nothing}).items():
            where = {"from": place}
            yield f"{start}answers_total", "counter", "Where readers' documents lay.", where, count
    if metrics.warming is not None:
        yield from _warming_samples(metrics.warming)
    for tier in metrics.tiers:
        of = {"tier": tier.name}
        alive = float(tier.state == "in_use")
        yield f"{start}tier_up", "gauge", "1 while the tier is in use.", of, alive
        yield f"{start}tier_lost_total", "counter", "Times the tier was lost.", of, tier.lost
        yield f"{start}promoted_total", "counter", "Values given back.", of, tier.promoted
        yield f"{start}dropped_total", "counter", "Writes given up.", of, tier.dropped
        yield f"{start}waiting", "gauge", "Writes in line.", of, tier.waiting
        for reason, count in tier.errors.items():
            yield f"{start}errors_total", "counter", "Failed calls.", of | {"reason": reason}, count
        for doing, latency in (("read", tier.read), ("write", tier.written)):
            labels = of | {"call": doing}
            yield f"{start}calls_total", "counter", "Calls of a tier.", labels, latency.calls
            total = (latency.mean_ms or 0.0) * latency.calls / 1e3
            yield f"{start}call_seconds_total", "counter", "Time in calls.", labels, total
        if tier.items is not None:
            yield f"{start}items", "gauge", "Values in memory.", of, tier.items
            yield f"{start}bytes", "gauge", "Bytes in memory.", of, tier.bytes_held or 0
            yield f"{start}evictions_total", "counter", "Made room.", of, tier.evictions or 0
        for thing, each in tier.documents.items():
            labels = of | {"document": thing}
            yield f"{start}hits_total", "counter", "Reads answered.", labels, each.hits
            for reason, count in each.misses.items():
                why = labels | {"reason": reason}
                yield f"{start}misses_total", "counter", "Reads not answered.", why, count
            yield f"{start}read_bytes_total", "counter", "Bytes read.", labels, each.bytes_read
            yield f"{start}written_bytes_total", "counter", "Written.", labels, each.bytes_written


def _warming_samples(warming: WarmingMetrics) -> Iterator[Sample]:
    start = "virtuoso_cache_warming_"
    interval = {"profile": warming.profile}
    yield f"{start}interval_seconds", "gauge", "Of its profile.", interval, warming.interval_s
    for outcome in ("attempted", "warmed", "failed", "used"):
        count = float(getattr(warming, outcome))
        yield f"{start}keys_total", "counter", "Keys warmed.", {"outcome": outcome}, count
    yield f"{start}cpu_seconds_total", "counter", "At most.", {}, warming.cpu_ms / 1e3


def _others(more: Mapping[str, float]) -> Iterator[Sample]:
    for name, value in more.items():
        yield f"virtuoso_{name}", "untyped", "A counter of this process.", {}, value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
