"""What a venue takes of a trade, and what that takes of a result."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class TakerFee:
    """A fee of whoever takes an offer, with where it is from."""

    percent: float
    """Of the turnover of each side."""
    source: str


Fees = Mapping[str, TakerFee]
"""By venue, and OTHER for those that are not named."""

OTHER: Final = "*"

NO_FEES: Final[Fees] = MappingProxyType({})

PUBLISHED: Final[Fees] = MappingProxyType(
    {
        "bybit": TakerFee(0.055, "published by Bybit: perpetuals, base rate of non-VIP accounts"),
        "binance": TakerFee(0.05, "published by Binance: USDⓈ-M futures, regular accounts"),
    }
)


def fee_at(fees: Fees, venue: str) -> TakerFee | None:
    """Give a venue's fee; None: no fee is known. One that is known by name is never OTHER."""
    return fees.get(venue) if venue in PUBLISHED else fees.get(venue, fees.get(OTHER))


def after_fees(r: float | None, risk: float | None, fee: TakerFee | None) -> float | None:
    """Give a result after taking both ways, in units of the distance to the stop.

    risk: that distance as a log return. With f the fee as a share a long position is bought at
    p (1 + f) and sold at x (1 - f), a short one the other way round: either loses
    ln((1 + f) / (1 - f)) of its log return.
    """
    if r is None or not risk or fee is None:
        return None
    share = fee.percent / 100.0
    return r - log((1.0 + share) / (1.0 - share)) / risk
