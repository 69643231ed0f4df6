"""Score movers are differences of scores that were kept, over a window that was observed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.domain.scores import Reason
from virtuoso.domain.time import HOUR, SECOND, Millis
from virtuoso.market.score_movers import SHOWN, History, score_movers

STEP = 10 * SECOND
NOW = 1_800_000_000_000
STEPS = HOUR // STEP


def history(*scores: float | None, end: int = NOW) -> list[tuple[Millis, float | None]]:
    """Scores one step apart, the last at `end`."""
    first = end - (len(scores) - 1) * STEP
    return [(Millis(first + i * STEP), score) for i, score in enumerate(scores)]


def hour(first: float | None, last: float | None) -> History:
    """An hour that began and ended with these."""
    return history(first, *[77.0] * (STEPS - 1), last)


def test_those_that_changed_most_are_named_each_way() -> None:
    """Five at most, largest first, with both scores and the time of the older one."""
    found = score_movers({f"S{n}": hour(50.0, 50.0 + 3.0 * n) for n in range(-7, 8)}, HOUR, STEP)
    assert [each.symbol for each in found.risers] == ["S7", "S6", "S5", "S4", "S3"]
    assert [each.symbol for each in found.fallers] == ["S-7", "S-6", "S-5", "S-4", "S-3"]
    first = found.risers[0]
    assert (first.before, first.score, first.change, first.since) == (50, 71, 21, NOW - HOUR)
    assert (found.compared, found.reason, found.as_of) == (15, None, NOW)


def test_before_a_whole_window_was_observed_it_is_warming_up() -> None:
    """A shorter past is not passed off as an hour."""
    young = {"A": history(*[60.0] * (STEPS - 2), 90.0)}
    found = score_movers(young, HOUR, STEP)
    assert (found.risers, found.compared, found.reason) == ((), 0, Reason.WARMING_UP)
    observed = score_movers(young, None, STEP)
    assert [each.change for each in observed.risers] == [30.0]
    assert score_movers({}, HOUR, STEP).reason is Reason.NO_FEED
    assert score_movers({"A": history(60.0)}, None, STEP).reason is Reason.WARMING_UP


@pytest.mark.parametrize(("first", "last"), [(None, 80.0), (20.0, None)])
def test_without_a_score_at_both_ends_there_is_no_change(
    first: float | None, last: float | None
) -> None:
    """Neither the next score after a hole nor the last one before it stands in."""
    found = score_movers({"A": hour(first, last), "B": hour(20.0, 30.0)}, HOUR, STEP)
    assert [each.symbol for each in found.risers] == ["B"]
    alone = score_movers({"A": hour(first, last)}, HOUR, STEP)
    assert (alone.risers, alone.reason) == ((), Reason.TOO_FEW)


def test_a_market_that_is_no_longer_scored_does_not_move() -> None:
    """Its last score is of another time than the others'."""
    gone = [(Millis(at - 5 * STEP), score) for at, score in hour(10.0, 90.0)]
    found = score_movers({"GONE": gone, "B": hour(20.0, 30.0)}, HOUR, STEP)
    assert [each.symbol for each in found.risers] == ["B"]


def test_scores_of_another_definition_are_no_measure() -> None:
    """After a change of the formula a window begins anew."""
    kept = {"A": hour(20.0, 80.0)}
    changed = {"A": Millis(NOW - STEP)}
    found = score_movers(kept, HOUR, STEP, changed)
    assert (found.risers, found.reason) == ((), Reason.WARMING_UP)
    observed = score_movers(kept, None, STEP, changed)
    assert [(each.before, each.since) for each in observed.risers] == [(77.0, NOW - STEP)]


def test_since_the_start_counts_from_each_markets_first_score() -> None:
    """What came before it was no score, and is not counted as one."""
    found = score_movers({"A": history(None, None, 40.0, 70.0, 65.0)}, None, STEP)
    assert [(each.change, each.since) for each in found.risers] == [(25.0, NOW - 2 * STEP)]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_every_change_is_a_difference_of_two_kept_scores(data: st.DataObject) -> None:
    """Against a plain search through every history."""
    score = st.one_of(st.none(), st.floats(0, 100))
    histories = {
        f"S{n}": history(*data.draw(st.lists(score, min_size=1, max_size=12)))
        for n in range(data.draw(st.integers(1, 8)))
    }
    window = data.draw(st.sampled_from([3 * STEP, 6 * STEP]))
    found = score_movers(histories, window, STEP)
    changes = {}
    for symbol, kept in histories.items():
        near = [s for at, s in kept if abs(at - (NOW - window)) <= STEP][:1]
        last = kept[-1][1]
        if last is not None and near and near[0] is not None and len(kept) > 1:
            changes[symbol] = last - near[0]
    assert found.compared == len(changes)
    ups = sorted((c for c in changes.values() if c > 0), reverse=True)[:SHOWN]
    downs = sorted(c for c in changes.values() if c < 0)[:SHOWN]
    assert [each.change for each in found.risers] == ups
    assert [each.change for each in found.fallers] == downs
