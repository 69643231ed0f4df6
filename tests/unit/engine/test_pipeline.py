"""The pipeline: events in, scores out, without a clock."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from virtuoso.apps.scoring import lane_maker
from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    Disconnected,
    FormingCandle,
    MarketData,
    MarketEvent,
    Side,
    Ticker,
    TickerField,
    Topic,
    Trade,
    TradesMissing,
)
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason, Source, State
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.dashboard_documents import (
    by_pressure,
    dashboard_document,
    mobile_document,
    overview_message,
)
from virtuoso.engine.documents import Edition, records_of
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.requests import Backfill, BackfillTrades, Renew
from virtuoso.engine.view import MarketView
from virtuoso.scoring.definition import Definition
from virtuoso.wire.board import RowSymbol

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
ETH = Instrument(BYBIT, Symbol("ETHUSDT"))
NOW = 1_800_000_000_000 - 1_800_000_000_000 % (4 * 3_600_000)


def pipeline_of(*instruments: Instrument) -> Pipeline:
    """Build a pipeline with the usual definition."""
    definition = Definition()
    return Pipeline(instruments, (), definition, lane_maker(definition, BYBIT, Source.BYBIT))


def walk(timeframe: Timeframe, count: int, end: int, seed: int = 1) -> list[Candle]:
    """Make a random walk of contiguous candles that closes at `end`."""
    rng = np.random.default_rng(seed)
    closes = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.002, count)))
    opens = np.concatenate([[100.0], closes[:-1]])
    highs = np.maximum(opens, closes) * np.exp(rng.exponential(0.001, count))
    lows = np.minimum(opens, closes) * np.exp(-rng.exponential(0.001, count))
    volumes = rng.lognormal(3.0, 0.5, count)
    first = end - count * timeframe.ms
    return [
        Candle(
            timeframe,
            Millis(first + i * timeframe.ms),
            float(opens[i]),
            float(highs[i]),
            float(lows[i]),
            float(closes[i]),
            float(volumes[i]),
        )
        for i in range(count)
    ]


def histories(end: int, minutes: Sequence[Candle] | None = None) -> CandlesLoaded:
    """Give a thousand candles of every timeframe up to `end`."""
    found = {
        timeframe: walk(timeframe, 1_000, end - end % timeframe.ms, seed=7)
        for timeframe in (Timeframe.H4, Timeframe.M30, Timeframe.M5)
    }
    found[Timeframe.M1] = list(minutes or walk(Timeframe.M1, 1_000, end))
    return CandlesLoaded(BTC, found, Millis(end))


def event(data: MarketData, at: int, instrument: Instrument = BTC) -> MarketEvent[MarketData]:
    """Wrap a fact that was received the moment it happened."""
    return MarketEvent(instrument, data, Millis(at), Millis(at))


def view_of(pipeline: Pipeline, at: int) -> MarketView:
    """Close a grid second and give the first market."""
    pipeline.second(Millis(at))
    cycle = pipeline.view()
    assert cycle is not None
    return cycle.markets[0]


def test_a_market_that_was_never_heard_of_has_no_number() -> None:
    """Every component is absent with a reason, and so are score, price and change."""
    view = view_of(pipeline_of(BTC), NOW)
    assert view.score.score is None
    assert view.score.reason is Reason.NO_FEED
    assert view.state is State.ABSENT
    for part in view.score.components.values():
        assert isinstance(part, Absent)
    for value in (view.price, view.change_24h, view.turnover_24h, view.funding_8h):
        assert value.value is None
        assert value.reason is Reason.NO_FEED
    assert view.live_score is None
    assert view.direction is None


def test_candles_one_by_one_give_the_same_bits_as_all_at_once() -> None:
    """A warm-up of a thousand candles equals a shorter one and the rest from the stream."""
    end = NOW
    minutes = walk(Timeframe.M1, 1_000, end)
    earlier = end - 240 * MINUTE

    whole = pipeline_of(BTC)
    grown = pipeline_of(BTC)
    grown.handle(histories(earlier, minutes[:760]))
    for candle in minutes[760:]:
        grown.handle(event(candle, candle.close_time))
    market = grown.market("BTCUSDT")
    candles = {each: list(market.candles[each].closed) for each in Timeframe}
    whole.handle(CandlesLoaded(BTC, candles, Millis(end)))
    once, by_one = view_of(whole, end), view_of(grown, end)
    for name in (ComponentName.TECHNICAL, ComponentName.VOLUME, ComponentName.PRICE_STRUCTURE):
        expected, found = once.score.components[name], by_one.score.components[name]
        assert isinstance(expected, ComponentScore)
        assert isinstance(found, ComponentScore)
        of_minutes = {m.name: (m.x, m.score) for m in expected.members if m.name.endswith("@1m")}
        assert of_minutes
        assert of_minutes == {
            m.name: (m.x, m.score) for m in found.members if m.name.endswith("@1m")
        }


def test_a_missing_candle_is_a_gap_until_it_is_fetched() -> None:
    """The candle views are absent with `gap`, the history is asked for, and then they are back."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(histories(NOW))
    assert isinstance(
        view_of(pipeline, NOW).score.components[ComponentName.TECHNICAL], ComponentScore
    )
    late = walk(Timeframe.M1, 1, NOW + 3 * MINUTE)[0]
    assert list(pipeline.handle(event(late, NOW + 3 * MINUTE))) == [Backfill(BTC)]
    part = view_of(pipeline, NOW + 3 * MINUTE).score.components[ComponentName.TECHNICAL]
    assert isinstance(part, Absent)
    assert part.reason is Reason.GAP
    pipeline.handle(histories(NOW + 3 * MINUTE))
    healed = view_of(pipeline, NOW + 3 * MINUTE + SECOND)
    assert isinstance(healed.score.components[ComponentName.TECHNICAL], ComponentScore)


def test_a_book_with_a_hole_is_renewed_and_not_served() -> None:
    """The same message marks it, and the feed is asked for the book anew."""
    pipeline = pipeline_of(BTC)
    levels = [(100.0 - i, 1.0) for i in range(50)], [(101.0 + i, 1.0) for i in range(50)]
    pipeline.handle(event(BookSnapshot(*levels, sequence=5, depth=50), NOW))
    assert pipeline.market("BTCUSDT").book.synced
    hole = BookDelta([(100.0, 2.0)], [], previous=6, sequence=7)
    assert list(pipeline.handle(event(hole, NOW + 10))) == [Renew(BTC, Topic.BOOK)]
    assert not pipeline.market("BTCUSDT").book.synced
    assert pipeline.counters["book_gaps"] == 1
    part = view_of(pipeline, NOW + SECOND).score.components[ComponentName.ORDERBOOK]
    assert isinstance(part, Absent)
    assert part.reason is Reason.GAP


def test_a_lost_connection_takes_the_ticker_along() -> None:
    """After it, what only the stream can vouch for is absent; the last trade turns stale by age."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(Connected(BYBIT, frozenset({BTC}), Millis(NOW)))
    ticker = Ticker({TickerField.LAST_PRICE: 100.0, TickerField.CHANGE_24H: 0.01}, whole=True)
    pipeline.handle(event(ticker, NOW + 100))
    pipeline.handle(event(Trade("1", 100.5, 1.0, Side.BUY), NOW + 200))
    view = view_of(pipeline, NOW + SECOND)
    assert (view.price.value, view.price.state) == (100.5, State.LIVE)
    assert view.change_24h.value == pytest.approx(1.0)
    pipeline.handle(Disconnected(BYBIT, frozenset({BTC}), "cut", Millis(NOW + 1_100)))
    view = view_of(pipeline, NOW + 2 * SECOND)
    assert view.change_24h.value is None
    view = view_of(pipeline, NOW + 9 * SECOND)
    assert view.price.state is State.STALE


def test_a_trade_over_two_seconds_late_changes_history_and_not_the_flow() -> None:
    """The live order flow holds what is at most two seconds behind the newest trade."""
    pipeline = pipeline_of(BTC)
    for number, behind in enumerate((0, 1_900, 2_100)):
        at = NOW + 10_000 + number
        trade = Trade(str(number), 100.0 + number, 1.0, Side.BUY)
        pipeline.handle(MarketEvent(BTC, trade, Millis(at - behind), Millis(at)))
    flow = pipeline.market("BTCUSDT").trades
    assert flow.trade_count == 2
    assert flow.last_price == 100.0
    assert flow.minute_volume(Millis(NOW)) == (3.0, 0.0)


def test_an_unknown_symbol_is_refused_with_a_sentence() -> None:
    """The message says what was expected."""
    with pytest.raises(UnknownSymbolError, match="monitored symbols"):
        pipeline_of(BTC).market("NOPEUSDT")


def test_the_phone_document_is_a_view_of_the_dashboard_document() -> None:
    """Every alias equals what it aliases; unknown numbers are null with a reason in `quality`."""
    pipeline = pipeline_of(BTC, ETH)
    pipeline.handle(histories(NOW))
    pipeline.second(Millis(NOW))
    cycle = pipeline.view()
    assert cycle is not None
    edition = Edition("e", Source.BYBIT, "d", cycle, ())
    symbols = tuple(
        RowSymbol(i, each.symbol, each.venue, Source.BYBIT) for i, each in enumerate((BTC, ETH))
    )
    records = records_of(edition, symbols)
    overview, tickers = pipeline.overview()
    across = pipeline.across.view
    desktop = dashboard_document(
        edition, records, overview_message(overview, tickers, across, Millis(NOW)), across
    )
    phone = mobile_document(desktop)
    assert phone.regime == phone.market_regime == phone.market_overview.market_regime
    assert phone.trend_score == phone.trend_strength == phone.market_overview.trend_strength
    assert phone.current_volatility == phone.market_overview.volatility
    assert phone.gainers == phone.top_gainers == phone.top_movers.gainers
    assert phone.losers == phone.top_movers.losers
    assert phone.symbols == phone.top_symbols == phone.confluence_scores
    assert sorted(phone.confluence_scores, key=lambda r: r.symbol) == list(desktop.symbols)
    for field in ("btc_dominance", "total_volume_24h", "trend_strength", "volatility"):
        assert getattr(phone.market_overview, field) is None
        assert phone.quality[field].reason is not None


def test_a_book_whose_price_left_the_known_range_is_asked_for_again() -> None:
    """Beyond the snapshot's range only changed levels are known: depth there would be a guess."""
    pipeline = pipeline_of(BTC)
    levels = [(100.0 - i, 1.0) for i in range(5)], [(101.0 + i, 1.0) for i in range(5)]
    pipeline.handle(event(BookSnapshot(*levels, sequence=5), NOW))
    assert list(pipeline.outgrown_books()) == []
    gone = [(price, 0.0) for price, _ in levels[1]]
    moved = BookDelta([(150.0, 1.0)], [*gone, (151.0, 1.0)], previous=5, sequence=6)
    pipeline.handle(event(moved, NOW + 100))
    assert list(pipeline.outgrown_books()) == [Renew(BTC, Topic.BOOK)]


def test_a_score_of_zero_is_the_strongest_pressure_not_the_weakest() -> None:
    """Zero is a number: it leads the list, and only a missing score comes last."""
    pipeline = pipeline_of(BTC)
    pipeline.second(Millis(NOW))
    cycle = pipeline.view()
    assert cycle is not None
    edition = Edition("e", Source.BYBIT, "d", cycle, ())
    (record,) = records_of(edition, (RowSymbol(0, BTC.symbol, BTC.venue, Source.BYBIT),))
    made = [
        msgspec.structs.replace(record, symbol=name, confluence_score=score)
        for name, score in (("NONE", None), ("CALM", 52.0), ("ZERO", 0.0), ("HIGH", 90.0))
    ]
    assert [each.symbol for each in sorted(made, key=by_pressure)] == [
        "ZERO",
        "HIGH",
        "CALM",
        "NONE",
    ]


def test_trades_that_the_venue_numbered_and_did_not_send_are_asked_for() -> None:
    """A hole in the numbers is counted, and the last trades are fetched."""
    pipeline = pipeline_of(BTC)
    asked = pipeline.handle(TradesMissing(BTC, 7, Millis(NOW)))
    assert list(asked) == [BackfillTrades(BTC)]
    assert pipeline.counters["trades_missing"] == 7


def test_late_candles_are_not_looked_into_more_often_than_those_on_time() -> None:
    """Between two turns the live score rests on the forming candles of the last look.

    Also where the minute is overdue, so that every second has a score of another freshness: an
    engine that is behind must not have more to do for it.
    """
    pipeline = pipeline_of(BTC)
    pipeline.handle(histories(NOW))
    lane = pipeline.lane(BTC)
    assert lane is not None
    begun = lane.market.candles[Timeframe.M1].closed[-1].close
    looks: list[float | None] = []
    for second, peek in ((70, True), (71, False), (72, False), (73, True)):
        at = Millis(NOW + second * SECOND)
        price = begun * (1.0 + 1e-3 * (second - 72))
        forming = FormingCandle(
            Timeframe.M1, Millis(NOW), begun, max(begun, price), min(begun, price), price, 5.0
        )
        pipeline.handle(event(forming, at))
        lane.second(at, at, peek=peek)
        technical = lane.view(at, at).score.components[ComponentName.TECHNICAL]
        assert isinstance(technical, ComponentScore)
        assert technical.late_ms > 0
        looks.append(lane.view(at, at).live_score)
    assert None not in looks
    assert looks[0] == looks[1] == looks[2] != looks[3]
