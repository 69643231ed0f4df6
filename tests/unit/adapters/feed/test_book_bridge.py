"""The bridge between Binance's book stream and its REST book."""

import pytest

from virtuoso.adapters.feed.binance.book_bridge import (
    LONGEST_BUFFER,
    LONGEST_BUFFER_MS,
    BookBridge,
)
from virtuoso.adapters.feed.binance.frames import Depth, RestBook
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import BookDelta, BookSnapshot, MarketData, MarketEvent
from virtuoso.domain.time import Millis
from virtuoso.market.order_book import BookFault, OrderBook

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
NOW = Millis(1_763_700_000_000)


def depth(first: int, last: int, previous: int, at: int = NOW) -> Depth:
    """A difference; it sets the level at 100 to its own number."""
    time = Millis(at)
    return Depth("BTCUSDT", time, time, first, last, previous, [(100.0, float(last))], [])


def rest(last: int) -> RestBook:
    """A REST book."""
    return RestBook(last, [(100.0, 1.0)], [(101.0, 1.0)], NOW, NOW)


@pytest.fixture
def bridge() -> BookBridge:
    """Return a bridge that has met nothing yet."""
    return BookBridge(BTC)


def steps(events: list[MarketEvent[MarketData]]) -> list[tuple[int, int]]:
    """The sequences of events: of a snapshot twice its own, of a delta both."""
    found = []
    for event in events:
        assert isinstance(event.data, (BookSnapshot, BookDelta))
        data = event.data
        found.append(
            (data.previous if isinstance(data, BookDelta) else data.sequence, data.sequence)
        )
    return found


def test_differences_wait_for_the_rest_book(bridge: BookBridge) -> None:
    """Old ones are dropped, the first that brackets it follows it, the others follow that."""
    before = bridge.wants_rest_book
    for each in (depth(1, 5, 0), depth(6, 9, 5), depth(11, 20, 9), depth(22, 30, 20)):
        assert bridge.offer(each, NOW) == []
    assert (before, bridge.wants_rest_book) == (False, True)
    events = bridge.offer_rest_book(rest(15), NOW)
    assert steps(events) == [(15, 15), (15, 20), (20, 30)]
    assert (bridge.dropped, bridge.bridged) == (2, True)
    assert steps(bridge.offer(depth(33, 40, 30), NOW)) == [(30, 40)]


def test_a_first_difference_that_ends_at_the_rest_book_is_legal(bridge: BookBridge) -> None:
    """`u == lastUpdateId` must not be dropped."""
    bridge.offer(depth(6, 9, 5), NOW)
    bridge.offer(depth(11, 20, 9), NOW)
    assert steps(bridge.offer_rest_book(rest(9), NOW)) == [(9, 9), (9, 9), (9, 20)]


def test_a_rest_book_that_is_too_old_is_asked_for_again(bridge: BookBridge) -> None:
    """Nothing is applied, and what was kept stays."""
    bridge.offer(depth(11, 20, 9), NOW)
    assert bridge.offer_rest_book(rest(10), NOW) == []
    assert bridge.wants_rest_book
    assert steps(bridge.offer_rest_book(rest(12), NOW)) == [(12, 12), (12, 20)]


def test_a_rest_book_ahead_of_the_stream_waits_for_it(bridge: BookBridge) -> None:
    """The stream reaches it with a later difference."""
    assert bridge.offer_rest_book(rest(25), NOW) == []
    assert bridge.offer(depth(11, 20, 9), NOW) == []
    assert steps(bridge.offer(depth(21, 30, 20), NOW)) == [(25, 25), (25, 30)]


def test_a_break_is_passed_on_and_needs_another_rest_book(bridge: BookBridge) -> None:
    """So that the door sees the gap; the spot rule of one more would not do."""
    bridge.offer(depth(11, 20, 9), NOW)
    bridge.offer_rest_book(rest(15), NOW)
    assert steps(bridge.offer(depth(21, 30, 19), NOW)) == [(19, 30)]
    assert (bridge.bridged, bridge.wants_rest_book, bridge.breaks) == (False, True, 1)
    assert steps(bridge.offer_rest_book(rest(28), NOW)) == [(28, 28), (28, 30)]


def test_a_break_among_those_that_waited_is_one_too(bridge: BookBridge) -> None:
    """What comes after it is kept for the next REST book."""
    bridge.offer(depth(11, 20, 9), NOW)
    bridge.offer(depth(30, 40, 29), NOW)
    events = bridge.offer_rest_book(rest(15), NOW)
    assert steps(events) == [(15, 15), (15, 20), (29, 40)]
    book = OrderBook()
    faults = []
    for event in events:
        assert isinstance(event.data, (BookSnapshot, BookDelta))
        faults.append(book.apply(event.data, event.event_time))
    assert faults == [None, None, BookFault.GAP]
    assert bridge.wants_rest_book


def test_the_buffer_is_bounded_by_count_and_by_time(bridge: BookBridge) -> None:
    """Then it begins again."""
    for number in range(LONGEST_BUFFER + 1):
        bridge.offer(depth(number, number, number - 1), NOW)
    assert bridge.dropped == LONGEST_BUFFER
    later = NOW + LONGEST_BUFFER_MS + 1
    bridge.offer(depth(9_000, 9_001, 8_999, at=later), NOW)
    assert bridge.dropped == LONGEST_BUFFER + 1
    assert steps(bridge.offer_rest_book(rest(9_000), NOW)) == [(9_000, 9_000), (9_000, 9_001)]


def test_what_is_old_after_the_bridge_is_a_break(bridge: BookBridge) -> None:
    """A repeated difference too."""
    bridge.offer(depth(11, 20, 9), NOW)
    bridge.offer_rest_book(rest(15), NOW)
    bridge.offer(depth(11, 20, 9), NOW)
    assert bridge.breaks == 1
