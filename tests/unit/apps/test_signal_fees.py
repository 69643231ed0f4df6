"""Fees as they are set: the published ones by default, each with where it is from."""

from pathlib import Path

import pytest

from virtuoso.apps.settings import SignalSettings
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.signal_fees import taker_fees
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.fees import OTHER, PUBLISHED


def test_the_default_settings_are_the_published_fees_and_none_for_other_venues() -> None:
    """The numbers in the file and the ones that are called published are the same."""
    assert taker_fees(load_settings(None, {}).signals) == PUBLISHED


def test_what_is_set_says_so_and_an_unknown_fee_is_none() -> None:
    """Nobody takes one's own number for the venue's."""
    fees = taker_fees(SignalSettings(0.03, "unknown", 0.0))
    assert set(fees) == {"bybit", OTHER}
    assert (fees["bybit"].percent, fees[OTHER].percent) == (0.03, 0.0)
    assert fees["bybit"].source == "the setting signals.bybit_taker_fee_percent"


def test_a_negative_fee_is_refused(tmp_path: Path) -> None:
    """No number stands for a fee that nobody knows."""
    file = tmp_path / "mine.toml"
    file.write_text("[signals]\nother_taker_fee_percent = -1.0\n", "utf-8")
    with pytest.raises(SettingsError, match="other_taker_fee_percent"):
        load_settings(file, {})
