"""What a cut took, and how it comes back."""

import pytest

from support.markets import BTC, NOW, event, heard_of, history_of, pipeline_of, walk
from virtuoso.domain.market_data import (
    BookDelta,
    BookPolled,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    DerivativesLoaded,
    Disconnected,
    FrameRefused,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    PriceConfirmed,
    Side,
    Tick,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    Trade,
    TradesLoaded,
)
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason, State
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.requests import (
    AskOtherVenue,
    Backfill,
    BackfillTrades,
    PollBook,
    Recover,
    Renew,
)
from virtuoso.engine.view import MarketView

MINUTES = walk(Timeframe.M1, 1_600, NOW + 600 * MINUTE)
"""A thousand before NOW and six hundred after it."""


def minutes_from(first: int, count: int) -> list[Candle]:
    """Give the minutes from `first` minutes after NOW on."""
    return MINUTES[1_000 + first : 1_000 + first + count]


def warm() -> Pipeline:
    """Build a pipeline that knows a thousand candles of each timeframe."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(history_of(NOW, MINUTES[:1_000]))
    return pipeline


def stream(pipeline: Pipeline, candle: Candle) -> list[object]:
    """Let the stream bring a closed candle."""
    return list(pipeline.handle(event(candle, candle.close_time + 50)))


def fetched(pipeline: Pipeline, rows: list[Candle]) -> None:
    """Let the history bring minutes."""
    pipeline.handle(CandlesLoaded(BTC, {Timeframe.M1: rows}, Millis(rows[-1].close_time + 100)))


def view_of(pipeline: Pipeline, at: int) -> MarketView:
    """Close a grid second and give the market."""
    pipeline.second(Millis(at))
    cycle = pipeline.view()
    assert cycle is not None
    return cycle.markets[0]


def members(pipeline: Pipeline, at: int) -> dict[str, tuple[object, object]]:
    """Give x and score of every candle member."""
    view = view_of(pipeline, at)
    found: dict[str, tuple[object, object]] = {}
    for name in (ComponentName.TECHNICAL, ComponentName.VOLUME, ComponentName.PRICE_STRUCTURE):
        part = view.score.components[name]
        assert isinstance(part, ComponentScore)
        found |= {member.name: (member.x, member.score) for member in part.members}
    return found


@pytest.mark.parametrize("missing", [1, 5, 31, 241, 500])
def test_a_filled_hole_leaves_no_trace_in_the_scores(missing: int) -> None:
    """Candles of every timeframe, and all that is computed of them, equal an unbroken stream."""
    whole, holed = warm(), warm()
    for candle in minutes_from(0, missing + 3):
        stream(whole, candle)
    after = minutes_from(missing, 3)
    asked = [stream(holed, candle) for candle in after]
    assert asked[0] == [Backfill(BTC)]
    assert holed.market("BTCUSDT").candles[Timeframe.M1].gap
    fetched(holed, minutes_from(-2, missing + 2))
    market, expected = holed.market("BTCUSDT"), whole.market("BTCUSDT")
    for timeframe in Timeframe:
        assert not market.candles[timeframe].gap
        assert market.candles[timeframe].closed == expected.candles[timeframe].closed
    at = int(after[-1].close_time)
    assert members(holed, at) == members(whole, at)


def test_fetched_minutes_are_marked_and_the_hole_is_on_record() -> None:
    """A hole is a row until it is filled, and says when it was."""
    pipeline = warm()
    stream(pipeline, minutes_from(3, 1)[0])
    candles = pipeline.market("BTCUSDT").candles
    [hole] = candles.holes
    assert (hole.start, hole.end, hole.filled_at) == (NOW, NOW + 3 * MINUTE, None)
    fetched(pipeline, minutes_from(0, 3))
    assert hole.filled_at is not None
    assert candles[Timeframe.M1].backfilled == {NOW, NOW + MINUTE, NOW + 2 * MINUTE}
    assert candles[Timeframe.M1].last_close == NOW + 4 * MINUTE


def test_a_hole_that_the_fetch_does_not_reach_stays_one() -> None:
    """Half of what is missing is still a gap."""
    pipeline = warm()
    stream(pipeline, minutes_from(5, 1)[0])
    fetched(pipeline, minutes_from(0, 3))
    assert pipeline.market("BTCUSDT").candles[Timeframe.M1].gap
    assert stream(pipeline, minutes_from(6, 1)[0]) == [Backfill(BTC)]
    fetched(pipeline, minutes_from(2, 3))
    assert not pipeline.market("BTCUSDT").candles[Timeframe.M1].gap
    assert pipeline.market("BTCUSDT").candles[Timeframe.M1].last_close == NOW + 7 * MINUTE


@pytest.mark.parametrize("hours", [1, 24])
def test_the_hour_and_the_day_roll_over_without_a_seam(hours: int) -> None:
    """Candles of every timeframe close at the boundary, and no second is left out."""
    boundary = NOW + hours * HOUR
    start = boundary - 5 * MINUTE
    rows = walk(Timeframe.M1, 1_010, start + 10 * MINUTE)
    pipeline = pipeline_of(BTC)
    pipeline.handle(history_of(start, rows[:1_000]))
    seconds = []
    for candle in rows[1_000:]:
        stream(pipeline, candle)
        pipeline.second(Millis(candle.close_time))
        cycle = pipeline.view()
        assert cycle is not None
        seconds.append(cycle.at)
    candles = pipeline.market("BTCUSDT").candles
    assert candles[Timeframe.M1].last_close == start + 10 * MINUTE
    assert candles[Timeframe.M5].last_close == start + 10 * MINUTE
    assert candles[Timeframe.M30].last_close == boundary
    assert not any(candles[timeframe].gap for timeframe in Timeframe)
    assert len(seconds) == 10


def test_after_a_cut_everything_that_was_missed_is_asked_for() -> None:
    """The first connection of a start needs nothing of the kind."""
    pipeline = warm()
    up = Connected(BTC.venue, frozenset({BTC}), Millis(NOW))
    assert list(pipeline.handle(up)) == []
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", Millis(NOW + 100)))
    assert list(pipeline.handle(up)) == [Recover(BTC)]
    assert list(pipeline.handle(up)) == []


def test_fetched_trades_are_history_and_not_live_flow() -> None:
    """The last price is corrected, nothing twice, and no window of the flow sees them."""
    pipeline = warm()
    seen = event(Trade("seen", 100.0, 2.0, Side.BUY), NOW + 500)
    pipeline.handle(seen)
    missed: MarketEvent[Trade] = MarketEvent(
        BTC, Trade("missed", 101.0, 7.0, Side.SELL), Millis(NOW + 700), Millis(NOW + 900)
    )
    loaded = TradesLoaded(BTC, [seen, missed], Millis(NOW + 900))  # type: ignore[list-item]
    pipeline.handle(loaded)
    pipeline.handle(loaded)
    assert pipeline.counters["trades_backfilled"] == 1
    view = view_of(pipeline, NOW + SECOND)
    trades = pipeline.market("BTCUSDT").trades
    assert (view.price.value, view.price.as_of) == (101.0, NOW + 700)
    assert trades.windows[10].volume == 2.0
    assert trades.minute_volume(Millis(NOW)) == (9.0, 0.0)


def minute_of_trades(pipeline: Pipeline, lost: int = 0) -> tuple[list[object], Pipeline]:
    """Stream two whole minutes, one trade a second of 1.0, `lost` of the second minute missing."""
    asked: list[object] = []
    pipeline.handle(Connected(BTC.venue, frozenset({BTC}), Millis(NOW)))
    for second in range(1, 125):
        at = NOW + second * SECOND
        minute = second // 60
        if not (minute == 1 and second < 60 + lost):
            trade = Trade(str(second), 100.0, 1.0, Side.BUY)
            pipeline.handle(event(trade, at - 500 if second % 60 else at + 1))
        if second in {60, 120}:
            candle = Candle(Timeframe.M1, Millis(at - MINUTE), 100.0, 100.0, 100.0, 100.0, 60.0)
            pipeline.handle(event(candle, at + 2))
        list(pipeline.closing(Millis(at)))
        asked += pipeline.requests()
    return asked, pipeline


def test_trades_lost_in_silence_are_found_by_the_volume_of_their_candle() -> None:
    """More than half a percent off: the flow of that minute is a gap, and trades are fetched."""
    asked, pipeline = minute_of_trades(pipeline_of(BTC), lost=6)
    assert BackfillTrades(BTC) in asked
    assert pipeline.market("BTCUSDT").trades.trades_broken
    assert pipeline.counters["candles_without_their_trades"] == 1


def test_a_minute_whose_trades_are_all_there_is_left_alone() -> None:
    """The check must be able to pass."""
    asked, pipeline = minute_of_trades(pipeline_of(BTC))
    assert asked == []
    assert not pipeline.market("BTCUSDT").trades.trades_broken


def test_a_silent_topic_vouches_for_nothing_until_it_speaks() -> None:
    """Each topic takes what depends on it, and only that."""
    pipeline = warm()
    for each in heard_of(BTC, NOW + 10):
        pipeline.handle(each)
    market = pipeline.market("BTCUSDT")
    pipeline.handle(TopicSilent(BTC, Topic.TRADES, "no trades", Millis(NOW + 20)))
    assert market.trades.trades_since is None
    pipeline.second(Millis(NOW + SECOND))
    assert market.trades.trades_since is None
    assert market.book.synced
    pipeline.handle(TopicSilent(BTC, Topic.TICKER, "no ticker", Millis(NOW + SECOND)))
    pipeline.handle(TopicSilent(BTC, Topic.BOOK, "no book", Millis(NOW + SECOND)))
    view = view_of(pipeline, NOW + 2 * SECOND)
    assert view.change_24h.value is None
    assert isinstance(view.score.components[ComponentName.ORDERBOOK], Absent)
    restored = TopicRestored(BTC, Topic.TRADES, Millis(NOW + 2_100))
    assert list(pipeline.handle(restored)) == [BackfillTrades(BTC)]
    for each in heard_of(BTC, NOW + 2_200):
        pipeline.handle(each)
    pipeline.second(Millis(NOW + 3 * SECOND))
    assert market.trades.trades_since is not None


def test_a_refused_topic_is_absent_for_its_symbol() -> None:
    """The venue will not give the book: no feed, and nothing else is touched."""
    pipeline = warm()
    pipeline.handle(TopicRefused(BTC, Topic.BOOK, "handler not found", Millis(NOW + 10)))
    part = view_of(pipeline, NOW + SECOND).score.components[ComponentName.ORDERBOOK]
    assert isinstance(part, Absent)
    assert part.reason is Reason.NO_FEED


def test_tickers_that_are_fetched_while_their_stream_is_silent_are_delayed() -> None:
    """They are numbers, and never live."""
    pipeline = pipeline_of(BTC)
    *_, ticker = heard_of(BTC, NOW + 900)
    pipeline.handle(TopicSilent(BTC, Topic.TICKER, "silent", Millis(NOW)))
    pipeline.handle(ticker)
    view = view_of(pipeline, NOW + SECOND)
    assert (view.change_24h.value, view.change_24h.state) == (1.0, State.DELAYED)
    pipeline.handle(TopicRestored(BTC, Topic.TICKER, Millis(NOW + 1_100)))
    assert view_of(pipeline, NOW + 2 * SECOND).change_24h.state is State.LIVE


def snapshot(sequence: int) -> BookSnapshot:
    """A whole book."""
    bids = [(100.0 - i, 1.0) for i in range(50)]
    asks = [(101.0 + i, 1.0) for i in range(50)]
    return BookSnapshot(bids, asks, sequence, depth=50)


def test_a_book_with_too_many_holes_is_polled_until_its_stream_is_good_again() -> None:
    """The fourth hole of a minute: polled and delayed; after a minute without one: trusted."""
    pipeline = pipeline_of(BTC)
    asked: list[object] = []
    for i in range(4):
        at = NOW + i * SECOND
        pipeline.handle(event(snapshot(10 * i + 1), at))
        hole = BookDelta([(100.0, 2.0)], [], previous=10 * i + 5, sequence=10 * i + 6)
        asked += pipeline.handle(event(hole, at + 10))
    assert asked == [*[Renew(BTC, Topic.BOOK)] * 4, PollBook(BTC, wanted=True)]
    book = pipeline.market("BTCUSDT").book
    pipeline.handle(event(snapshot(100), NOW + 4 * SECOND))
    assert book.reason is Reason.GAP, "the stream is watched, not believed"
    polled = event(snapshot(999), NOW + 5 * SECOND)
    pipeline.handle(BookPolled(BTC, polled, Millis(NOW + 5 * SECOND)))  # type: ignore[arg-type]
    assert book.synced
    view = view_of(pipeline, NOW + 6 * SECOND)
    assert view.book.distrusted_since is not None
    states = {each.kind: each.state for each in view.inputs}
    assert states["book"] is State.DELAYED
    delta = BookDelta([(100.0, 3.0)], [], previous=100, sequence=101)
    assert list(pipeline.handle(event(delta, NOW + 7 * SECOND))) == []
    list(pipeline.closing(Millis(NOW + 70 * SECOND)))
    assert set(pipeline.requests()) == {PollBook(BTC, wanted=False), Renew(BTC, Topic.BOOK)}
    pipeline.handle(event(snapshot(200), NOW + 71 * SECOND))
    assert book.synced
    assert view_of(pipeline, NOW + 71 * SECOND).book.distrusted_since is None


def test_polled_rows_have_the_stamp_of_the_row() -> None:
    """Not that of the call: open interest and ratio are as old as the venue says."""
    pipeline = pipeline_of(BTC)
    rows = [OpenInterest(Millis(NOW - 10 * MINUTE), 5.0), OpenInterest(Millis(NOW), 6.0)]
    ratio = LongShortRatio(Millis(NOW - 5 * MINUTE), 0.6, 0.4)
    pipeline.handle(DerivativesLoaded(BTC, Millis(NOW + 40_000), open_interest=rows, ratio=[ratio]))
    inputs = {each.kind: each for each in view_of(pipeline, NOW + 60 * SECOND).inputs}
    assert inputs["open interest"].as_of == NOW
    assert inputs["account ratio"].as_of == NOW - 5 * MINUTE


def test_open_interest_that_no_ticker_carries_is_polled() -> None:
    """Its change over an hour is told from the polled values."""
    pipeline = pipeline_of(BTC)
    for at, contracts in ((NOW - HOUR, 100.0), (NOW + 7, 110.0)):
        row = OpenInterest(Millis(at), contracts)
        pipeline.handle(DerivativesLoaded(BTC, Millis(at + 500), open_interest=(row,)))
    change = view_of(pipeline, NOW + SECOND).open_interest_change_1h
    assert change.value == pytest.approx(10.0)
    assert change.as_of == NOW + 7


@pytest.mark.parametrize("past", [30 * MINUTE, 55 * MINUTE])
def test_the_hour_before_the_start_is_known_from_fetched_rows(past: int) -> None:
    """Whatever the minute, the change over an hour is there from the first ticker on."""
    pipeline = pipeline_of(BTC)
    start = NOW - NOW % HOUR + past
    hours = [OpenInterest(Millis(start - past - back * HOUR), 50.0) for back in (2, 1, 0)]
    rows = [OpenInterest(Millis(start - back * 5 * MINUTE), 100.0 + back) for back in range(20)]
    fetched = DerivativesLoaded(BTC, Millis(start + 500), open_interest=[*hours, *rows])
    pipeline.handle(fetched)
    pipeline.handle(DerivativesLoaded(BTC, Millis(start + 900), open_interest=rows[:3]))
    now = OpenInterest(Millis(start + 60_000), 224.0)
    pipeline.handle(DerivativesLoaded(BTC, Millis(start + 60_500), open_interest=(now,)))
    change = view_of(pipeline, start + 61_000).open_interest_change_1h
    assert change.value == pytest.approx(100.0), "twelve rows ago it was 112"


def test_ticks_alone_turn_everything_stale() -> None:
    """A dead feed does not stop the clock that says so."""
    pipeline = warm()
    for each in heard_of(BTC, NOW + 10):
        pipeline.handle(each)
    pipeline.handle(Tick(Millis(NOW + SECOND)))
    assert view_of(pipeline, NOW + SECOND).price.state is State.LIVE
    assert view_of(pipeline, NOW + 9 * SECOND).price.state is State.STALE


def test_a_price_that_jumped_is_believed_when_the_other_venue_trades_there() -> None:
    """One print is held; the other venue's price near it lets it through, a far one does not."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(event(Trade("1", 100.0, 1.0, Side.BUY), NOW + 100))
    jumped = event(Trade("2", 60.0, 1.0, Side.SELL), NOW + 200)
    assert list(pipeline.handle(jumped)) == [AskOtherVenue(BTC, 60.0)]
    market = pipeline.market("BTCUSDT")
    pipeline.handle(PriceConfirmed(BTC, 99.0, Millis(NOW + 210)))
    assert market.trades.last_price == 100.0
    pipeline.handle(PriceConfirmed(BTC, 61.0, Millis(NOW + 220)))
    assert market.trades.last_price == 60.0
    pipeline.handle(event(Trade("3", 60.5, 1.0, Side.SELL), NOW + 300))
    assert market.trades.last_price == 60.5


def test_a_polled_book_that_is_not_sound_changes_nothing() -> None:
    """Crossed or unsorted: what was there before stays, and the refusal is kept to be read."""
    pipeline = pipeline_of(BTC)
    for i in range(4):
        pipeline.handle(event(snapshot(10 * i + 1), NOW + i))
        hole = BookDelta([], [], previous=10 * i + 5, sequence=10 * i + 6)
        pipeline.handle(event(hole, NOW + i))
    good = event(snapshot(500), NOW + SECOND)
    pipeline.handle(BookPolled(BTC, good, Millis(NOW + SECOND)))  # type: ignore[arg-type]
    crossed = event(BookSnapshot([(102.0, 1.0)], [(101.0, 1.0)], 501), NOW + SECOND)
    pipeline.handle(BookPolled(BTC, crossed, Millis(NOW + SECOND)))  # type: ignore[arg-type]
    book = pipeline.market("BTCUSDT").book
    assert book.synced
    assert book.sequence == 500
    newest = pipeline.refusals[-1]
    assert (newest.kind, newest.reason) == ("BookSnapshot", "crossed_book")
    assert len(newest.text()) <= 4_096


def test_counters_do_not_grow_with_what_a_venue_says() -> None:
    """However many different errors it invents."""
    pipeline = pipeline_of(BTC)
    for number in range(1_000):
        refused = FrameRefused(
            BTC.venue, f"odd {number}", b"x" * 10_000, recycled=False, receive_time=Millis(NOW)
        )
        pipeline.handle(refused)
    assert len(pipeline.counters) < 250
    assert len(pipeline.refusals) <= 32
