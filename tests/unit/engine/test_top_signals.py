"""The strongest open signals in the dashboards' documents, with why there are none."""

from dataclasses import replace

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.domain.signals import Signal, SignalState
from virtuoso.domain.time import HOUR, MINUTE, Millis
from virtuoso.engine.documents import Edition
from virtuoso.engine.followed import MOST_ON_TOP, top_signals
from virtuoso.engine.view import CycleView
from virtuoso.testing.fake_clock import START
from virtuoso.testing.history_rows import signal

EDITION = Edition(
    "one", Source.SIMULATOR, "abcdef", CycleView(1, Millis(START), Millis(START), ()), ()
)


def opened(name: str, score: float | None, ago: int = MINUTE, decided_on: float = 70.0) -> Signal:
    """An open signal that was followed up to now."""
    made = signal(name, START - ago)
    return replace(made, score=score, decided_on=decided_on, followed_to=Millis(START))


def test_open_signals_of_either_direction_come_strongest_first() -> None:
    """By the score's distance from 50 as it was said; without one, that of the deciding minute."""
    many = [opened(f"weak{number}", 70.0 + number / 10) for number in range(MOST_ON_TOP)]
    over = replace(opened("over", 99.0), state=SignalState.CLOSED)
    found, quality = top_signals(
        EDITION, [*many, over, opened("bear", 20.0), opened("none", None, decided_on=75.0)]
    )
    assert [each.id for each in found] == ["bear", "none", "weak4", "weak3", "weak2"]
    assert (found[0].score, found[0].confidence, found[1].score) == (20.0, 40.0, None)
    assert (quality.state, quality.as_of, quality.reason) == (State.LIVE, START, None)


def test_none_is_said_with_its_reason_whether_unknown_or_none_is_open() -> None:
    """An empty list never stands alone."""
    found, quality = top_signals(EDITION, None)
    assert (found, quality.state, quality.reason) == ((), State.ABSENT, Reason.WARMING_UP)
    over = replace(opened("over", 99.0), state=SignalState.CLOSED)
    found, quality = top_signals(EDITION, [over])
    assert (found, quality.state, quality.reason) == ((), State.ABSENT, Reason.TOO_FEW)
    assert quality.basis == "no signal is open"


def test_what_is_not_followed_any_more_is_marked_unless_it_waits_for_its_direction() -> None:
    """As old as the candle to which the oldest of them was followed."""
    late = replace(opened("late", 80.0, HOUR), followed_to=Millis(START - 4 * MINUTE))
    assert top_signals(EDITION, [late, opened("a", 70.0)])[1].state is State.DELAYED
    stale = replace(late, followed_to=Millis(START - 6 * MINUTE))
    assert top_signals(EDITION, [stale])[1].as_of == START - 6 * MINUTE
    assert top_signals(EDITION, [stale])[1].state is State.STALE
    waiting = replace(stale, left_at=Millis(START - 5 * MINUTE))
    assert top_signals(EDITION, [waiting, opened("a", 70.0)])[1].state is State.LIVE
