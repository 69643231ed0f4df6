"""Which contracts of a venue's catalogue we take, and why the others are left out."""

from dataclasses import dataclass
from typing import Final

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing, Venue, parse_symbol

QUOTE: Final = "USDT"


@dataclass(frozen=True, slots=True)
class Excluded:
    """A contract that is left out; shown with its reason, never lost silently."""

    name: str
    reason: str


def to_listing(
    venue: Venue,
    name: str,
    *,
    base: str,
    tick_size: float,
    quantity_step: float,
    turnover_24h: float | None,
    funding_interval_hours: float | None,
) -> Listing | Excluded:
    """A contract that passed the venue's own filters, if its name and its steps are sound."""
    try:
        symbol = parse_symbol(name)
    except UnknownSymbolError:
        return Excluded(name, "its name is not plain capitals and digits")
    if not (tick_size > 0 and quantity_step > 0):
        return Excluded(name, f"its tick is {tick_size} and its step {quantity_step}")
    return Listing(
        Instrument(venue, symbol),
        base,
        QUOTE,
        tick_size,
        quantity_step,
        turnover_24h,
        funding_interval_hours,
    )
