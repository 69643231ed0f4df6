"""Rules are read from plain tables, and wrong ones are refused with the place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.alerting.conditions import AllOf, AnyOf, Comparison, Condition, Operator
from virtuoso.alerting.rules import QuietHours, Rule, parse, plain
from virtuoso.domain.alerts import AlertLevel
from virtuoso.domain.errors import RuleError
from virtuoso.domain.time import DAY, HOUR, Millis

TABLE: dict[str, Any] = {
    "id": "strong-pressure",
    "title": "Strong pressure up",
    "kind": "confluence",
    "level": "warning",
    "when": {
        "all": [
            {"number": "score", "is": "at_least", "limit": 70, "clear": 65},
            {"any": [{"number": "direction", "is": "is", "limit": "Bullish"}]},
        ]
    },
    "symbols": ["BTCUSDT"],
    "for_seconds": 30,
    "quiet": "22:00-07:00",
}


def test_a_table_becomes_a_rule_and_a_table_again() -> None:
    """What an editor sends is what a file holds."""
    rule = parse(TABLE)
    assert rule.level is AlertLevel.WARNING
    assert rule.quiet == QuietHours(22 * 60, 7 * 60)
    assert rule.cooldown_seconds == 900
    assert parse(plain(rule)) == rule


numbers = st.builds(
    Comparison,
    number=st.sampled_from(["score", "funding", "market.breadth"]),
    operator=st.sampled_from([Operator.ABOVE, Operator.AT_MOST]),
    limit=st.floats(-1e9, 1e9),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    numbers | st.just(Comparison("direction", Operator.CHANGES)),
    lambda parts: (
        st.lists(parts, min_size=1, max_size=2)
        .map(tuple)
        .flatmap(lambda each: st.sampled_from([AllOf(each), AnyOf(each)]))
    ),
    max_leaves=6,
)


@given(when=conditions, begin=st.integers(0, 1439), end=st.integers(0, 1439))
def test_whatever_is_a_rule_comes_back_equal(when: Condition, begin: int, end: int) -> None:
    """No rule loses anything on its way through a file."""
    try:
        rule = Rule(
            id="any",
            title="Any",
            kind="any_kind",
            level=AlertLevel.INFO,
            when=when,
            quiet=QuietHours(begin, end) if begin != end else None,
        )
    except RuleError:  # nested too deep: refused before it could be written
        return
    assert parse(plain(rule)) == rule


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"id": "Bad Id"}, "an id of small letters"),
        ({"level": "fatal"}, "info, warning or critical"),
        ({"when": {"number": "score"}}, "expected text for is"),
        ({"when": {"number": "score", "is": "near", "limit": 1}}, "one of above"),
        ({"when": {"number": "score", "is": "above", "limit": True}}, "expected a number"),
        ({"when": {"number": "score", "is": "above", "limit": float("nan")}}, "finite"),
        ({"when": {"all": [], "any": []}}, "alone with a list"),
        ({"when": {"all": []}}, "at least one"),
        ({"when": {"number": "score", "is": "above", "limit": 1, "x": 1}}, "unknown key 'x'"),
        ({"symbols": "BTCUSDT"}, "a list for symbols"),
        ({"symbols": ["<script>"]}, "a symbol such as BTCUSDT"),
        ({"for_seconds": -1}, "for_seconds of 0"),
        ({"for_seconds": 1.5}, "a whole number"),
        ({"quiet": "22-07"}, "quiet hours such as"),
        ({"quiet": "22:00-22:00"}, "quiet hours such as"),
        ({"enabled": "yes"}, "true or false"),
        ({"surprise": 1}, "unknown key 'surprise'"),
        (
            {"when": {"number": "market.regime", "is": "is", "limit": "quiet"}},
            "symbols must be empty",
        ),
        ({"when": {"number": "direction", "is": "changes"}}, "for_seconds must be 0"),
    ],
)
def test_a_wrong_rule_is_refused_with_what_was_expected(change: dict[str, Any], says: str) -> None:
    """Nothing is guessed, and the rule is named."""
    with pytest.raises(RuleError, match=f"rule .*: .*{says}"):
        parse({**TABLE, **change})


def test_a_bottomless_condition_is_refused_and_not_followed() -> None:
    """Nesting from outside cannot exhaust the stack."""
    when: dict[str, Any] = {"number": "score", "is": "above", "limit": 1}
    for _ in range(5_000):
        when = {"all": [when]}
    with pytest.raises(RuleError, match="too deep"):
        parse({**TABLE, "when": when})


@given(begin=st.integers(0, 1439), end=st.integers(0, 1439), now=st.integers(0, 3 * DAY))
def test_quiet_hours_end_within_a_day_and_at_their_minute(begin: int, end: int, now: int) -> None:
    """Whenever it is quiet it ends later, within a day, and just then it is not quiet."""
    if begin == end:
        return
    quiet = QuietHours(begin, end)
    over = quiet.ends_at(Millis(now))
    if over is not None:
        assert now < over <= now + DAY
        assert over % DAY // 60_000 == end
        assert quiet.ends_at(over) is None


def test_a_night_that_passes_midnight_is_one_night() -> None:
    """22:00 to 07:00 holds at 23:00 and at 03:00, and not at noon."""
    night = QuietHours(22 * 60, 7 * 60)
    assert night.ends_at(Millis(23 * HOUR)) == DAY + 7 * HOUR
    assert night.ends_at(Millis(3 * HOUR)) == 7 * HOUR
    assert night.ends_at(Millis(12 * HOUR)) is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "Bad Id"}, "id"),
        ({"title": ""}, "title"),
        ({"level": "fatal"}, "level"),
        ({"for_seconds": 1.5}, "for_seconds"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"quiet": "late"}, "quiet"),
        ({"symbols": ["btc"]}, "symbols"),
        ({"group": {"top": 0}}, "group"),
        ({"when": {"all": []}}, "when"),
        ({"when": {"number": "score", "is": "above", "limit": "high"}}, "when.limit"),
        (
            {"when": {"all": [{"number": "score", "is": "above", "limit": 70.0, "clear": 75.0}]}},
            "when.all.0.clear",
        ),
        (
            {
                "when": {
                    "all": [
                        {"number": "price", "is": "changes"},
                        {"any": [{"number": "direction", "is": "is", "limit": "Bulish"}]},
                    ]
                },
                "for_seconds": 0,
            },
            "when.all.1.any.0.limit",
        ),
        ({"when": {"any": [{"number": "scor", "is": "above", "limit": 1.0}]}}, "when.any.0.number"),
        ({"when": {"any": [{"number": "score", "is": "over"}]}}, "when.any.0.is"),
    ],
)
def test_a_refusal_names_the_place_in_the_rule(change: dict[str, Any], field: str) -> None:
    """An editor shows each refusal at its field, however deep it stands."""
    with pytest.raises(RuleError) as refused:
        parse(TABLE | change)
    assert refused.value.field == field
