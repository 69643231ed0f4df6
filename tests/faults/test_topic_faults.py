"""F03, F12, F13: one topic silent, one symbol refused, one of two ways to the venue gone."""

import time

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, OTHER, Rig
from faults.watch import price_state, reason_of

pytestmark = [pytest.mark.process, pytest.mark.fault]


def _flow_reason(rig: Rig, symbol: str) -> str | None:
    """Why the taker flow of ten seconds is absent; None while it is there."""
    parts = {each["name"]: each for each in rig.detail(symbol)["components"]}
    members = {each["name"]: each for each in parts["orderflow"]["members"]}
    reason: str | None = members["taker_flow@10s"]["reason"]
    return reason


def test_f03_a_topic_that_falls_silent_is_renewed_alone(healthy: Rig, table: FaultTable) -> None:
    """Order book, trades, ticker: what rests on it is absent, the others live, none is cut."""
    book, watch = healthy.symbols[2], healthy.watch
    healthy.seconds_until("ten seconds of flow", lambda: _flow_reason(healthy, BUSY) is None, 20)
    disconnects, silent = healthy.counter("disconnects"), healthy.counter("topic_silent")
    begin = time.monotonic()
    for topic in (f"orderbook.200.{book}", f"publicTrade.{BUSY}", f"tickers.{OTHER}"):
        healthy.inject("freeze_topic", topic=topic, seconds=3.7)
    marked = watch.when(book, lambda each: reason_of(each, "orderbook"), begin, 8)
    healthy.seconds_until("no flow", lambda: _flow_reason(healthy, BUSY) == "gap", 8)
    no_flow = time.monotonic() - begin
    no_change = watch.when(OTHER, lambda each: each["change_24h"] is None, begin, 8)
    end = begin + 3.7
    healthy.seconds_until("a book", lambda: healthy.detail(book)["book"]["synced_since"], 8)
    table.add("F03", "order book silent: absent, whole again", marked, time.monotonic() - end)
    change = watch.when(OTHER, lambda each: each["change_24h"] is not None, begin + no_change, 10)
    table.add(
        "F03", "ticker silent: no change of 24 h", no_change, begin + no_change + change - end
    )
    table.add("F03", "trades silent: no taker flow", no_flow)
    assert healthy.counter("topic_silent") >= silent + 3
    assert healthy.counter("disconnects") == disconnects
    assert watch.never(BUSY, lambda each: each["components"]["orderbook"] is None, begin)
    assert max(marked, no_flow, no_change) <= 5.0


def test_f12_one_refused_symbol_leaves_the_others_alone(healthy: Rig, table: FaultTable) -> None:
    """Every topic of it is refused: its numbers are absent, all others are live."""
    symbol, watch = healthy.symbols[9], healthy.watch
    topics = ("orderbook.1", "orderbook.200", "publicTrade", "tickers", "kline.1", "allLiquidation")
    healthy.script([{"fault": "refuse_topic", "topic": f"{each}.{symbol}"} for each in topics])
    begin = time.monotonic()
    healthy.inject("drop_connection")
    others = watch.when(BUSY, lambda each: reason_of(each, "orderbook") == "gap", begin, 5)
    marked = watch.when(symbol, lambda each: reason_of(each, "orderbook") == "no_feed", begin, 8)
    healthy.seconds_until("the others", healthy.is_well, 12)
    others = time.monotonic() - begin
    assert healthy.is_well(OTHER)
    watch.when(symbol, lambda each: each["state"] in {"stale", "absent"}, begin, 12)
    assert price_state(healthy.record(symbol)) != "live"
    healthy.inject("clear")
    again = time.monotonic()
    healthy.inject("drop_connection")
    healed = watch.when(symbol, lambda each: price_state(each) == "live", again, 12)
    what = f"one symbol refused: absent; the others live {others:.1f} s after the cut"
    table.add("F12", what, marked, healed)
    assert marked <= 4.0
    assert healed <= 5.0


def test_f13_without_a_stream_prices_are_polled_and_delayed(
    healthy: Rig, table: FaultTable
) -> None:
    """The price comes by REST at a lower rate and never claims to be live."""
    watch, begin = healthy.watch, time.monotonic()
    healthy.inject("refuse_connections")
    marked = watch.when(BUSY, lambda each: price_state(each) != "live", begin, 6)
    time.sleep(max(0.0, begin + 9 - time.monotonic()))
    seen = [each.record for each in watch.since(BUSY, begin + marked)]
    stamps = {each["quality"]["price"]["as_of"] for each in seen}
    states = {price_state(each) for each in seen}
    healthy.inject("clear")
    back = time.monotonic()
    healed = watch.when(BUSY, lambda each: price_state(each) == "live", back, 12)
    what = f"stream down for 9 s: {len(stamps)} polled prices, {', '.join(sorted(states))}"
    table.add("F13", what, marked, healed)
    assert states == {"delayed"}
    assert len(stamps) >= 2
    assert marked <= 4.5
    assert healed <= 6.0


def test_f13_without_rest_the_stream_goes_on(healthy: Rig, table: FaultTable) -> None:
    """Nothing that streams is touched."""
    begin = time.monotonic()
    healthy.inject("rest_down", seconds=3)
    time.sleep(3)
    states = {price_state(each.record) for each in healthy.watch.since(BUSY, begin)}
    table.add("F13", f"REST down for 3 s: price {', '.join(sorted(states))}")
    assert states == {"live"}
    assert healthy.watch.never(BUSY, lambda each: each["components"]["orderbook"] is None, begin)
