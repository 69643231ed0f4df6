"""A symbol's book, trades, liquidations and derivatives, published for who looks at it."""

from typing import TypeVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.editions import content_of, running_pipeline
from support.markets import BTC, NOW, event
from virtuoso.domain.market_data import (
    BookSnapshot,
    Disconnected,
    Levels,
    Liquidation,
    OpenInterest,
    PositionSide,
    Side,
    Ticker,
    TickerField,
    Topic,
    TopicRefused,
    Trade,
)
from virtuoso.domain.scores import Reason, Source, State
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.edition import Editor
from virtuoso.engine.market_documents import depth_of, impact_of
from virtuoso.engine.pipeline import Pipeline
from virtuoso.market.order_book import OrderBook
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.market import (
    DerivativesDocument,
    LiquidationsDocument,
    OrderBookDocument,
    TradesDocument,
)
from virtuoso.wire.messages import Document
from virtuoso.wire.records import millis_of

T = TypeVar("T")
BOTH = frozenset({"BTCUSDT"})


def documents(pipeline: Pipeline, looked_at: frozenset[str] = BOTH) -> dict[str, bytes]:
    """What one edition publishes."""
    editor = Editor("one", Source.SIMULATOR, "1")
    printed = [
        each
        for each in editor.edit(content_of(pipeline, Source.SIMULATOR, looked_at))
        if each is not None
    ]
    return printed[-1].documents


def read(found: dict[str, bytes], key: str, kind: type[T]) -> T:
    """The message in a published document."""
    body = Codec().decode(key, found[key], Document).body
    return msgspec.json.decode(body, type=kind)


def book_of(pipeline: Pipeline) -> OrderBookDocument:
    """BTC's."""
    return read(documents(pipeline), keys.order_book(BTC.symbol), OrderBookDocument)


def test_only_symbols_somebody_looks_at_have_these_documents() -> None:
    """Nobody looks: not one of them is made, however many symbols there are."""
    pipeline = running_pipeline()
    things = ("orderbook", "trades", "liquidations", "derivatives")
    assert not [
        key for key in documents(pipeline, frozenset()) if keys.kind_of(key).thing in things
    ]
    found = [key for key in documents(pipeline) if keys.kind_of(key).thing in things]
    assert sorted(found) == sorted(f"virtuoso:{each}:BTCUSDT:v1" for each in things)


def test_a_first_reader_gets_the_newest_cycle_without_waiting_for_the_next() -> None:
    """Made of the edition that was published last, with its sequence."""
    pipeline = running_pipeline()
    editor = Editor("one", Source.SIMULATOR, "1")
    content = content_of(pipeline, Source.SIMULATOR)
    assert editor.edit_beside(content, BOTH) == {}
    list(editor.edit(content))
    found = dict(editor.edit_beside(content, BOTH))
    assert len(found) == 4
    book = read(found, keys.order_book(BTC.symbol), OrderBookDocument)
    assert (book.seq, book.state, book.source) == (content.cycle.seq, State.LIVE, Source.SIMULATOR)


def test_the_ladder_says_what_the_book_holds() -> None:
    """Best first, sums from the best on, spread and middle of the best prices."""
    book = book_of(running_pipeline())
    assert book.bids[0].price == pytest.approx(99.9)
    assert book.asks[0].price == pytest.approx(100.1)
    assert [each.cumulative for each in book.bids] == [float(n) for n in range(1, 51)]
    assert book.mid == pytest.approx(100.0)
    assert book.microprice == pytest.approx(100.0)
    assert book.spread_bps == pytest.approx(20.0)
    assert book.imbalance == 0
    assert (book.state, book.reason, book.status) == (State.LIVE, None, "success")
    assert book.levels_known == (50, 50)


def test_a_lost_book_is_absent_at_once_with_its_reason() -> None:
    """Not the levels of before: nothing, and why."""
    pipeline = running_pipeline()
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", Millis(NOW + 1_200)))
    book = book_of(pipeline)
    assert (book.bids, book.asks, book.mid, book.spread, book.depth) == ((), (), None, None, ())
    assert (book.state, book.reason, book.as_of, book.status) == (
        State.ABSENT,
        Reason.GAP,
        None,
        "degraded",
    )
    assert any("gap" in each for each in book.reasons)


def test_trades_of_before_a_cut_stay_and_are_called_stale() -> None:
    """What happened, happened; but it is not the present, and since when it is whole is unknown."""
    pipeline = running_pipeline()
    trades = read(documents(pipeline), keys.trades(BTC.symbol), TradesDocument)
    assert (trades.state, trades.trades[0].side, trades.trades[0].notional) == (
        State.LIVE,
        "buy",
        100.0,
    )
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", Millis(NOW + 1_200)))
    for second in range(2, 10):
        pipeline.second(Millis(NOW + second * SECOND))
    trades = read(documents(pipeline), keys.trades(BTC.symbol), TradesDocument)
    assert len(trades.trades) == 1
    assert (trades.state, trades.complete_since, trades.status) == (State.STALE, None, "degraded")


def test_a_liquidation_has_the_side_of_the_position_and_the_venues_coverage() -> None:
    """Longs that were closed are longs; Bybit tells of all."""
    pipeline = running_pipeline()
    for side, quantity in ((PositionSide.LONG, 2.0), (PositionSide.SHORT, 1.0)):
        pipeline.handle(event(Liquidation(side, quantity, 100.0), NOW + 900))
    found = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert [each.side for each in found.liquidations] == ["short", "long"]
    assert (found.long_notional, found.short_notional, found.coverage) == (200.0, 100.0, "all")


def test_the_tape_says_from_which_size_on_a_trade_is_large_for_its_symbol() -> None:
    """The symbol's own percentile, but the floor at least; null while too few are known."""
    pipeline = running_pipeline()
    lane = pipeline.lane(BTC)
    assert lane is not None
    assert read(documents(pipeline), keys.trades(BTC.symbol), TradesDocument).large_from is None
    forced = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert forced.large_from is None
    for limit, expected in ((250_000.0, 250_000.0), (1_000.0, 100_000.0)):
        lane.market.trades.whales.limit = limit
        trades = read(documents(pipeline), keys.trades(BTC.symbol), TradesDocument)
        assert trades.large_from == expected
    flow = lane.market.trades.liquidated
    for _ in range(300):
        flow.take(Millis(NOW + 900), PositionSide.LONG, 200_000.0)
    flow.second(Millis(NOW + MINUTE))
    forced = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert forced.large_from is not None
    assert forced.large_from >= 200_000.0


def test_none_seen_is_a_fact_while_the_stream_lives() -> None:
    """An empty list with a live state, not an absence."""
    found = read(documents(running_pipeline()), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert (found.liquidations, found.state, found.as_of) == ((), State.LIVE, None)


def test_liquidations_that_nobody_tells_of_are_not_zero() -> None:
    """A refused topic is an absence with its reason; the trades beside it prove nothing."""
    pipeline = running_pipeline()
    pipeline.handle(TopicRefused(BTC, Topic.LIQUIDATIONS, "not offered", Millis(NOW + 1_100)))
    pipeline.second(Millis(NOW + 2 * SECOND))
    found = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert (found.long_notional, found.short_notional) == (None, None)
    assert (found.state, found.reason, found.status) == (
        State.ABSENT,
        Reason.NO_FEED,
        "degraded",
    )


def test_liquidations_of_before_their_topic_ended_stay_and_are_called_stale() -> None:
    """What happened, happened; whether more did is not known."""
    pipeline = running_pipeline()
    pipeline.handle(event(Liquidation(PositionSide.LONG, 2.0, 100.0), NOW + 900))
    pipeline.handle(TopicRefused(BTC, Topic.LIQUIDATIONS, "gone", Millis(NOW + 1_100)))
    pipeline.second(Millis(NOW + 2 * SECOND))
    found = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert (found.long_notional, found.short_notional) == (200.0, 0.0)
    assert (found.state, found.reason) == (State.STALE, Reason.NO_FEED)
    pipeline.handle(Disconnected(BTC.venue, frozenset({BTC}), "cut", Millis(NOW + 2_200)))
    pipeline.second(Millis(NOW + 9 * SECOND))
    cut = read(documents(pipeline), keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert (len(cut.liquidations), cut.state) == (1, State.STALE)


def test_nothing_in_a_document_is_younger_than_the_document() -> None:
    """The market goes on while a second is written down: no age is negative."""
    pipeline = running_pipeline()
    before = documents(pipeline)
    late = NOW + 1_900  # after the second that the edition is of
    pipeline.handle(event(Trade("late", 100.1, 1.0, Side.BUY), late))
    pipeline.handle(event(Liquidation(PositionSide.LONG, 2.0, 100.0), late))
    pipeline.handle(event(Ticker({TickerField.MARK_PRICE: 100.2}, whole=False), late))
    found = documents(pipeline)
    key = keys.trades(BTC.symbol)
    trades = read(found, key, TradesDocument)
    assert trades.seq == read(before, key, TradesDocument).seq
    assert trades.as_of == late == trades.now
    forced = read(found, keys.liquidations(BTC.symbol), LiquidationsDocument)
    assert forced.as_of == late == forced.now
    more = read(found, keys.derivatives(BTC.symbol), DerivativesDocument)
    assert more.mark_price.as_of == late == more.now
    assert millis_of(more.timestamp) == late


def test_derivatives_are_converted_as_they_say_and_absent_with_a_reason() -> None:
    """Basis in basis points of the index, funding to 8 hours and a year, the rest named."""
    pipeline = running_pipeline()
    values = {
        TickerField.MARK_PRICE: 101.0,
        TickerField.INDEX_PRICE: 100.0,
        TickerField.FUNDING_RATE: 0.0001,
        TickerField.FUNDING_INTERVAL_HOURS: 4.0,
        TickerField.NEXT_FUNDING_TIME: float(NOW + 60_000),
        TickerField.OPEN_INTEREST: 500.0,
    }
    pipeline.handle(event(Ticker(values, whole=True), NOW + 1_500))
    pipeline.second(Millis(NOW + 2 * SECOND))
    found = read(documents(pipeline), keys.derivatives(BTC.symbol), DerivativesDocument)
    assert found.basis_bps.value == pytest.approx(100.0)
    assert found.funding_8h.value == pytest.approx(0.0002)
    assert found.funding_yearly.value == pytest.approx(0.0001 * 8_760 / 4 * 100)
    assert found.open_interest_notional.value == pytest.approx(50_500.0)
    assert found.next_funding_time == NOW + 60_000
    assert (found.long_share.value, found.long_share.reason) == (None, Reason.NO_FEED)
    assert any("long_short_ratio" in each for each in found.reasons)
    assert found.open_interest_sides == "both"


LEVEL_LISTS = st.lists(
    st.tuples(st.integers(1, 400), st.floats(0.001, 1_000.0)),
    min_size=1,
    max_size=60,
    unique_by=lambda each: each[0],
)


def a_book(below: Levels, above: Levels, depth: int | None) -> OrderBook:
    """A book around 1,000: ticks of 0.1 below and above it."""
    bids = sorted(((1_000 - tick / 10, size) for tick, size in below), reverse=True)
    asks = sorted((1_000 + tick / 10, size) for tick, size in above)
    book = OrderBook()
    assert book.apply(BookSnapshot(bids, asks, sequence=1, depth=depth), Millis(NOW)) is None
    return book


@settings(deadline=None, max_examples=60)
@given(below=LEVEL_LISTS, above=LEVEL_LISTS)
def test_depth_only_grows_with_distance_and_stops_where_the_book_is_not_known(
    below: Levels, above: Levels
) -> None:
    """Each point holds those before it; beyond the deepest known level it is null, not less."""
    book = a_book(below, above, 200)
    bids, asks = list(book.bids), list(book.asks)
    mid = (bids[0][0] + asks[0][0]) / 2
    points = depth_of(book, mid, bids, asks)
    for side, levels in (("bid_quantity", bids), ("ask_quantity", asks)):
        known = [getattr(each, side) for each in points]
        numbers = [each for each in known if each is not None]
        assert known[: len(numbers)] == numbers
        assert numbers == sorted(numbers)
        for point, found in zip(points, known, strict=True):
            low, high = mid * (1 - point.bps / 10_000), mid * (1 + point.bps / 10_000)
            if found is None:
                assert low < levels[-1][0] < high
            else:
                inside = sum(size for price, size in levels if low <= price <= high)
                assert found == pytest.approx(inside, rel=1e-6, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(above=LEVEL_LISTS, share=st.floats(0.001, 0.999))
def test_taking_more_costs_no_less_and_never_more_than_the_worst_level(
    above: Levels, share: float
) -> None:
    """The average price lies between the best price and the last one needed."""
    book = a_book([(1, 1.0)], above, 200)
    asks = list(book.asks)
    mid = (999.9 + asks[0][0]) / 2
    whole = sum(price * size for price, size in asks)
    _, high = book.complete_to
    some = impact_of(asks, share * whole, mid, high)
    assert some is not None
    best, worst = (10_000 * (price / mid - 1) for price in (asks[0][0], asks[-1][0]))
    assert best - 0.01 <= some <= worst + 0.01
    half = impact_of(asks, share * whole / 2, mid, high)
    assert half is not None
    assert half <= some + 0.001
    assert impact_of(asks, 1.01 * whole, mid, high) is None


def test_open_interest_of_full_hours_is_its_history() -> None:
    """Oldest first, no more than is shown."""
    pipeline = running_pipeline()
    lane = pipeline.lane(BTC)
    assert lane is not None
    rows = [OpenInterest(Millis(NOW - back * 3_600_000), 100.0 + back) for back in range(100)]
    lane.market.derivatives.add_open_interest(rows[::-1])
    found = read(documents(pipeline), keys.derivatives(BTC.symbol), DerivativesDocument)
    assert len(found.open_interest_history) == 72
    assert found.open_interest_history[-1].at == NOW
    assert found.open_interest_history[0].at < found.open_interest_history[1].at
