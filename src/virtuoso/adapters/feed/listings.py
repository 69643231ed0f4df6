"""Which contracts of a venue's catalogue we take, and why the others are left out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing, Venue, parse_symbol
from virtuoso.domain.time import Millis

log = structlog.get_logger()

QUOTE: Final = "USDT"
NAMED: Final = 20
"""How many of the contracts that are left out a line of the log names."""

_MULTIPLE: Final = re.compile(
    r"(?P<before>1000+|1M)(?P<after_it>[A-Z0-9]*[A-Z][A-Z0-9]*)|(?P<before_it>[A-Z]+)(?P<after>1000+)"
)
"""1000SHIB, 1MBABYDOGE or SHIB1000; three zeros at least, for 1INCH, C98 and LUNA2 are coins."""
_MILLION: Final = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Excluded:
    """A contract that is left out; shown with its reason, never lost silently."""

    name: str
    reason: str


def log_excluded(venue: Venue, before: Sequence[Excluded], now: Sequence[Excluded]) -> None:
    """Say what is left out and why, once and whenever it changed."""
    if set(now) == set(before):
        return
    names = [f"{each.name!r}: {each.reason}" for each in now]
    log.info("contracts_excluded", venue=venue, count=len(now), first=names[:NAMED])


def split_multiple(base: str) -> tuple[str, float]:
    """Give the coin of a base and how many of them it is: ("SHIB", 1000.0) of 1000SHIB."""
    found = _MULTIPLE.fullmatch(base)
    if found is None:
        return base, 1.0
    count = found["before"] or found["after"]
    coin: str = found["after_it"] or found["before_it"]
    return coin, _MILLION if count == "1M" else float(count)


def to_listing(
    venue: Venue,
    name: str,
    *,
    base: str,
    tick_size: float,
    quantity_step: float,
    turnover_24h: float | None,
    funding_interval_hours: float | None,
    delisting_at: Millis | None = None,
) -> Listing | Excluded:
    """A contract that passed the venue's own filters, if its name and its steps are sound."""
    try:
        symbol = parse_symbol(name)
    except UnknownSymbolError:
        return Excluded(name, "its name is not plain capitals and digits")
    if not (tick_size > 0 and quantity_step > 0):
        return Excluded(name, f"its tick is {tick_size} and its step {quantity_step}")
    coin, multiplier = split_multiple(base)
    return Listing(
        Instrument(venue, symbol),
        base,
        QUOTE,
        tick_size,
        quantity_step,
        turnover_24h,
        funding_interval_hours,
        delisting_at,
        multiplier,
        coin,
    )
