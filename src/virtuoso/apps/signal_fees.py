"""The fees that results of signals are reckoned after, with where each is from."""

from virtuoso.apps.settings import SignalSettings
from virtuoso.domain.fees import OTHER, PUBLISHED, Fees, TakerFee


def taker_fees(ours: SignalSettings) -> Fees:
    """Give the fee of each venue: as the venue publishes it, or as it is set."""
    found = {}
    for venue, name, percent in (
        ("bybit", "bybit_taker_fee_percent", ours.bybit_taker_fee_percent),
        ("binance", "binance_taker_fee_percent", ours.binance_taker_fee_percent),
        (OTHER, "other_taker_fee_percent", ours.other_taker_fee_percent),
    ):
        known = PUBLISHED.get(venue)
        if percent == "unknown":
            continue
        if known is not None and percent == known.percent:
            found[venue] = known
        else:
            found[venue] = TakerFee(percent, f"the setting signals.{name}")
    return found
