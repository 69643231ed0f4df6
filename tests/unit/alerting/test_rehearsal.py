"""A rehearsal is the live watch over what was recorded, with what followed."""

from dataclasses import replace
from math import log

import pytest

from virtuoso.alerting.conditions import Comparison, Operator
from virtuoso.alerting.rehearsal import Moment, rehearse
from virtuoso.alerting.rules import Rule
from virtuoso.alerting.storms import bundles
from virtuoso.domain.alerts import Alert, AlertLevel
from virtuoso.domain.errors import RuleError
from virtuoso.domain.time import MINUTE, Millis

RULE = Rule(
    id="high",
    title="High score",
    kind="confluence",
    level=AlertLevel.INFO,
    when=Comparison("score", Operator.AT_LEAST, 70.0),
    cooldown_seconds=0,
)


def test_it_counts_firings_and_what_followed_beside_what_always_followed() -> None:
    """Two firings; after one the price rose, of the other the end is not recorded yet."""
    scores = [50.0, 75.0, 50.0, 50.0, 75.0, 50.0]
    prices = [100.0, 100.0, 101.0, 102.0, 101.0, 101.0]
    moments = [
        Moment(Millis(n * MINUTE), {}, {"BTCUSDT": {"score": score, "price": price}})
        for n, (score, price) in enumerate(zip(scores, prices, strict=True))
    ]
    found = rehearse(RULE, moments, horizons=(Millis(2 * MINUTE),))
    assert [firing.at for firing in found.firings] == [1 * MINUTE, 4 * MINUTE]
    [after] = found.followed
    assert (after.n, after.up, after.base_n, after.base_up) == (1, 1, 4, 2)
    assert after.median == pytest.approx(log(102.0 / 100.0))
    assert (found.begin, found.end, found.moments) == (0, 5 * MINUTE, 6)
    assert found.prices == (100.0, 101.0)
    assert found.moves[0][0] == pytest.approx(log(102.0 / 100.0))
    assert found.moves[1] == (None,)


def test_a_hole_in_the_prices_is_not_bridged() -> None:
    """Without a price near the end of the horizon nothing followed that could be counted."""
    moments = [
        Moment(Millis(at * MINUTE), {}, {"BTCUSDT": {"score": 75.0, "price": 100.0 + at}})
        for at in (0, 30)
    ]
    [after] = rehearse(RULE, moments, horizons=(Millis(5 * MINUTE),)).followed
    assert (after.n, after.median, after.base_n) == (0, None, 0)


def test_what_was_not_recorded_cannot_be_rehearsed() -> None:
    """It says which number is missing instead of finding nothing."""
    rule = replace(RULE, when=Comparison("largest_trade_1m", Operator.ABOVE, 1e6))
    with pytest.raises(RuleError, match="largest_trade_1m is not kept"):
        rehearse(rule, [])


def test_many_alerts_of_one_rule_are_told_together_and_none_is_left_out() -> None:
    """Four of one rule are one message in the place of the first; others stay alone."""

    def alert(number: int, rule: str) -> Alert:
        return Alert(
            id=str(number),
            at=Millis(number),
            level=AlertLevel.INFO,
            rule=rule,
            kind="any",
            source="simulator",
            symbol=None,
            message="",
            details={},
        )

    alerts = [alert(n, rule) for n, rule in enumerate(["a", "b", "b", "a", "b", "b"])]
    told = bundles(alerts, most_alone=3)
    assert [[each.id for each in message] for message in told] == [
        ["0"],
        ["1", "2", "4", "5"],
        ["3"],
    ]
