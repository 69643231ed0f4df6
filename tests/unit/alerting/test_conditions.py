"""Conditions are true, false or unknown, and never guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.alerting.conditions import (
    AllOf,
    AnyOf,
    Comparison,
    Memory,
    Operator,
    check,
    compiled,
    numbers_of,
)
from virtuoso.alerting.numbers import NUMBERS, Reading, Scope
from virtuoso.domain.errors import RuleError
from virtuoso.market.regime import Regime


def holds(condition: Comparison | AllOf | AnyOf, **own: Reading) -> bool | None:
    """The condition over these numbers, looked at for the first time."""
    return compiled(condition)(own, {}, Memory())


@pytest.mark.parametrize(
    ("operator", "truths"),
    [
        (Operator.ABOVE, [False, False, True]),
        (Operator.AT_LEAST, [False, True, True]),
        (Operator.BELOW, [True, False, False]),
        (Operator.AT_MOST, [True, True, False]),
    ],
)
def test_a_number_is_held_against_its_limit(operator: Operator, truths: list[bool]) -> None:
    """Four operators, each exact on the limit itself."""
    condition = Comparison("score", operator, 70.0)
    assert [holds(condition, score=value) for value in (69.9, 70.0, 70.1)] == truths


def test_what_is_not_known_is_neither_above_nor_below() -> None:
    """A null, a missing name and a word where a number belongs are all unknown."""
    above = Comparison("score", Operator.ABOVE, 70.0)
    assert holds(above, score=None) is None
    assert holds(above) is None
    assert holds(above, score="high") is None
    assert holds(Comparison("direction", Operator.IS_NOT, "Bullish")) is None


THREE = st.sampled_from([0.0, 100.0, None])


@given(first=THREE, second=THREE)
def test_groups_follow_the_logic_of_three_values(first: float | None, second: float | None) -> None:
    """`all` is false as soon as one is, `any` true as soon as one is; else unknown wins."""
    parts = (
        Comparison("score", Operator.ABOVE, 50.0),
        Comparison("confidence", Operator.ABOVE, 50.0),
    )
    truths = [None if value is None else value > 50.0 for value in (first, second)]
    everything = False if False in truths else None if None in truths else True
    anything = True if True in truths else None if None in truths else False
    assert holds(AllOf(parts), score=first, confidence=second) is everything
    assert holds(AnyOf(parts), score=first, confidence=second) is anything


def test_what_is_held_is_let_go_at_clear_only() -> None:
    """Hysteresis: between clear and limit nothing changes."""
    test = compiled(Comparison("score", Operator.AT_LEAST, 70.0, clear=65.0))
    fresh, held = Memory(), Memory(held=True)
    assert test({"score": 67.0}, {}, fresh) is False
    assert test({"score": 67.0}, {}, held) is True
    assert test({"score": 64.9}, {}, held) is False
    falling = compiled(Comparison("score", Operator.BELOW, 30.0, clear=35.0))
    assert falling({"score": 33.0}, {}, Memory(held=True)) is True
    assert falling({"score": 33.0}, {}, Memory()) is False


def test_a_change_is_seen_once_and_only_between_two_known_values() -> None:
    """Neither the first value nor a return from unknown to the same one is a change."""
    test, memory = compiled(Comparison("direction", Operator.CHANGES)), Memory()
    seen = [
        test({"direction": word}, {}, memory)
        for word in ("Neutral", "Neutral", "Bullish", "Bullish", None, "Bullish", "Neutral")
    ]
    assert seen == [False, False, True, False, None, False, True]


def test_a_change_in_a_group_is_not_missed_while_another_part_decides() -> None:
    """Every part looks each time, so that a change is held against the look before."""
    test = compiled(
        AllOf(
            (
                Comparison("score", Operator.ABOVE, 50.0),
                Comparison("direction", Operator.CHANGES),
            )
        )
    )
    memory = Memory()
    assert test({"score": 10.0, "direction": "Neutral"}, {}, memory) is False
    assert test({"score": 10.0, "direction": "Bullish"}, {}, memory) is False
    assert test({"score": 60.0, "direction": "Bullish"}, {}, memory) is False


def test_numbers_of_the_market_stand_beside_those_of_a_symbol() -> None:
    """One condition may look at both, and an alert says what each was."""
    condition = AllOf(
        (
            Comparison("score", Operator.ABOVE, 70.0),
            Comparison("market.regime", Operator.IS, "trending_up"),
        )
    )
    own: dict[str, Reading] = {"score": 71.0}
    shared: dict[str, Reading] = {"market.regime": "trending_up"}
    assert compiled(condition)(own, shared, Memory()) is True
    assert numbers_of(condition, own, shared) == {"score": 71.0, "market.regime": "trending_up"}


@pytest.mark.parametrize(
    ("number", "operator", "limit", "clear", "says"),
    [
        ("skore", Operator.ABOVE, 1.0, None, "the name of a number"),
        ("direction", Operator.ABOVE, 1.0, None, "is a word"),
        ("direction", Operator.IS, None, None, "a word as limit"),
        ("score", Operator.IS, 1.0, None, "is a number"),
        ("score", Operator.ABOVE, "high", None, "a number as limit"),
        ("score", Operator.ABOVE, 70.0, 71.0, "not above 70.0"),
        ("score", Operator.BELOW, 30.0, 29.0, "not below 30.0"),
        ("score", Operator.CHANGES, 1.0, None, "takes no limit"),
    ],
)
def test_what_could_never_work_is_refused(
    number: str, operator: Operator, limit: float | str | None, clear: float | None, says: str
) -> None:
    """The message says what was expected."""
    with pytest.raises(RuleError, match=says):
        Comparison(number, operator, limit, clear)


def test_groups_are_neither_empty_nor_endless() -> None:
    """A rule stays readable."""
    one = Comparison("score", Operator.ABOVE, 1.0)
    with pytest.raises(RuleError, match="at least one"):
        check(AllOf(()))
    with pytest.raises(RuleError, match="at most 16"):
        check(AnyOf((one,) * 17))
    deep: AllOf = AllOf((one,))
    for _ in range(4):
        deep = AllOf((deep,))
    with pytest.raises(RuleError, match="4 deep"):
        check(deep)


def test_every_number_says_whose_it_is() -> None:
    """The name alone tells it, so that a rule can be read."""
    assert NUMBERS["score"].scope is Scope.SYMBOL
    assert NUMBERS["component.orderflow"].scope is Scope.SYMBOL
    assert NUMBERS["market.breadth"].scope is Scope.MARKET
    assert NUMBERS["system.health"].scope is Scope.SYSTEM
    assert all(number.what.endswith(".") and number.unit for number in NUMBERS.values())


def test_a_word_that_can_never_be_is_refused() -> None:
    """A misspelt word would make a rule that is silent for ever."""
    for number in NUMBERS.values():
        assert number.is_word == bool(number.words)
    assert set(NUMBERS["market.regime"].words) == {each.value for each in Regime}
    assert Comparison("market.regime", Operator.IS, "quiet").limit == "quiet"
    with pytest.raises(RuleError, match="expected one of trending_up") as refused:
        Comparison("market.regime", Operator.IS_NOT, "Quiet")
    assert refused.value.field == "limit"
