"""What the engine says of its score cycles, in the text format of Prometheus (0.0.4)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from virtuoso.wire.cycles import CYCLE_BOUNDS_MS, CycleTotals
from virtuoso.wire.processes import EngineStatus

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_WALL: Final = "virtuoso_cycle_wall_seconds"
_CPU: Final = "virtuoso_cycle_cpu_seconds"


def exposition(engine: EngineStatus | None, engine_ms: int | None) -> str:
    """Write the metrics; of an engine that was never heard of only that it is not up.

    engine_ms: how long ago it was heard of; None when never.
    """
    lines = list(_family("virtuoso_engine_heard", "gauge", "1 once the engine was heard of."))
    lines.append(f"virtuoso_engine_heard {int(engine is not None)}")
    if engine is None or engine_ms is None:
        return "\n".join([*lines, ""])
    lines += _family("virtuoso_engine_age_seconds", "gauge", "Time since the engine was heard of.")
    lines.append(f"virtuoso_engine_age_seconds {engine_ms / 1_000:g}")
    lines += _family("virtuoso_symbols", "gauge", "Symbols watched.")
    lines.append(f"virtuoso_symbols {engine.symbols}")
    lines += _family("virtuoso_symbols_scored", "gauge", "Symbols with a score.")
    lines.append(f"virtuoso_symbols_scored {engine.symbols_scored}")
    lines += _family("virtuoso_definition_info", "gauge", "What scores are computed by.")
    lines.append(f"virtuoso_definition_info{_labels(definition=engine.definition)} 1")
    lines += _cycles(engine.cycles)
    return "\n".join([*lines, ""])


def _cycles(totals: Sequence[CycleTotals]) -> Iterator[str]:
    yield from _family(_WALL, "histogram", "Wall time of a score cycle, pauses included.")
    for each in totals:
        yield from _histogram(_WALL, each, each.wall_buckets, each.wall_seconds)
    yield from _family(_CPU, "histogram", "Processor time of a score cycle.")
    for each in totals:
        yield from _histogram(_CPU, each, each.cpu_buckets, each.cpu_seconds)
    counters: Mapping[str, tuple[str, Sequence[tuple[CycleTotals, int]]]] = {
        "virtuoso_cycle_slices_total": (
            "Pieces that score cycles were computed in.",
            [(each, each.slices) for each in totals],
        ),
        "virtuoso_scores_total": (
            "Scores computed, one a symbol and second.",
            [(each, each.scored) for each in totals],
        ),
    }
    for name, (text, values) in counters.items():
        yield from _family(name, "counter", text)
        for each, value in values:
            yield f"{name}{_labels(venue=each.venue)} {value}"
    name = "virtuoso_scores_absent_total"
    yield from _family(name, "counter", "Scores that were null, by reason.")
    for each in totals:
        for reason, count in sorted(each.absent.items()):
            yield f"{name}{_labels(venue=each.venue, reason=reason)} {count}"
    name = "virtuoso_components_absent_total"
    yield from _family(name, "counter", "Components that were absent, by reason.")
    for each in totals:
        for component, reasons in sorted(each.components_absent.items()):
            for reason, count in sorted(reasons.items()):
                labels = _labels(venue=each.venue, component=component, reason=reason)
                yield f"{name}{labels} {count}"


def _histogram(
    name: str, totals: CycleTotals, buckets: Sequence[int], seconds: float
) -> Iterator[str]:
    venue = totals.venue
    for bound, count in zip(CYCLE_BOUNDS_MS, buckets, strict=False):
        yield f"{name}_bucket{_labels(venue=venue, le=f'{bound / 1_000:g}')} {count}"
    yield f"{name}_bucket{_labels(venue=venue, le='+Inf')} {totals.count}"
    yield f"{name}_sum{_labels(venue=venue)} {seconds:.6f}"
    yield f"{name}_count{_labels(venue=venue)} {totals.count}"


def _family(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
