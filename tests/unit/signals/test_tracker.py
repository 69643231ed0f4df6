"""The signals of one series: when one opens, goes on, or is left."""

import pytest

from support.signals import AT, LIVE, quiet, turn
from virtuoso.domain.scores import Direction
from virtuoso.domain.signals import Outcome, SignalState
from virtuoso.domain.time import HOUR, MINUTE
from virtuoso.signals.tracker import Tracker

BULL, BEAR, NEUTRAL = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL


def at(minutes: int) -> int:
    """So many minutes after the first turn."""
    return AT + minutes * MINUTE


def test_a_change_opens_a_signal_and_its_reversal_opens_the_other_one() -> None:
    """One ends as reversed once the candle of then is there, the other is open at once."""
    tracker = Tracker(LIVE)
    (bull,) = tracker.turn(turn(BULL))
    tracker.candles(quiet(0, 9))
    changed = tracker.turn(turn(BEAR, at(10), before=BULL))
    assert [each.direction for each in changed] == [BULL, BEAR]
    ended = tracker.candles(quiet(0, 11))
    assert next(each for each in ended if each.id == bull.id).outcome is Outcome.REVERSED
    (held,) = tracker.open
    assert held.direction is BEAR


@pytest.mark.parametrize(("minutes", "reopened"), [(29, 1), (30, 0), (45, 0)])
def test_the_same_direction_within_half_an_hour_is_the_same_signal(
    minutes: int, reopened: int
) -> None:
    """Later it is another one, and the first is closed."""
    tracker = Tracker(LIVE)
    (first,) = tracker.turn(turn(BULL))
    tracker.candles(quiet(0, 10))
    tracker.turn(turn(NEUTRAL, at(10), before=BULL))
    (again,) = tracker.turn(turn(BULL, at(10 + minutes)))
    assert (again.id == first.id, again.reopened) == (bool(reopened), reopened)
    tracker.candles(quiet(0, 60))
    assert len(tracker.open) == 1


def test_after_a_restart_neutral_says_nothing_and_the_same_direction_goes_on() -> None:
    """A tracker of directions begins at Neutral: nobody saw the signal's being left."""
    before = Tracker(LIVE)
    (signal,) = before.turn(turn(BULL))
    before.candles(quiet(0, 5))
    after = Tracker(LIVE, before.open)
    assert after.turn(turn(NEUTRAL, at(20), before=None)) == []
    assert after.turn(turn(BULL, at(24))) == []
    after.candles(quiet(0, 30))
    (held,) = after.open
    assert (held.id, held.left_at, held.followed_to) == (signal.id, None, at(30))


def test_after_a_restart_the_other_direction_reverses_it() -> None:
    """It was seen to be confirmed, whatever was before."""
    before = Tracker(LIVE)
    before.turn(turn(BULL))
    after = Tracker(LIVE, before.open)
    changed = after.turn(turn(BEAR, at(7)))
    assert [each.left_as for each in changed] == [Outcome.REVERSED, None]


def test_nothing_seen_for_too_long_ends_it_without_a_result() -> None:
    """The direction became null."""
    tracker = Tracker(LIVE)
    tracker.turn(turn(BULL))
    tracker.turn(turn(None, at(10), before=BULL))
    (ended,) = tracker.candles(quiet(0, 11))
    assert (ended.outcome, ended.r, ended.state) == (
        Outcome.LOST_DATA,
        None,
        SignalState.CLOSED,
    )


def test_a_signal_past_its_horizon_cannot_come_back() -> None:
    """The candle of then decides, whether it is there before the turn or after it."""
    for candles_first in (False, True):
        tracker = Tracker(LIVE)
        (first,) = tracker.turn(turn(BULL))
        tracker.candles(quiet(0, 235))
        tracker.turn(turn(NEUTRAL, at(235), before=BULL))
        if candles_first:
            tracker.candles(quiet(0, 240))
        changed = tracker.turn(turn(BULL, AT + 4 * HOUR))
        assert [each.id == first.id for each in changed] == [False]
        tracker.candles(quiet(0, 241))
        assert [each.id for each in tracker.open] == [changed[0].id]


def test_a_turn_into_the_direction_that_is_held_changes_nothing() -> None:
    """At most one open signal of a series."""
    tracker = Tracker(LIVE)
    tracker.turn(turn(BULL))
    assert tracker.turn(turn(BULL, at(3))) == []
    assert len(tracker.open) == 1
