"""Single kernels where a small example says what is meant."""

import numpy as np
import pytest

from support.kernels import adx_of, atr_of, donchian_of, profile_of, run
from virtuoso.indicators.adx import adx_direction
from virtuoso.indicators.bollinger import bollinger_state, bollinger_z
from virtuoso.indicators.close_location import close_location
from virtuoso.indicators.ewm_volatility import momentum, momentum_state
from virtuoso.indicators.fair_value_gap import fair_value_gap, fair_value_gap_state
from virtuoso.indicators.rsi import rsi, rsi_state
from virtuoso.indicators.state import Floats, stack
from virtuoso.indicators.swing_structure import swing_structure, swing_structure_state
from virtuoso.indicators.volume_lean import volume_lean, volume_lean_state
from virtuoso.indicators.volume_surge import volume_surge, volume_surge_state
from virtuoso.indicators.weighted_mean import weighted_mean, weighted_mean_state

FLAT = np.full(200, 7.1)
ONES = np.ones(200)


def array(*values: float) -> Floats:
    """Numbers as a kernel takes them."""
    return np.array(values, dtype=np.float64)


def test_a_price_that_never_moves_presses_nowhere() -> None:
    """Every kernel with a defined zero gives exactly 0, not the last bits of a mean."""
    assert run(rsi, FLAT, 14, rsi_state())[0][-1] == 0.0
    assert run(bollinger_z, FLAT, 20, bollinger_state(20))[0][-1] == 0.0
    assert run(close_location, FLAT, FLAT, FLAT)[0][-1] == 0.0
    assert donchian_of(FLAT, FLAT, FLAT, 100)[-1] == 0.0
    assert atr_of(FLAT, FLAT, FLAT)[-1] == 0.0
    plus, minus, strength = adx_of(FLAT, FLAT, FLAT)
    direction = run(adx_direction, plus, minus, strength)[0]
    assert direction[-1] == 0.0
    assert np.isnan(direction[:27]).all()
    assert not np.isnan(direction[27:]).any()


def test_without_a_range_what_is_measured_in_it_is_unknown() -> None:
    """ATR 0 and sigma 0 are no units."""
    zero = np.zeros(200)
    lean = run(volume_lean, FLAT, FLAT, FLAT, ONES, zero, 20, volume_lean_state(20))[0]
    assert np.isnan(lean).all()
    assert np.isnan(run(momentum, FLAT, 48, zero, momentum_state(48))[0]).all()
    assert np.isnan(run(fair_value_gap, FLAT, FLAT, zero, 24, fair_value_gap_state(24))[0]).all()


def test_without_volume_what_is_weighed_by_it_is_unknown() -> None:
    """A window in which nothing was traded has no mean."""
    zero = np.zeros(200)
    assert np.isnan(run(weighted_mean, ONES, zero, 20, weighted_mean_state(20))[0]).all()
    lean = run(volume_lean, FLAT, FLAT, FLAT, zero, ONES, 20, volume_lean_state(20))[0]
    assert np.isnan(lean).all()
    assert np.isnan(run(volume_surge, ONES, zero, 100, volume_surge_state(100))[0]).all()
    assert np.isnan(profile_of(FLAT, FLAT, FLAT, zero, 100)).all()


def test_a_candle_without_a_trade_is_no_surge() -> None:
    """The log of 0 volume is never taken."""
    volume = ONES.copy()
    volume[150], volume[151] = 0.0, 5.0
    surge = run(volume_surge, -ONES, volume, 100, volume_surge_state(100))[0]
    assert np.isnan(surge[:100]).all()
    assert surge[150] == 0.0
    assert surge[151] == pytest.approx(-np.log(5.0 / 0.99))


def test_a_swing_high_is_known_two_candles_late_and_broken_by_a_close() -> None:
    """The first of equal highs counts; a break is consumed; age halves the direction."""
    high = array(1, 2, 5, 5, 3, 3, 3, 6, 6, 6)
    low = high - 0.5
    close = array(1, 2, 4, 4, 3, 3, 3, 5.5, 5.8, 5.9)
    out = run(swing_structure, high, low, close, 0, 24.0, swing_structure_state())[0]
    assert np.isnan(out[:7]).all()
    assert out[7:] == pytest.approx([1.0, 0.5 ** (1 / 24), 0.5 ** (2 / 24)])
    down = run(swing_structure, -low, -high, -close, 0, 24.0, swing_structure_state())[0]
    # mirrored lows are the original highs: the same break, the other way
    assert down[7:] == pytest.approx(-out[7:])


def test_structure_is_silent_before_its_first_candle() -> None:
    """A break before candle 30 shows from candle 30 on."""
    high = np.concatenate((array(1, 2, 5, 3, 3, 6), np.full(30, 6.0)))
    out = run(swing_structure, high, high - 1, high, 30, 24.0, swing_structure_state())[0]
    assert np.isnan(out[:30]).all()
    assert out[30] == pytest.approx(0.5 ** (25 / 24))


def test_a_gap_is_filled_from_its_side_and_forgotten_after_24_candles() -> None:
    """Zone [h(t-2), l(t)], shrunk by later lows."""
    n = 60
    high, low = np.full(n, 10.0), np.full(n, 9.0)
    high[30:], low[30:] = 14.0, 12.0
    low[33] = 11.0
    out = run(fair_value_gap, high, low, np.full(n, 2.0), 24, fair_value_gap_state(24))[0]
    assert np.isnan(out[:25]).all()
    assert out[29] == 0.0
    # candles 30 and 31 both gap over candles 28 and 29: two zones of 2, in ATR of 2
    assert out[30:35].tolist() == [1.0, 2.0, 2.0, 1.0, 1.0]
    assert out[53:56].tolist() == [1.0, 0.5, 0.0]


def test_a_filled_gap_is_dropped_for_good() -> None:
    """A zone that a low has reached through does not come back."""
    n = 40
    high, low = np.full(n, 10.0), np.full(n, 9.0)
    high[30:], low[30:] = 14.0, 12.0
    low[34] = 9.5
    out = run(fair_value_gap, high, low, np.full(n, 2.0), 24, fair_value_gap_state(24))[0]
    assert out[33:].tolist() == [2.0, *[0.0] * 6]


def profile(high: Floats, low: Floats, close: Floats, volume: Floats) -> list[float]:
    """Point of control and value area of the whole arrays."""
    return [float(level[-1]) for level in profile_of(high, low, close, volume, close.size)]


def test_the_point_of_control_is_the_middle_of_the_fullest_bin() -> None:
    """Volume is spread over the bins a candle covers."""
    high, low, volume = array(50, 10.5, 31), array(0, 10.5, 29), array(50, 9, 6)
    control, bottom, top = profile(high, low, low, volume)
    assert control == 10.5  # 1 + 9 there, 1 + 3 in bins 29 and 30
    assert bottom <= 10.0
    assert top >= 11.0


def test_of_equal_bins_the_one_nearest_to_the_vwap_is_the_point_of_control() -> None:
    """And of two as near, the lower."""
    high, low = array(50, 20, 40), array(0, 20, 40)
    control, *_ = profile(high, low, array(50, 20, 40), array(5, 7, 7))
    # typical prices 100/3, 20, 40: the mean lies above 30
    assert control == 40.5
    control, *_ = profile(
        array(50, 10.5, 39.5), array(0, 10.5, 39.5), array(25, 10.5, 39.5), array(5, 7, 7)
    )
    assert control == 10.5


def test_the_value_area_grows_by_pairs_to_seventy_percent() -> None:
    """The larger pair first, upward when equal."""
    prices = np.arange(50) + 0.5
    high = np.concatenate((prices, array(50, 25.5)))
    low = np.concatenate((prices, array(0, 25.5)))
    control, bottom, top = profile(high, low, low, np.ones(52))
    assert control == 25.5
    # 36.4 of 52 are wanted: 2.02, twelve equal pairs up to the top, then five pairs of 2.04 down
    assert (bottom, top) == (15.0, 50.0)


def test_a_window_with_one_price_is_its_own_point_of_control() -> None:
    """No width, no bins."""
    assert profile(FLAT, FLAT, FLAT, ONES) == [7.1, 7.1, 7.1]


def test_states_are_stacked_as_rows_padded_with_zeros() -> None:
    """One array for all of a component's kernels."""
    rows = stack(array(1, 2, 3), array(np.nan), array(4, 5))
    assert rows.shape == (3, 3)
    assert np.array_equal(rows[1], [np.nan, 0, 0], equal_nan=True)
    assert rows.flags.c_contiguous
