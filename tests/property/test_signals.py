"""Laws of signals: alike up and down, step by step as all at once, never better than the worst."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp, log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.signals import AT, LIVE, turn
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction
from virtuoso.domain.signals import Outcome, Signal
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.signals.course import advance, opened
from virtuoso.signals.record import record, wilson

LAWS = settings(deadline=None, max_examples=60)
MOVE = st.floats(-0.004, 0.004)
WICK = st.floats(0.0, 0.003)


@st.composite
def walks(draw: st.DrawFn) -> list[Candle]:
    """Up to five hours of contiguous candles from 100, on log prices."""
    steps = draw(st.lists(st.tuples(MOVE, WICK, WICK), min_size=1, max_size=300))
    price, found = log(100.0), []
    for number, (move, up, down) in enumerate(steps):
        close = price + move
        found.append(
            Candle(
                Timeframe.M1,
                Millis(AT + number * MINUTE),
                exp(price),
                exp(max(price, close) + up),
                exp(min(price, close) - down),
                exp(close),
                1.0,
            )
        )
        price = close
    return found


def mirrored(candles: Sequence[Candle]) -> list[Candle]:
    """The same walk with ups and downs exchanged, around 100."""
    return [
        replace(
            each,
            open=10_000.0 / each.open,
            high=10_000.0 / each.low,
            low=10_000.0 / each.high,
            close=10_000.0 / each.close,
        )
        for each in candles
    ]


def of(direction: Direction) -> Signal:
    """A signal at 100."""
    return opened(LIVE, turn(direction))


def near_a_level(candles: Sequence[Candle], signal: Signal) -> bool:
    """Whether rounding could decide what was touched."""
    levels = [signal.stop or 0.0, *signal.targets]
    prices = [price for each in candles for price in (each.low, each.high, each.open)]
    return any(abs(log(price / level)) < 1e-9 for price in prices for level in levels)


@LAWS
@given(walks())
def test_a_mirrored_market_gives_the_mirrored_outcome(candles: list[Candle]) -> None:
    """What a bull signal is to a rising market, a bear signal is to a falling one."""
    if near_a_level(candles, of(Direction.BULLISH)):
        return
    up = advance(of(Direction.BULLISH), candles)
    down = advance(of(Direction.BEARISH), mirrored(candles))
    assert (up.state, up.outcome, up.targets_hit) == (down.state, down.outcome, down.targets_hit)
    assert up.closed_at == down.closed_at
    assert up.best_excursion == pytest.approx(down.best_excursion, abs=1e-9)
    assert up.worst_excursion == pytest.approx(down.worst_excursion, abs=1e-9)
    assert (up.r is None) == (down.r is None)
    if up.r is not None and down.r is not None:
        assert up.r == pytest.approx(down.r, abs=1e-6)


@LAWS
@given(walks(), st.lists(st.integers(0, 300), max_size=8))
def test_step_by_step_is_the_same_as_all_at_once(candles: list[Candle], cuts: list[int]) -> None:
    """In whatever parts the candles come, and however often they come again."""
    whole = advance(of(Direction.BULLISH), candles)
    signal = of(Direction.BULLISH)
    for cut in sorted(cuts):
        signal = advance(signal, candles[:cut])
    assert advance(signal, candles) == whole
    assert advance(whole, candles) == whole


@LAWS
@given(walks(), st.integers(0, 300))
def test_what_is_known_of_a_signal_rests_on_nothing_later(candles: list[Candle], cut: int) -> None:
    """Another future, the same present."""
    other = [replace(each, high=200.0, low=50.0) for each in candles[cut:]]
    now = advance(of(Direction.BULLISH), candles[:cut])
    assert now == advance(of(Direction.BULLISH), [*candles, *other][:cut])
    if not now.is_open:
        assert advance(of(Direction.BULLISH), [*candles[:cut], *other]) == now


@LAWS
@given(walks())
def test_a_result_is_never_better_than_the_worst_that_could_have_been(
    candles: list[Candle],
) -> None:
    """From -1 R, or less where the stop was jumped over, to 3 R; excursions hold it between."""
    signal = of(Direction.BULLISH)
    after = advance(signal, candles)
    assert after.best_excursion is not None
    assert after.worst_excursion is not None
    assert after.worst_excursion <= 0.0 <= after.best_excursion
    if after.outcome is Outcome.STOP:
        assert after.r is not None
        assert after.r <= -1.0
        touched = next(each for each in candles if each.close_time == after.closed_at)
        assert touched.low <= (signal.stop or 0.0)
    if after.outcome is Outcome.TARGET:
        assert after.r == 3.0
        assert all(
            each.low > (signal.stop or 0.0)
            for each in candles
            if each.close_time <= (after.closed_at or 0)
        )


@LAWS
@given(st.integers(1, 5_000), st.data())
def test_a_wilson_interval_holds_its_share_and_mirrors(n: int, data: st.DataObject) -> None:
    """Within 0..1, and hits and misses may be exchanged."""
    share = data.draw(st.integers(0, n)) / n
    low, high = wilson(share, n)
    assert 0.0 <= low <= share <= high <= 1.0
    other = wilson(1.0 - share, n)
    assert other == pytest.approx((1.0 - high, 1.0 - low), abs=1e-12)


def test_nothing_ended_is_counted_as_nothing() -> None:
    """No cell without a signal."""
    assert record([]) == []
