"""A stream that has died, and one that has nothing to say."""

import pytest

from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.silence import Silence
from virtuoso.adapters.feed.binance.subscriptions import Kind, StreamName, streams_of
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    FormingCandle,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
)
from virtuoso.domain.time import Millis, Timeframe

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
QUIET = Instrument(BINANCE, Symbol("QUIETUSDT"))
AT = Millis(1_784_462_400_000)
FIRST_WORD_MS = 10_000


def stream(instrument: Instrument, kind: Kind) -> StreamName:
    """One stream of an instrument."""
    return next(each for each in streams_of(instrument) if each.kind is kind)


def fact(instrument: Instrument, kind: Kind, number: int = 1) -> MarketEvent[MarketData] | Depth:
    """Something that a stream might say; `number` is an update, an id or a price."""
    data: MarketData
    match kind:
        case Kind.DEPTH:
            return Depth(str(instrument.symbol), AT, AT, number, number, number - 1, [], [])
        case Kind.BEST_PRICES:
            data = Quote(1.0, 1.0, 2.0, 1.0, number)
        case Kind.TRADES:
            data = Trade(str(number), 1.0, 1.0, Side.BUY)
        case Kind.CANDLES:
            data = FormingCandle(Timeframe.M1, AT, 1.0, 1.0, 1.0, 1.0, 1.0)
        case Kind.TICKER:
            data = Ticker({TickerField.LAST_PRICE: float(number)}, whole=True)
        case _:
            data = Ticker({TickerField.MARK_PRICE: float(number)}, whole=True)
    return MarketEvent(instrument, data, AT, AT)


class Ear:
    """Listens to all streams of one instrument, acknowledged at time 0."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.silence = Silence(FIRST_WORD_MS)
        for name in streams_of(instrument):
            self.silence.acknowledge(name, 0)

    def hear(self, kind: Kind, now_ms: int, number: int = 1) -> None:
        """A stream says something."""
        text = stream(self.instrument, kind).text
        self.silence.hear(text, fact(self.instrument, kind, number), now_ms)

    def silent(self, now_ms: int) -> dict[Kind, str]:
        """What is found silent, and why."""
        return {each.stream.kind: each.reason for each in self.silence.find(now_ms)}


def test_a_stream_that_never_spoke_is_an_error_ten_seconds_after_its_acknowledgement() -> None:
    """Of every instrument mark price and ticker, of a busy one all but its liquidations."""
    quiet, busy = Ear(QUIET), Ear(BTC)
    assert quiet.silent(FIRST_WORD_MS) == busy.silent(FIRST_WORD_MS) == {}
    assert set(quiet.silent(FIRST_WORD_MS + 1)) == {Kind.MARK_PRICE, Kind.TICKER}
    found = busy.silent(FIRST_WORD_MS + 1)
    assert set(found) == set(Kind) - {Kind.LIQUIDATIONS}
    assert found[Kind.TRADES].startswith("subscribed to, and not a word in 10.0 s")
    assert busy.silent(FIRST_WORD_MS + 500) == {}  # told once


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(Kind.MARK_PRICE, 4_000), (Kind.BEST_PRICES, 3_000), (Kind.DEPTH, 3_000)],
)
def test_a_stream_that_spoke_is_judged_by_its_own_rate(kind: Kind, limit: int) -> None:
    """Silent for longer than it ever is, it is found, once, and again after it spoke."""
    ear = Ear(BTC)
    for begin in (0, 20_000):
        ear.hear(kind, begin)
        assert kind not in ear.silent(begin + limit)
        assert kind in ear.silent(begin + limit + 1)
        assert kind not in ear.silent(begin + limit + 2)


def test_an_instrument_that_hardly_trades_may_say_nothing() -> None:
    """Except for its mark price; that its ticker never came is no proof either."""
    ear = Ear(QUIET)
    for kind in (Kind.DEPTH, Kind.BEST_PRICES, Kind.TRADES, Kind.CANDLES, Kind.TICKER):
        ear.hear(kind, 0)
    ear.hear(Kind.CANDLES, 1)
    ear.hear(Kind.TICKER, 1)
    assert set(ear.silent(3_600_000)) == {Kind.MARK_PRICE}
    never = Ear(QUIET).silence.find(FIRST_WORD_MS + 1)
    assert {each.stream.kind: each.is_proven for each in never} == {
        Kind.MARK_PRICE: True,
        Kind.TICKER: False,
    }


def test_best_prices_that_move_on_prove_a_book_dead() -> None:
    """A newer update than the book's, for more than 2 s."""
    ear = Ear(QUIET)
    ear.hear(Kind.DEPTH, 0, number=10)
    ear.hear(Kind.BEST_PRICES, 1_000, number=10)
    ear.hear(Kind.BEST_PRICES, 2_000, number=11)
    ear.hear(Kind.BEST_PRICES, 3_000, number=12)
    assert Kind.DEPTH not in ear.silent(4_000)
    assert ear.silent(4_001)[Kind.DEPTH].startswith("the best prices moved on")
    ear.hear(Kind.DEPTH, 4_500, number=12)
    assert Kind.DEPTH not in ear.silent(9_000)


def test_a_price_that_moves_without_a_trade_proves_the_trades_dead() -> None:
    """One trade since the ticker before is enough to explain it."""
    ear = Ear(QUIET)
    ear.hear(Kind.TRADES, 0)
    ear.hear(Kind.TICKER, 500, number=7)
    ear.hear(Kind.TRADES, 1_000)
    ear.hear(Kind.TICKER, 2_500, number=8)  # the trade at 1,000
    ear.hear(Kind.TICKER, 4_500, number=8)
    assert Kind.TRADES not in ear.silent(6_000)
    ear.hear(Kind.TICKER, 6_500, number=9)  # none that we heard of
    assert Kind.TRADES not in ear.silent(8_500)
    assert ear.silent(8_501)[Kind.TRADES] == "the price moved and no trade came for 2.0 s"


def test_trades_without_a_candle_prove_the_candles_dead() -> None:
    """The ticker too."""
    ear = Ear(QUIET)
    ear.hear(Kind.TICKER, 0)
    ear.hear(Kind.TRADES, 1_000)
    assert set(ear.silent(6_001)) == {Kind.CANDLES}
    ear.hear(Kind.MARK_PRICE, 9_000)
    assert set(ear.silent(9_001)) == {Kind.TICKER}


def test_time_in_which_this_process_stood_still_is_forgiven() -> None:
    """What was said meanwhile lies in the socket."""
    ear = Ear(BTC)
    ear.hear(Kind.BEST_PRICES, 0, number=5)
    ear.silence.forgive(60_000)
    assert ear.silent(63_000) == {}
    assert Kind.BEST_PRICES in ear.silent(63_001)


def test_what_is_given_up_is_not_listened_to() -> None:
    """Nor is it among those that never spoke."""
    ear = Ear(QUIET)
    ear.silence.forget(stream(QUIET, Kind.MARK_PRICE).text)
    ear.hear(Kind.MARK_PRICE, 5)
    assert [each.kind for each in ear.silence.never_spoke()] == [Kind.TICKER]
    assert set(ear.silent(FIRST_WORD_MS + 1)) == {Kind.TICKER}
