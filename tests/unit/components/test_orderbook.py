"""The book's three slices are disjoint, proven, and silent when the book is not."""

import pytest

from support.stream_events import BTC, START
from virtuoso.components.orderbook import Orderbook, imbalances
from virtuoso.domain.market_data import BookDelta, BookSnapshot
from virtuoso.domain.scores import Absent, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import Millis
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.market import Market
from virtuoso.market.order_book import OrderBook

LIMITS = StreamLimits(capacity=100, minimum=10, minimum_sizes=5)
TICK = 0.0625
MID = 1_000.0


def side(sign: int, quantities: list[float]) -> list[tuple[float, float]]:
    """Levels one tick apart, the first half a tick from the middle."""
    return [(MID + sign * TICK * (i + 0.5), each) for i, each in enumerate(quantities)]


def snapshot(
    bids: list[float], asks: list[float], sequence: int = 1, depth: int | None = 200
) -> BookSnapshot:
    """A whole book around the middle."""
    return BookSnapshot(side(-1, bids), side(1, asks), sequence, depth=depth)


def book_of(bids: list[float], asks: list[float], depth: int | None = 200) -> OrderBook:
    """A synced book."""
    book = OrderBook()
    assert book.apply(snapshot(bids, asks, depth=depth), START) is None
    return book


def test_the_slices_are_level_1_then_2_to_10_then_the_rest_within_reach() -> None:
    """10 bp of 1,000 is 1.0: sixteen levels of a sixteenth."""
    bids = [3.0] + [2.0] * 9 + [5.0] * 6 + [99.0] * 44
    asks = [1.0] + [1.0] * 9 + [1.0] * 6 + [7.0] * 44
    queue, near, outer = imbalances(book_of(bids, asks))
    assert queue == pytest.approx(0.5)
    assert near == pytest.approx(9 / 27)
    assert outer == pytest.approx((30 - 6) / 36)


def test_outer_ends_where_the_nearer_side_is_last_known() -> None:
    """A shorter ask side cuts the bids at the same distance."""
    bids, asks = [2.0] * 12 + [50.0] * 48, [1.0] * 60
    book = OrderBook()
    wide = [(MID + TICK * (i + 0.5) / 8, 1.0) for i in range(60)]
    assert book.apply(BookSnapshot(side(-1, bids), wide, 1, depth=200), START) is None
    # the mid moves with the first ask; 60 asks reach 59.5/8 ticks, so level 11 is out of reach
    assert imbalances(book)[2] is not None
    outer = imbalances(book)[2]
    assert outer == pytest.approx(-1.0)  # fifty asks, no bid beyond the tenth
    assert len(asks) == 60


def test_a_level_at_the_edge_of_what_is_known_is_inside() -> None:
    """The distance of the deepest level is not lost to rounding, whatever the price."""
    for best in range(100_000, 100_400):
        bids = [((best - i) * 0.1, 7.0 if i == 59 else 1.0) for i in range(60)]
        asks = [((best + 1 + i) * 0.1, 9.0 if i == 59 else 1.0) for i in range(60)]
        book = OrderBook()
        book.apply(BookSnapshot(bids, asks, 1, depth=200), START)
        assert imbalances(book)[2] == pytest.approx((56 - 58) / 114), best


def test_too_few_levels_leave_outer_without_a_value() -> None:
    """49 a side are too few; the other two slices stand."""
    queue, near, outer = imbalances(book_of([1.0] * 49, [1.0] * 60))
    assert (queue, near, outer) == (0.0, 0.0, Reason.TOO_FEW)


def test_nothing_beyond_level_10_within_reach_is_too_few() -> None:
    """A coarse book has no outer slice."""
    book = OrderBook()
    coarse = [(MID - i - 1, 1.0) for i in range(60)], [(MID + i + 1, 1.0) for i in range(60)]
    book.apply(BookSnapshot(*coarse, 1, depth=200), START)
    assert imbalances(book) == (0.0, 0.0, Reason.TOO_FEW)


def test_an_empty_side_is_too_few_and_a_locked_book_is_crossed() -> None:
    """No number from half a book."""
    assert imbalances(book_of([], [1.0])) == (Reason.TOO_FEW,) * 3
    book = OrderBook()
    book.apply(BookSnapshot([(100.0, 1.0)], [(100.0, 1.0)], 1, depth=50), START)
    assert imbalances(book) == (Reason.CROSSED_BOOK,) * 3


class Stream:
    """A book that changes every second."""

    def __init__(self) -> None:
        self.market = Market(BTC)
        self.component = Orderbook(LIMITS)
        self.second = 0
        self.moves = True

    def run(self, seconds: int) -> None:
        """Let grid seconds pass."""
        for _ in range(seconds):
            self.second += 1
            at = Millis(START + self.second * 1_000)
            if self.moves:
                bids = [1.0 + (self.second * (i + 3)) % 7 for i in range(60)]
                asks = [1.0 + (self.second * (i + 5)) % 5 for i in range(60)]
                data = snapshot(bids, asks, self.second)
                self.market.book.apply(data, Millis(at - 50))
            self.component.second(at, self.market)

    @property
    def result(self) -> ComponentScore | Absent:
        """What the component says now."""
        return self.component.score(Millis(START + self.second * 1_000), self.market)

    @property
    def members(self) -> dict[str, MemberScore]:
        """Its members by name."""
        return {each.name: each for each in self.result.members}

    def reasons(self) -> set[Reason | None]:
        """Why members are absent."""
        return {each.reason for each in self.result.members}


def test_before_the_first_snapshot_there_is_no_feed() -> None:
    """Never received is not warming up."""
    stream = Stream()
    stream.moves = False
    stream.run(1)
    assert stream.reasons() == {Reason.NO_FEED}


def test_the_average_starts_with_the_first_value_and_is_believed_after_30_seconds() -> None:
    """Each second it moves by 1 - .5^(1/10) of the distance."""
    stream = Stream()
    average = None
    for second in range(1, 60):
        stream.run(1)
        now = stream.members["queue@now"].x
        member = stream.members["queue@ewm10"]
        assert now is not None
        average = now if average is None else average + (1 - 0.5**0.1) * (now - average)
        if second <= 30:
            assert (member.reason, member.need) == (Reason.WARMING_UP, 30)
            assert member.have == second - 1
        else:
            assert member.x == pytest.approx(average, abs=1e-8)
    assert isinstance(stream.result, ComponentScore)
    assert stream.result.completeness == pytest.approx(1.0)
    assert stream.result.as_of == START + 59_000 - 50


def test_a_hole_is_a_gap_and_the_averages_begin_again() -> None:
    """Nothing is carried across; the values of now are back with the book."""
    stream = Stream()
    stream.run(60)
    stream.moves = False
    stream.market.book.apply(BookDelta([], [], previous=7, sequence=8), START)
    stream.run(1)
    assert stream.reasons() == {Reason.GAP}
    assert isinstance(stream.result, Absent)
    stream.moves = True
    stream.run(1)
    assert stream.members["queue@now"].reason is None
    assert stream.members["queue@ewm10"].reason is Reason.GAP
    stream.run(30)
    assert stream.reasons() == {None}


def test_what_an_average_was_before_a_slice_was_missing_fades_with_the_time() -> None:
    """Seconds without a value count as much as others: the old ones are as old as they are."""
    stream = Stream()
    stream.run(60)
    before = stream.members["outer@ewm10"].x
    stream.moves = False
    for _ in range(40):  # 49 levels a side: the slice is too few, the book is not
        at = Millis(START + (stream.second + 1) * 1_000 - 50)
        few = snapshot([1.0] * 49, [1.0] * 49, 100 + stream.second)
        stream.market.book.apply(few, at)
        stream.run(1)
    assert stream.members["outer@ewm10"].reason is Reason.TOO_FEW
    stream.moves = True
    stream.run(1)
    now, average = stream.members["outer@now"].x, stream.members["outer@ewm10"].x
    assert before is not None
    assert now is not None
    assert before != now
    assert average == pytest.approx(now + 0.5 ** (41 / 10) * (before - now), abs=1e-8)


def test_a_crossed_book_says_so() -> None:
    """The book threw itself away and named the fault."""
    stream = Stream()
    stream.run(60)
    crossing = BookDelta([(MID + 5.0, 1.0)], [], previous=60, sequence=61)
    stream.market.book.apply(crossing, START)
    stream.moves = False
    stream.run(1)
    assert stream.reasons() == {Reason.CROSSED_BOOK}


def test_a_silent_book_fades_and_is_stale_at_ten_seconds() -> None:
    """One second late: .5^(1/2); ten: absent."""
    stream = Stream()
    stream.run(60)
    stream.moves = False
    stream.run(1)
    result = stream.result
    assert isinstance(result, ComponentScore)
    assert (result.late_ms, result.freshness) == (0, 1.0)
    stream.run(1)
    result = stream.result
    assert isinstance(result, ComponentScore)
    assert result.late_ms == 1_000
    assert result.freshness == pytest.approx(0.5**0.5)
    stream.run(8)
    assert stream.reasons() == {None}
    stream.run(1)
    assert stream.reasons() == {Reason.STALE}
