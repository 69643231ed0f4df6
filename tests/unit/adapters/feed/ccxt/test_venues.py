"""Which venues there are, and what a reader is told of them."""

from functools import partial

import aiohttp
import pytest
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.capabilities import OTHERS, LiquidationCoverage, capabilities_known_of
from virtuoso.adapters.feed.ccxt.guard import ClientGuard, Request, describe, open_library
from virtuoso.adapters.feed.ccxt.venues import (
    capabilities_of,
    dialect_of,
    find_library,
    rate_of,
    weight_of,
)
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.apps.sources import parse_source
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Venue
from virtuoso.domain.market_data import BookSnapshot, Liquidation
from virtuoso.testing.fake_clock import FakeClock

OKX = Venue("okx")


def test_a_source_may_be_any_venue_that_ccxt_streams() -> None:
    """The whole text is the kind."""
    assert parse_source("ccxt:okx") == ("ccxt:okx", None)


@pytest.mark.parametrize("text", ["ccxt:", "ccxt", "ccxt:nosuch", "ccxt:kraken", "ccxt:../bybit"])
def test_other_names_are_refused_with_what_was_expected(text: str) -> None:
    """An unknown name, and a venue without perpetual contracts."""
    with pytest.raises(SettingsError, match="expected"):
        parse_source(text)


def test_binance_means_its_usdt_perpetuals() -> None:
    """Its class is another one of CCXT's."""
    assert find_library(BINANCE).__name__ == "binanceusdm"


def test_a_book_is_sequenced_only_where_we_know_the_rule() -> None:
    """And liquidations are offered only where the side is known; their coverage is unknown."""
    for venue in (BYBIT, BINANCE):
        found = capabilities_of(venue)
        assert found.book_sequenced
        assert Liquidation in found.streamed
        assert found.liquidations is LiquidationCoverage.UNKNOWN
    other = capabilities_of(OKX)
    assert BookSnapshot in other.streamed
    assert Liquidation not in other.streamed
    assert not other.book_sequenced
    assert not other.past_taker_split


def test_what_a_name_tells_is_not_more_than_what_the_venue_gives() -> None:
    """A recording of another venue is read with no better opinion of it than its live stream."""
    assert capabilities_known_of(OKX) is OTHERS
    assert OTHERS.book_sequenced == capabilities_of(OKX).book_sequenced
    assert Liquidation not in OTHERS.streamed
    assert capabilities_known_of(BYBIT).book_sequenced


def test_the_budget_follows_the_pace_that_the_venue_publishes() -> None:
    """Sixty percent of it; one call is never more than what may be spent at once."""
    rate = rate_of(OKX)
    assert rate is not None
    assert rate[0] / rate[1] == pytest.approx(0.6 * 1_000 / 110)
    assert rate_of(BYBIT) is None
    assert weight_of(OKX, 500.0) <= rate[0]
    assert (weight_of(BYBIT, 5.0), weight_of(BINANCE, 40.0)) == (1.0, 40.0)


def test_reasons_hold_no_address() -> None:
    """An address may carry what was asked, or a signature."""
    error = theirs.NetworkError("okx GET https://www.okx.com/api?signature=abc timed out")
    assert describe(error) == "okx GET timed out"
    assert describe(KeyError("p")) == "KeyError: 'p'"
    assert len(describe(ValueError("x" * 9_000))) < 250


@pytest.mark.parametrize("name", ["okx", "gate", "bitget", "hyperliquid", "binance", "bybit"])
async def test_every_websocket_client_has_a_guard(name: str) -> None:
    """Whatever the venue; and the library waits on our clocks, not on its own."""
    venue, clock = Venue(name), FakeClock()
    async with aiohttp.ClientSession() as session:
        library = open_library(
            find_library(name),
            session,
            RequestBudget(venue, clock, rate_of(venue)),
            clock,
            weigh=partial(weight_of, venue),
            options=dialect_of(venue).options,
            watcher=Deaf(),
        )
        url = "wss://127.0.0.1:9/never-opened"
        client = library.client(url)
        guard = library.guards[url]
        assert guard.client is client
        assert library.client(url) is client
        assert library.ws_dial_delay(url) == 0
        guard.fail("enough")
        assert guard.reason == "enough"
        assert url not in library.clients
        await library.close()  # type: ignore[no-untyped-call]


class Deaf:
    """Does nothing with what it is told."""

    def connected(self, guard: ClientGuard, requests: frozenset[Request]) -> None:
        """Told that there is a connection."""

    def refused(self, guard: ClientGuard, reason: str, sample: bytes, *, recycled: bool) -> None:
        """Told of a frame."""

    def ended(self, guard: ClientGuard, reason: str) -> None:
        """Told of an end."""
