"""The order book: in sequence or not at all."""

import pytest

from virtuoso.domain.market_data import BookDelta, BookSnapshot, Quote
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis
from virtuoso.market.order_book import Best, BookFault, OrderBook

BIDS = [(100.0, 1.0), (99.0, 2.0), (98.0, 3.0)]
ASKS = [(101.0, 1.5), (102.0, 2.5), (103.0, 3.5)]


def at(ms: int) -> Millis:
    """A venue time."""
    return Millis(ms)


def snapshot(sequence: int = 10, depth: int | None = 3, **changes: object) -> BookSnapshot:
    """A sound snapshot of three levels a side, with changes."""
    fields: dict[str, object] = {"bids": BIDS, "asks": ASKS, "cross_sequence": 100}
    return BookSnapshot(sequence=sequence, depth=depth, **(fields | changes))  # type: ignore[arg-type]


def delta(
    previous: int = 10,
    *,
    bids: list[tuple[float, float]] | None = None,
    asks: list[tuple[float, float]] | None = None,
    cross: int | None = 101,
    restart: bool = False,
) -> BookDelta:
    """A delta that follows `previous` by one."""
    return BookDelta(bids or [], asks or [], previous, previous + 1, cross, restart)


@pytest.fixture
def book() -> OrderBook:
    """Return a synced book."""
    book = OrderBook()
    assert book.apply(snapshot(), at(1_000)) is None
    return book


def test_a_book_without_a_snapshot_is_warming_up() -> None:
    """It has no levels, no best price and no time."""
    book = OrderBook()
    assert (book.reason, book.synced, book.best(), book.levels(5)) == (
        Reason.WARMING_UP,
        False,
        None,
        ([], []),
    )
    assert book.as_of is None
    assert book.complete_to == (None, None)


def test_a_delta_before_the_snapshot_is_not_applied() -> None:
    """No book comes of it, and it counts as no gap."""
    book = OrderBook()
    assert book.apply(delta(), at(1)) is BookFault.UNSYNCED
    assert (book.reason, book.gaps, len(book.bids)) == (Reason.WARMING_UP, 0, 0)


def test_levels_come_best_first(book: OrderBook) -> None:
    """Bids fall, asks rise, and only as many as asked for."""
    assert book.best() == Best(100.0, 1.0, 101.0, 1.5)
    assert book.levels(2) == (BIDS[:2], ASKS[:2])
    assert book.levels(9) == (BIDS, ASKS)
    assert (list(book.bids), list(book.asks)) == (BIDS, ASKS)
    assert book.complete_to == (98.0, 103.0)


def test_a_delta_sets_inserts_and_removes(book: OrderBook) -> None:
    """Quantity 0 removes; a level that is not there may be removed too."""
    change = delta(bids=[(100.0, 0.0), (99.5, 4.0), (98.0, 7.0), (50.0, 0.0)], asks=[(101.0, 9.0)])
    assert book.apply(change, at(2_000)) is None
    assert book.levels(5)[0] == [(99.5, 4.0), (99.0, 2.0), (98.0, 7.0)]
    assert book.levels(1)[1] == [(101.0, 9.0)]
    assert (book.sequence, book.cross_sequence, book.as_of) == (11, 101, 2_000)


@pytest.mark.parametrize("previous", [8, 9, 11, 12])
def test_any_other_sequence_is_a_gap(book: OrderBook, previous: int) -> None:
    """Old, repeated and skipped updates all throw the book away at once."""
    assert book.apply(delta(previous, bids=[(100.0, 5.0)]), at(2)) is BookFault.GAP
    assert (book.reason, book.gaps, book.best()) == (Reason.GAP, 1, None)
    assert book.levels(3) == ([], [])
    assert book.apply(delta(11), at(3)) is BookFault.UNSYNCED


def test_a_falling_cross_sequence_is_a_gap(book: OrderBook) -> None:
    """Equal is allowed, lower is not."""
    assert book.apply(delta(10, cross=100), at(2)) is None
    assert book.apply(delta(11, cross=99), at(3)) is BookFault.GAP
    assert book.reason is Reason.GAP


def test_a_restart_is_never_merged(book: OrderBook) -> None:
    """Even if its sequence would fit."""
    assert book.apply(delta(10, restart=True), at(2)) is BookFault.RESTART
    assert (book.reason, book.gaps) == (Reason.GAP, 1)


def test_a_snapshot_replaces_everything_whatever_its_sequence(book: OrderBook) -> None:
    """A venue that restarted begins at 1."""
    assert book.apply(snapshot(1, bids=BIDS[1:], cross_sequence=5), at(9)) is None
    assert (book.sequence, book.cross_sequence, book.levels(1)[0]) == (1, 5, [(99.0, 2.0)])


def test_a_snapshot_heals_and_is_counted(book: OrderBook) -> None:
    """Gaps and resyncs count up, and the time since which it is whole moves."""
    assert (book.synced_since, book.resyncs) == (1_000, 0)
    book.apply(delta(42), at(2_000))
    lost = book.synced_since
    assert lost is None
    assert book.apply(snapshot(50), at(3_000)) is None
    healed = (book.gaps, book.resyncs, book.synced_since, book.reason)
    assert healed == (1, 1, 3_000, None)


def test_a_crossed_book_is_never_served(book: OrderBook) -> None:
    """After a delta as after a snapshot."""
    assert book.apply(delta(bids=[(101.5, 1.0)]), at(2)) is BookFault.CROSSED
    assert (book.reason, book.best()) == (Reason.CROSSED_BOOK, None)
    assert book.apply(snapshot(bids=[(105.0, 1.0)]), at(3)) is BookFault.CROSSED
    assert (book.synced, book.levels(3), book.gaps) == (False, ([], []), 2)


def test_a_locked_book_is_allowed_and_flagged(book: OrderBook) -> None:
    """Best bid equal to best ask happens."""
    before = book.locked
    assert book.apply(delta(bids=[(101.0, 1.0), (98.0, 0.0)]), at(2)) is None
    assert (before, book.locked) == (False, True)


def test_a_side_longer_than_its_depth_proves_a_lost_update(book: OrderBook) -> None:
    """The venue deletes what leaves the window."""
    assert book.apply(delta(bids=[(97.0, 1.0)]), at(2)) is BookFault.TOO_DEEP
    assert book.reason is Reason.GAP
    assert OrderBook().apply(snapshot(depth=2), at(1)) is BookFault.TOO_DEEP


@pytest.mark.parametrize(
    "bids", [[(99.0, 1.0), (100.0, 1.0)], [(100.0, 1.0), (100.0, 2.0)]], ids=["order", "twice"]
)
def test_a_snapshot_must_be_strictly_sorted(bids: list[tuple[float, float]]) -> None:
    """Neither out of order nor the same price twice."""
    book = OrderBook()
    assert book.apply(snapshot(bids=bids), at(1)) is BookFault.UNSORTED
    assert not book.synced


def test_a_one_sided_book_is_a_book_without_best_prices(book: OrderBook) -> None:
    """Its other side can still be read."""
    assert book.apply(snapshot(asks=[]), at(2)) is None
    assert (book.synced, book.best(), book.levels(1)) == (True, None, ([(100.0, 1.0)], []))


def test_without_a_depth_of_the_venue_the_sides_are_pruned() -> None:
    """The deepest levels go, and completeness ends where they were cut."""
    book = OrderBook(most_levels=3)
    assert book.apply(snapshot(depth=None), at(1)) is None
    assert book.complete_to == (98.0, 103.0)
    assert book.apply(delta(bids=[(99.5, 1.0)], asks=[(100.5, 1.0)]), at(2)) is None
    assert book.levels(9)[0] == [(100.0, 1.0), (99.5, 1.0), (99.0, 2.0)]
    assert book.levels(9)[1] == [(100.5, 1.0), (101.0, 1.5), (102.0, 2.5)]
    assert book.complete_to == (99.0, 102.0)
    # a level beyond the range is kept, but completeness does not grow with it
    assert book.apply(delta(11, bids=[(100.0, 0.0), (90.0, 1.0)], cross=102), at(3)) is None
    assert book.bids.deepest == 90.0
    assert book.complete_to == (99.0, 102.0)


def test_nothing_is_complete_when_the_market_left_the_range_of_the_snapshot() -> None:
    """The best bid below the deepest one that was known."""
    book = OrderBook()
    book.apply(snapshot(depth=None), at(1))
    gone = [(price, 0.0) for price, _ in BIDS]
    assert book.apply(delta(bids=[*gone, (97.0, 1.0)]), at(2)) is None
    assert book.complete_to == (None, 103.0)


def test_a_quote_that_is_not_ahead_confirms_a_quiet_book(book: OrderBook) -> None:
    """A later one of the same sequence moves the time; one that is ahead, or older, does not."""
    book.confirm(Quote(100.0, 1.0, 101.0, 1.5, sequence=101), at(5_000))
    assert book.as_of == 1_000
    book.confirm(Quote(100.0, 1.0, 101.0, 1.5, sequence=100), at(5_000))
    assert book.as_of == 5_000
    book.confirm(Quote(100.0, 1.0, 101.0, 1.5, sequence=100), at(4_000))
    assert book.as_of == 5_000
    book.forget(Reason.NO_FEED)
    book.confirm(Quote(100.0, 1.0, 101.0, 1.5, sequence=100), at(6_000))
    assert book.as_of is None


def test_a_forgotten_book_says_why(book: OrderBook) -> None:
    """A lost connection is no gap, but what heals it counts as a resync."""
    book.forget(Reason.NO_FEED)
    assert (book.reason, book.gaps, book.best()) == (Reason.NO_FEED, 0, None)
    book.apply(snapshot(), at(7))
    assert book.resyncs == 1
