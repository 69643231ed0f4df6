"""What is said of a score cycle."""

import time

import pytest

from support.markets import BTC, ETH, NOW, heard_of, history_of, pipeline_of
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.cycles import CYCLES_KEPT, CycleLog, absent_of
from virtuoso.engine.view import CycleView
from virtuoso.wire.cycles import CYCLE_BOUNDS_MS


def cycle_of_two() -> CycleView:
    """One market with candles, one of which nothing is known."""
    pipeline = pipeline_of(BTC, ETH)
    pipeline.handle(history_of(NOW))
    for each in heard_of(BTC, NOW + 1):
        pipeline.handle(each)
    pipeline.second(Millis(NOW + SECOND))
    cycle = pipeline.view()
    assert cycle is not None
    return cycle


def test_a_cycle_says_how_long_it_took_and_who_is_absent_why() -> None:
    """Wall time counts pauses, processor time does not; reasons are counted."""
    log, cycle = CycleLog("bybit"), cycle_of_two()
    log.work(100.0, 0.010)
    log.work(100.5, 0.020)
    log.close(cycle, 100.75, "abc")
    [trace] = log.kept
    assert (trace.wall_ms, trace.cpu_ms, trace.slices) == (750.0, 30.0, 2)
    assert (trace.at, trace.symbols, trace.scored) == (NOW + SECOND, 2, 1)
    assert trace.absent == {"no_feed": 1}
    assert trace.components_absent["technical"] == {"no_feed": 1}
    assert sum(trace.components_absent["orderflow"].values()) == 2
    assert trace.definition == "abc"


def test_totals_go_on_when_old_cycles_are_forgotten() -> None:
    """The ring is bounded; counters and cumulative buckets are not."""
    log, cycle = CycleLog("bybit"), cycle_of_two()
    for number in range(CYCLES_KEPT + 5):
        log.work(float(number), 0.0005)
        log.close(cycle, number + 0.02, "abc")
    log.work(1_000.0, 9.0)
    log.drop()
    log.work(2_000.0, 0.002)
    log.close(cycle, 2_003.0, "abc")
    totals = log.totals
    assert len(log.kept) == CYCLES_KEPT
    assert totals.count == totals.scored == totals.slices == CYCLES_KEPT + 6
    assert totals.absent == {"no_feed": CYCLES_KEPT + 6}
    assert totals.wall_seconds == pytest.approx(0.02 * (CYCLES_KEPT + 5) + 3.0)
    assert totals.cpu_buckets[0] == CYCLES_KEPT + 5
    assert totals.cpu_buckets[-1] == CYCLES_KEPT + 6
    assert totals.wall_buckets[-1] == CYCLES_KEPT + 5, "three seconds are above every bound"
    assert list(totals.wall_buckets) == sorted(totals.wall_buckets)
    assert len(totals.wall_buckets) == len(CYCLE_BOUNDS_MS)


def test_the_trace_costs_a_small_part_of_what_it_traces() -> None:
    """Counting the absent of a market takes at most a fiftieth of scoring it."""
    pipeline = pipeline_of(BTC, ETH)
    pipeline.handle(history_of(NOW))
    pipeline.second(Millis(NOW + SECOND))
    began = time.process_time()
    for number in range(2, 52):
        pipeline.second(Millis(NOW + number * SECOND))
    scoring = time.process_time() - began
    cycle = pipeline.view()
    assert cycle is not None
    began = time.process_time()
    for _ in range(50):
        absent_of(cycle)
    assert time.process_time() - began < scoring / 50 + 0.001
