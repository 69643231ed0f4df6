"""Passes, warns or fails: measures against the limits that the settings name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from virtuoso.domain.scores import State
from virtuoso.wire.health import HealthPart
from virtuoso.wire.measures import Measure

MB: Final = 1_000_000.0
Status: TypeAlias = Literal["pass", "warn", "fail"]
STATES: Final = {"pass": State.LIVE, "warn": State.DELAYED, "fail": State.STALE}


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a measure is warned of, and from where on it fails."""

    cpu_warn: float = 0.95
    """Of one core, over a minute."""
    memory_warn_mb: float = 2_000.0
    """Of one process."""
    memory_left_warn: float = 0.10
    """Of the machine's memory."""
    memory_left_fail: float = 0.03
    disk_left_warn_mb: float = 2_000.0
    disk_left_fail_mb: float = 256.0
    loop_lag_warn_ms: float = 250.0
    loop_lag_fail_ms: float = 2_000.0
    tasks_warn: float = 2_000.0
    queue_warn: float = 0.5
    """How full a queue is."""
    queue_fail: float = 0.95
    sockets_warn: float = 0.9
    """Clients, of those that may be."""
    alert_wait_warn_s: float = 60.0
    alert_wait_fail_s: float = 600.0
    budget_left_warn: float = 0.02
    """Of the requests a venue may be asked."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at all measures of a name: the worst of them decides."""

    part: str
    measure: str
    warn: float
    fail: float | None
    words: Callable[[float], str]
    low_is_bad: bool = False


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def _megabytes(value: float) -> str:
    return f"{value / MB:,.0f} MB"


def _milliseconds(value: float) -> str:
    return f"{1e3 * value:.0f} ms"


def _seconds(value: float) -> str:
    return f"{value:.0f} s"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _looks(limits: Limits) -> Sequence[_Look]:
    ours = limits
    return (
        _Look("cpu", "process_cpu_ratio", ours.cpu_warn, None, _percent),
        _Look("memory", "process_memory_bytes", ours.memory_warn_mb * MB, None, _megabytes),
        _Look(
            "machine_memory",
            "memory_left",
            ours.memory_left_warn,
            ours.memory_left_fail,
            _percent,
            low_is_bad=True,
        ),
        _Look(
            "disk",
            "disk_free_bytes",
            ours.disk_left_warn_mb * MB,
            ours.disk_left_fail_mb * MB,
            _megabytes,
            low_is_bad=True,
        ),
        _Look(
            "loops",
            "loop_lag_seconds",
            ours.loop_lag_warn_ms / 1e3,
            ours.loop_lag_fail_ms / 1e3,
            _milliseconds,
        ),
        _Look("tasks", "process_tasks", ours.tasks_warn, None, _count),
        _Look("queues", "queue_full_ratio", ours.queue_warn, ours.queue_fail, _percent),
        _Look("sockets", "websocket_full_ratio", ours.sockets_warn, None, _percent),
        _Look(
            "alert_delivery",
            "alerts_oldest_waiting_seconds",
            ours.alert_wait_warn_s,
            ours.alert_wait_fail_s,
            _seconds,
        ),
        _Look(
            "budgets",
            "feed_budget_left_ratio",
            ours.budget_left_warn,
            None,
            _percent,
            low_is_bad=True,
        ),
    )


def judged(measures: Iterable[Measure], limits: Limits, now: int) -> tuple[HealthPart, ...]:
    """Give a part for each kind of measure that is known; what nobody knows is not judged."""
    known: dict[str, list[Measure]] = {}
    for each in measures:
        if each.value is not None:
            known.setdefault(each.name, []).append(each)
    known["memory_left"] = _memory_left(known)
    return tuple(
        _part(look, known[look.measure], now) for look in _looks(limits) if known.get(look.measure)
    )


def _memory_left(known: dict[str, list[Measure]]) -> list[Measure]:
    whole = {str(each.labels): each.value for each in known.get("machine_memory_bytes", ())}
    return [
        Measure("memory_left", (each.value or 0.0) / total, each.labels)
        for each in known.get("machine_memory_available_bytes", ())
        if (total := whole.get(str(each.labels)))
    ]


def _part(look: _Look, found: Sequence[Measure], now: int) -> HealthPart:
    def badness(each: Measure) -> float:
        value = each.value or 0.0
        return -value if look.low_is_bad else value

    worst = max(found, key=badness)
    value = worst.value or 0.0

    def beyond(limit: float | None) -> bool:
        return limit is not None and badness(worst) >= (-limit if look.low_is_bad else limit)

    status: Status = "fail" if beyond(look.fail) else "warn" if beyond(look.warn) else "pass"
    where = " ".join(worst.labels.values())
    text = f"{where}: {look.words(value)}" if where else look.words(value)
    side = "at" if look.low_is_bad else "from"
    text += f"; warned of {side} {look.words(look.warn)}"
    if look.fail is not None:
        text += f", failed {side} {look.words(look.fail)}"
    return HealthPart(look.part, status, STATES[status], text, None, now, 0)
