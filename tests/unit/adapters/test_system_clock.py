"""The clock of this computer."""

import time

import pytest

from virtuoso.adapters.clock.system import SystemClock


def test_it_agrees_with_the_computer_at_the_start() -> None:
    """Stamps are wall time."""
    clock = SystemClock()
    assert abs(clock.now() - time.time_ns() // 1_000_000) < 1_000


def test_a_step_of_the_wall_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back or thirty days forth: time goes on as before."""
    clock = SystemClock()
    before = clock.now()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert 0 <= clock.now() - before < 1_000


def test_both_times_go_on_together_and_never_back() -> None:
    """The same elapsed time moves both: one distance fits all that was read between two others."""
    clock = SystemClock()
    times = [(clock.monotonic_ms(), clock.now(), clock.monotonic_ms()) for _ in range(1_000)]
    assert times == sorted(times)
    most = min(now - before for before, now, _ in times)
    least = max(now - after for _, now, after in times)
    assert least <= most + 1
