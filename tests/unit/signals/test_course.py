"""One signal along candles: what ends it, at which price, and the worst where nobody can know."""

from dataclasses import replace
from math import exp, log

import pytest

from support.signals import AT, LIVE, RANGE, RISK, candle, quiet, turn
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Reason, Source
from virtuoso.domain.signals import Outcome, Signal, SignalState
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.signals.course import advance, events_of, left, opened, returned
from virtuoso.signals.levels import CANDLES_USED, METHOD, levels_of, range_of
from virtuoso.signals.turns import Turn
from virtuoso.testing.history_rows import parts


@pytest.fixture
def bull() -> Signal:
    """A bullish signal at 100: the stop 0.6 % under it, targets 0.6, 1.2 and 1.8 % over it."""
    return opened(LIVE, turn())


def test_a_signal_keeps_what_was_said_and_names_its_method(bull: Signal) -> None:
    """Stop and targets lie 1.5 ranges and multiples of that away, on log prices."""
    assert bull.id == f"bybit:BTCUSDT:bull:{AT}:abcdef012345"
    assert bull.method == METHOD == "atr14@30m stop 1.5 targets 1R 2R 3R"
    assert bull.stop == pytest.approx(100.0 * exp(-RISK))
    assert bull.targets == pytest.approx([100.0 * exp(each * RISK) for each in (1, 2, 3)])
    assert (bull.score, bull.decided_on, bull.coverage) == (71.0, 72.5, 0.9)
    assert bull.components == parts()
    assert bull.reason is None


def test_a_simulated_signal_can_never_bear_a_live_ones_name() -> None:
    """The same minute of the same symbol by the same definition, simulated and real."""
    simulated = opened(LIVE._replace(source=Source.SIMULATOR), turn())
    assert simulated.id == f"simulator:bybit:BTCUSDT:bull:{AT}:abcdef012345"
    assert opened(LIVE._replace(source=Source.REPLAY), turn()).id == opened(LIVE, turn()).id


@pytest.mark.parametrize(
    ("given", "per_coin", "reason"),
    [
        (turn(mid=None), True, Reason.NO_FEED),
        (turn(atr=Reason.GAP), True, Reason.GAP),
        (turn(atr=Reason.WARMING_UP), True, Reason.WARMING_UP),
        (turn(), False, Reason.NOT_APPLICABLE),
    ],
)
def test_without_its_inputs_there_is_no_stop_and_a_reason(
    given: Turn,
    per_coin: bool,  # noqa: FBT001 - a case of the table
    reason: Reason,
) -> None:
    """No level is invented, and without a level there is no result."""
    signal = opened(LIVE, given, is_per_coin=per_coin)
    assert (signal.stop, signal.targets, signal.reason) == (None, (), reason)
    after = advance(signal, quiet(0, 240))
    assert (after.state, after.outcome, after.r) == (SignalState.EXPIRED, Outcome.EXPIRED, None)


def test_both_touched_in_one_candle_is_the_stop(bull: Signal) -> None:
    """Nobody knows which came first, so the worse one did; the high of that candle is not shown."""
    after = advance(bull, [candle(0, 99.0, 103.0, 102.0)])
    assert (after.state, after.outcome) == (SignalState.INVALIDATED, Outcome.STOP)
    assert after.exit_price == bull.stop
    assert after.r == -1.0
    assert after.targets_hit == 0
    assert after.best_excursion == 0.0
    assert after.worst_excursion == pytest.approx(-RISK)


def test_a_stop_that_was_jumped_over_pays_the_worse_price(bull: Signal) -> None:
    """A candle that opens beyond the stop was never at it."""
    after = advance(bull, [candle(0, 98.0, 99.0, 98.5, start=98.8)])
    assert after.exit_price == 98.8
    assert after.r == pytest.approx(log(98.8 / 100.0) / RISK)


def test_a_target_pays_its_own_price_and_never_a_better_one(bull: Signal) -> None:
    """The last target ends it with 3 R, however far the candle went on."""
    after = advance(bull, [candle(0, 100.0, 110.0, 109.0, start=105.0)])
    assert (after.state, after.outcome, after.r) == (SignalState.CLOSED, Outcome.TARGET, 3.0)
    assert after.exit_price == bull.targets[-1]
    assert after.best_excursion == pytest.approx(3 * RISK)


def test_the_first_target_confirms_and_the_stop_still_holds(bull: Signal) -> None:
    """The whole position goes on: what the first target gave may be taken back."""
    confirmed = advance(bull, [candle(0, 99.9, 100.7, 100.5)])
    assert (confirmed.state, confirmed.targets_hit) == (SignalState.CONFIRMED, 1)
    assert confirmed.is_open
    after = advance(confirmed, [candle(1, 99.0, 100.0, 99.2)])
    assert (after.state, after.outcome, after.r) == (SignalState.CLOSED, Outcome.STOP, -1.0)
    assert [each.what for each in events_of(bull, after)] == ["target_1", "stop"]


def test_it_expires_at_the_close_of_its_horizon(bull: Signal) -> None:
    """Four hours of one-minute candles, and the last close is the exit."""
    candles = [*quiet(0, 239), candle(239, 99.9, 100.2, 100.2)]
    after = advance(bull, [*candles, candle(240, 90.0, 110.0, 91.0)])
    assert (after.state, after.outcome) == (SignalState.EXPIRED, Outcome.EXPIRED)
    assert after.closed_at == AT + 4 * HOUR
    assert after.r == pytest.approx(log(100.2 / 100.0) / RISK)


def test_the_candle_in_which_it_was_said_is_not_held_against_it() -> None:
    """What was before the signal is no excursion of it."""
    signal = opened(LIVE, turn(at=AT + 20_000))
    after = advance(signal, [candle(0, 50.0, 150.0, 100.0), *quiet(1, 2)])
    assert after.state is SignalState.ACTIVE
    assert after.followed_to == AT + 3 * MINUTE


def test_a_missing_candle_ends_it_without_a_result(bull: Signal) -> None:
    """What happened in a hole is not known, and is not guessed."""
    after = advance(bull, [*quiet(0, 5), candle(7, 99.9, 100.1, 100.0)])
    assert (after.outcome, after.r, after.exit_price) == (Outcome.LOST_DATA, None, None)


def test_a_direction_that_comes_back_within_half_an_hour_was_not_left(bull: Signal) -> None:
    """The same id goes on, the candles between are made up for, and it is counted."""
    away = left(advance(bull, quiet(0, 10)), Millis(AT + 10 * MINUTE), Outcome.DIRECTION_LEFT)
    assert events_of(bull, away)[-1].what == "left"
    candles = [*quiet(0, 30), candle(30, 99.9, 100.7, 100.6)]
    assert advance(away, candles) == away
    back = returned(away, Millis(AT + 35 * MINUTE))
    after = advance(back, candles)
    assert (after.id, after.reopened, after.state) == (bull.id, 1, SignalState.CONFIRMED)


def test_a_direction_that_stays_away_closes_it_at_the_price_of_then(bull: Signal) -> None:
    """What the price did while the direction was awaited is not its result."""
    moved = candle(9, 99.9, 100.4, 100.3)
    away = left(
        advance(bull, [*quiet(0, 9), moved]), Millis(AT + 10 * MINUTE), Outcome.DIRECTION_LEFT
    )
    later = [candle(minute, 90.0, 110.0, 91.0) for minute in range(10, 40)]
    assert advance(away, [*quiet(0, 9), moved, *later[:-1]]).is_open
    after = advance(away, [*quiet(0, 9), moved, *later])
    assert (after.outcome, after.exit_price) == (Outcome.DIRECTION_LEFT, 100.3)
    assert after.closed_at == AT + 10 * MINUTE
    assert after.r == pytest.approx(log(1.003) / RISK)


def test_a_reversal_is_final_even_after_its_direction_was_left(bull: Signal) -> None:
    """As of when it was left: nothing after that counts."""
    away = left(advance(bull, quiet(0, 10)), Millis(AT + 10 * MINUTE), Outcome.DIRECTION_LEFT)
    turned = left(away, Millis(AT + 15 * MINUTE), Outcome.REVERSED)
    after = advance(turned, [candle(10, 90.0, 110.0, 91.0)])
    assert (after.outcome, after.exit_price) == (Outcome.REVERSED, 100.0)


def test_a_range_needs_fifteen_candles_without_a_gap_and_none_of_the_future() -> None:
    """The range of then: what closed later changes nothing."""
    size = Timeframe.M30.ms
    candles = [
        Candle(Timeframe.M30, Millis(AT + n * size), 100.0, 101.0 + n % 3, 99.0, 100.0 + n % 2, 1.0)
        for n in range(60)
    ]
    at = Millis(candles[39].close_time + 5 * MINUTE)
    known = range_of(candles[:40], at, gap=False)
    assert isinstance(known, float)
    assert range_of(candles, at, gap=False) == known
    assert range_of(candles[:14], candles[13].close_time, gap=False) is Reason.WARMING_UP
    assert range_of(candles[:40], at, gap=True) is Reason.GAP
    assert range_of(candles[:40], Millis(at + 3 * size), gap=False) is Reason.STALE
    flat = [replace(each, open=100.0, high=100.0, low=100.0, close=100.0) for each in candles]
    assert range_of(flat[:40], at, gap=False) is Reason.TOO_FEW
    assert CANDLES_USED == 200


def test_levels_of_a_falling_market_are_the_mirror_of_a_rising_ones() -> None:
    """On log prices around the same price."""
    up, down = (
        levels_of(Direction.BULLISH, 100.0, RANGE),
        levels_of(Direction.BEARISH, 100.0, RANGE),
    )
    assert up.stop * down.stop == pytest.approx(10_000.0)
    assert [a * b for a, b in zip(up.targets, down.targets, strict=True)] == pytest.approx(
        [10_000.0] * 3
    )
