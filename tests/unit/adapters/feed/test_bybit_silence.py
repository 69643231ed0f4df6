"""Which of Bybit's topics is dead and which has nothing to say; times are handed in."""

import pytest

from virtuoso.adapters.feed.bybit.parse import DataFrame, TopicName
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.silence import Silence
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    FormingCandle,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Ticker,
    TickerField,
    Topic,
    Trade,
)
from virtuoso.domain.time import Millis, Timeframe

SOL = Instrument(BYBIT, Symbol("SOLUSDT"))
START = 1_000_000


class Room:
    """All topics of one instrument, and a clock that goes on as things are said."""

    def __init__(self) -> None:
        self.silence = Silence(Patience())
        self.names = {name.topic: name for name in topics_of(SOL, BybitSettings())}
        self.now = START
        for name in self.names.values():
            self.silence.expect(name)
            self.silence.acknowledge(name.text, self.now)

    def say(self, topic: Topic, data: MarketData, *, snapshot: bool = False) -> None:
        """Let a topic say something."""
        event = MarketEvent(SOL, data, Millis(self.now), Millis(self.now))
        self.silence.hear(DataFrame(self.names[topic], snapshot, [event]), self.now)

    def quote(self, sequence: int, bid: float = 100.0) -> None:
        """Say the best prices."""
        self.say(Topic.QUOTE, Quote(bid, 1.0, 101.0, 1.0, sequence), snapshot=True)

    def book(self, sequence: int, *, snapshot: bool = False) -> None:
        """Say what changed in the book."""
        kind = BookSnapshot if snapshot else BookDelta
        update = kind([(100.0, 1.0)], [(101.0, 1.0)], sequence, sequence, sequence)
        self.say(Topic.BOOK, update, snapshot=snapshot)

    def ticker(self, **values: float) -> None:
        """Say what changed in the ticker."""
        fields = {TickerField(name): value for name, value in values.items()}
        self.say(Topic.TICKER, Ticker(fields, whole=False))

    def whole_ticker(self) -> None:
        """Say a whole ticker."""
        fields = {TickerField.LAST_PRICE: 100.0, TickerField.TURNOVER_24H: 1_000.0}
        self.say(Topic.TICKER, Ticker(fields, whole=True), snapshot=True)

    def trade(self) -> None:
        """Say a trade."""
        self.say(Topic.TRADES, Trade("1", 100.0, 1.0, Side.BUY))

    def candle(self) -> None:
        """Say a candle that is open."""
        forming = FormingCandle(Timeframe.M1, Millis(0), 1.0, 1.0, 1.0, 1.0, 1.0)
        self.say(Topic.CANDLES, forming)

    def begin(self) -> None:
        """Let everything begin as it should."""
        self.quote(1)
        self.book(1, snapshot=True)
        self.whole_ticker()

    def silent(self) -> dict[Topic, str]:
        """Who should have spoken, and why."""
        return {each.name.topic: each.reason for each in self.silence.find(self.now)}

    def keep_quotes(self, seconds: float, sequence: int) -> None:
        """Let time pass while the best prices are sent again and again."""
        end = self.now + int(seconds * 1_000)
        while self.now < end:
            self.now += 500
            self.quote(sequence)


def test_a_quiet_market_is_not_silent() -> None:
    """The best prices are sent again each 3 s; book, trades and the rest may rest."""
    room = Room()
    room.begin()
    for _ in range(5):
        room.now += 3_000
        room.quote(1)
        room.silence.hear(
            DataFrame(room.names[Topic.TICKER], is_snapshot=False, events=[]), room.now
        )
        assert room.silent() == {}


def test_best_prices_that_are_not_sent_again_are_dead() -> None:
    """After 4.5 s."""
    room = Room()
    room.begin()
    room.now += 4_500
    assert Topic.QUOTE not in room.silent()
    room.now += 100
    assert room.silent()[Topic.QUOTE] == "not a word in 4.6 s"


def test_a_book_without_a_snapshot_is_told_after_two_seconds() -> None:
    """Whether it says other things or nothing at all."""
    room = Room()
    room.quote(5)
    room.now += 1_000
    room.book(6)
    room.quote(7, bid=100.5)
    room.now += 1_001
    assert room.silent() == {Topic.BOOK: "no snapshot within 2 s"}
    room.book(7, snapshot=True)
    assert room.silent() == {}


def test_a_ticker_that_never_begins_is_told_after_ten_seconds() -> None:
    """A wrong name or address; one that says changes only, after two."""
    room = Room()
    room.quote(1)
    room.book(1, snapshot=True)
    room.keep_quotes(10, 1)
    assert room.silent() == {}
    room.now += 1
    reason = "subscribed to, and not a word within 10 s: a wrong name or address"
    assert room.silent() == {Topic.TICKER: reason}
    room.ticker(last_price=1.0)
    assert room.silent() == {Topic.TICKER: "no snapshot within 2 s"}


def test_a_book_behind_the_best_prices_for_two_seconds_is_dead() -> None:
    """Their sequence is ahead, and they show what it does not."""
    room = Room()
    room.begin()
    room.now += 100
    room.quote(5, bid=100.5)
    room.now += 2_000
    assert room.silent() == {}
    room.now += 100
    assert room.silent() == {
        Topic.BOOK: "the best prices moved on and the order book did not for 2.1 s"
    }
    room.book(6)
    assert room.silent() == {}


def test_best_prices_that_moved_there_and_back_are_no_proof() -> None:
    """Within one push of the book nothing has changed."""
    room = Room()
    room.begin()
    room.now += 10
    room.quote(5, bid=100.5)
    room.now += 10
    room.quote(6, bid=100.0)
    room.keep_quotes(3, 6)
    assert Topic.BOOK not in room.silent()


def test_a_busy_book_is_judged_by_its_own_rate_and_a_thin_one_is_not() -> None:
    """One that changes each 100 ms and stops is dead after 3 s."""
    for gap, is_silent in ((100, True), (2_000, False)):
        room = Room()
        room.begin()
        for number in range(60):
            room.now += gap
            room.book(2 + number)
            room.quote(2 + number)
            room.ticker()
        room.keep_quotes(3.5, 61)
        assert (Topic.BOOK in room.silent()) is is_silent


def test_a_ticker_that_stops_is_judged_by_its_own_rate() -> None:
    """A lively one after 5 s, any after 20 s."""
    for gap, pause, is_silent in ((100, 5.5, True), (800, 5.5, False), (3_000, 20.5, True)):
        room = Room()
        room.begin()
        for number in range(60):
            room.now += gap
            room.ticker(last_price=100.0 + number)
            room.trade()
            room.ticker()
        room.keep_quotes(pause, 1)
        assert (Topic.TICKER in room.silent()) is is_silent, gap


@pytest.mark.parametrize(
    ("values", "is_proof"),
    [
        ({"last_price": 101.0}, True),
        ({"turnover_24h": 1_001.0}, True),
        ({"turnover_24h": 999.0}, False),
        ({"mark_price": 101.0}, False),
        ({"last_price": 100.0}, False),
    ],
)
def test_a_ticker_that_moves_without_trades_proves_them_dead(
    values: dict[str, float], *, is_proof: bool
) -> None:
    """Its price, or a turnover that grows; one that falls is yesterday's trades leaving."""
    for has_traded in (True, False):
        room = Room()
        room.begin()
        if has_traded:
            room.trade()
        room.now += 1_000
        room.ticker()
        room.now += 1_000
        room.ticker(**values)
        room.keep_quotes(2, 1)
        room.ticker()
        room.now += 1
        assert (Topic.TRADES in room.silent()) is is_proof
        room.trade()
        assert Topic.TRADES not in room.silent()


def test_a_trade_just_before_the_ticker_explains_it() -> None:
    """They are of the same moment."""
    room = Room()
    room.begin()
    room.now += 1_000
    room.ticker()
    room.now += 900
    room.trade()
    room.now += 100
    room.ticker(last_price=101.0)
    room.keep_quotes(3, 1)
    assert Topic.TRADES not in room.silent()


def test_trades_prove_ticker_and_candle_dead() -> None:
    """The ticker after 3 s, the candle after a minute and 5 s."""
    room = Room()
    room.begin()
    room.candle()
    room.now += 1_000
    room.trade()
    room.keep_quotes(3, 1)
    assert room.silent() == {}
    room.now += 1
    assert set(room.silent()) == {Topic.TICKER}
    room.ticker()
    room.keep_quotes(62.5, 1)
    room.ticker()
    assert set(room.silent()) == {Topic.CANDLES}


def test_trades_and_liquidations_alone_are_never_silent() -> None:
    """Nothing tells how often they should come."""
    room = Room()
    room.begin()
    for _ in range(60):
        room.now += 100
        room.trade()
        room.ticker()
    room.candle()
    for _ in range(100):
        room.now += 3_000
        room.quote(1)
        room.ticker()
    assert room.silent() == {}


def test_what_this_process_did_not_read_is_nobodys_silence() -> None:
    """All clocks begin again."""
    room = Room()
    room.begin()
    room.quote(5, bid=100.5)
    room.trade()
    room.now += 60_000
    assert len(room.silent()) >= 3
    room.silence.forgive(room.now)
    assert room.silent() == {}


def test_a_topic_that_is_asked_for_anew_begins_anew() -> None:
    """And nothing is held against it until it is acknowledged."""
    room = Room()
    room.begin()
    name: TopicName = room.names[Topic.BOOK]
    room.silence.expect(name)
    assert room.silence.is_beginning(name.text)
    room.keep_quotes(5, 1)
    assert Topic.BOOK not in room.silent()
    room.silence.acknowledge(name.text, room.now)
    room.keep_quotes(2.5, 1)
    assert room.silent()[Topic.BOOK] == "no snapshot within 2 s"
    room.silence.pause(name.text, room.now + 1_000)
    assert Topic.BOOK not in room.silent()
    room.silence.forget(name.text)
    room.keep_quotes(2, 1)
    assert Topic.BOOK not in room.silent()
