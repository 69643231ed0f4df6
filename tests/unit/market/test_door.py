"""The door: one verdict for every event."""

import math
from dataclasses import replace

import pytest

from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    FormingCandle,
    Liquidation,
    MarketData,
    MarketEvent,
    PositionSide,
    Quote,
    Side,
    Ticker,
    TickerField,
    Trade,
    TradeKind,
)
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.market.clock_offset import ClockOffset
from virtuoso.market.door import REFUSALS_IN_A_ROW, SAMPLES, Door
from virtuoso.market.door_state import TRADE_IDS
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action, Verdict

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
ETH = Instrument(BYBIT, Symbol("ETHUSDT"))
NOON = 1_763_726_400_000
BAD_NUMBERS = [math.nan, math.inf, -math.inf, 1e15, -1.0]


class Entrance:
    """A door with one book, and a shorter way to knock."""

    def __init__(self) -> None:
        self.door = Door([BTC])
        self.book = OrderBook()
        self.now = NOON

    def judge(
        self, data: MarketData, *, at: int | None = None, received: int | None = None
    ) -> Verdict:
        """Judge an event that happened 100 ms before it was received."""
        receive_time = self.now if received is None else received
        event_time = receive_time - 100 if at is None else at
        event = MarketEvent(BTC, data, Millis(event_time), Millis(receive_time))
        return self.door.judge(event, self.book)


@pytest.fixture
def entrance() -> Entrance:
    """Return a fresh door."""
    return Entrance()


_numbers = iter(range(10_000_000))


def trade(price: float = 100.0, **changes: object) -> Trade:
    """A trade with an id of its own."""
    fields: dict[str, object] = {"id": f"t{next(_numbers)}", "quantity": 1.0, "side": Side.BUY}
    return Trade(price=price, **(fields | changes))  # type: ignore[arg-type]


def quote(bid: float = 99.9, ask: float = 100.1, sequence: int = 1) -> Quote:
    """A quote of one coin a side."""
    return Quote(bid, 1.0, ask, 1.0, sequence)


def candle(minute: int = 0, **changes: object) -> Candle:
    """A closed candle of some minute, before noon by a wide margin."""
    start = Millis(NOON - 60 * MINUTE + minute * MINUTE)
    sound = Candle(Timeframe.M1, start, 100.0, 102.0, 99.0, 101.0, 5.0)
    return replace(sound, **changes)  # type: ignore[arg-type]


def test_an_instrument_that_nobody_asked_for_is_dropped(entrance: Entrance) -> None:
    """And counted by kind and reason."""
    stranger: MarketEvent[MarketData] = MarketEvent(ETH, trade(), Millis(NOON), Millis(NOON))
    assert entrance.door.judge(stranger, entrance.book) == Verdict(Action.DROP, "not_subscribed")
    assert entrance.door.counters == {("Trade", "not_subscribed"): 1}


# time


def test_a_clock_that_is_off_by_seconds_drops_nothing(entrance: Entrance) -> None:
    """A receiver 1.27 s behind the venue sees every frame come from the future."""
    for second in range(20):
        received = NOON + second * 1_000
        verdict = entrance.judge(trade(), at=received + 1_270, received=received)
        assert verdict.action is Action.ACCEPT
    assert entrance.door.clock.offset_ms == -1_270


@pytest.mark.parametrize("shift", [5_101, -60_101])
def test_an_event_far_from_the_venues_time_is_dropped(entrance: Entrance, shift: int) -> None:
    """5 s ahead and 60 s behind are the limits, and a refused one teaches the clock nothing."""
    entrance.judge(trade())
    assert entrance.judge(trade(), at=entrance.now - 100 + shift) == Verdict(Action.DROP, "time")
    inside = shift - 200 if shift > 0 else shift + 200
    assert entrance.judge(trade(), at=entrance.now - 100 + inside).action is Action.ACCEPT


def test_ten_refusals_in_a_row_recycle_and_the_clock_begins_anew(entrance: Entrance) -> None:
    """A clock that was set by an hour heals by itself."""
    entrance.judge(trade())
    later = entrance.now + 3_600_000
    verdicts = [
        entrance.judge(trade(), at=entrance.now, received=later) for _ in range(REFUSALS_IN_A_ROW)
    ]
    assert [verdict.action for verdict in verdicts] == [Action.DROP] * 9 + [Action.RECYCLE]
    after = entrance.judge(trade(), at=entrance.now, received=later)
    assert after.action is Action.ACCEPT


def test_a_clock_that_is_days_off_from_the_start_is_found_out(entrance: Entrance) -> None:
    """Ten stamps agree with each other: after the recycling their difference is known."""
    off = 30 * 86_400_000
    verdicts = [
        entrance.judge(trade(), at=entrance.now + off + each) for each in range(REFUSALS_IN_A_ROW)
    ]
    assert [verdict.action for verdict in verdicts] == [Action.DROP] * 9 + [Action.RECYCLE]
    assert entrance.judge(trade(), at=entrance.now + off).action is Action.ACCEPT
    assert entrance.door.clock.venue_now(entrance.now) == entrance.now + off + 9


@pytest.mark.parametrize("apart", [61_000, 400 * 86_400_000])
def test_stamps_of_no_clock_are_never_believed(entrance: Entrance, apart: int) -> None:
    """Days away and each somewhere else, or years away."""
    for number in range(3 * REFUSALS_IN_A_ROW):
        at = entrance.now - (2 + number % 2) * max(apart, 86_400_000)
        assert entrance.judge(trade(), at=at).action is not Action.ACCEPT
    assert entrance.door.clock.offset_ms is None


def test_one_sound_event_ends_the_row_of_refusals(entrance: Entrance) -> None:
    """Ten in all are not ten in a row."""
    entrance.judge(trade())
    for _ in range(3 * REFUSALS_IN_A_ROW):
        assert entrance.judge(trade(), at=entrance.now + 10_000).action is Action.DROP
        entrance.judge(trade())


def test_the_snapshot_of_a_quiet_book_may_be_old(entrance: Entrance) -> None:
    """It carries the time of the last change, and says nothing about the clock."""
    old = BookSnapshot([(99.0, 1.0)], [(101.0, 1.0)], 5)
    assert entrance.judge(old, at=entrance.now - 3_600_000).action is Action.ACCEPT
    assert entrance.door.clock.offset_ms is None
    assert entrance.judge(trade()).action is Action.ACCEPT
    # with the clock known, too
    assert entrance.judge(old, at=entrance.now - 3_600_000).action is Action.ACCEPT
    assert entrance.judge(old, at=entrance.now + 6_000) == Verdict(Action.DROP, "time")


def test_a_first_stamp_that_is_days_away_is_no_stamp(entrance: Entrance) -> None:
    """Otherwise one bad frame would make the clock."""
    assert entrance.judge(trade(), at=1) == Verdict(Action.DROP, "time")
    assert entrance.door.clock.offset_ms is None


def test_the_offset_is_the_smallest_of_the_last_five_minutes() -> None:
    """An old minimum is forgotten when its bucket falls out."""
    clock = ClockOffset()
    assert clock.venue_now(NOON) is None
    clock.observe(NOON - 50, NOON)
    clock.observe(NOON, NOON + 200)
    assert clock.offset_ms == 50
    assert clock.venue_now(NOON) == NOON - 50
    for seconds in range(10, 600, 10):
        clock.observe(NOON + seconds * 1_000 - 300, NOON + seconds * 1_000)
        assert clock.offset_ms == (50 if seconds < 300 else 300)


# trades


@pytest.mark.parametrize("number", [*BAD_NUMBERS, 0.0])
def test_a_trade_out_of_bounds_is_dropped(entrance: Entrance, number: float) -> None:
    """Price and quantity alike."""
    assert entrance.judge(trade(number)) == Verdict(Action.DROP, "bounds")
    assert entrance.judge(trade(quantity=number)) == Verdict(Action.DROP, "bounds")


def test_a_repeated_trade_is_dropped(entrance: Entrance) -> None:
    """By its id, as long as that is remembered; the memory is bounded."""
    first = trade()
    assert entrance.judge(first).action is Action.ACCEPT
    assert entrance.judge(first) == Verdict(Action.DROP, "repeated")
    for _ in range(TRADE_IDS):
        entrance.judge(trade())
    assert entrance.judge(first).action is Action.ACCEPT


@pytest.mark.parametrize("kind", [TradeKind.BLOCK, TradeKind.OFF_MARKET])
def test_trades_beside_the_market_are_counted_apart(entrance: Entrance, kind: TradeKind) -> None:
    """They touch neither price nor order flow, whatever their price."""
    assert entrance.judge(trade(150.0, kind=kind)) == Verdict(Action.DROP, kind)
    assert entrance.door.counters == {("Trade", kind): 1}
    assert entrance.judge(trade(100.0)).action is Action.ACCEPT


def test_a_trade_more_than_two_seconds_late_is_flagged(entrance: Entrance) -> None:
    """It is accepted all the same: history is corrected with it."""
    entrance.judge(trade(), at=entrance.now)
    assert entrance.judge(trade(), at=entrance.now - 2_000) == Verdict(Action.ACCEPT)
    assert entrance.judge(trade(), at=entrance.now - 2_001) == Verdict(Action.ACCEPT, "late")


# jumps


def test_a_price_that_jumps_is_held_until_three_prints_agree(entrance: Entrance) -> None:
    """Then all three are stored, in their order: a real crash gets through."""
    entrance.judge(trade(100.0))
    assert entrance.judge(trade(79.0)).action is Action.QUARANTINE
    assert entrance.judge(trade(77.0)).action is Action.QUARANTINE
    third = entrance.judge(trade(75.0))
    assert (third.action, third.reason) == (Action.ACCEPT, "price_jump_confirmed")
    assert [event.data.price for event in third.released if isinstance(event.data, Trade)] == [
        79.0,
        77.0,
    ]
    assert entrance.judge(trade(74.0)) == Verdict(Action.ACCEPT)
    assert entrance.judge(trade(100.0)).action is Action.QUARANTINE


def test_a_single_false_print_is_forgotten(entrance: Entrance) -> None:
    """The next one in the usual range denies it."""
    entrance.judge(trade(100.0))
    assert entrance.judge(trade(150.0)).action is Action.QUARANTINE
    assert entrance.judge(trade(101.0)) == Verdict(Action.ACCEPT)
    assert entrance.door.counters["Trade", "price_jump_denied"] == 1
    assert entrance.judge(trade(150.0)).action is Action.QUARANTINE
    assert entrance.judge(trade(150.0)).action is Action.QUARANTINE


def test_prints_that_disagree_confirm_nothing(entrance: Entrance) -> None:
    """Three jumps in three directions stay outside."""
    entrance.judge(trade(100.0))
    for price in (150.0, 50.0, 200.0, 20.0, 300.0):
        assert entrance.judge(trade(price)).action is Action.QUARANTINE


def test_quotes_and_trades_confirm_each_other(entrance: Entrance) -> None:
    """They are prints of one price."""
    entrance.judge(trade(100.0))
    assert entrance.judge(quote(69.9, 70.1, 1)).action is Action.QUARANTINE
    assert entrance.judge(trade(70.0)).action is Action.QUARANTINE
    assert entrance.judge(quote(69.9, 70.1, 2)).action is Action.ACCEPT


def test_a_slow_fall_is_no_jump(entrance: Entrance) -> None:
    """What counts is the range of the last minute, and it moves along."""
    price = 100.0
    for second in range(300):
        price *= 0.997
        assert entrance.judge(trade(price), received=NOON + second * 1_000) == Verdict(
            Action.ACCEPT
        )
    assert entrance.judge(trade(100.0), received=NOON + 300_000).action is Action.QUARANTINE


# quotes


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_a_quote_out_of_bounds_is_dropped(entrance: Entrance, number: float) -> None:
    """Each of the four numbers."""
    for name in ("bid", "ask", "bid_quantity", "ask_quantity"):
        broken = replace(quote(), **{name: number})  # type: ignore[arg-type]
        assert entrance.judge(broken) == Verdict(Action.DROP, "bounds")


def test_a_quote_with_a_falling_sequence_is_dropped(entrance: Entrance) -> None:
    """An equal one is a heartbeat; after a reconnect any is good."""
    assert entrance.judge(quote(sequence=5)).action is Action.ACCEPT
    assert entrance.judge(quote(sequence=5)).action is Action.ACCEPT
    assert entrance.judge(quote(sequence=4)) == Verdict(Action.DROP, "sequence")
    entrance.door.forget([BTC])
    assert entrance.judge(quote(sequence=4)).action is Action.ACCEPT


def test_a_crossed_quote_is_dropped(entrance: Entrance) -> None:
    """Locked is allowed."""
    assert entrance.judge(quote(100.2, 100.1)) == Verdict(Action.DROP, "crossed")
    assert entrance.judge(quote(100.1, 100.1)).action is Action.ACCEPT


# books


def test_a_book_event_is_applied_by_being_judged(entrance: Entrance) -> None:
    """A delta before the snapshot is dropped, after it accepted, and a hole asks for a resync."""
    early = BookDelta([(99.0, 2.0)], [], 5, 6)
    assert entrance.judge(early) == Verdict(Action.DROP, "unsynced")
    whole = BookSnapshot([(99.0, 1.0)], [(101.0, 1.0)], 5)
    assert entrance.judge(whole) == Verdict(Action.ACCEPT)
    assert entrance.judge(early) == Verdict(Action.ACCEPT)
    assert entrance.book.levels(1)[0] == [(99.0, 2.0)]
    assert entrance.judge(early) == Verdict(Action.RESYNC, "gap")
    assert entrance.book.reason is Reason.GAP
    assert entrance.judge(early) == Verdict(Action.DROP, "unsynced")
    assert entrance.judge(whole) == Verdict(Action.ACCEPT)
    crossing = BookDelta([(102.0, 1.0)], [], 5, 6)
    assert entrance.judge(crossing) == Verdict(Action.RESYNC, "crossed_book")
    assert entrance.judge(replace(early, restart=True)) == Verdict(Action.RESYNC, "restart")


@pytest.mark.parametrize("number", BAD_NUMBERS)
def test_a_book_with_an_impossible_number_is_lost(entrance: Entrance, number: float) -> None:
    """In a snapshot and in a delta, as price and as quantity."""
    whole = BookSnapshot([(99.0, 1.0)], [(101.0, 1.0)], 5)
    # 98 is a new level, 99 one that is known: neither takes an impossible quantity
    for level in ((number, 1.0), (98.0, number), (99.0, number)):
        assert entrance.judge(whole).action is Action.ACCEPT
        many = [(97.0 - step, 1.0) for step in range(9)]
        broken = BookDelta([*many, level, (98.5, 1.0)], [], 5, 6)
        assert entrance.judge(broken) == Verdict(Action.RESYNC, "bounds")
        assert not entrance.book.synced
        assert entrance.judge(replace(whole, asks=[level])) == Verdict(Action.RESYNC, "bounds")
        assert not entrance.book.synced


def test_a_delta_refused_for_its_time_leaves_no_hole_unseen(entrance: Entrance) -> None:
    """The book is lost with it, and asked for anew."""
    entrance.judge(trade())
    entrance.judge(BookSnapshot([(99.0, 1.0)], [(101.0, 1.0)], 5))
    late = entrance.judge(BookDelta([], [], 5, 6), at=entrance.now - 100_000)
    assert late == Verdict(Action.RESYNC, "time")
    assert entrance.book.reason is Reason.GAP


def test_a_quote_confirms_the_book(entrance: Entrance) -> None:
    """The book is as old as the last proof that it stands."""
    entrance.judge(BookSnapshot([(99.9, 1.0)], [(100.1, 1.0)], 5, cross_sequence=7))
    before = entrance.book.as_of
    entrance.judge(quote(sequence=7), received=entrance.now + 3_000)
    assert before is not None
    assert entrance.book.as_of == before + 3_000


# tickers


def test_a_ticker_change_needs_a_whole_ticker_first(entrance: Entrance) -> None:
    """Again after every loss of the connection."""
    change = Ticker({TickerField.MARK_PRICE: 100.0}, whole=False)
    whole = replace(change, whole=True)
    assert entrance.judge(change) == Verdict(Action.DROP, "not_whole")
    assert entrance.judge(whole) == Verdict(Action.ACCEPT)
    assert entrance.judge(change) == Verdict(Action.ACCEPT)
    entrance.door.forget([BTC])
    assert entrance.judge(change) == Verdict(Action.DROP, "not_whole")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (TickerField.LAST_PRICE, 0.0),
        (TickerField.MARK_PRICE, math.nan),
        (TickerField.INDEX_PRICE, math.inf),
        (TickerField.FUNDING_RATE, 0.051),
        (TickerField.FUNDING_RATE, math.nan),
        (TickerField.OPEN_INTEREST, -1.0),
        (TickerField.NEXT_FUNDING_TIME, float(NOON - 100)),
        (TickerField.FUNDING_INTERVAL_HOURS, 0.0),
        (TickerField.CHANGE_24H, -1.1),
        (TickerField.VOLUME_24H, -0.1),
        (TickerField.TURNOVER_24H, 1e15),
    ],
)
def test_a_bad_field_becomes_absent_and_the_ticker_lives(
    entrance: Entrance, field: TickerField, value: float
) -> None:
    """Absent, not unchanged: the older value is not confirmed by it."""
    good = TickerField.OPEN_INTEREST if field is TickerField.MARK_PRICE else TickerField.MARK_PRICE
    verdict = entrance.judge(Ticker({field: value, good: 5.0}, whole=True))
    assert verdict.action is Action.ACCEPT
    assert verdict.replaced is not None
    assert verdict.replaced.data == Ticker({field: None, good: 5.0}, whole=True)
    assert entrance.door.counters == {("Ticker", f"field_{field}"): 1}


def test_an_absent_field_passes(entrance: Entrance) -> None:
    """The venue says that it has no value."""
    ticker = Ticker(dict.fromkeys(TickerField), whole=True)
    assert entrance.judge(ticker) == Verdict(Action.ACCEPT)


def test_sound_fields_pass(entrance: Entrance) -> None:
    """At the edges too."""
    values: dict[TickerField, float | None] = {
        TickerField.FUNDING_RATE: -0.05,
        TickerField.OPEN_INTEREST: 0.0,
        TickerField.NEXT_FUNDING_TIME: float(NOON),
        TickerField.FUNDING_INTERVAL_HOURS: 8.0,
        TickerField.CHANGE_24H: -0.5,
    }
    assert entrance.judge(Ticker(values, whole=True)) == Verdict(Action.ACCEPT)


def test_a_last_price_that_jumped_is_absent_until_trades_confirm_it(entrance: Entrance) -> None:
    """A ticker alone moves no price by a fifth."""
    entrance.judge(trade(100.0))
    ticker = Ticker({TickerField.LAST_PRICE: 70.0}, whole=True)
    verdict = entrance.judge(ticker)
    assert verdict.replaced is not None
    assert verdict.replaced.data == Ticker({TickerField.LAST_PRICE: None}, whole=True)
    for _ in range(3):
        entrance.judge(trade(70.0))
    assert entrance.judge(ticker) == Verdict(Action.ACCEPT)


# candles


@pytest.mark.parametrize(
    "changes",
    [
        {"open_time": Millis(NOON - 60 * MINUTE + 1)},
        {"low": 100.5},
        {"high": 100.9},
        {"volume": -1.0},
        {"volume": math.nan},
        {"low": 0.0},
        {"high": math.inf},
        {"close": math.nan},
        {"taker_buy_volume": 5.1},
        {"taker_buy_volume": -0.1},
    ],
    ids=str,
)
def test_an_impossible_candle_is_dropped(entrance: Entrance, changes: dict[str, object]) -> None:
    """Off the grid, out of its own range, negative, or more taken than traded."""
    assert entrance.judge(candle(0, **changes)) == Verdict(Action.DROP, "bounds")


def test_candles_follow_each_other(entrance: Entrance) -> None:
    """A hole is noted, a second version refused, an old one dropped."""
    assert entrance.judge(candle(0)) == Verdict(Action.ACCEPT)
    assert entrance.judge(candle(1)) == Verdict(Action.ACCEPT)
    assert entrance.judge(candle(1)) == Verdict(Action.DROP, "repeated")
    assert entrance.judge(candle(1, volume=6.0)) == Verdict(Action.DROP, "revised")
    assert entrance.judge(candle(0)) == Verdict(Action.DROP, "old")
    assert entrance.judge(candle(4)) == Verdict(Action.ACCEPT, "hole")
    assert entrance.judge(candle(5)) == Verdict(Action.ACCEPT)


def test_a_candle_that_cannot_have_closed_yet_is_dropped(entrance: Entrance) -> None:
    """By the venue's clock."""
    entrance.judge(trade())
    assert entrance.judge(candle(60)) == Verdict(Action.DROP, "not_closed")


def test_a_forming_candle_is_newer_than_the_closed_ones(entrance: Entrance) -> None:
    """A late update of a closed interval is dropped."""
    entrance.judge(candle(1))
    forming = FormingCandle(Timeframe.M1, candle(2).open_time, 100.0, 102.0, 99.0, 101.0, 5.0)
    assert entrance.judge(forming) == Verdict(Action.ACCEPT)
    stale = replace(forming, open_time=candle(1).open_time)
    assert entrance.judge(stale) == Verdict(Action.DROP, "old")
    assert entrance.judge(replace(forming, low=math.nan)) == Verdict(Action.DROP, "bounds")


# liquidations


def test_a_repeated_liquidation_is_dropped(entrance: Entrance) -> None:
    """By time, side, quantity and price."""
    forced = Liquidation(PositionSide.LONG, 1.0, 100.0)
    assert entrance.judge(forced, at=NOON) == Verdict(Action.ACCEPT)
    assert entrance.judge(forced, at=NOON) == Verdict(Action.DROP, "repeated")
    assert entrance.judge(forced, at=NOON + 1) == Verdict(Action.ACCEPT)
    other = replace(forced, side=PositionSide.SHORT)
    assert entrance.judge(other, at=NOON) == Verdict(Action.ACCEPT)
    assert entrance.judge(replace(forced, price=0.0)) == Verdict(Action.DROP, "bounds")
    assert entrance.judge(replace(forced, quantity=math.nan)) == Verdict(Action.DROP, "bounds")


def test_samples_are_bounded(entrance: Entrance) -> None:
    """Counters go on, samples keep the newest."""
    for _ in range(100):
        entrance.judge(trade(-1.0))
    assert entrance.door.counters == {("Trade", "bounds"): 100}
    assert len(entrance.door.samples) == SAMPLES


def test_watching_other_instruments_keeps_what_is_known(entrance: Entrance) -> None:
    """The trades of one that stays are still recognised."""
    known = trade()
    entrance.judge(known)
    entrance.door.watch([BTC, ETH])
    assert entrance.judge(known) == Verdict(Action.DROP, "repeated")
    entrance.door.watch([ETH])
    assert entrance.judge(known) == Verdict(Action.DROP, "not_subscribed")
