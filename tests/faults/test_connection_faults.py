"""F01, F02, F23: what happens to the connection itself."""

import time

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, Rig
from faults.watch import price_state, reason_of
from support.fault_proxy import Weather

pytestmark = [pytest.mark.process, pytest.mark.fault]


def test_f01_a_reset_connection_is_marked_and_comes_back(healthy: Rig, table: FaultTable) -> None:
    """The book is gone at once, the price delayed at 2 s and stale at 5 s; then all is live."""
    watch, begin = healthy.watch, time.monotonic()
    healthy.proxy.begin(Weather("refuse"))
    book = watch.when(BUSY, lambda each: reason_of(each, "orderbook") == "gap", begin, 4)
    delayed = watch.when(BUSY, lambda each: price_state(each) == "delayed", begin, 6)
    stale = watch.when(BUSY, lambda each: price_state(each) == "stale", begin, 12)
    assert "not connected" in healthy.reasons()
    back = time.monotonic()
    healthy.proxy.begin(Weather())
    live = watch.when(BUSY, lambda each: price_state(each) == "live", back, 14)
    whole = watch.when(BUSY, lambda each: reason_of(each, "orderbook") is None, back, 14)
    table.add(
        "F01", "reset, then refused for 5 s: no order book any more, whole again", book, whole
    )
    table.add("F01", "the same: the price is delayed", delayed)
    table.add(
        "F01", "the same: the price is stale, live again after the venue's return", stale, live
    )
    assert book <= 2.0
    assert 1.5 <= delayed <= 4.5
    assert 4.5 <= stale <= 8.0
    assert whole <= 5.0


@pytest.mark.parametrize("how", ["close", "reset"])
def test_f01_a_short_cut_is_hardly_seen(healthy: Rig, table: FaultTable, how: str) -> None:
    """A connection that ends and can be opened again at once is whole within 2 s."""
    watch, begin = healthy.watch, time.monotonic()
    healthy.inject("drop_connection", how=how)
    marked = watch.when(BUSY, lambda each: reason_of(each, "orderbook"), begin, 5)
    healed = watch.when(BUSY, lambda each: reason_of(each, "orderbook") is None, begin + marked, 8)
    table.add("F01", f"the venue ends the connection ({how})", marked, healed)
    assert marked <= 1.5
    assert healed <= 4.0
    assert watch.never(BUSY, lambda each: price_state(each) == "stale", begin)


def test_f02_a_half_open_connection_is_noticed(healthy: Rig, table: FaultTable) -> None:
    """Nothing comes and nothing ends: found within 3 s, closed, opened anew."""
    watch, begin = healthy.watch, time.monotonic()
    healthy.proxy.begin(Weather("half_open"))
    noticed = watch.when(BUSY, lambda each: reason_of(each, "orderbook"), begin, 9)
    back = time.monotonic()
    healthy.proxy.begin(Weather())
    healed = watch.when(BUSY, lambda each: reason_of(each, "orderbook") is None, back, 12)
    table.add("F02", "half-open TCP: noticed, whole again after the way is free", noticed, healed)
    assert noticed <= 4.5
    assert healed <= 5.0


def test_f23_latency_and_stalls_do_not_flap(healthy: Rig, table: FaultTable) -> None:
    """Half a second late, sometimes nearly one: delayed or live, never a reconnect."""
    before = healthy.counter("disconnects")
    healthy.proxy.begin(Weather(delay=0.1, jitter=0.8))
    end = time.monotonic() + 8
    states = set()
    while time.monotonic() < end:
        states.add(healthy.state("price"))
        time.sleep(0.25)
    assert healthy.counter("disconnects") == before
    assert states <= {"live", "delayed"}
    table.add("F23", f"0.1 to 0.9 s of latency for 8 s: {', '.join(sorted(map(str, states)))}")
