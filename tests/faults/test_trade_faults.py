"""F08, F09, F11: false prices, trades out of order, bursts."""

import time

import psutil
import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, Rig
from faults.watch import price_state

pytestmark = [pytest.mark.process, pytest.mark.fault]


def test_f08_one_false_print_is_never_shown(healthy: Rig, table: FaultTable) -> None:
    """A trade 25 % away is held, and denied by the next true one."""
    symbol, watch = healthy.symbols[3], healthy.watch
    held = healthy.counter("kind=Trade", "reason=price_jump}")
    true, begin = healthy.record(symbol)["price"], time.monotonic()
    healthy.inject("price_jump", symbol=symbol, size=0.25, how="once")
    marked = healthy.seconds_until_counted("kind=Trade", "reason=price_jump}", above=held)
    healed = healthy.seconds_until_counted("reason=price_jump_denied", above=0)
    assert watch.never(symbol, lambda each: abs(each["price"] / true - 1) > 0.1, begin)
    assert price_state(healthy.record(symbol)) == "live"
    table.add("F08", "one print 25 % away: held, denied, never shown", marked, marked + healed)


def test_f08_a_real_jump_gets_through(healthy: Rig, table: FaultTable) -> None:
    """A quarter down in a moment, on every print: believed after three, and no score is broken."""
    symbol, watch = healthy.symbols[4], healthy.watch
    true, begin = healthy.record(symbol)["price"], time.monotonic()
    healthy.inject("price_jump", symbol=symbol, size=-0.25, how="lasting")
    shown = watch.when(
        symbol,
        lambda each: each["price"] < 0.8 * true and price_state(each) == "live",
        begin,
        8,
    )
    table.add(
        "F08", "a real jump of -25 %: confirmed by prints that agree, shown live", None, shown
    )
    assert shown <= 6.0
    assert not watch.untruths


def test_f09_repeated_and_shuffled_trades_are_taken_once(healthy: Rig, table: FaultTable) -> None:
    """Each repeat is counted at the door; the price stays live."""
    begin = time.monotonic()
    before = healthy.counter("kind=Trade", "reason=repeated")
    healthy.inject("repeat_trades", seconds=3)
    healthy.inject("shuffle_trades", count=4, seconds=3)
    marked = healthy.seconds_until_counted("kind=Trade", "reason=repeated", above=before)
    time.sleep(max(0.0, begin + 3.2 - time.monotonic()))
    found = healthy.counter("kind=Trade", "reason=repeated") - before
    states = {price_state(each.record) for each in healthy.watch.since(BUSY, begin)}
    table.add("F09", f"repeated and shuffled for 3 s: {found} repeats dropped", marked)
    assert states == {"live"}
    assert "disconnected" not in healthy.reasons()


def test_f11_a_burst_of_fifty_times_the_rate_is_survived(healthy: Rig, table: FaultTable) -> None:
    """Prices stay live, the loop is never long away, memory stays; what is lost is on record."""
    process = psutil.Process(healthy.virtuoso.process.pid)
    memory, begin = process.memory_info().rss, time.monotonic()
    gaps = healthy.counter("book_gaps") + healthy.counter("disconnects")
    lag_before = healthy.counter("loop_lag_ms")
    pushed = healthy.venue.get("/simulator").json()["pushed"]["bybit"]
    healthy.inject("burst", factor=50, seconds=5)
    time.sleep(5.2)
    seconds = time.monotonic() - begin
    rate = (healthy.venue.get("/simulator").json()["pushed"]["bybit"] - pushed) / seconds
    healed = healthy.seconds_until("all live after it", healthy.is_well, 15)
    grown = (process.memory_info().rss - memory) / 1e6
    lag = healthy.counter("loop_lag_ms")
    lost = healthy.counter("book_gaps") + healthy.counter("disconnects") - gaps
    states = {price_state(each.record) for each in healthy.watch.since(BUSY, begin)}
    what = f"{rate:.0f} messages a second: price {', '.join(sorted(states))}; loop lag {lag} ms "
    what += f"(before {lag_before}), {grown:+.0f} MB, {lost} recorded gaps"
    table.add("F11", what, None, healed)
    assert healed <= 10
    assert grown < 60
    assert lag <= max(400, 1.5 * lag_before)
