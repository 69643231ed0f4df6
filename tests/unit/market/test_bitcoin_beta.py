"""Bitcoin beta against NumPy, golden values and planted truths."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.candles import random_candles, read_candles
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Timeframe
from virtuoso.market.bitcoin_beta import (
    AT_ONCE,
    LAGS,
    Beta,
    LeadLag,
    _lead_lag,
    betas_in_parts,
    bitcoin_betas,
    correlation_matrix,
    no_correlation,
)
from virtuoso.market.closes import Closes

BTC = "BTCUSDT"


def returns_of(histories: Mapping[str, Sequence[Candle]]) -> dict[str, NDArray[np.float64]]:
    """Log returns on the grid that all of them share."""
    closes = Closes(Timeframe.M5)
    for name, candles in histories.items():
        closes.replace(Instrument(BYBIT, Symbol(name)), candles)
    return dict(zip(histories, np.diff(closes.logs(), axis=1), strict=True))


def recorded(folder: Path, *names: str) -> dict[str, NDArray[np.float64]]:
    """Returns of the first 1,000 candles of these markets."""
    return returns_of(
        {name: read_candles(folder / f"{name}-5m.csv.gz", Timeframe.M5, 1_000) for name in names}
    )


def market(
    seed: int, beta: float, count: int = 999, noise: float = 1e-3
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns of Bitcoin, and of a market with this beta."""
    draw = np.random.default_rng(seed)
    bitcoin = draw.normal(0.0, 1e-3, count)
    return bitcoin, beta * bitcoin + draw.normal(0.0, noise, count)


def only(found: object) -> Beta:
    """A beta, not a reason."""
    assert isinstance(found, Beta)
    return found


@pytest.mark.recorded
def test_golden_values_of_a_recorded_pair(recordings: Path) -> None:
    """ETH on BTC, the first 1,000 five-minute candles: the figures of section 8."""
    folder = recordings / "candles" / "bybit_linear_5m"
    found = bitcoin_betas(recorded(folder, BTC, "ETHUSDT"), BTC)
    eth = only(found["ETHUSDT"])
    assert eth.raw_beta == pytest.approx(1.653090, abs=1e-6)
    assert eth.r_squared == pytest.approx(0.645728, abs=1e-6)
    assert eth.effective_samples == pytest.approx(693.312, abs=1e-3)
    assert eth.standard_error == pytest.approx(0.046570, abs=1e-6)
    assert eth.shrinkage == pytest.approx(0.976470, abs=1e-6)
    assert eth.beta == pytest.approx(1.637723, abs=1e-6)
    assert found[BTC] is Reason.NOT_APPLICABLE


@pytest.mark.recorded
def test_equal_to_weighted_least_squares_on_recorded_candles(recordings: Path) -> None:
    """Slope and standard error are those of a regression through zero, within 1e-9."""
    folder = recordings / "candles" / "bybit_linear_5m"
    names = ["ADAUSDT", "AVAXUSDT", "BNBUSDT", BTC, "ETHUSDT", "SOLUSDT"]
    returns = recorded(folder, *names)
    found = bitcoin_betas(returns, BTC)
    weights = 0.5 ** (np.arange(998, -1, -1) / 288.0)
    weights /= weights.sum()
    for name in names:
        if name == BTC:
            continue
        beta = only(found[name])
        if beta.lagged:
            continue
        root = np.sqrt(weights)
        slope, residual, *_ = np.linalg.lstsq(
            (returns[BTC] * root)[:, None], returns[name] * root, rcond=None
        )
        error = np.sqrt(
            residual[0] / (np.sum(weights * returns[BTC] ** 2) * (beta.effective_samples - 2))
        )
        assert beta.raw_beta == pytest.approx(slope[0], abs=1e-9)
        assert beta.standard_error == pytest.approx(error, abs=1e-9)


def weighted(
    own: NDArray[np.float64], *others: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Least squares through zero with the weights of section 8, where all have a value."""
    whole = np.isfinite(own) & np.all([np.isfinite(each) for each in others], axis=0)
    weights = 0.5 ** (np.arange(len(own) - 1, -1, -1) / 288.0)
    weights = np.where(whole, weights, 0.0)
    weights /= weights.sum()
    root = np.sqrt(weights[whole])
    design = np.stack([each[whole] for each in others], axis=1) * root[:, None]
    slopes, residual, *_ = np.linalg.lstsq(design, own[whole] * root, rcond=None)
    inverse = np.linalg.inv(design.T @ design)
    freedom = 1.0 / np.sum(weights**2) - len(others) - 1
    ones = np.ones(len(others))
    return slopes, float(np.sqrt(residual[0] * (ones @ inverse @ ones) / freedom)), weights


@pytest.mark.recorded
def test_every_served_number_equals_numpy_on_recorded_candles(recordings: Path) -> None:
    """Correlation, R2, n, residual z, shrinkage and lags of six perpetuals, within 1e-9."""
    folder = recordings / "candles" / "bybit_linear_5m"
    names = ["ADAUSDT", "AVAXUSDT", "BNBUSDT", BTC, "ETHUSDT", "SOLUSDT"]
    returns = recorded(folder, *names)
    returns["SOLUSDT"][100:140] = np.nan
    found = bitcoin_betas(returns, BTC)
    bitcoin = returns[BTC]
    for name in set(names) - {BTC}:
        beta, own = only(found[name]), returns[name]
        slopes, error, weights = weighted(own, bitcoin)
        assert not beta.lagged
        assert beta.raw_beta == pytest.approx(slopes[0], abs=1e-9)
        assert beta.standard_error == pytest.approx(error, abs=1e-9)
        y, x = np.nan_to_num(own), bitcoin
        product, squares = weights @ (x * y), (weights @ (x * x)) * (weights @ (y * y))
        assert beta.correlation == pytest.approx(product / np.sqrt(squares), abs=1e-9)
        assert beta.r_squared == pytest.approx(product**2 / squares, abs=1e-9)
        assert beta.effective_samples == pytest.approx(1 / np.sum(weights**2), abs=1e-9)
        assert beta.samples == np.isfinite(own).sum()
        share = 0.09 / (0.09 + error**2)
        assert beta.beta == pytest.approx(share * slopes[0] + 1 - share, abs=1e-9)
        residuals = y - beta.beta * x
        deviation = np.sqrt(weights @ residuals**2)
        z = residuals[-12:].sum() / (deviation * np.sqrt(12))
        assert beta.residual_z == pytest.approx(z, abs=1e-9)
        for bars in (-6, -1, 1, 6):
            shifted = np.roll(bitcoin, bars)
            shifted[:bars] = np.nan if bars > 0 else shifted[:bars]
            shifted[bars:] = np.nan if bars < 0 else shifted[bars:]
            _, _, w = weighted(own, shifted)
            b = np.nan_to_num(shifted)
            lagged = (w @ (b * y)) / np.sqrt((w @ (b * b)) * (w @ (y * y)))
            stands_out = abs(lagged) > 3 * np.sqrt(np.sum(w**2))
            if stands_out:
                assert beta.lead_lag is not None
                assert abs(beta.lead_lag.correlation) >= abs(lagged) - 1e-9
            if beta.lead_lag is not None and beta.lead_lag.bars == bars:
                assert beta.lead_lag.correlation == pytest.approx(lagged, abs=1e-9)


@pytest.mark.recorded
def test_the_lag_of_a_quiet_recorded_market_equals_numpy(recordings: Path) -> None:
    """Both slopes of a regression on Bitcoin now and one bar before, within 1e-9."""
    folder = recordings / "candles" / "bybit_linear_5m"
    returns = recorded(folder, BTC, "ADAUSDT")
    returns["ADAUSDT"][::12] = 0.0
    beta = only(bitcoin_betas(returns, BTC)["ADAUSDT"])
    assert beta.lagged
    before = np.concatenate([[np.nan], returns[BTC][:-1]])
    slopes, error, _ = weighted(returns["ADAUSDT"], returns[BTC], before)
    assert beta.raw_beta == pytest.approx(slopes.sum(), abs=1e-9)
    assert beta.standard_error == pytest.approx(error, abs=1e-9)


@pytest.mark.recorded
def test_the_matrix_equals_numpy_on_recorded_candles(recordings: Path) -> None:
    """Every pair of six perpetuals, one with a hole, within 1e-9; n beside each."""
    folder = recordings / "candles" / "bybit_linear_5m"
    names = ["ADAUSDT", "AVAXUSDT", "BNBUSDT", BTC, "ETHUSDT", "SOLUSDT"]
    returns = list(recorded(folder, *names).values())
    returns[2][300:420] = np.nan
    found = correlation_matrix(returns)
    for i, one in enumerate(returns):
        for j, other in enumerate(returns):
            slopes, _, weights = weighted(one, other)
            x, y = np.nan_to_num(other), np.nan_to_num(one)
            expected = slopes[0] * np.sqrt((weights @ (x * x)) / (weights @ (y * y)))
            assert found.correlation[i, j] == pytest.approx(expected, abs=1e-9)
            assert found.samples[i, j] == np.isfinite(one + other).sum()


def test_a_missing_candle_costs_two_returns_and_nothing_else() -> None:
    """The pairs around a hole are left out; the others weigh what they weighed."""
    rows = random_candles(1, 1_000)
    whole = returns_of({"A": rows})["A"]
    holed = returns_of({"A": rows[:500] + rows[501:]})["A"]
    assert np.isnan(holed).sum() == 2
    kept = np.isfinite(holed)
    assert (holed[kept] == whole[kept]).all()


def test_too_few_pairs_are_warming_up() -> None:
    """249 pairs give no beta, 250 do."""
    bitcoin, other = market(1, 1.2)
    late = other.copy()
    late[: 999 - 249] = np.nan
    assert bitcoin_betas({BTC: bitcoin, "A": late}, BTC)["A"] is Reason.WARMING_UP
    late[999 - 250] = other[999 - 250]
    assert isinstance(bitcoin_betas({BTC: bitcoin, "A": late}, BTC)["A"], Beta)


def test_without_bitcoin_nothing_is_said() -> None:
    """No reference, no number."""
    assert bitcoin_betas({"A": market(1, 1.0)[1]}, BTC) == {"A": Reason.NO_FEED}


def test_a_market_that_never_moves_has_no_beta() -> None:
    """Zero returns are too few, not a beta of 0."""
    bitcoin, _ = market(1, 1.0)
    assert bitcoin_betas({BTC: bitcoin, "A": np.zeros(999)}, BTC)["A"] is Reason.TOO_FEW


def test_a_planted_decoupling_is_found() -> None:
    """Twelve bars of a movement of its own stand out of the residuals."""
    bitcoin, other = market(3, 1.5, noise=3e-4)
    calm = only(bitcoin_betas({BTC: bitcoin, "A": other}, BTC)["A"])
    other[-12:] += 1.5e-3
    moved = only(bitcoin_betas({BTC: bitcoin, "A": other}, BTC)["A"])
    assert calm.residual_z is not None
    assert abs(calm.residual_z) < 3
    assert moved.residual_z is not None
    assert moved.residual_z > 6


def test_a_planted_lag_is_named_and_lag_zero_never() -> None:
    """A market that follows two bars later is led by two bars."""
    bitcoin, _ = market(4, 1.0)
    draw = np.random.default_rng(9)
    follower = np.concatenate([np.zeros(2), bitcoin[:-2]]) + draw.normal(0.0, 2e-4, 999)
    found = only(bitcoin_betas({BTC: bitcoin, "A": follower}, BTC)["A"])
    assert found.lead_lag is not None
    assert found.lead_lag.bars == 2
    together = only(bitcoin_betas({BTC: bitcoin, "A": market(4, 1.0)[1]}, BTC)["A"])
    assert together.lead_lag is None


def test_a_quiet_market_gets_the_lag_before() -> None:
    """Where trades are rare, half of the movement comes a bar late, and is counted."""
    bitcoin, _ = market(5, 1.0)
    late = 0.5 * bitcoin + 0.5 * np.concatenate([[0.0], bitcoin[:-1]])
    late[::10] = 0.0
    found = only(bitcoin_betas({BTC: bitcoin, "A": late}, BTC)["A"])
    assert found.lagged
    assert found.raw_beta == pytest.approx(0.9, abs=0.05)


def test_ten_others_make_the_prior() -> None:
    """With fewer than ten others the prior is 1; with more, their mean."""
    draw = np.random.default_rng(2)
    bitcoin = draw.normal(0.0, 1e-3, 999)
    returns = {BTC: bitcoin} | {
        f"S{n}": (1.0 + n / 10) * bitcoin + draw.normal(0.0, 4e-3, 999) for n in range(12)
    }
    found = bitcoin_betas(returns, BTC)
    betas = {name: only(each) for name, each in found.items() if name != BTC}
    others = [each.raw_beta for name, each in betas.items() if name != "S0"]
    first = betas["S0"]
    expected = first.shrinkage * first.raw_beta + (1 - first.shrinkage) * np.mean(others)
    assert first.beta == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("apart", [0.1, 0.002])
def test_the_prior_varies_as_the_others_do_less_what_is_error(apart: float) -> None:
    """Their variance less their mean squared error, and .01 where little or nothing is left."""
    draw = np.random.default_rng(2)
    bitcoin = draw.normal(0.0, 1e-3, 999)
    returns = {BTC: bitcoin} | {
        f"S{n}": (1.0 + n * apart) * bitcoin + draw.normal(0.0, 8e-3, 999) for n in range(12)
    }
    found = bitcoin_betas(returns, BTC)
    betas = {name: only(each) for name, each in found.items() if name != BTC}
    others = [each for name, each in betas.items() if name != "S0"]
    squares = np.mean([each.standard_error**2 for each in others])
    variance = float(np.var([each.raw_beta for each in others], ddof=1) - squares)
    assert (variance > 0.01) == (apart == 0.1)
    variance = max(variance, 0.01)
    first = betas["S0"]
    assert first.shrinkage == pytest.approx(
        variance / (variance + first.standard_error**2), abs=1e-12
    )


@pytest.mark.parametrize(
    ("correlation", "named"), [(0.1499, None), (0.1501, 0.1501), (-0.1501, -0.1501)]
)
def test_a_lag_is_named_above_three_standard_errors(
    correlation: float, named: float | None
) -> None:
    """Of 400 effective pairs .15 is taken for chance; lag 0 does not count, however strong."""
    found = _lead_lag([0.9 if lag == 0 else correlation * (lag == 2) for lag in LAGS], [400.0] * 13)
    assert found == (None if named is None else LeadLag(2, named))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), beta=st.floats(-3, 3), factor=st.floats(0.1, 10))
def test_scale_and_mirror(seed: int, beta: float, factor: float) -> None:
    """Scaling a market scales its beta; turning both over leaves it as it is."""
    bitcoin, other = market(seed, beta)
    plain = only(bitcoin_betas({BTC: bitcoin, "A": other}, BTC)["A"])
    scaled = only(bitcoin_betas({BTC: bitcoin, "A": factor * other}, BTC)["A"])
    mirrored = only(bitcoin_betas({BTC: -bitcoin, "A": -other}, BTC)["A"])
    assert scaled.raw_beta == pytest.approx(factor * plain.raw_beta, rel=1e-9, abs=1e-12)
    assert mirrored.raw_beta == pytest.approx(plain.raw_beta, rel=1e-12, abs=1e-15)
    assert mirrored.r_squared == pytest.approx(plain.r_squared, rel=1e-12)


def test_the_matrix_is_symmetric_with_ones() -> None:
    """Each market moves with itself, and with others as they with it."""
    draw = np.random.default_rng(7)
    returns = [draw.normal(0.0, 1e-3, 999) for _ in range(5)]
    returns[2][100:200] = np.nan
    matrix = correlation_matrix(returns).correlation
    assert np.allclose(matrix, matrix.T, atol=1e-12)
    assert np.allclose(np.diag(matrix), 1.0, atol=1e-12)
    assert np.abs(matrix).max() <= 1.0


def test_the_matrix_of_many_is_that_of_every_pair() -> None:
    """How the work is cut into blocks changes nothing."""
    draw = np.random.default_rng(3)
    returns = [draw.normal(0.0, 1e-3, 400) for _ in range(2 * AT_ONCE + 3)]
    whole = correlation_matrix(returns)
    for i, j in ((0, 1), (0, AT_ONCE), (AT_ONCE + 1, 2 * AT_ONCE + 2), (2 * AT_ONCE + 2, 3)):
        pair = correlation_matrix([returns[i], returns[j]])
        assert whole.correlation[i, j] == pytest.approx(pair.correlation[0, 1], abs=1e-12)
        assert whole.samples[i, j] == 400
    assert (whole.correlation == whole.correlation.T).all()


def test_a_pair_without_enough_in_common_has_no_correlation() -> None:
    """Neither has one that never moved; each says why."""
    draw = np.random.default_rng(5)
    first, second = draw.normal(0.0, 1e-3, (2, 999))
    first[249:] = np.nan
    found = correlation_matrix([first, second, np.zeros(999)])
    assert np.isnan(found.correlation[0, 1])
    assert no_correlation(found.samples[0, 1]) is Reason.WARMING_UP
    assert np.isnan(found.correlation[1, 2])
    assert no_correlation(found.samples[1, 2]) is Reason.TOO_FEW


def test_the_work_in_parts_is_the_work_at_once() -> None:
    """Markets are computed a few at a time, the prior over all of them."""
    draw = np.random.default_rng(8)
    bitcoin = draw.normal(0.0, 1e-3, 999)
    returns = {BTC: bitcoin} | {
        f"S{n}": (0.5 + n / 20) * bitcoin + draw.normal(0.0, 2e-3, 999) for n in range(3 * AT_ONCE)
    }
    work, parts = betas_in_parts(returns, BTC), 0
    while True:
        try:
            next(work)
        except StopIteration as done:
            found = done.value
            break
        parts += 1
    assert parts >= 2 * 3
    assert found == bitcoin_betas(returns, BTC)
    assert list(found) == list(returns)
    alone = bitcoin_betas({BTC: bitcoin, "S20": returns["S20"]}, BTC)
    assert only(found["S20"]).raw_beta == pytest.approx(only(alone["S20"]).raw_beta, abs=1e-12)
