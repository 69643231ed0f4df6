"""F05, F06, F07: what the stream does to an order book."""

import time
from functools import partial

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, OTHER, Rig
from faults.watch import Record, reason_of

pytestmark = [pytest.mark.process, pytest.mark.fault]

HOLES = {
    "book_gap": "an update is left out",
    "book_old": "an old update comes again",
    "book_repeat": "an update comes twice",
    "book_reorder": "two updates change places",
    "book_delta_one": "an update with u = 1",
}
SYNCED_WITHIN = 2.5
"""Seconds from the fault to a whole book; the aim is 1 s from the loss."""


def without_book(record: Record) -> bool:
    """Whether the component of the order book is absent."""
    return bool(record["components"]["orderbook"] is None)


def until_mended(rig: Rig, symbol: str, before: Record, begin: float) -> float:
    """Wait until the book of a symbol was lost once more and is whole again; seconds since then."""

    def is_mended() -> bool:
        book = rig.detail(symbol)["book"]
        return bool(book["synced_since"]) and book["resyncs"] > before["resyncs"]

    rig.seconds_until(f"a whole book of {symbol}", is_mended, 8)
    return time.monotonic() - begin


def test_f05_a_broken_sequence_takes_the_book_away_at_once(healthy: Rig, table: FaultTable) -> None:
    """Each way to break it: absent with `gap`, asked for, whole again; no other is touched."""
    watch, symbols = healthy.watch, healthy.symbols[: len(HOLES)]
    untouched = healthy.symbols[len(HOLES)]
    before = {each: healthy.detail(each)["book"] for each in (*symbols, untouched)}
    ended = len(healthy.connections_ended())
    for (fault, what), symbol in zip(HOLES.items(), symbols, strict=True):
        begin = time.monotonic()
        healthy.inject(fault, symbol=symbol)
        marked = watch.when(symbol, lambda each: reason_of(each, "orderbook") == "gap", begin, 6)
        healed = until_mended(healthy, symbol, before[symbol], begin)
        table.add("F05", what, marked, healed)
        assert healthy.detail(symbol)["book"]["gaps"] == before[symbol]["gaps"] + 1
        assert marked <= 1.5
        assert healed <= SYNCED_WITHIN
    assert healthy.detail(untouched)["book"] == before[untouched]
    # a venue that is silent because the machine gives it no time is no consequence of the sequence
    reasons = healthy.connections_ended()[ended:]
    assert [each for each in reasons if not each.startswith("no data for ")] == []


def test_f05_a_snapshot_with_number_one_only_resets_the_book(
    healthy: Rig, table: FaultTable
) -> None:
    """The service restarted and says so with a whole book: nothing is lost."""
    symbol = healthy.symbols[0]
    before, begin = healthy.detail(symbol)["book"], time.monotonic()
    healthy.inject("book_restart", symbol=symbol)

    def was_reset() -> bool:
        return bool(healthy.detail(symbol)["book"]["synced_since"] > before["synced_since"])

    healed = healthy.seconds_until("a new beginning", was_reset, 5)
    table.add("F05", "a snapshot with u = 1: a new beginning, no gap", None, healed)
    assert healthy.detail(symbol)["book"]["gaps"] == before["gaps"]
    assert healthy.watch.never(symbol, without_book, begin)


def test_f05_a_stream_with_too_many_gaps_is_replaced_by_polled_books(
    healthy: Rig, table: FaultTable
) -> None:
    """More than three in a minute: books are fetched, and shown as delayed."""
    symbol = healthy.symbols[5]
    for _ in range(3):
        before = healthy.detail(symbol)["book"]
        healthy.inject("book_gap", symbol=symbol)
        until_mended(healthy, symbol, before, time.monotonic())
    begin = time.monotonic()
    healthy.inject("book_gap", symbol=symbol)
    healthy.seconds_until("distrust", lambda: healthy.detail(symbol)["book"]["distrusted_since"], 5)
    marked = time.monotonic() - begin

    def is_polled() -> bool:
        ages = {each["kind"]: each for each in healthy.detail(symbol)["inputs"]}
        return bool(ages["book"]["state"] == "delayed")

    healthy.seconds_until("a polled book", is_polled, 8)
    healed = time.monotonic() - begin
    table.add("F05", "four gaps within a minute: polled books instead, delayed", marked, healed)
    assert "polled" in healthy.reasons()
    assert marked <= 2.0
    assert healed <= 6.0


def test_f06_an_update_before_the_snapshot_is_dropped(healthy: Rig, table: FaultTable) -> None:
    """It is counted, and there is no book until the snapshot comes."""
    before, book = healthy.counter("kind=BookDelta", "unsynced"), healthy.detail(OTHER)["book"]
    healthy.inject("delta_first", symbol=OTHER, seconds=4)
    begin = time.monotonic()
    healthy.inject("drop_connection")
    marked = healthy.watch.when(OTHER, without_book, begin, 5)
    healed = until_mended(healthy, OTHER, book, begin)
    healthy.seconds_until_counted("kind=BookDelta", "unsynced", above=before)
    table.add("F06", "an update before the snapshot: dropped, counted", marked, healed)
    assert healthy.detail(OTHER)["book"]["gaps"] == book["gaps"]
    assert healed <= 5.0


def test_f07_impossible_books_are_not_served(healthy: Rig, table: FaultTable) -> None:
    """Crossed: absent, asked for again. One-sided, empty: no number from it."""
    crossed, one_sided, empty = (healthy.symbols[each] for each in (7, 8, 3))
    watch = healthy.watch
    for symbol in (crossed, one_sided, empty):
        healthy.seconds_until("its balance", partial(_has_balance, healthy, symbol), 20)
    before = {each: healthy.detail(each)["book"] for each in (crossed, BUSY)}
    begin = time.monotonic()
    healthy.script(
        [
            {"fault": "crossed_book", "symbol": crossed},
            {"fault": "one_sided_book", "symbol": one_sided, "seconds": 3},
            {"fault": "empty_book", "symbol": empty, "seconds": 3},
        ]
    )
    marked = watch.when(
        crossed, lambda each: reason_of(each, "orderbook") == "crossed_book", begin, 6
    )
    healed = until_mended(healthy, crossed, before[crossed], begin)
    table.add("F07", "a crossed book", marked, healed)
    assert marked <= 1.5
    assert healed <= SYNCED_WITHIN
    for symbol, what in ((one_sided, "a book without asks"), (empty, "an empty book")):
        marked = watch.when(symbol, without_book, begin, 6)
        healthy.seconds_until("its numbers", partial(_is_read, healthy, symbol), 8)
        healed = time.monotonic() - begin - 3
        table.add("F07", f"{what}, for 3 s: no balance of bids and asks", marked, healed)
        assert marked <= 3.0
        assert healed <= 4.0
    assert healthy.detail(BUSY)["book"]["gaps"] == before[BUSY]["gaps"]


def _has_balance(rig: Rig, symbol: str) -> bool:
    return not without_book(rig.record(symbol))


def _is_read(rig: Rig, symbol: str) -> bool:
    """Whether the balance at the best prices is known."""
    parts = {each["name"]: each for each in rig.detail(symbol)["components"]}
    members = {each["name"]: each for each in parts["orderbook"]["members"]}
    return members["queue@now"]["x"] is not None
