"""Tickers: the last day and the present of every symbol in one row of text."""

from collections.abc import Mapping
from dataclasses import dataclass

from virtuoso.simulator.candles import CLOSE, COUNT, HIGH, LOW, MINUTE, TURNOVER, VOLUME, Candles
from virtuoso.simulator.derivatives import RATE_SCALE, Derivatives
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.numbers import padded, rescaled, trimmed
from virtuoso.simulator.symbol_market import SymbolMarket

_DAY_MINUTES = 1_439
"""Closed minutes of the last 24 hours; the forming one is the 1,440th."""
_VOLUME_SCALE = 4
_VALUE_SCALE = 2
_CHANGE_SCALE = 6
_PAIRS = (("bid1Price", "bid1Size"), ("ask1Price", "ask1Size"))
"""Fields that are sent together, even if one of them stays the same."""


@dataclass(frozen=True, slots=True)
class Day:
    """What the closed minutes of the last day add up to: one number a symbol."""

    highs: list[int]
    lows: list[int]
    volumes: list[int]
    turnovers: list[int]
    closes_a_day_ago: list[int]
    closes_an_hour_ago: list[int]
    counts: list[int]
    """Empty where the venue does not count trades."""


class Tickers:
    """The ticker of every symbol, and what its subscribers know of it."""

    def __init__(
        self,
        listings: tuple[Listing, ...],
        symbols: list[SymbolMarket],
        candles: tuple[Candles, Candles, Candles],
        derivatives: Derivatives,
    ) -> None:
        self._listings = listings
        self._symbols = symbols
        self._trades, self._mark, self._index = candles
        self._derivatives = derivatives
        self._day = day_of(self._trades.series(MINUTE).rows)
        self._known: list[dict[str, str]] = [{} for _ in listings]

    def close_minute(self) -> None:
        """Move the window of 24 hours on."""
        self._day = day_of(self._trades.series(MINUTE).rows)

    def known(self, symbol: int) -> Mapping[str, str]:
        """Return all fields as the subscribers of the symbol know them."""
        return self._known[symbol]

    def advance(self, symbol: int, now_ms: int) -> dict[str, str]:
        """Return the fields that changed since the last call."""
        known, fields = self._known[symbol], self.fields(symbol, now_ms)
        changed = {name: text for name, text in fields.items() if known.get(name) != text}
        for pair in _PAIRS:
            if any(name in changed for name in pair):
                changed |= {name: fields[name] for name in pair}
        self._known[symbol] = fields
        return changed

    def fields(self, symbol: int, now_ms: int) -> dict[str, str]:
        """Return every field of the present ticker, in the order and the form of the stream."""
        listing, day, live = self._listings[symbol], self._day, self._symbols[symbol]
        forming = self._trades.forming[symbol]
        last = forming[CLOSE]
        day_ago = day.closes_a_day_ago[symbol]
        mark = self._mark.forming[symbol][CLOSE]
        interest = self._derivatives.interest_steps[symbol]
        volume = (day.volumes[symbol] + forming[VOLUME]) * listing.step_units
        turnover = (day.turnovers[symbol] + forming[TURNOVER]) * listing.money_units
        value = interest * listing.step_units * mark
        book = live.book
        bid, ask = book.best_bid, book.best_ask
        return {
            "symbol": listing.symbol,
            "tickDirection": live.tick_direction,
            "price24hPcnt": padded(round((last / day_ago - 1) * 10**_CHANGE_SCALE), _CHANGE_SCALE),
            "lastPrice": listing.price_text(last),
            "prevPrice24h": listing.price_text(day_ago),
            "highPrice24h": listing.price_text(max(day.highs[symbol], forming[HIGH])),
            "lowPrice24h": listing.price_text(min(day.lows[symbol], forming[LOW])),
            "prevPrice1h": listing.price_text(day.closes_an_hour_ago[symbol]),
            "markPrice": padded(mark, listing.price_scale),
            "indexPrice": padded(self._index.forming[symbol][CLOSE], listing.price_scale),
            "openInterest": listing.quantity_text(interest),
            "openInterestValue": padded(
                rescaled(value, listing.money_scale, _VALUE_SCALE), _VALUE_SCALE
            ),
            "turnover24h": padded(
                rescaled(turnover, listing.money_scale, _VOLUME_SCALE), _VOLUME_SCALE
            ),
            "volume24h": padded(
                rescaled(volume, listing.quantity_scale, _VOLUME_SCALE), _VOLUME_SCALE
            ),
            "fundingIntervalHour": str(listing.funding_hours),
            "fundingCap": str(listing.funding_cap),
            "nextFundingTime": str(self._derivatives.next_funding(symbol, now_ms)),
            "fundingRate": trimmed(self._derivatives.funding_rates[symbol], RATE_SCALE),
            "bid1Price": listing.price_text(bid),
            "bid1Size": listing.quantity_text(book.bids.sizes[bid]),
            "ask1Price": listing.price_text(ask),
            "ask1Size": listing.quantity_text(book.asks.sizes[-ask]),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }


def day_of(rows: Integers) -> Day:
    """Add up what closed minutes, shape (n, symbols, 6 or more), tell of the last day."""
    window = rows[-_DAY_MINUTES:]
    return Day(
        highs=window[..., HIGH].max(axis=0).tolist(),
        lows=window[..., LOW].min(axis=0).tolist(),
        volumes=window[..., VOLUME].sum(axis=0).tolist(),
        turnovers=window[..., TURNOVER].sum(axis=0).tolist(),
        closes_a_day_ago=rows[-_DAY_MINUTES - 1, :, CLOSE].tolist(),
        closes_an_hour_ago=rows[-60, :, CLOSE].tolist(),
        counts=window[..., COUNT].sum(axis=0).tolist() if rows.shape[-1] > COUNT else [],
    )
