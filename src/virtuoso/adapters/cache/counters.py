"""What a tier did, per document: hits, misses by reason, errors, times, bytes, ages."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

BOUNDS_MS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
"""Upper ends of a latency's classes; one more class is above them all."""


@dataclass(slots=True)
class Latencies:
    """How long calls took, in classes, so that nothing grows with their number."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    total_ms: float = 0.0
    worst_ms: float = 0.0

    def add(self, ms: float) -> None:
        """Count one call."""
        self.counts[bisect_left(BOUNDS_MS, ms)] += 1
        self.total_ms += ms
        self.worst_ms = max(self.worst_ms, ms)

    @property
    def calls(self) -> int:
        """So far."""
        return sum(self.counts)

    def quantile_ms(self, share: float) -> float | None:
        """The upper end of the class this share of the calls is within; None before the first."""
        wanted = share * self.calls
        if wanted <= 0:
            return None
        below = 0
        for count, bound in zip(self.counts, BOUNDS_MS, strict=False):
            below += count
            if below >= wanted:
                return min(bound, self.worst_ms)
        return self.worst_ms


@dataclass(slots=True)
class KeyCounters:
    """One kind of document in one tier."""

    hits: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    writes: int = 0
    age_total_ms: int = 0
    """Sum over the hits of the age of what was served: engine's clock at its making to now."""
    age_worst_ms: int = 0
    misses: Counter[str] = field(default_factory=Counter)
    """By reason: `missing`, `older`, or what `codec.Refusal` names."""

    def hit(self, size: int, age_ms: int) -> None:
        """Count a value that was served."""
        self.hits += 1
        self.bytes_read += size
        self.age_total_ms += age_ms
        self.age_worst_ms = max(self.age_worst_ms, age_ms)


@dataclass(slots=True)
class Answered:
    """Where single values lay when they were asked for: reads of several at once are no answers."""

    memory: int = 0
    """This process's own."""
    servers: int = 0
    nothing: int = 0
    """Nowhere, or no tier could be asked."""


@dataclass(slots=True)
class TierCounters:
    """One tier since the start of this process, its cold beginning included."""

    name: str
    documents: dict[str, KeyCounters] = field(default_factory=dict)
    """By `keys.KeyKind.thing`."""
    errors: Counter[str] = field(default_factory=Counter)
    """Calls that failed: `unavailable`, `refused`; `skipped` while the circuit was open."""
    read: Latencies = field(default_factory=Latencies)
    written: Latencies = field(default_factory=Latencies)
    promoted: int = 0
    """Values given back to this tier from one below."""
    dropped: int = 0
    """Values that waited for this tier and were never written: too many, or their life over."""
    waiting: int = 0
    evictions: int = 0
    items: int = 0
    """Held in this process's memory; of servers see their own figures."""
    bytes_held: int = 0
    circuit: str = "closed"
    opened: int = 0
    """How often the tier was lost."""
    reason: str = ""
    """Why the circuit is open, or was last."""

    def of(self, thing: str) -> KeyCounters:
        """The counters of one kind of document."""
        found = self.documents.get(thing)
        if found is None:
            found = self.documents[thing] = KeyCounters()
        return found

    @property
    def hits(self) -> int:
        """Of all documents."""
        return sum(each.hits for each in self.documents.values())

    @property
    def misses(self) -> int:
        """Of all documents, whatever the reason."""
        return sum(each.misses.total() for each in self.documents.values())
