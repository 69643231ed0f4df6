"""Venue, Symbol, Instrument: the identities every other word hangs on."""

import re
from dataclasses import dataclass
from typing import NewType

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.time import Millis

Venue = NewType("Venue", str)
Symbol = NewType("Symbol", str)

BYBIT = Venue("bybit")
BINANCE = Venue("binance")

_SYMBOL = re.compile(r"[A-Z0-9]{2,30}([:/_-][A-Z0-9]{1,15}){0,2}")


def parse_symbol(text: str) -> Symbol:
    """Read a symbol. Raises UnknownSymbolError when it cannot be one."""
    if _SYMBOL.fullmatch(text) is None:
        shown = text[:40]
        msg = f"expected a symbol such as BTCUSDT (capitals and digits), found {shown!r}"
        raise UnknownSymbolError(msg)
    return Symbol(text)


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """One market on one venue: the only key used across the system."""

    venue: Venue
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Listing:
    """What a venue's catalogue says of an instrument."""

    instrument: Instrument
    base: str
    quote: str
    tick_size: float
    quantity_step: float
    turnover_24h: float | None
    """Quote currency, last 24 hours; what the universe is ranked on."""
    funding_interval_hours: float | None
    delisting_at: Millis | None = None
    """When it ends, if that is announced."""
    multiplier: float = 1.0
    """Coins that one price is for: 1,000 of 1000SHIBUSDT. Venues are compared per coin."""
    coin: str = ""
    """What the base is a multiple of, such as SHIB; empty: the base itself."""
