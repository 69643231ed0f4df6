"""How Binance lists the coins of the simulated market.

Ticks and steps are its own, and some contracts are on another number of coins: Bybit's
SHIB1000USDT is 1000SHIBUSDT here, its 10000SATSUSDT is 1000SATSUSDT, a tenth of it.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from virtuoso.simulator.listings import Listing
from virtuoso.simulator.numbers import parsed

_BUSIER = 1.5
"""Its turnover against Bybit's."""
_USUAL_FUNDING_HOURS = 8

_QUOTED: Final[Mapping[str, tuple[str, str]]] = {
    "BTCUSDT": ("0.10", "0.001"),
    "ETHUSDT": ("0.01", "0.001"),
    "SOLUSDT": ("0.0100", "0.01"),
    "XRPUSDT": ("0.0001", "0.1"),
    "DOGEUSDT": ("0.000010", "1"),
    "BNBUSDT": ("0.010", "0.01"),
    "SUIUSDT": ("0.000100", "0.1"),
    "1000PEPEUSDT": ("0.0000010", "1"),
    "ADAUSDT": ("0.00010", "1"),
    "AVAXUSDT": ("0.0010", "1"),
    "LINKUSDT": ("0.001", "0.01"),
    "LTCUSDT": ("0.01", "0.001"),
    "BCHUSDT": ("0.01", "0.001"),
    "DOTUSDT": ("0.001", "0.1"),
    "TRXUSDT": ("0.00001", "1"),
    "NEARUSDT": ("0.0010", "1"),
    "APTUSDT": ("0.00050", "0.1"),
    "ARBUSDT": ("0.000100", "0.1"),
    "OPUSDT": ("0.0001000", "0.1"),
    "INJUSDT": ("0.001000", "0.1"),
    "ATOMUSDT": ("0.001", "0.01"),
    "UNIUSDT": ("0.0010", "1"),
    "AAVEUSDT": ("0.010", "0.1"),
    "FILUSDT": ("0.001", "0.1"),
    "ETCUSDT": ("0.001", "0.01"),
    "WIFUSDT": ("0.0001000", "0.1"),
    "1000BONKUSDT": ("0.0000050", "1"),
    "ENAUSDT": ("0.0001000", "1"),
    "FETUSDT": ("0.0001000", "1"),
    "HYPEUSDT": ("0.00100", "0.01"),
    "SHIB1000USDT": ("0.000001", "1"),
    "10000SATSUSDT": ("0.0000001", "1"),
}
"""Tick and step by Bybit's symbol; of others they are Bybit's."""
_RENAMED: Final[Mapping[str, tuple[str, float]]] = {
    "SHIB1000USDT": ("1000SHIBUSDT", 1.0),
    "10000SATSUSDT": ("1000SATSUSDT", 0.1),
}
"""Its symbol, and how many of Bybit's contracts one of its own is."""
_FUNDING_HOURS: Final[Mapping[str, int]] = {
    "1000PEPEUSDT": 8,
    "HYPEUSDT": 4,
    "WIFUSDT": 4,
    "1000BONKUSDT": 4,
    "ENAUSDT": 4,
}


def contract_of(listing: Listing) -> Listing:
    """Return how Binance lists a coin that Bybit lists so."""
    symbol, ratio = _RENAMED.get(listing.symbol, (listing.symbol, 1.0))
    quoted = _QUOTED.get(listing.symbol)
    units = (listing.tick_units, listing.price_scale, listing.step_units, listing.quantity_scale)
    if quoted is not None:
        units = (*parsed(quoted[0]), *parsed(quoted[1]))
    tick_units, price_scale, step_units, quantity_scale = units
    coarser = (tick_units / 10**price_scale) / (listing.tick * ratio)
    return replace(
        listing,
        symbol=symbol,
        price=listing.price * ratio,
        tick_units=tick_units,
        price_scale=price_scale,
        step_units=step_units,
        quantity_scale=quantity_scale,
        daily_turnover=listing.daily_turnover * _BUSIER,
        gap_ticks=max(1, math.ceil(listing.gap_ticks / coarser)),
        spread_ticks=max(1, round(listing.spread_ticks / coarser)),
        funding_hours=_FUNDING_HOURS.get(listing.symbol, _USUAL_FUNDING_HOURS),
        long_share=min(listing.long_share + 0.03, 0.8),
    )
