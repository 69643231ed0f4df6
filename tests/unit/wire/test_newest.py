"""Reads never go back, in sequence or in epoch."""

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.wire.codec import Stamp
from virtuoso.wire.newest import SILENCE_MS, Newest

KEY = "virtuoso:symbols:v1"


def stamp(epoch: str, seq: int, made: int) -> Stamp:
    """A value of this epoch."""
    return Stamp(epoch, seq, made, None)


@given(seqs=st.lists(st.integers(0, 20)))
def test_within_an_epoch_what_is_taken_never_goes_back(seqs: list[int]) -> None:
    """The same value again is no step back."""
    newest = Newest()
    taken = [seq for seq in seqs if newest.take(KEY, stamp("one", seq, seq), 0)]
    assert taken == sorted(taken)
    assert seqs == [] or max(seqs) in taken


def test_each_key_has_a_sequence_of_its_own() -> None:
    """A document that is renewed seldom is not refused for the others."""
    newest = Newest()
    assert newest.take("often", stamp("one", 100, 100), 0)
    assert newest.take("seldom", stamp("one", 3, 3), 0)


def test_a_new_epoch_begins_again_and_the_old_one_does_not_return() -> None:
    """A restarted engine counts from the start; what the old one left is older for ever."""
    newest = Newest()
    assert newest.take(KEY, stamp("one", 500, 1_000), 0)
    assert newest.take(KEY, stamp("two", 1, 2_000), 1_000)
    assert not newest.take(KEY, stamp("one", 501, 900), 1_001)
    assert not newest.take(KEY, stamp("one", 600, 9_000), 90_000)
    assert newest.take(KEY, stamp("two", 2, 2_100), 90_001)


def test_what_lies_there_from_an_earlier_epoch_is_not_taken_for_a_new_one() -> None:
    """A reader that began with the new engine finds the old one's value in another tier."""
    newest = Newest()
    assert newest.take(KEY, stamp("two", 4, 5_000), 0)
    assert not newest.take(KEY, stamp("one", 900, 4_000), 1_000)


def test_an_engine_whose_clock_is_behind_is_heard_once_the_other_is_silent() -> None:
    """A wall clock set back between two starts must not shut the new engine out."""
    newest = Newest()
    assert newest.take(KEY, stamp("one", 4, 5_000), 0)
    assert not newest.take(KEY, stamp("two", 1, 1_000), SILENCE_MS - 1)
    assert newest.take(KEY, stamp("two", 2, 1_100), SILENCE_MS)


def test_memory_is_bounded() -> None:
    """The key that came first is forgotten first."""
    newest = Newest(keys=2)
    for number in range(3):
        assert newest.take(f"key{number}", stamp("one", 5, 5), 0)
    assert newest.take("key0", stamp("one", 4, 4), 0)
    assert not newest.take("key2", stamp("one", 4, 4), 0)
