"""So many within any minute, each address for itself."""

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.time import MINUTE
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.web.security.window import MOST_GROUPS, Window


def test_one_too_many_is_refused_until_the_first_is_a_minute_old() -> None:
    """What is refused is not counted: who asks on is not kept out for ever."""
    clock = FakeClock()
    window = Window(clock, 2)
    assert [window.take("a"), window.take("a"), window.take("a"), window.take("b")] == [
        True,
        True,
        False,
        True,
    ]
    clock.advance(MINUTE - 1)
    assert not window.take("a")
    clock.advance(1)
    assert window.take("a")


@given(st.lists(st.integers(0, MINUTE), max_size=60), st.integers(1, 5))
def test_no_minute_ever_holds_more(pauses: list[int], most: int) -> None:
    """Whenever it begins, and whatever was refused before."""
    clock = FakeClock()
    window = Window(clock, most)
    taken = []
    for pause in pauses:
        clock.advance(pause)
        if window.take("a"):
            taken.append(clock.monotonic_ms())
    for place, at in enumerate(taken):
        assert sum(at <= other < at + MINUTE for other in taken[place:]) <= most


def test_addresses_are_remembered_up_to_a_bound() -> None:
    """I7: a flood of addresses costs no more memory than this."""
    window = Window(FakeClock(), 1)
    for number in range(MOST_GROUPS + 10):
        assert window.take(str(number))
    assert len(window._taken) == MOST_GROUPS
