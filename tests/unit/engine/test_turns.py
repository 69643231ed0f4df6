"""A lane notes each confirmed change of direction with what was known at that second."""

from typing import Any, cast

import pytest

from support.signals import candle
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import MarketEvent, Quote
from virtuoso.domain.scores import ComponentName, ComponentScore, Direction, MemberScore, Reason
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.lane import Lane
from virtuoso.scoring.definition import Definition

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
AT = candle(0, 99.0, 101.0, 100.0).open_time


class Always:
    """A component that gives the score that a test says."""

    def __init__(self, name: ComponentName) -> None:
        self.name = name
        self.z = 1.5

    def second(self, at: Millis, market: object) -> None:
        """Nothing is carried."""

    def score(self, at: Millis, _market: object) -> ComponentScore:
        """As the test says."""
        score = 93.3 if self.z > 0 else 6.7
        member = MemberScore("member", "family", 1.0, 1.0, score, self.z, at, None)
        return ComponentScore(self.name, score, self.z, self.z, 1.0, at, 0, 1.0, (member,))

    live = score

    def close(self, *_: object) -> None:
        """Nothing is carried."""


def lane() -> tuple[Lane, list[Always]]:
    """A market whose components say what they are told."""
    parts = [Always(name) for name in ComponentName]
    components = cast("Any", {each.name: each for each in parts})
    return Lane(BTC, None, components, Definition()), parts


def run(subject: Lane, first: int, seconds: int) -> None:
    """Close so many grid seconds, with a quote in each."""
    for number in range(first, first + seconds):
        at = Millis(AT + number * SECOND)
        subject.heard(at)
        subject.take(MarketEvent(BTC, Quote(99.9, 1.0, 100.1, 1.0, number), at, at))
        subject.second(at, at)


def test_a_confirmed_change_is_noted_at_its_full_minute_with_price_and_score() -> None:
    """Three minutes of pressure, and then three the other way."""
    subject, parts = lane()
    run(subject, 0, 4 * 60 + 10)
    (bullish,) = [each for each in subject.turns if each.after is Direction.BULLISH]
    assert bullish.before is Direction.NEUTRAL
    assert bullish.at % MINUTE == 0
    assert bullish.mid == pytest.approx(100.0)
    assert bullish.spread_bp == pytest.approx(20.0)
    assert bullish.atr is Reason.WARMING_UP
    assert bullish.score is not None
    assert bullish.decided_on is not None
    assert bullish.decided_on > 70.0
    assert set(bullish.components) == set(ComponentName)
    points = sum(each.points or 0.0 for each in bullish.components.values())
    assert points == pytest.approx(bullish.score - 50.0)
    for each in parts:
        each.z = -1.5
    run(subject, 4 * 60 + 10, 5 * 60)
    assert subject.turns[-1].after is Direction.BEARISH


def test_the_same_seconds_give_the_same_turns() -> None:
    """And nothing that comes later changes them."""
    one, _ = lane()
    other, _ = lane()
    run(one, 0, 300)
    run(other, 0, 600)
    assert list(one.turns) == list(other.turns)[: len(one.turns)]
    assert one.turns


def test_without_a_stream_no_price_is_noted() -> None:
    """The last quote of a market that is not heard any more is no price of now."""
    subject, _ = lane()
    for number in range(4 * 60 + 10):
        at = Millis(AT + number * SECOND)
        subject.second(at, at)
    assert subject.turns
    assert all(each.mid is None for each in subject.turns)
