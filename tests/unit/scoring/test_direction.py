"""The direction has hysteresis, three confirmations, and no opinion about what it did not see."""

import pytest

from support.stream_events import START
from virtuoso.domain.scores import Direction
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import normal_score
from virtuoso.scoring.definition import DirectionRule
from virtuoso.scoring.direction import DirectionTracker, propose

BULL, BEAR, NEUTRAL = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL
MIRROR = {BULL: BEAR, BEAR: BULL, NEUTRAL: NEUTRAL}


@pytest.mark.parametrize(
    ("state", "score", "proposed"),
    [
        (NEUTRAL, 70.0, BULL),
        (NEUTRAL, 69.999999, NEUTRAL),
        (NEUTRAL, 30.0, BEAR),
        (NEUTRAL, 30.000001, NEUTRAL),
        (BULL, 60.000001, BULL),
        (BULL, 60.0, NEUTRAL),
        (BULL, 31.0, NEUTRAL),
        (BULL, 30.0, BEAR),
        (BEAR, 39.999999, BEAR),
        (BEAR, 40.0, NEUTRAL),
        (BEAR, 70.0, BULL),
    ],
)
def test_the_trigger_enters_at_70_and_30_and_leaves_at_60_and_40(
    state: Direction, score: float, proposed: Direction
) -> None:
    """The table of section 6 with its bounds, and its mirror image."""
    rule = DirectionRule()
    assert propose(state, score, rule) is proposed
    assert propose(MIRROR[state], 100.0 - score, rule) is MIRROR[proposed]


class Minutes:
    """Feeds a tracker whole minutes of one score."""

    def __init__(self) -> None:
        self.tracker = DirectionTracker()
        self.at = START

    def run(self, *scores: float | None, seconds: int = 60) -> Direction | None:
        """One minute per score, of which only the first `seconds` are scored; None: none is."""
        for score in scores:
            z = None if score is None else normal_score(score)
            for second in range(60):
                self.at = Millis(self.at + 1_000)
                self.tracker.second(self.at, z if second < seconds else None)
        return self.tracker.direction


def test_there_is_no_direction_before_the_first_minute() -> None:
    """Unknown is null, then Neutral."""
    minutes = Minutes()
    assert minutes.tracker.direction is None
    assert minutes.run(50.0) is NEUTRAL


def test_a_change_needs_three_confirmations() -> None:
    """At exactly 70, two minutes are not enough and the third is."""
    minutes = Minutes()
    assert minutes.run(50.0, 70.0, 70.0) is NEUTRAL
    assert minutes.run(70.0) is BULL
    assert minutes.run(60.0, 60.0) is BULL
    assert minutes.run(60.0) is NEUTRAL


def test_an_interruption_starts_the_count_again() -> None:
    """Another proposal, the old state or a null minute each reset the counter."""
    for interruption in (50.0, 30.0, None):
        minutes = Minutes()
        assert minutes.run(50.0, 75.0, 75.0, interruption, 75.0, 75.0) is NEUTRAL
        assert minutes.run(75.0) is BULL


def test_a_minute_with_fewer_than_45_scored_seconds_is_null() -> None:
    """44 are too few, 45 are enough."""
    minutes = Minutes()
    minutes.run(75.0, seconds=44)
    assert minutes.tracker.minute_score is None
    minutes.run(75.0, seconds=45)
    assert minutes.tracker.minute_score == 75.0


def test_null_for_over_five_minutes_ends_the_direction_and_it_restarts_at_neutral() -> None:
    """Five null minutes are borne, six are not."""
    minutes = Minutes()
    assert minutes.run(75.0, 75.0, 75.0) is BULL
    assert minutes.run(*[None] * 5) is BULL
    assert minutes.run(None) is None
    assert minutes.run(65.0) is NEUTRAL


def test_a_gap_in_the_grid_counts_as_null() -> None:
    """Seconds that were never computed prove nothing."""
    minutes = Minutes()
    assert minutes.run(75.0, 75.0, 75.0) is BULL
    change = minutes.tracker.second(Millis(minutes.at + 20 * 60_000), None)
    assert minutes.tracker.direction is None
    assert change is not None
    assert change.before is BULL
    assert change.after is None


def test_the_change_is_told_once_at_the_full_minute() -> None:
    """The call that confirmed it says so."""
    tracker = DirectionTracker()
    changes = []
    for second in range(1, 301):
        at = Millis(START + second * 1_000)
        if change := tracker.second(at, normal_score(20.0)):
            changes.append((change.at - START, change.before, change.after))
    assert changes == [(60_000, None, NEUTRAL), (180_000, NEUTRAL, BEAR)]


def test_mirrored_scores_give_mirrored_directions() -> None:
    """100 - s turns Bullish into Bearish and back."""
    pattern = [50.0, 72.0, 71.0, 74.0, 65.0, 55.0, 45.0, 28.0, 25.0, 29.0, 41.0, 45.0, 46.0]
    one, other = Minutes(), Minutes()
    for score in pattern:
        direction = one.run(score)
        assert direction is not None
        assert other.run(100.0 - score) is MIRROR[direction]
