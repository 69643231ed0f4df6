"""The book, and what the streams see of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.simulator.book import BestView, Book, BookUpdate, DepthView

Operation = tuple[str, int, int, int]


def _filled(prices: range) -> Book:
    book = Book()
    for distance in prices:
        book.bids.put(1_000 - distance, 10 + distance)
        book.asks.put(-(1_001 + distance), 20 + distance)
    return book


def _apply(known: tuple[dict[int, int], dict[int, int]], update: BookUpdate) -> None:
    for side, levels in zip(known, (update.bids, update.asks), strict=True):
        for ticks, steps in levels:
            if steps:
                side[ticks] = steps
            else:
                del side[ticks]


def test_a_taker_eats_from_the_best_level_down_to_its_limit() -> None:
    """Fills come at the makers' prices, and what is left stays in the book."""
    book = _filled(range(5))
    assert book.asks.take(45, -1_002) == [(1_001, 20), (1_002, 21)]
    assert book.best_ask == 1_003
    assert book.bids.take(3, 990) == [(1_000, 3)]
    assert book.bids.levels(2) == [(1_000, 7), (999, 11)]


def test_a_view_of_an_unchanged_book_has_nothing_to_tell() -> None:
    """No empty update is pushed, and no number is used up."""
    book = _filled(range(10))
    view = DepthView(5, book, 100)
    book.take_touched()
    assert view.advance(book.take_touched(), 1, 1) is None
    book.bids.put(1_000, 99)
    update = view.advance(book.take_touched(), 2, 2)
    assert update == BookUpdate(5, 101, 2, 2, [(1_000, 99)], [])


def test_a_level_that_leaves_the_window_is_told_as_gone() -> None:
    """The subscriber's side never grows beyond the depth, as the venue's documentation says."""
    book = _filled(range(3))
    view = DepthView(3, book, 0)
    book.take_touched()
    book.bids.put(1_000 - 10, 5)
    assert view.advance(book.take_touched(), 1, 1) is None
    book.bids.remove(1_000)
    update = view.advance(book.take_touched(), 2, 2)
    assert update is not None
    assert update.bids == [(1_000, 0), (990, 5)]
    book.bids.put(1_000, 7)
    update = view.advance(book.take_touched(), 3, 3)
    assert update is not None
    assert update.bids == [(1_000, 7), (990, 0)]


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["put", "remove", "remove_above", "take", "keep"]),
                st.integers(0, 1),
                st.integers(0, 30),
                st.integers(1, 50),
            ),
            max_size=12,
        ),
        max_size=12,
    )
)
def test_snapshot_and_deltas_give_the_best_levels_of_the_book(
    batches: list[list[Operation]],
) -> None:
    """Whatever happens to the book, a subscriber of any depth has its best levels exactly."""
    book = _filled(range(12))
    views = [DepthView(depth, book, 0) for depth in (1, 4, 9)]
    known = [(dict(view.snapshot().bids), dict(view.snapshot().asks)) for view in views]
    book.take_touched()
    for batch in batches:
        for action, which, place, amount in batch:
            side = (book.bids, book.asks)[which]
            key = (985 + place) if which == 0 else -(1_001 + place)
            if action == "put":
                side.put(key, amount)
            elif action == "remove" and key in side.sizes:
                side.remove(key)
            elif action == "remove_above":
                side.remove_above(key)
            elif action == "take":
                side.take(amount, key)
            elif action == "keep":
                side.keep(amount)
            if not len(side):
                side.put(970 if which == 0 else -1_040, 1)
        touched = book.take_touched()
        for view, mine in zip(views, known, strict=True):
            update = view.advance(touched, 1, 1)
            if update is not None:
                _apply(mine, update)
            assert sorted(mine[0].items(), reverse=True) == book.bids.levels(view.depth)
            assert sorted(mine[1].items()) == book.asks.levels(view.depth)
            assert view.snapshot().bids == book.bids.levels(view.depth)


def test_the_best_level_is_repeated_with_the_same_number_after_three_quiet_seconds() -> None:
    """A repeated snapshot confirms a quiet market: same u, same content, a later time."""
    book = _filled(range(3))
    view = BestView(book, 10, 3_000)
    first = view.advance(1, 1, 1_000)
    assert first == BookUpdate(1, 11, 1, 1, [(1_000, 10)], [(1_001, 20)])
    assert view.advance(2, 2, 1_100) is None
    assert view.repeat(3_900) is None
    assert view.repeat(4_000) == first
    assert view.repeat(4_100) is None
    book.bids.put(1_000, 11)
    changed = view.advance(3, 3, 4_200)
    assert changed is not None
    assert changed.update_id == 12
