"""Two venues, one board."""

from dataclasses import replace

import pytest

from support.markets import BTC, BTC_BINANCE, ETH, NOW, heard_of, listing_of, pipeline_of
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import Disconnected
from virtuoso.domain.scores import State
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine.pairing import Pairing, Shown
from virtuoso.engine.pipeline import Pipeline

LISTED = (listing_of(BTC_BINANCE),)


class Two:
    """Two venues in step, and the board of both."""

    def __init__(self, second: Instrument = BTC_BINANCE) -> None:
        self.first: Pipeline = pipeline_of(BTC, ETH)
        self.second: Pipeline = pipeline_of(second, venue=BINANCE)
        self.pairing = Pairing()
        self.instrument = second
        self.now = NOW

    def board(
        self, *, first: bool = True, second: bool = True, price: float = 100.0
    ) -> list[Shown]:
        """Let a second pass in which a venue speaks or not."""
        self.now += SECOND
        if first:
            for each in (*heard_of(BTC, self.now - 200), *heard_of(ETH, self.now - 200)):
                self.first.handle(each)
        if second:
            for each in heard_of(self.instrument, self.now - 100, price):
                self.second.handle(each)
        self.first.second(Millis(self.now))
        self.second.second(Millis(self.now))
        return self.pairing.pair(self.first.view(), self.second.view(), LISTED, self.now)


def test_the_first_venue_speaks_while_it_is_good() -> None:
    """The other one is compared with: price in hundredths of a percent."""
    two = Two()
    bitcoin, ether = two.board(price=100.05)
    assert bitcoin.instrument == BTC
    assert bitcoin.other is not None
    assert bitcoin.other.instrument == BTC_BINANCE
    assert bitcoin.other.price_difference_bps == pytest.approx(5.0)
    assert not bitcoin.other.speaks
    assert ether.other is None
    agreement = two.pairing.agreement
    assert agreement is not None
    assert (agreement.compared, agreement.worst_symbol) == (1, "BTCUSDT")
    assert agreement.median_bps == pytest.approx(5.0)


def test_the_second_speaks_when_the_first_is_stale_and_for_a_minute_after() -> None:
    """Two bad checks switch, a minute of good ones switches back; what maps to nothing stays."""
    two = Two()
    two.board()
    boards = [two.board(first=False) for _ in range(10)]
    venues = [board[0].instrument.venue for board in boards]
    assert venues[0] == BTC.venue
    assert venues[-1] == BINANCE
    stood_in = boards[-1][0]
    assert stood_in.symbol == "BTCUSDT"
    assert stood_in.view.price.state is State.LIVE
    assert stood_in.other is not None
    assert stood_in.other.speaks
    assert stood_in.other.price_difference_bps is None, "what is stale is not compared"
    assert boards[-1][1].instrument == ETH
    assert boards[-1][1].view.price.state is State.STALE
    back = [two.board()[0].instrument.venue for _ in range(63)]
    assert back[30] == BINANCE
    assert back[-1] == BTC.venue


def test_a_feed_that_is_down_is_replaced_without_waiting_for_its_age() -> None:
    """A closed connection has no price to be late with."""
    two = Two()
    two.board()
    cut = Disconnected(BTC.venue, frozenset({BTC, ETH}), "cut", Millis(two.now + 1))
    two.first.handle(cut)
    boards = [two.board(first=False) for _ in range(8)]
    assert boards[-1][0].instrument == BTC_BINANCE


def test_nobody_stands_in_when_both_are_bad() -> None:
    """Then the board shows the first one, stale."""
    two = Two()
    two.board()
    shown = [two.board(first=False, second=False) for _ in range(10)][-1][0]
    assert shown.instrument == BTC
    assert shown.view.price.state is State.STALE


def test_a_first_venue_that_was_never_heard_of_leaves_the_board_to_the_second() -> None:
    """Its own symbols, named as its own."""
    second = pipeline_of(BTC_BINANCE, venue=BINANCE)
    second.second(Millis(NOW))
    [shown] = Pairing().pair(None, second.view(), LISTED, NOW)
    assert (shown.symbol, shown.instrument) == ("BTCUSDT", BTC_BINANCE)


def test_the_same_coin_in_another_number_is_the_same_coin() -> None:
    """Prices are compared and shown per contract of the first venue's symbol."""
    here = Instrument(BTC.venue, Symbol("SHIB1000USDT"))
    there = Instrument(BINANCE, Symbol("SHIBUSDT"))
    first, second = pipeline_of(here), pipeline_of(there, venue=BINANCE)
    thousand = replace(listing_of(here), coin="SHIB", multiplier=1_000)
    single = replace(listing_of(there), coin="SHIB", multiplier=1)
    for each in (*heard_of(here, NOW - 100, 100.0), *heard_of(there, NOW - 100, 0.1001)):
        (first if each.instrument == here else second).handle(each)
    lane = first.lane(here)
    assert lane is not None
    lane.list_as(thousand)
    first.second(Millis(NOW))
    second.second(Millis(NOW))
    [shown] = Pairing().pair(first.view(), second.view(), [single], NOW)
    assert shown.other is not None
    assert shown.other.price.value == pytest.approx(100.1)
    assert shown.other.price_difference_bps == pytest.approx(10.0)
