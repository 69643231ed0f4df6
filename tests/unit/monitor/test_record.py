"""The last day in memory: a gap stays a gap, whatever stood there a day ago."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.time import HOUR, MINUTE, SECOND
from virtuoso.monitor.record import MOST_SERIES, Record
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire.measures import Measure
from virtuoso.wire.monitoring import MOST_POINTS

STEP = 10 * SECOND
LAG = "loop_lag_seconds"
SENT = "alerts_sent_total"


def lag(value: float | None, process: str = "engine") -> Measure:
    """The loop of one process."""
    return Measure(LAG, value, {"process": process})


def values(record: Record, minutes: int, *wanted: str) -> tuple[float | None, ...]:
    """The values of the one series that is found."""
    [series] = record.history(minutes, wanted).series
    return series.values


def test_a_step_that_nobody_looked_at_is_null_and_so_is_what_nobody_knew() -> None:
    """No zero, and not the value before."""
    clock = FakeClock()
    record = Record(clock)
    record.note([lag(0.5)])
    clock.advance(2 * STEP)
    record.note([lag(0.25)])
    clock.advance(STEP)
    record.note([lag(None)])
    assert values(record, 1) == (None, None, 0.5, None, 0.25, None)


def test_the_times_of_the_values_can_be_told() -> None:
    """`start + n * step_ms` is when the step of value n began; the record says since when it is."""
    clock = FakeClock()
    record = Record(clock)
    record.note([lag(0.5)])
    begun = clock.now() - clock.monotonic_ms() % STEP
    clock.advance(MINUTE)
    record.note([lag(0.25)])
    found = record.history(2)
    assert (found.step_ms, len(found.series[0].values)) == (STEP, 12)
    assert found.start + 11 * STEP == begun + MINUTE
    assert found.series[0].values[5] == 0.5
    assert found.recorded_since == begun


def test_what_stood_in_the_ring_a_day_ago_is_not_shown_as_today() -> None:
    """Also after hours without a look."""
    clock = FakeClock()
    record = Record(clock)
    for _ in range(60):
        record.note([lag(9.0)])
        clock.advance(STEP)
    clock.advance(24 * HOUR - 30 * STEP)
    record.note([lag(0.5)])
    found = values(record, 24 * 60)
    assert len(found) == MOST_POINTS
    # the older half of the ten minutes has left the day, the younger is in its first points
    assert found[-1] == 0.5
    assert set(found[5:-1]) == {None}
    clock.advance(48 * HOUR)
    record.note([lag(0.25)])
    assert [each for each in values(record, 24 * 60) if each is not None] == [0.25]


def test_what_only_grows_is_told_as_a_rate_and_a_new_start_is_a_gap() -> None:
    """A restart counts from zero: that is no negative rate, and no leap."""
    clock = FakeClock()
    record = Record(clock)
    for count in (100.0, 120.0, 5.0, 25.0):
        record.note([Measure(SENT, count, {"channel": "discord"})])
        clock.advance(STEP)
    assert values(record, 1, SENT)[-4:] == (None, 2.0, None, 2.0)
    assert record.history(1, (SENT,)).series[0].unit == "messages a second"


def test_many_steps_are_made_few_by_the_worst_the_least_or_the_mean() -> None:
    """A spike is not lost in a long view; a step with one known value has that one."""
    clock = FakeClock()
    record = Record(clock)
    for number in range(8_640):
        disk = Measure("disk_free_bytes", 1.0 if number == 4_001 else 10.0)
        cpu = Measure("process_cpu_ratio", float(number % 12 == 0))
        clock.advance(STEP)
        record.note([lag(7.0 if number == 4_000 else 1.0), disk, cpu])
    found = {each.measure: each for each in record.history(24 * 60).series}
    assert record.history(24 * 60).step_ms == 12 * STEP
    assert max(each for each in found[LAG].values if each is not None) == 7.0
    assert min(each for each in found["disk_free_bytes"].values if each is not None) == 1.0
    assert found["process_cpu_ratio"].values[300] == pytest.approx(1 / 12, rel=1e-4)


def test_series_are_asked_for_by_name_or_by_measure_and_others_are_named() -> None:
    """What nobody keeps is said, not left out in silence."""
    record = Record(FakeClock())
    record.note([lag(1.0), lag(2.0, "monitor"), Measure("symbols_watched", 30.0)])
    assert [each.name for each in record.history(1, (LAG,)).series] == [
        f"{LAG}/engine",
        f"{LAG}/monitor",
    ]
    assert [each.name for each in record.history(1, (f"{LAG}/monitor",)).series] == [
        f"{LAG}/monitor"
    ]
    found = record.history(1, ("luck",))
    assert (found.status, found.series) == ("degraded", ())
    assert found.reasons == ("1 of the series asked for are not known",)
    assert "symbols_watched" in found.known


def test_before_the_first_look_nothing_is_said() -> None:
    """An empty answer with its reason."""
    found = Record(FakeClock()).history(60)
    assert (found.status, found.series, found.recorded_since) == ("degraded", (), None)


def test_there_is_room_for_so_many_series_and_no_more() -> None:
    """I7: what has no room is counted and named."""
    record = Record(FakeClock())
    record.note(lag(1.0, str(number)) for number in range(MOST_SERIES + 5))
    found = record.history(1)
    assert len(found.series) == MOST_SERIES
    assert found.status == "degraded"


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.none() | st.floats(0, 1e6, allow_nan=False)), max_size=40
    )
)
def test_every_value_shown_was_noted_in_its_step(looks: list[tuple[int, float | None]]) -> None:
    """Whatever the pauses between two looks are."""
    clock = FakeClock()
    record = Record(clock, kept_ms=MINUTE)
    expected: dict[int, float | None] = {}
    for steps, value in looks:
        clock.advance(steps * STEP)
        at = clock.monotonic_ms() // STEP
        record.note([lag(value)])
        expected[at] = value if value is not None else expected.get(at)
    newest = clock.monotonic_ms() // STEP
    for series in record.history(1).series:
        for place, shown in enumerate(reversed(series.values)):
            known = expected.get(newest - place)
            assert shown == (None if known is None else pytest.approx(known, rel=1e-5, abs=1e-6))
