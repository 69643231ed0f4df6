"""Which of a venue's markets we take, and what is needed to ask for them and to read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from virtuoso.adapters.feed.listings import QUOTE, Excluded, to_listing
from virtuoso.domain.instruments import Instrument, Listing, Venue

_TICK_SIZE: Final = 4
_DECIMAL_PLACES: Final = 2
"""CCXT's numbers for how it tells a precision."""

Market = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contract:
    """A market of the venue with CCXT's name for it."""

    instrument: Instrument
    symbol: str
    """CCXT's, such as BTC/USDT:USDT."""
    size: float
    """Base currency in one contract: quantities are told in contracts."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The USDT perpetuals of a venue."""

    contracts: Mapping[Instrument, Contract]
    listings: tuple[Listing, ...]
    excluded: tuple[Excluded, ...]


def read_catalogue(
    venue: Venue,
    markets: Iterable[Market],
    precision_mode: int,
    turnovers: Mapping[str, float],
) -> Catalogue:
    """Take the tradable USDT perpetuals of CCXT's markets; `turnovers` by CCXT's symbol."""
    contracts: dict[Instrument, Contract] = {}
    listings: list[Listing] = []
    excluded: list[Excluded] = []
    for market in markets:
        if not _is_ours(market):
            continue
        found = _read(venue, market, precision_mode, turnovers.get(str(market["symbol"])))
        if isinstance(found, Listing) and found.instrument in contracts:
            found = Excluded(str(market["symbol"]), f"a second {found.instrument.symbol}")
        if isinstance(found, Excluded):
            excluded.append(found)
            continue
        size = float(market["contractSize"])
        instrument = found.instrument
        contracts[instrument] = Contract(instrument, str(market["symbol"]), size)
        listings.append(found)
    return Catalogue(contracts, tuple(listings), tuple(excluded))


def _is_ours(market: Market) -> bool:
    return (
        market.get("swap") is True
        and market.get("linear") is True
        and market.get("quote") == QUOTE
        and market.get("settle") == QUOTE
        and market.get("active") is not False
    )


def _read(
    venue: Venue, market: Market, precision_mode: int, turnover: float | None
) -> Listing | Excluded:
    base = str(market["base"])
    size = market.get("contractSize")
    if not isinstance(size, (int, float)) or not size > 0:
        return Excluded(str(market["symbol"]), f"its contract size is {size}")
    precision: Mapping[str, Any] = market.get("precision") or {}
    return to_listing(
        venue,
        f"{base}{QUOTE}",
        base=base,
        tick_size=_step(precision.get("price"), precision_mode),
        quantity_step=_step(precision.get("amount"), precision_mode) * float(size),
        turnover_24h=turnover,
        funding_interval_hours=None,
    )


def _step(precision: object, mode: int) -> float:
    """The smallest change of a number; 0 when the venue does not tell it."""
    if not isinstance(precision, (int, float)):
        return 0.0
    if mode == _TICK_SIZE:
        return float(precision)
    return 10.0 ** -float(precision) if mode == _DECIMAL_PLACES else 0.0
