"""The regime of the market by half-hour closes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from virtuoso.domain.scores import Reason
from virtuoso.market.regime import BARS, Regime, _label, dispersion_of, market_state

MARKETS, CLOSES = 8, 700


def walk(seed: int, deviation: float = 1e-3) -> NDArray[np.float64]:
    """Log closes of eight markets that move together and apart."""
    draw = np.random.default_rng(seed)
    common = draw.normal(0.0, deviation, CLOSES)
    own = draw.normal(0.0, deviation, (MARKETS, CLOSES))
    return 5.0 + np.cumsum(common + own, axis=1)


def test_the_numbers_are_those_of_the_formulas() -> None:
    """Trend, volatility and dispersion by brute force over the last day."""
    logs = walk(1)
    state = market_state(logs)
    returns = np.diff(logs, axis=1).mean(axis=0)[-BARS:]
    assert state.trend_strength == pytest.approx(
        100 * abs(returns.sum()) / np.abs(returns).sum(), abs=1e-9
    )
    assert state.volatility == pytest.approx(100 * np.sqrt(365 * (returns**2).sum()), abs=1e-9)
    daily = logs[:, -1] - logs[:, -1 - BARS]
    assert state.market_dispersion == pytest.approx(100 * daily.std(ddof=1), abs=1e-9)
    assert dispersion_of(100 * np.expm1(daily)) == pytest.approx(100 * daily.std(ddof=1), abs=1e-9)


def test_a_steady_rise_of_all_is_a_trend_up_and_mirrored_down() -> None:
    """Breadth, trend and sign agree for two closes; mirrored prices give the mirrored label."""
    logs = walk(2)
    logs[:, -60:] += np.linspace(0.0, 0.03, 60)
    assert market_state(logs).regime is Regime.TRENDING_UP
    assert market_state(-logs).regime is Regime.TRENDING_DOWN


def test_a_storm_is_volatile_and_a_calm_is_quiet() -> None:
    """The percentile of volatility comes first, and last."""
    logs = walk(3)
    steps = np.diff(logs, axis=1)
    storm = steps.copy()
    storm[:, -BARS:] *= 6.0
    calm = steps.copy()
    calm[:, -BARS:] *= 0.1
    assert market_state(np.cumsum(storm, axis=1)).regime is Regime.VOLATILE
    found = market_state(np.cumsum(calm, axis=1))
    assert found.volatility_percentile is not None
    assert found.volatility_percentile <= 10
    assert found.regime in {Regime.QUIET, Regime.TRENDING_UP, Regime.TRENDING_DOWN}


@pytest.mark.parametrize(
    ("percentile", "trend", "total", "breadth", "expected"),
    [
        (90.0, 99.0, 1.0, 1.0, Regime.VOLATILE),
        (89.9, 25.0, 0.01, 0.6, Regime.TRENDING_UP),
        (89.9, 25.0, -0.01, 0.4, Regime.TRENDING_DOWN),
        (89.9, 24.9, 0.01, 0.6, Regime.RANGING),
        (89.9, 25.0, 0.01, 0.59, Regime.RANGING),
        (89.9, 25.0, -0.01, 0.41, Regime.RANGING),
        (89.9, 25.0, -0.01, 0.6, Regime.RANGING),
        (89.9, 25.0, 0.01, 0.4, Regime.RANGING),
        (10.0, 25.0, 0.01, 0.6, Regime.TRENDING_UP),
        (10.0, 24.9, 0.01, 0.6, Regime.QUIET),
        (10.1, 24.9, 0.01, 0.6, Regime.RANGING),
        (float("nan"), 25.0, 0.01, 0.6, None),
        (50.0, 25.0, 0.01, float("nan"), None),
    ],
)
def test_the_first_label_that_holds_is_given_at_its_exact_limits(
    percentile: float, trend: float, total: float, breadth: float, expected: Regime | None
) -> None:
    """90 and 10, 25, .6 and .4, in the order of the table."""
    assert _label(percentile, trend, total, breadth) is expected


def test_one_close_does_not_change_the_regime() -> None:
    """A label must hold at two closes in a row."""
    logs = walk(3)
    before = market_state(logs).regime
    shock = np.concatenate([logs, logs[:, -1:] + 0.05], axis=1)
    once = market_state(shock)
    assert once.volatility_percentile is not None
    assert once.volatility_percentile >= 90
    assert once.regime is before
    twice = market_state(np.concatenate([shock, shock[:, -1:] + 1e-4], axis=1))
    assert twice.regime is Regime.VOLATILE


def test_too_little_is_said_to_be_too_little() -> None:
    """Fewer than five markets, a short history, a hole: each has its reason."""
    logs = walk(4)
    assert market_state(logs[:4]).reason is Reason.TOO_FEW
    assert market_state(logs[:, -20:]).reason is Reason.WARMING_UP
    assert market_state(np.full((8, 700), np.nan)).reason is Reason.NO_FEED
    holed = logs.copy()
    holed[:, -10] = np.nan
    assert market_state(holed).reason is Reason.GAP
    short = market_state(logs[:, -200:])
    assert short.volatility is not None
    assert short.regime is None
    assert short.reason is Reason.WARMING_UP


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1_000))
def test_mirrored_prices_give_the_mirrored_market(seed: int) -> None:
    """Size knows no direction; only the labels of a trend turn over."""
    logs = walk(seed)
    state, mirrored = market_state(logs), market_state(-logs)
    assert mirrored.volatility == pytest.approx(state.volatility, abs=1e-9)
    assert mirrored.trend_strength == pytest.approx(state.trend_strength, abs=1e-9)
    assert mirrored.market_dispersion == pytest.approx(state.market_dispersion, abs=1e-9)
    turned = {
        Regime.TRENDING_UP: Regime.TRENDING_DOWN,
        Regime.TRENDING_DOWN: Regime.TRENDING_UP,
    }
    assert state.regime is not None
    assert mirrored.regime is turned.get(state.regime, state.regime)
