"""A rule fires once for each time it became true, and no more often than its cooldown."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from virtuoso.alerting.conditions import Comparison, Operator
from virtuoso.alerting.numbers import Reading
from virtuoso.alerting.rules import Rule
from virtuoso.alerting.watch import NOBODY, Clearing, Firing, Standing, Watch
from virtuoso.domain.alerts import AlertLevel
from virtuoso.domain.time import SECOND, Millis

HIGH = Rule(
    id="high",
    title="High score",
    kind="confluence",
    level=AlertLevel.INFO,
    when=Comparison("score", Operator.AT_LEAST, 70.0, clear=65.0),
    cooldown_seconds=0,
)


def run(watch: Watch, scores: Sequence[Reading], start: int = 0) -> list[Firing | Clearing]:
    """Let a watch look at one symbol, second by second."""
    found: list[Firing | Clearing] = []
    for second, score in enumerate(scores, start):
        found += watch.look(Millis(second * SECOND), {}, {"BTCUSDT": {"score": score}})
    return found


def fired(found: Sequence[Firing | Clearing]) -> list[int]:
    """The seconds in which it fired."""
    return [each.at // SECOND for each in found if isinstance(each, Firing)]


def cleared(found: Sequence[Firing | Clearing]) -> list[int]:
    """The seconds in which it cleared."""
    return [each.at // SECOND for each in found if isinstance(each, Clearing)]


def test_it_fires_when_it_becomes_true_and_not_while_it_stays_so() -> None:
    """Once at 70, not at 72 nor at 66, cleared at 64, and once more at 70."""
    found = run(Watch([HIGH]), [60.0, 70.0, 72.0, 66.0, 64.0, 66.0, 70.0])
    assert fired(found) == [1, 6]
    assert cleared(found) == [4]
    [first, *_] = found
    assert isinstance(first, Firing)
    assert first.subject == "BTCUSDT"
    assert first.numbers == {"score": 70.0}


def test_it_must_hold_without_a_break_for_its_time() -> None:
    """A false look and an unknown one both begin the wait anew."""
    rule = replace(HIGH, for_seconds=3)
    assert fired(run(Watch([rule]), [70.0] * 3 + [60.0] + [70.0] * 3)) == []
    assert fired(run(Watch([rule]), [70.0] * 3 + [None] + [70.0] * 3)) == []
    found = run(Watch([rule]), [60.0] + [70.0] * 5)
    assert fired(found) == [4]
    assert isinstance(found[0], Firing)
    assert found[0].since == 1 * SECOND


def test_it_is_silent_during_its_cooldown_and_speaks_after_it_if_it_still_holds() -> None:
    """Cleared and true again within the cooldown: it waits for the end of it."""
    rule = replace(HIGH, cooldown_seconds=10)
    assert fired(run(Watch([rule]), [70.0, 60.0, 70.0] + [70.0] * 10)) == [0, 10]
    assert fired(run(Watch([rule]), [70.0, 60.0, 70.0, 60.0] + [60.0] * 10)) == [0]


def test_unknown_neither_fires_nor_clears() -> None:
    """What has fired stays as it is until something is known again."""
    found = run(Watch([HIGH]), [None, 70.0, None, None, 70.0, 60.0])
    assert (fired(found), cleared(found)) == ([1], [5])


def test_cooldowns_and_what_stands_survive_a_restart() -> None:
    """A new watch that is told what stood goes on as the old one would have."""
    rule = replace(HIGH, cooldown_seconds=10)
    before = Watch([rule])
    run(before, [70.0, 60.0])
    after = Watch([rule], before.standing())
    assert fired(run(after, [70.0] * 20, start=2)) == [10]
    holding = Watch([rule], [Standing("high", "BTCUSDT", Millis(0), holds=True)])
    found = run(holding, [70.0] * 30 + [60.0], start=1)
    assert (fired(found), cleared(found)) == ([], [31])


def test_a_rule_over_the_market_is_looked_at_once() -> None:
    """Its subject is nobody, however many symbols there are."""
    rule = replace(HIGH, when=Comparison("market.regime", Operator.CHANGES))
    watch = Watch([rule])
    symbols: dict[str, dict[str, Reading]] = {f"S{n}USDT": {} for n in range(5)}
    watch.look(Millis(0), {"market.regime": "quiet"}, symbols)
    [firing] = watch.look(Millis(1_000), {"market.regime": "volatile"}, symbols)
    assert isinstance(firing, Firing)
    assert firing.subject == NOBODY


def test_a_named_symbol_that_is_not_watched_is_unknown() -> None:
    """Neither an error nor a firing."""
    watch = Watch([replace(HIGH, symbols=("ETHUSDT",))])
    assert run(watch, [90.0]) == []


def test_disabled_rules_are_not_looked_at_and_forgotten_symbols_begin_anew() -> None:
    """A delisted symbol leaves nothing behind."""
    assert run(Watch([replace(HIGH, enabled=False)]), [90.0]) == []
    watch = Watch([replace(HIGH, cooldown_seconds=100)])
    run(watch, [90.0])
    watch.forget(["BTCUSDT"])
    assert watch.standing() == []


scores = st.lists(st.sampled_from([50.0, 66.0, 80.0, None]), max_size=60)


@given(scores=scores, wait=st.integers(0, 4), cooldown=st.integers(0, 8))
def test_between_two_firings_it_cleared_and_the_cooldown_passed(
    scores: list[float | None], wait: int, cooldown: int
) -> None:
    """Firings and clearings alternate; every firing had held for its time."""
    rule = replace(HIGH, for_seconds=wait, cooldown_seconds=cooldown)
    found = run(Watch([rule]), scores)
    assert all(type(first) is not type(second) for first, second in itertools.pairwise(found))
    at = fired(found)
    assert all(second - first >= cooldown for first, second in itertools.pairwise(at))
    for second in at:
        held = scores[second - wait : second + 1]
        assert all(score is not None and score >= 66.0 for score in held)


@given(scores=scores, cut=st.integers(0, 60), cooldown=st.integers(0, 8))
def test_a_restart_changes_nothing_for_a_rule_without_a_wait(
    scores: list[float | None], cut: int, cooldown: int
) -> None:
    """Whenever the process ends and begins, it fires and clears in the same seconds."""
    rule = replace(HIGH, cooldown_seconds=cooldown, when=Comparison("score", Operator.ABOVE, 60.0))
    whole = run(Watch([rule]), scores)
    first = Watch([rule])
    found = run(first, scores[:cut])
    found += run(Watch([rule], first.standing()), scores[cut:], start=min(cut, len(scores)))
    assert (fired(found), cleared(found)) == (fired(whole), cleared(whole))
