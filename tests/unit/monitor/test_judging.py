"""Pass, warn, fail: by the limits, with the reason, and never of what nobody knows."""

import msgspec
import pytest

from virtuoso.apps.serving import limits_of
from virtuoso.apps.settings_sources import load_settings
from virtuoso.monitor.judging import Limits, judged
from virtuoso.wire.health import HealthPart
from virtuoso.wire.measures import Measure

ENGINE = {"process": "engine"}


def part(name: str, *measures: Measure) -> HealthPart | None:
    """The part of this name, if it is judged."""
    found = {each.name: each for each in judged(measures, Limits(), 1_000)}
    return found.get(name)


@pytest.mark.parametrize(
    ("name", "measure", "value", "status"),
    [
        ("cpu", "process_cpu_ratio", 0.5, "pass"),
        ("cpu", "process_cpu_ratio", 0.95, "warn"),
        ("loops", "loop_lag_seconds", 0.3, "warn"),
        ("loops", "loop_lag_seconds", 2.0, "fail"),
        ("disk", "disk_free_bytes", 1e10, "pass"),
        ("disk", "disk_free_bytes", 1e9, "warn"),
        ("disk", "disk_free_bytes", 1e8, "fail"),
        ("queues", "queue_full_ratio", 0.96, "fail"),
        ("alert_delivery", "alerts_oldest_waiting_seconds", 59.0, "pass"),
        ("alert_delivery", "alerts_oldest_waiting_seconds", 61.0, "warn"),
        ("alert_delivery", "alerts_oldest_waiting_seconds", 3_600.0, "fail"),
        ("budgets", "feed_budget_left_ratio", 0.01, "warn"),
    ],
)
def test_a_limit_that_is_reached_is_told(
    name: str, measure: str, value: float, status: str
) -> None:
    """High is bad of some, low of others."""
    found = part(name, Measure(measure, value, ENGINE))
    assert found is not None
    assert found.status == status
    assert found.text.startswith("engine: ")


def test_the_worst_process_decides_and_is_named() -> None:
    """One full loop is not hidden by three idle ones."""
    measures = [
        Measure("loop_lag_seconds", 0.001, {"process": each}) for each in ("engine", "web_1")
    ]
    found = part("loops", *measures, Measure("loop_lag_seconds", 3.0, {"process": "web_2"}))
    assert found is not None
    assert (found.status, found.text[:14]) == ("fail", "web_2: 3000 ms")


def test_what_nobody_knows_is_not_judged() -> None:
    """Neither good nor bad."""
    assert part("disk", Measure("disk_free_bytes", None, ENGINE)) is None
    assert judged((), Limits(), 0) == ()


def test_memory_of_the_machine_is_judged_by_what_is_left_of_it() -> None:
    """By machine, as a share."""
    found = part(
        "machine_memory",
        Measure("machine_memory_bytes", 100.0, ENGINE),
        Measure("machine_memory_available_bytes", 2.0, ENGINE),
    )
    assert found is not None
    assert found.status == "fail"


def test_every_limit_is_a_setting_with_the_same_default() -> None:
    """A limit that cannot be set, or a setting nobody reads, would be a lie."""
    settings = load_settings(None, {})
    assert limits_of(settings) == Limits()
    assert set(msgspec.structs.asdict(settings.monitoring)) == set(Limits.__dataclass_fields__)
