"""The scans find what was planted, nothing where nothing is, and say when they do not know."""

from math import atanh, sqrt
from typing import cast

import numpy as np
import pytest

from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.bitcoin_beta import (
    SHORT_BARS,
    Beta,
    ShortBeta,
    bitcoin_betas,
    short_betas,
)
from virtuoso.patterns.scans import (
    KINDS,
    Found,
    PatternName,
    Side,
    beta_change,
    correlation_breakdown,
    of_bitcoin,
    residual_breakout,
    timeframe_agreement,
)


def market(
    beta: float = 1.5, late_beta: float | None = None, noise: float = 0.0006, jump: float = 0.0
) -> tuple[Beta, ShortBeta]:
    """A market against Bitcoin over 1,000 bars, whose last three hours may differ."""
    rng = np.random.default_rng(11)
    bitcoin = rng.normal(0.0, 0.001, 1_000)
    own = beta * bitcoin + rng.normal(0.0, noise, 1_000)
    if late_beta is not None:
        last = slice(-SHORT_BARS, None)
        own[last] = late_beta * bitcoin[last] + rng.normal(0.0, noise, SHORT_BARS)
    own[-12:] += jump / 12.0
    returns = {"BTCUSDT": bitcoin, "ALTUSDT": own}
    long, short = bitcoin_betas(returns, "BTCUSDT"), short_betas(returns, "BTCUSDT")
    return cast("Beta", long["ALTUSDT"]), cast("ShortBeta", short["ALTUSDT"])


def found_in(long: Beta, short: ShortBeta) -> set[PatternName]:
    """Which patterns are found."""
    return {each.name for each in of_bitcoin(long, short) if each.found}


def test_nothing_is_found_in_a_market_that_goes_on_as_before() -> None:
    """The same beta, the same noise."""
    assert found_in(*market()) == set()


def test_a_market_that_no_longer_moves_with_bitcoin_is_a_breakdown() -> None:
    """Planted: three hours of nothing but its own noise."""
    long, short = market(late_beta=0.0)
    assert long.correlation > 0.8
    assert abs(short.correlation) < 0.4
    assert found_in(long, short) == {
        PatternName.CORRELATION_BREAKDOWN,
        PatternName.BETA_COMPRESSION,
    }


def test_a_correlation_that_was_never_there_cannot_break() -> None:
    """Under 0.5 before."""
    long, short = market(beta=0.2, late_beta=-0.5, noise=0.001)
    assert long.correlation < 0.5
    assert correlation_breakdown(long, short).found is False


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_beta_further_from_nothing_is_an_expansion(sign: float) -> None:
    """For a market that moves against Bitcoin too."""
    long, short = market(beta=sign, late_beta=2.5 * sign)
    assert PatternName.BETA_EXPANSION in found_in(long, short)
    long, short = market(beta=sign, late_beta=0.2 * sign)
    assert PatternName.BETA_COMPRESSION in found_in(long, short)


def test_a_move_of_its_own_is_a_residual_breakout_with_a_side() -> None:
    """Two percent in an hour that Bitcoin did not make."""
    for jump, side in ((0.02, Side.UP), (-0.02, Side.DOWN)):
        found = residual_breakout(market(jump=jump)[0])
        assert (found.found, found.side) == (True, side)
    assert residual_breakout(market()[0]).side is None


def test_the_gap_of_correlations_is_fishers_z() -> None:
    """(atanh r_short - atanh r_long) sqrt n, by hand."""
    long, short = market(late_beta=0.0)
    value = correlation_breakdown(long, short).value
    by_hand = (atanh(short.correlation) - atanh(long.correlation)) * sqrt(36)
    assert value == pytest.approx(by_hand)
    low, high = beta_change(long, short)
    assert low.value == high.value
    error = sqrt(short.standard_error**2 + long.standard_error**2)
    assert low.value == pytest.approx((short.beta - long.beta) / error)


def test_the_short_beta_agrees_with_least_squares() -> None:
    """NumPy's, through the origin, over the last 36 returns."""
    rng = np.random.default_rng(3)
    x = rng.normal(0.0, 1.0, 200)
    y = 0.7 * x + rng.normal(0.0, 0.3, 200)
    short = short_betas({"BTCUSDT": x, "A": y}, "BTCUSDT")["A"]
    assert isinstance(short, ShortBeta)
    slope, residual, _, _ = np.linalg.lstsq(x[-36:, None], y[-36:], rcond=None)
    assert short.beta == pytest.approx(float(slope[0]))
    error = sqrt(float(residual[0]) / 34 / float(x[-36:] @ x[-36:]))
    assert short.standard_error == pytest.approx(error)
    with_holes = y.copy()
    with_holes[-10:] = np.nan
    assert short_betas({"BTCUSDT": x, "A": with_holes}, "BTCUSDT")["A"] is Reason.WARMING_UP
    assert short_betas({"A": y}, "BTCUSDT")["A"] is Reason.NO_FEED
    assert short_betas({"BTCUSDT": x}, "BTCUSDT")["BTCUSDT"] is Reason.NOT_APPLICABLE
    assert short_betas({"BTCUSDT": x, "A": 0.0 * y}, "BTCUSDT")["A"] is Reason.TOO_FEW


def test_without_its_numbers_a_scan_does_not_know() -> None:
    """Not `nothing found`: unknown, with the reason."""
    for found in of_bitcoin(Reason.WARMING_UP, Reason.NO_FEED):
        assert (found.found, found.value, found.reason) == (None, None, Reason.WARMING_UP)
    long, _ = market()
    assert correlation_breakdown(long, Reason.WARMING_UP).reason is Reason.WARMING_UP


def members(score: float | None, *timeframes: Timeframe) -> tuple[MemberScore, ...]:
    """One member a timeframe, of equal weight."""
    reason = Reason.WARMING_UP if score is None else None
    return tuple(
        MemberScore(f"rsi14@{each}", "momentum", 0.25, None, score, None, None, reason)
        for each in timeframes
    )


def component(
    name: ComponentName, parts: tuple[MemberScore, ...]
) -> dict[ComponentName, ComponentScore | Absent]:
    """A component with these members."""
    return {name: ComponentScore(name, 50.0, 0.0, 0.0, 1.0, Millis(0), 0, 1.0, parts)}


@pytest.mark.parametrize(
    ("scores", "found", "side"),
    [
        ((70.0, 65.0, 80.0, 60.0), True, Side.UP),
        ((30.0, 35.0, 20.0, 40.0), True, Side.DOWN),
        ((70.0, 65.0, 80.0, 59.9), False, None),
        ((70.0, 65.0, 80.0, 20.0), False, None),
    ],
)
def test_timeframes_agree_when_the_weakest_does(
    scores: tuple[float, ...],
    found: bool,  # noqa: FBT001 - a case of the table
    side: Side | None,
) -> None:
    """Ten points to one side on each of the four; mirrored, the other side."""
    parts = tuple(
        member
        for timeframe, score in zip(Timeframe, scores, strict=True)
        for member in members(score, timeframe)
    )
    answer = timeframe_agreement(component(ComponentName.TECHNICAL, parts))
    assert (answer.found, answer.side) == (found, side)
    assert list(answer.numbers.values()) == list(scores)


def test_a_timeframe_that_is_mostly_absent_makes_agreement_unknown() -> None:
    """Three that agree are not four."""
    parts = (
        *members(80.0, Timeframe.M1, Timeframe.M5, Timeframe.M30),
        *members(None, Timeframe.H4),
    )
    answer: Found = timeframe_agreement(component(ComponentName.VOLUME, parts))
    assert (answer.found, answer.reason) == (None, Reason.WARMING_UP)
    assert timeframe_agreement({}).reason is Reason.NO_FEED


def test_no_pattern_claims_a_record_that_nobody_measured() -> None:
    """All are unproven until somebody measures."""
    assert {each.name for each in KINDS} == set(PatternName)
    assert all(each.record is Reason.UNPROVEN for each in KINDS)
