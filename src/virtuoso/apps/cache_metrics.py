"""What the tiers counted, in the words of the wire."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from virtuoso.adapters.cache.counters import KeyCounters, Latencies, TierCounters
from virtuoso.adapters.cache.tiered import TieredCache
from virtuoso.apps.tier_watch import TierWatch
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock
from virtuoso.wire.codec import Refusal
from virtuoso.wire.follower import Follower
from virtuoso.wire.metrics import (
    AnswerMetrics,
    CacheMetrics,
    DocumentMetrics,
    Latency,
    MemoryMetrics,
    TierMetrics,
    WarmingMetrics,
)
from virtuoso.wire.processes import PartHealth, TierReport
from virtuoso.wire.records import iso

MEMORY: Final = "memory"
UNREADABLE: Final = (Refusal.SIGNATURE, Refusal.SCHEMA, Refusal.FOREIGN)
"""Misses of one that was started with another secret, or is of another version."""


@dataclass(frozen=True, slots=True)
class CacheWatch:
    """Reads the counters of one process's cache."""

    cache: TieredCache
    clock: Clock
    role: str
    backend: str
    since: Millis
    warming: Callable[[], WarmingMetrics] | None = None
    tier_watch: TierWatch | None = None
    follower: Follower | None = None
    """Holds documents ready for readers; None: nobody is answered."""

    def metrics(self) -> CacheMetrics:
        """Everything since the start."""
        counted = self.cache.counters()
        hits = sum(each.hits for each in counted)
        first = counted[0]
        requests = first.hits + first.misses
        now = self.clock.now()
        tiers = tuple(_tier(each, hits) for each in counted)
        memory = () if self.tier_watch is None else self.tier_watch.parts()
        lost = tuple(f"{each.name}: {each.text}" for each in tiers if each.state == "left_alone")
        return CacheMetrics(
            status="degraded" if lost or memory else "success",
            timestamp=iso(now),
            role=self.role,
            backend=self.backend,
            since=self.since,
            since_ms=now - self.since,
            hit_rate=_share(hits, requests),
            requests=requests,
            shared_flights=self.cache.shared_flights,
            tiers=tiers,
            warming=None if self.warming is None else self.warming(),
            reasons=(*lost, *(each.text for each in memory)),
            cache_memory_usage=self._memory(),
            emptied=0 if self.tier_watch is None else self.tier_watch.emptied,
            restored=0 if self.tier_watch is None else self.tier_watch.restored,
            answers=self._answers(),
        )

    def _answers(self) -> AnswerMetrics | None:
        if self.follower is None:
            return None
        ready, read = self.follower.ready, self.cache.answered
        nothing = self.follower.not_ready + read.nothing
        asked = ready + read.memory + read.servers + nothing
        return AnswerMetrics(
            asked=asked,
            ready=ready,
            memory=read.memory,
            servers=read.servers,
            nothing=nothing,
            memory_share=_share(ready + read.memory, asked),
        )

    def _memory(self) -> dict[str, MemoryMetrics]:
        looked = {} if self.tier_watch is None else self.tier_watch.looked
        return {
            name: MemoryMetrics(
                used=each.memory.used,
                allocated=each.memory.allocated,
                limit=each.memory.limit,
                share=None if each.memory.share is None else round(each.memory.share, 4),
                alarm=each.alarm,
                text=each.text,
                at=each.at,
            )
            for name, each in looked.items()
        }

    def reports(self) -> tuple[TierReport, ...]:
        """The same in short, for others to read."""
        return tuple(
            TierReport(
                name=each.name,
                open=each.circuit == "open",
                text=each.reason,
                lost=each.opened,
                hits=each.hits,
                misses=each.misses,
                errors=each.errors.total(),
            )
            for each in self.cache.counters()
        )

    def parts(self) -> tuple[PartHealth, ...]:
        """Health of the servers, and which are nearly full; our own memory cannot be lost."""
        servers = tuple(_part(each) for each in self.cache.counters() if each.name != MEMORY)
        return (*servers, *(() if self.tier_watch is None else self.tier_watch.parts()))


def _part(counted: TierCounters) -> PartHealth:
    name = f"cache_{counted.name}"
    if counted.circuit == "open":
        return PartHealth(name, "warn", f"{counted.name} does not answer: {counted.reason}"[:300])
    refused: Counter[str] = Counter()
    for each in counted.documents.values():
        refused += each.misses
    unreadable = {reason: refused[reason] for reason in UNREADABLE if refused[reason]}
    if unreadable and not counted.hits:
        why = ", ".join(f"{reason} {count} times" for reason, count in unreadable.items())
        text = f"{counted.name} answers, but nothing there can be read: {why}"
        return PartHealth(name, "fail", text)
    return PartHealth(name, "pass", f"{counted.name} answers")


def _tier(counted: TierCounters, all_hits: int) -> TierMetrics:
    memory = counted.name == MEMORY
    return TierMetrics(
        name=counted.name,
        state="left_alone" if counted.circuit == "open" else "in_use",
        text=counted.reason,
        lost=counted.opened,
        hits=counted.hits,
        misses=counted.misses,
        hit_rate=_share(counted.hits, counted.hits + counted.misses),
        share_of_hits=_share(counted.hits, all_hits),
        errors=dict(counted.errors),
        read=_latency(counted.read),
        written=_latency(counted.written),
        promoted=counted.promoted,
        dropped=counted.dropped,
        waiting=counted.waiting,
        evictions=counted.evictions if memory else None,
        items=counted.items if memory else None,
        bytes_held=counted.bytes_held if memory else None,
        documents={thing: _document(each) for thing, each in counted.documents.items()},
    )


def _document(counted: KeyCounters) -> DocumentMetrics:
    hits = counted.hits
    return DocumentMetrics(
        hits=hits,
        misses=dict(counted.misses),
        hit_rate=_share(hits, hits + counted.misses.total()),
        bytes_read=counted.bytes_read,
        bytes_written=counted.bytes_written,
        writes=counted.writes,
        age_mean_ms=round(counted.age_total_ms / hits, 1) if hits else None,
        age_worst_ms=counted.age_worst_ms if hits else None,
    )


def _latency(counted: Latencies) -> Latency:
    calls = counted.calls
    if not calls:
        return Latency(0, None, None, None, None)
    return Latency(
        calls=calls,
        mean_ms=round(counted.total_ms / calls, 4),
        p50_ms=counted.quantile_ms(0.5),
        p99_ms=counted.quantile_ms(0.99),
        worst_ms=round(counted.worst_ms, 3),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
