"""Fees as they are set: the published ones by default, each with where it is from."""

from virtuoso.apps.settings import SignalSettings, load_settings
from virtuoso.apps.signal_fees import taker_fees
from virtuoso.domain.fees import OTHER, PUBLISHED


def test_the_default_settings_are_the_published_fees_and_none_for_other_venues() -> None:
    """The numbers in the file and the ones that are called published are the same."""
    assert taker_fees(load_settings(None, {}).signals) == PUBLISHED


def test_what_is_set_says_so_and_a_negative_fee_is_unknown() -> None:
    """Nobody takes one's own number for the venue's."""
    fees = taker_fees(SignalSettings(0.03, -1.0, 0.0))
    assert set(fees) == {"bybit", OTHER}
    assert (fees["bybit"].percent, fees[OTHER].percent) == (0.03, 0.0)
    assert fees["bybit"].source == "the setting signals.bybit_taker_fee_percent"
