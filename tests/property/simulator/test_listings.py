"""Listings: known names first, then synthetic ones that say so, on both venues."""

import re

import numpy as np

from virtuoso.simulator.binance.contracts import contract_of
from virtuoso.simulator.binance.rest import contract_row
from virtuoso.simulator.directory import Entry
from virtuoso.simulator.listings import LISTINGS, listings_of
from virtuoso.simulator.market import Market
from virtuoso.simulator.rest import instrument_row
from virtuoso.simulator.settings import MOST_SYMBOLS

NAME = re.compile(r"[A-Z0-9]{2,20}USDT")


def test_five_hundred_listings_have_names_of_their_own() -> None:
    """And one more, which is kept back; the known ones come first, the busiest first of all."""
    listings = listings_of(MOST_SYMBOLS + 1)
    assert len({listing.symbol for listing in listings}) == MOST_SYMBOLS + 1
    assert all(NAME.fullmatch(listing.symbol) for listing in listings)
    assert listings[: len(LISTINGS)] == LISTINGS
    turnovers = [listing.daily_turnover for listing in listings[len(LISTINGS) :]]
    assert turnovers == sorted(turnovers, reverse=True)


def test_what_exists_nowhere_says_so_in_both_catalogues() -> None:
    """By its name, and in the listing of each venue; a known coin is not called synthetic."""
    for listing in listings_of(MOST_SYMBOLS):
        bybit = instrument_row(listing, Entry(), 0)
        binance = contract_row(contract_of(listing), Entry(), 0)
        synthetic = listing.symbol.startswith("SYN")
        assert listing.synthetic is synthetic
        assert (bybit["displayName"] == "SYNTHETIC") is synthetic
        assert (binance["underlyingSubType"] == ["Synthetic"]) is synthetic


def test_prices_have_ticks_enough_and_not_too_many() -> None:
    """Between a thousand and a few million ticks, so that neither spread nor sums go wild."""
    for listing in listings_of(MOST_SYMBOLS):
        for each in (listing, contract_of(listing)):
            assert 200 < each.price / each.tick < 5e6, each.symbol
            assert each.step * each.price < each.daily_turnover / 1e4, each.symbol


def test_a_large_market_starts_a_little_before_its_start() -> None:
    """Not a whole minute is lived through unseen; the candles are whole all the same."""
    listings = listings_of(41)
    start = 1_763_700_000_000 + 48_000
    market = Market(listings, start, np.random.default_rng(2), tuple(map(contract_of, listings)))
    assert market.now_ms == start
    assert market.binance is not None
    for candles in (market.trades, market.binance.trades):
        for symbol in (0, 40):
            starts, rows = candles.page(symbol, "1", None, None, 3_000)
            assert len(starts) == 3_000
            assert starts[-1] == candles.minute == start // 60_000 * 60_000
            assert (rows[1:, 0] == rows[:-1, 3]).all()
            assert rows[-1, 4] > 0
