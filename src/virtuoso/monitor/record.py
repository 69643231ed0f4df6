"""The last day of every measure in memory: a ring of fixed steps, in which a gap stays a gap."""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from typing import Final

from virtuoso.domain.time import HOUR, SECOND
from virtuoso.ports import Clock
from virtuoso.wire.measures import MEASURES, Combined, Measure, series_of
from virtuoso.wire.monitoring import MOST_POINTS, HistorySeries, MonitoringHistory
from virtuoso.wire.records import iso

STEP_MS: Final = 10 * SECOND
KEPT_MS: Final = 24 * HOUR
MOST_SERIES: Final = 400
"""Four bytes a step each: 14 MB at the most."""


@dataclass(slots=True)
class _Series:
    measure: str
    labels: dict[str, str]
    values: "array[float]"
    before: tuple[int, float] | None = field(default=None)
    """Of what only grows: the step and the count of the last look."""


class Record:
    """Keeps what it is told; steps are counted on the monotonic clock."""

    def __init__(self, clock: Clock, step_ms: int = STEP_MS, kept_ms: int = KEPT_MS) -> None:
        self._clock = clock
        self._step_ms = step_ms
        self._slots = kept_ms // step_ms
        self._series: dict[str, _Series] = {}
        self._at: int | None = None
        """The newest step."""
        self._begun: int | None = None
        self.left_out = 0
        """Measures there was no room for."""

    def note(self, measures: Iterable[Measure]) -> None:
        """Take one look at everything. What is not in it has a gap at this step."""
        at = self._clock.monotonic_ms() // self._step_ms
        self._advance(at)
        for each in measures:
            kind = MEASURES.get(each.name)
            if each.value is None or kind is None or kind.unit == "info":
                continue
            name = series_of(each)
            series = self._series.get(name)
            if series is None:
                if len(self._series) >= MOST_SERIES:
                    self.left_out += 1
                    continue
                series = _Series(each.name, each.labels, array("f", [nan]) * self._slots)
                self._series[name] = series
            series.values[at % self._slots] = self._value(series, at, each.value)

    def _value(self, series: _Series, at: int, value: float) -> float:
        """A gauge as it is, a counter as its growth a second; NaN after it began anew."""
        if not MEASURES[series.measure].counts:
            return value
        before, series.before = series.before, (at, value)
        if before is None or value < before[1] or at <= before[0]:
            return nan
        return (value - before[1]) / ((at - before[0]) * self._step_ms / SECOND)

    def _advance(self, at: int) -> None:
        """Empty the steps that nobody looked at, which held values of a day ago."""
        if self._at is None:
            self._begun = self._at = at
            return
        first = max(self._at + 1, at - self._slots + 1)
        for step in range(first, at + 1):
            for series in self._series.values():
                series.values[step % self._slots] = nan
        self._at = max(self._at, at)

    def history(self, minutes: int, wanted: Sequence[str] = ()) -> MonitoringHistory:
        """The last minutes of some series, or of all; names of measures stand for all of them."""
        now = self._clock.now()
        newest = self._at
        steps = min(self._slots, max(1, minutes * 60 * SECOND // self._step_ms))
        stride = -(-steps // MOST_POINTS)
        steps -= steps % stride
        chosen = [
            (name, each)
            for name, each in sorted(self._series.items())
            if not wanted or name in wanted or each.measure in wanted
        ]
        asked = {*self._series, *(each.measure for each in self._series.values())}
        unknown = [each for each in wanted if each not in asked]
        reasons = [f"{len(unknown)} of the series asked for are not known"] if unknown else []
        if newest is None:
            reasons.append("nothing was looked at yet")
        if self.left_out:
            reasons.append(f"there is no room for more than {MOST_SERIES} series")
        first = 0 if newest is None else newest - steps + 1
        began = now - (0 if newest is None else self._age_ms(newest))
        since = None if self._begun is None else now - self._age_ms(self._begun)
        return MonitoringHistory(
            status="degraded" if reasons else "success",
            timestamp=iso(now),
            now=now,
            start=began - (steps - 1) * self._step_ms,
            step_ms=stride * self._step_ms,
            recorded_since=since,
            series=tuple(
                HistorySeries(
                    name=name,
                    measure=each.measure,
                    labels=each.labels,
                    unit=_unit(each.measure),
                    text=MEASURES[each.measure].text,
                    combined=MEASURES[each.measure].combined,
                    values=self._values(each, first, steps, stride),
                )
                for name, each in chosen
            ),
            known=tuple(sorted(self._series)),
            reasons=tuple(reasons),
        )

    def _age_ms(self, step: int) -> int:
        """How long ago a step began."""
        return self._clock.monotonic_ms() - step * self._step_ms

    def _values(
        self, series: _Series, first: int, steps: int, stride: int
    ) -> tuple[float | None, ...]:
        begun = 0 if self._begun is None else self._begun
        values = [
            series.values[step % self._slots] if step >= begun else nan
            for step in range(first, first + steps)
        ]
        combined = MEASURES[series.measure].combined
        return tuple(
            _one(values[start : start + stride], combined) for start in range(0, steps, stride)
        )


def _one(values: Sequence[float], combined: Combined) -> float | None:
    """Several steps as one; None where nothing is known of any."""
    known = [each for each in values if not isnan(each)]
    if not known:
        return None
    if combined == "worst":
        found = max(known)
    elif combined == "least":
        found = min(known)
    else:
        found = sum(known) / len(known)
    return float(f"{found:.6g}")


def _unit(measure: str) -> str:
    kind = MEASURES[measure]
    return f"{kind.unit} a second" if kind.counts else kind.unit
