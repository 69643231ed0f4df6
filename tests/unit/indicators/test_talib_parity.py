"""Our kernels agree with TA-Lib, candle by candle, on raw prices."""

import numpy as np
import pytest
import talib

from support.candles import random_candles
from support.kernels import adx_of, atr_of, donchian_of, macd_of, run
from virtuoso.indicators.bollinger import bollinger_state, bollinger_z
from virtuoso.indicators.change_sign import change_sign, change_sign_state
from virtuoso.indicators.close_location import close_location
from virtuoso.indicators.ema import ema, ema_state
from virtuoso.indicators.rsi import rsi, rsi_state
from virtuoso.indicators.state import Floats
from virtuoso.indicators.weighted_mean import weighted_mean, weighted_mean_state


class Prices:
    """Raw prices of drawn candles."""

    def __init__(self, seed: int, scale: float) -> None:
        candles = [each for each in random_candles(seed, 1_500) if each.volume > 0.0]
        self.high = scale * np.array([each.high for each in candles])
        self.low = scale * np.array([each.low for each in candles])
        self.close = scale * np.array([each.close for each in candles])
        self.volume = np.array([each.volume for each in candles])


@pytest.fixture(params=[(1, 1.0), (2, 1e-4), (3, 5.0)], ids=["mid", "cheap", "dear"])
def prices(request: pytest.FixtureRequest) -> Prices:
    """Three walks at three price levels."""
    return Prices(*request.param)


def agree(ours: Floats, theirs: Floats) -> None:
    """Same first valid candle, and equal to 1e-9 from there on."""
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("period", [2, 14])
def test_rsi_agrees(prices: Prices, period: int) -> None:
    """Ours is centred on 0."""
    (ours,) = run(rsi, prices.close, period, rsi_state())
    agree(ours + 50.0, talib.RSI(prices.close, period))


def test_atr_agrees(prices: Prices) -> None:
    """From candle 14."""
    ours = atr_of(prices.high, prices.low, prices.close)
    agree(ours, talib.ATR(prices.high, prices.low, prices.close, 14))


def test_directional_movement_agrees(prices: Prices) -> None:
    """DI from candle 14, ADX from candle 27."""
    candles = (prices.high, prices.low, prices.close)
    plus, minus, strength = adx_of(*candles)
    agree(plus, talib.PLUS_DI(*candles, 14))
    agree(minus, talib.MINUS_DI(*candles, 14))
    agree(strength, talib.ADX(*candles, 14))


def test_macd_agrees(prices: Prices) -> None:
    """TA-Lib shows the line only where the signal is known; ours from candle 25."""
    line, signal = macd_of(prices.close)
    theirs, their_signal, _ = talib.MACD(prices.close, 12, 26, 9)
    assert np.flatnonzero(~np.isnan(line))[0] == 25
    agree(signal, their_signal)
    agree(line[33:], theirs[33:])


@pytest.mark.parametrize("period", [20, 50])
def test_ema_agrees(prices: Prices, period: int) -> None:
    """From candle period - 1."""
    agree(run(ema, prices.close, period, ema_state())[0], talib.EMA(prices.close, period))


def test_bollinger_z_agrees(prices: Prices) -> None:
    """The close's place, from TA-Lib's middle and upper band at one deviation."""
    upper, middle, _ = talib.BBANDS(prices.close, 20, 1.0, 1.0)
    (ours,) = run(bollinger_z, prices.close, 20, bollinger_state(20))
    deviation = upper - middle
    assert np.array_equal(np.isnan(ours), np.isnan(middle))
    # their deviation is a difference of large squares: compare the distance, not the quotient
    np.testing.assert_allclose(
        ours[19:] * deviation[19:],
        (prices.close - middle)[19:],
        atol=1e-7 * prices.close[0],
        rtol=0.0,
    )


@pytest.mark.parametrize("period", [20, 100])
def test_donchian_agrees(prices: Prices, period: int) -> None:
    """From TA-Lib's highest high and lowest low."""
    top, bottom = talib.MAX(prices.high, period), talib.MIN(prices.low, period)
    ours = donchian_of(prices.high, prices.low, prices.close, period)
    agree(ours, (2 * prices.close - top - bottom) / (top - bottom))


def test_money_flow_agrees(prices: Prices) -> None:
    """Chaikin money flow from TA-Lib's accumulation line and volume sums."""
    (location,) = run(close_location, prices.high, prices.low, prices.close)
    (ours,) = run(weighted_mean, location, prices.volume, 20, weighted_mean_state(20))
    line = talib.AD(prices.high, prices.low, prices.close, prices.volume)
    line = np.concatenate(([0.0], line))
    theirs = np.full(ours.size, np.nan)
    theirs[19:] = (line[20:] - line[:-20]) / talib.SUM(prices.volume, 20)[19:]
    agree(ours, theirs)


def test_signed_volume_agrees(prices: Prices) -> None:
    """The slope of TA-Lib's on-balance volume over volume sums."""
    (sign,) = run(change_sign, prices.close, change_sign_state())
    (ours,) = run(weighted_mean, sign, prices.volume, 20, weighted_mean_state(20))
    line = talib.OBV(prices.close, prices.volume)
    theirs = np.full(ours.size, np.nan)
    theirs[20:] = (line[20:] - line[:-20]) / talib.SUM(prices.volume, 20)[20:]
    agree(ours, theirs)
