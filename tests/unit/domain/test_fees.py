"""What a taker pays, in units of the risk: exact, alike for long and short, never invented."""

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtuoso.domain.fees import OTHER, PUBLISHED, TakerFee, after_fees, fee_at

FEE = TakerFee(0.055, "as a test says")


@given(
    st.floats(0.01, 1e6),
    st.floats(-0.2, 0.2),
    st.floats(1e-3, 0.1),
    st.floats(0.0, 1.0),
    st.sampled_from([1.0, -1.0]),
)
def test_it_is_what_a_position_bought_and_sold_at_the_fee_is_left_with(
    price: float, move: float, risk: float, percent: float, sign: float
) -> None:
    """Both sides pay on their own turnover; a mirrored market pays the same."""
    share, end = percent / 100, price * exp(sign * move)
    bought, sold = (price, end) if sign > 0 else (end, price)
    left = log(sold * (1 - share) / (bought * (1 + share))) / risk
    found = after_fees(move / risk, risk, TakerFee(percent, ""))
    assert found == pytest.approx(left, abs=1e-6)


def test_without_a_result_a_stop_or_a_fee_there_is_no_number() -> None:
    """Not the one before costs either."""
    assert after_fees(None, 0.006, FEE) is None
    assert after_fees(1.0, None, FEE) is None
    assert after_fees(1.0, 0.006, None) is None


def test_a_fee_of_other_venues_is_never_taken_for_one_of_a_venue_with_its_own() -> None:
    """Where Bybit's was said to be unknown it stays unknown."""
    assert fee_at({OTHER: FEE}, "kraken") is FEE
    assert fee_at({OTHER: FEE}, "bybit") is None
    assert fee_at(PUBLISHED, "bybit") is PUBLISHED["bybit"]
    assert fee_at(PUBLISHED, "kraken") is None
