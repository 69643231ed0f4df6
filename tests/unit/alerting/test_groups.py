"""Rules over groups: each of the most traded, or so many of them at once."""

from typing import Any

import pytest

from virtuoso.alerting.numbers import Reading
from virtuoso.alerting.rules import Rule, parse, plain
from virtuoso.alerting.watch import NOBODY, Clearing, Firing, Watch
from virtuoso.domain.errors import RuleError
from virtuoso.domain.time import SECOND, Millis

START = 1_763_596_800_000
HIGH = {"number": "score", "is": "at_least", "limit": 70, "clear": 60}


def rule(when: dict[str, Any] | None = None, **more: object) -> Rule:
    """A rule over scores with a group."""
    table = {"id": "many", "title": "Many at once", "kind": "group", "level": "info"}
    return parse({**table, "when": when or HIGH, "cooldown_seconds": 0, **more})


def board(*scores: float | None) -> dict[str, dict[str, Reading]]:
    """Symbols A, B, C and so on, the most traded first."""
    return {"ABCDEFGH"[number]: {"score": score} for number, score in enumerate(scores)}


def looks(
    watch: Watch, *boards: dict[str, dict[str, Reading]], begin: int = 0
) -> list[list[tuple[str, str]]]:
    """What each second gives, as (what, subject)."""
    found = []
    for number, symbols in enumerate(boards, begin):
        seen = watch.look(Millis(START + number * SECOND), {}, symbols)
        found.append(
            [("fires" if isinstance(each, Firing) else "clears", each.subject) for each in seen]
        )
    return found


def test_only_the_most_traded_are_looked_at() -> None:
    """The first on the board; a symbol that leaves them is cleared."""
    watch = Watch([rule(group={"top": 2})])
    assert looks(watch, board(80.0, 10.0, 90.0)) == [[("fires", "A")]]
    other = {"C": {"score": 90.0}, "B": {"score": 10.0}, "A": {"score": 80.0}}
    at = Millis(START + 10 * SECOND)
    found = watch.look(at, {}, other)
    assert [(type(each), each.subject) for each in found] == [(Clearing, "A"), (Firing, "C")]


def test_one_alert_when_enough_are_true_at_once() -> None:
    """It names them, fires once, keeps each one's hysteresis, and clears when too few are left."""
    watch = Watch([rule(group={"top": 4, "at_least": 3})])
    assert looks(watch, board(80.0, 75.0, 10.0, 10.0, 90.0)) == [[]]
    (firing,) = watch.look(Millis(START + SECOND), {}, board(80.0, 75.0, 10.0, 70.0, 90.0))
    assert isinstance(firing, Firing)
    assert (firing.subject, firing.members, firing.of) == (NOBODY, ("A", "B", "D"), 4)
    assert looks(watch, board(80.0, 65.0, 10.0, 61.0), board(80.0, 65.0, 10.0, 59.0), begin=2) == [
        [],
        [("clears", NOBODY)],
    ]


def test_what_is_not_known_of_some_is_unknown_of_the_group_only_while_it_matters() -> None:
    """Enough are true: it fires. Enough still could be: what fired stays, a wait begins anew."""
    watch = Watch([rule(group={"at_least": 2})])
    assert looks(watch, board(80.0, None, 80.0)) == [[("fires", NOBODY)]]
    assert looks(watch, board(80.0, None, 10.0)) == [[]]
    assert looks(watch, board(10.0, None, 10.0)) == [[("clears", NOBODY)]]
    waiting = Watch([rule(group={"at_least": 2}, for_seconds=2)])
    high, unknown = board(80.0, 80.0), board(80.0, None)
    assert looks(waiting, high, high, unknown, high, high, high) == [
        [], [], [], [], [], [("fires", NOBODY)],
    ]  # fmt: skip


def test_a_named_list_may_be_counted_too_and_the_absent_are_not_waited_for() -> None:
    """Such as the symbols that somebody starred; one of them left the board."""
    watch = Watch([rule(symbols=["A1", "B1", "GONE"], group={"at_least": 2})])
    high: dict[str, dict[str, Reading]] = {"A1": {"score": 80.0}, "B1": {"score": 80.0}}
    low: dict[str, dict[str, Reading]] = {"A1": {"score": 80.0}, "B1": {"score": 1.0}}
    assert looks(watch, high, low) == [[("fires", NOBODY)], [("clears", NOBODY)]]


def test_what_fired_of_a_group_before_a_restart_does_not_fire_again() -> None:
    """As for any other rule."""
    ours = rule(group={"at_least": 2})
    watch = Watch([ours])
    looks(watch, board(80.0, 80.0))
    again = Watch([ours], watch.standing())
    assert looks(again, board(80.0, 80.0), board(80.0, 1.0)) == [[], [("clears", NOBODY)]]


@pytest.mark.parametrize("group", [{"top": 20}, {"at_least": 3}, {"top": 20, "at_least": 10}])
def test_a_group_is_written_as_it_was_read(group: dict[str, int]) -> None:
    """Through JSON and TOML."""
    assert plain(rule(group=group))["group"] == group
    assert parse(plain(rule(group=group))) == rule(group=group)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"group": {}}, "expected top, at_least or both"),
        ({"group": {"top": 0}}, "expected top of 1 to"),
        ({"group": {"top": 5, "at_least": 6}}, "at least 6 of more than 5"),
        ({"group": {"first": 5}}, "unknown key 'first'"),
        ({"group": {"top": "5"}}, "whole number for top"),
        ({"group": {"top": 5}, "symbols": ["BTCUSDT"]}, "found both"),
        ({"group": {"at_least": 2}, "symbols": ["BTCUSDT"]}, "at least 2 symbols, found 1"),
        (
            {"group": {"at_least": 2}, "when": {"number": "score", "is": "changes"}},
            "cannot be counted",
        ),
        (
            {"group": {"top": 2}, "when": {"number": "system.health", "is": "is", "limit": "fail"}},
            "there is no group",
        ),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(more: dict[str, Any], text: str) -> None:
    """With what was expected and what was found."""
    with pytest.raises(RuleError, match=text):
        rule(**more)
