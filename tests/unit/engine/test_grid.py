"""Grid seconds."""

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.grid import Grid, end_of_second


def test_an_event_counts_for_the_second_in_which_it_was_received() -> None:
    """The full second itself belongs to the second that ends with it."""
    assert end_of_second(1) == 1_000
    assert end_of_second(1_000) == 1_000
    assert end_of_second(1_001) == 2_000


def test_a_second_is_closed_by_the_first_event_after_it() -> None:
    """Everything received at or before a grid second is in the market when it is computed."""
    grid = Grid()
    assert list(grid.closed_before(Millis(10_500))) == []
    assert list(grid.closed_before(Millis(11_000))) == []
    assert list(grid.closed_before(Millis(11_001))) == [11_000]
    assert list(grid.closed_before(Millis(14_200))) == [12_000, 13_000, 14_000]


def test_the_end_of_a_recording_closes_the_second_it_fell_into() -> None:
    """The last events are computed too."""
    grid = Grid()
    list(grid.closed_before(Millis(10_500)))
    assert list(grid.closed_by_end(Millis(11_200))) == [11_000, 12_000]


def test_a_pause_can_be_skipped() -> None:
    """After sleep the grid goes on from now."""
    grid = Grid()
    list(grid.closed_at(Millis(10_000)))
    assert grid.behind(Millis(50_000)) == 39
    grid.skip_to(Millis(50_400))
    assert list(grid.closed_at(Millis(50_400))) == [50_000]


@given(st.lists(st.integers(min_value=0, max_value=5_000), min_size=1, max_size=60))
def test_every_second_is_closed_once_and_in_order(steps: list[int]) -> None:
    """Whatever the events' distances, no second is left out or repeated."""
    grid = Grid()
    at = 1_000_000
    closed: list[int] = []
    for step in steps:
        at += step
        closed.extend(grid.closed_before(Millis(at)))
    closed.extend(grid.closed_by_end(Millis(at)))
    first = end_of_second(1_000_000 + steps[0])
    assert closed == list(range(first, end_of_second(at) + 1, SECOND))
