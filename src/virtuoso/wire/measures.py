"""Measures of the system: what every process says of itself, by one name everywhere.

The same name, with `virtuoso_` before it, is what Prometheus reads, what the history keeps and what
limits are set on. Units are those of Prometheus: seconds, bytes, ratios 0..1.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import msgspec

Combined: TypeAlias = Literal["mean", "worst", "least"]


class Measure(msgspec.Struct, array_like=True, frozen=True):
    """One number at one moment."""

    name: str
    """One of MEASURES."""
    value: float | None
    """Null where nobody knows it: never 0 instead."""
    labels: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a measure is."""

    text: str
    unit: str
    combined: Combined = "mean"
    """How several are shown as one: where high is bad, the highest; where low is, the lowest."""
    counts: bool = False
    """Only grows while its process lives; the history keeps how much a second."""


MEASURES: Final[Mapping[str, Kind]] = {
    "process_cpu_ratio": Kind("Processor time of a process, of one core.", "ratio"),
    "process_memory_bytes": Kind("Memory of a process that is in RAM.", "bytes", "worst"),
    "process_open_files": Kind("Open descriptors of a process.", "files", "worst"),
    "process_threads": Kind("Threads of a process.", "threads", "worst"),
    "process_tasks": Kind("Tasks on the loop of a process.", "tasks", "worst"),
    "process_uptime_seconds": Kind("Since a process started.", "seconds", "least"),
    "loop_lag_seconds": Kind("Longest wait for the loop in a minute.", "seconds", "worst"),
    "machine_cpu_ratio": Kind("Share of all cores that is busy.", "ratio"),
    "machine_load_ratio": Kind("Load of a minute for each core.", "ratio"),
    "machine_memory_bytes": Kind("Memory of the machine.", "bytes"),
    "machine_memory_available_bytes": Kind("Memory that can still be had.", "bytes", "least"),
    "disk_bytes": Kind("Size of the disk with the state folder.", "bytes"),
    "disk_free_bytes": Kind("What is free of it.", "bytes", "least"),
    "feed_symbols": Kind("Symbols a venue is connected for.", "symbols", "least"),
    "feed_input_age_seconds": Kind("Age of the oldest input of any symbol.", "seconds", "worst"),
    "feed_input_median_age_seconds": Kind("Age of an input, half are older.", "seconds"),
    "feed_input_late_symbols": Kind("Symbols whose input is not live.", "symbols", "worst"),
    "feed_reconnects_total": Kind("Connections that were lost.", "connections", counts=True),
    "feed_refused_total": Kind("Events and frames that were refused.", "events", counts=True),
    "feed_book_gaps": Kind("Gaps in the order books of all symbols.", "gaps", "worst"),
    "feed_books_distrusted": Kind("Order books polled for too many gaps.", "books", "worst"),
    "feed_budget_left_ratio": Kind("Share of the requests that is left.", "ratio", "least"),
    "feed_requests_waiting": Kind("Requests to a venue in line.", "requests", "worst"),
    "feed_banned": Kind("1 while a venue refuses this address.", "yes or no", "worst"),
    "queue_length": Kind("What waits in a queue.", "items", "worst"),
    "queue_full_ratio": Kind("How full a queue is.", "ratio", "worst"),
    "websocket_clients": Kind("Clients of the websocket.", "clients", "worst"),
    "websocket_full_ratio": Kind("Clients, of those that may be.", "ratio", "worst"),
    "websocket_evicted_total": Kind("Clients cut off.", "clients", counts=True),
    "websocket_refused_total": Kind("Handshakes refused.", "handshakes", counts=True),
    "websocket_sent_bytes_total": Kind("Sent to clients.", "bytes", counts=True),
    "websocket_delivery_p99_seconds": Kind("From a push to its last client.", "seconds", "worst"),
    "heard_engine_seconds": Kind("Since a process heard of the engine.", "seconds", "worst"),
    "score_cycle_seconds": Kind("Wall time of the newest score cycle.", "seconds", "worst"),
    "symbols_watched": Kind("Symbols on the board.", "symbols", "least"),
    "symbols_with_score": Kind("Symbols that have a score.", "symbols", "least"),
    "alerts_active": Kind("Alerts that nobody has resolved.", "alerts", "worst"),
    "alerts_waiting": Kind("Deliveries that have not ended.", "deliveries", "worst"),
    "alerts_oldest_waiting_seconds": Kind("Age of the oldest of them.", "seconds", "worst"),
    "alerts_sent_total": Kind("Messages that were told.", "messages", counts=True),
    "alerts_failed_total": Kind("Deliveries that were given up.", "deliveries", counts=True),
    "alerts_retried_total": Kind("Tries that were not told.", "tries", counts=True),
    "store_written_total": Kind("Rows that were written.", "rows", counts=True),
    "store_lost_total": Kind("Rows there was no room for.", "rows", counts=True),
    "store_last_write_age_seconds": Kind("Since rows were written.", "seconds", "worst"),
    "store_failing": Kind("1 while nothing can be written.", "yes or no", "worst"),
    "cache_hit_ratio": Kind("Reads a process had answered by its cache.", "ratio", "least"),
    "cache_tiers_lost": Kind("Tiers a process does without.", "tiers", "worst"),
    "part_failing": Kind("0 passes, 1 warns, 2 fails.", "0 to 2", "worst"),
    "build_info": Kind("1; the labels say which version runs.", "info"),
}
PREFIX: Final = "virtuoso_"


def series_of(measure: Measure) -> str:
    """The name of a measure's history: `loop_lag_seconds/engine`."""
    return "/".join((measure.name, *measure.labels.values()))


def labelled(measures: Iterable[Measure], **labels: str) -> Iterator[Measure]:
    """The same measures with these labels before their own."""
    for each in measures:
        yield Measure(each.name, each.value, labels | each.labels)


def measures_exposition(measures: Iterable[Measure]) -> str:
    """Write measures as Prometheus reads them.

    Every kind is named; what nobody knows has no sample.
    """
    by_name: dict[str, list[Measure]] = {}
    for each in measures:
        if each.value is not None:
            by_name.setdefault(each.name, []).append(each)
    lines = []
    for name, kind in MEASURES.items():
        found = by_name.get(name, ())
        full = PREFIX + name
        lines.append(f"# HELP {full} {kind.text}")
        lines.append(f"# TYPE {full} {'counter' if kind.counts else 'gauge'}")
        lines += [f"{full}{_pairs(each.labels)} {each.value:.10g}" for each in found]
    return "\n".join([*lines, ""])


def _pairs(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
