"""What takes minutes on a wall clock, or is one call: F05, F08, F09 and F10 at the pipeline."""

import asyncio
import math
import random
import time
from collections.abc import Sequence

import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY
from support.markets import BTC, NOW, event, heard_of, history_of, pipeline_of
from support.simulated_venue import Venue, running_venue
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.stream import BybitFeed
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.limits import Budgets
from virtuoso.domain.instruments import BYBIT
from virtuoso.domain.market_data import (
    BookDelta,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Ticker,
    TickerField,
    Topic,
    Trade,
)
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.requests import BackfillTrades, Renew
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.view import MarketView
from virtuoso.engine.warmup import Warmup
from virtuoso.indicators.stream_window import StreamLimits

pytestmark = [pytest.mark.process, pytest.mark.fault]

SPEED = 10
"""Of the venue whose minutes are waited for."""
WARM = StreamLimits().minimum + 40
"""Seconds after which a stream component has a score."""


def view_of(pipeline: Pipeline) -> MarketView:
    """Give what would be published now."""
    cycle = pipeline.view()
    assert cycle is not None
    return cycle.markets[0]


def warm_pipeline() -> tuple[Pipeline, int]:
    """Build a pipeline whose order book has a score; with it the time it has come to."""
    pipeline = pipeline_of(BTC)
    pipeline.handle(history_of(NOW))
    for number in range(WARM):
        at = NOW + number * SECOND
        for each in heard_of(BTC, at + 500, 100.0 + math.sin(number)):
            pipeline.handle(each)
        pipeline.second(Millis(at + SECOND))
    return pipeline, NOW + WARM * SECOND


def test_f05_the_very_message_with_the_gap_takes_the_book_out_of_the_score(
    table: FaultTable,
) -> None:
    """What is published changes within that call, before any second closes."""
    pipeline, now = warm_pipeline()
    before = view_of(pipeline)
    assert isinstance(before.score.components[ComponentName.ORDERBOOK], ComponentScore)
    seq, sequence = pipeline.seq, pipeline.market(BUSY).book.sequence
    hole = event(BookDelta([(99.0, 2.0)], [], sequence + 1, sequence + 2), now + 10)
    begin = time.perf_counter()
    asked = list(pipeline.handle(hole))
    seconds = time.perf_counter() - begin
    after = view_of(pipeline)
    part = after.score.components[ComponentName.ORDERBOOK]
    assert isinstance(part, Absent)
    assert part.reason is Reason.GAP
    assert after.score.coverage < before.score.coverage
    assert asked == [Renew(BTC, Topic.BOOK)]
    assert pipeline.seq == seq + 1
    table.add("F05", f"the call that sees the gap ({1e3 * seconds:.1f} ms) marks it", 0.0)


def test_f07_a_locked_book_is_legal_and_says_nothing(table: FaultTable) -> None:
    """Best bid equal to best ask: kept, flagged, and no balance is read from it."""
    pipeline, now = warm_pipeline()
    book = pipeline.market(BUSY).book
    best, deepest = book.best(), book.bids.deepest
    assert best is not None
    assert deepest is not None
    bids = [(best.ask, 1.0), (deepest, 0.0)]
    locked = BookDelta(bids, [], book.sequence, book.sequence + 1)
    assert list(pipeline.handle(event(locked, now + 10))) == []
    assert book.synced
    assert book.locked
    pipeline.second(Millis(now + SECOND))
    members = view_of(pipeline).score.components[ComponentName.ORDERBOOK].members
    assert {each.reason for each in members if each.name.endswith("@now")} == {Reason.CROSSED_BOOK}
    table.add("F07", "a locked book is kept, and no balance is read from it", 0.0)


IMPOSSIBLE = (math.nan, math.inf, -math.inf, 0.0, -1.0, 1e308)


def test_f08_an_impossible_number_changes_nothing(table: FaultTable) -> None:
    """NaN, infinity, zero, negative, absurd: refused in trades, quotes, tickers and books."""
    for number in IMPOSSIBLE:
        pipeline = pipeline_of(BTC)
        for each in heard_of(BTC, NOW + 100):
            pipeline.handle(each)
        sequence = pipeline.market(BUSY).book.sequence
        facts: tuple[MarketData, ...] = (
            Trade("x", number, 1.0, Side.BUY),
            Quote(number, 1.0, number, 1.0, sequence + 5),
            Ticker({TickerField.LAST_PRICE: number}, whole=False),
            BookDelta([(number, 1.0)], [], sequence, sequence + 1),
        )
        for fact in facts:
            pipeline.handle(event(fact, NOW + 200))
        pipeline.second(Millis(NOW + SECOND))
        assert view_of(pipeline).price.value == 100.0, number
        refused = [each for key, each in pipeline.counters.items() if key.startswith("door_")]
        assert sum(refused) == len(facts), number
        assert not pipeline.market(BUSY).book.synced, number
    what = f"{', '.join(map(str, IMPOSSIBLE))} as a price of trade, quote, ticker, book: refused"
    table.add("F08", what, 0.0)


def _flow_of(trades: Sequence[MarketEvent[MarketData]]) -> tuple[float, ...]:
    """Sum the taker flow of a minute in which these came, in this order."""
    pipeline = pipeline_of(BTC)
    for each in heard_of(BTC, NOW):
        pipeline.handle(each)
    for each in trades:
        pipeline.handle(each)
    pipeline.second(Millis(NOW + MINUTE))
    sums = pipeline.market(BUSY).trades.windows[60]
    return (*sums, *pipeline.market(BUSY).trades.minute_volume(Millis(NOW)))


def test_f09_order_flow_is_that_of_the_sorted_unique_stream(table: FaultTable) -> None:
    """Shuffled within two seconds and with repeats, the sums are the same."""
    for seed in range(10):
        rng = random.Random(seed)  # noqa: S311
        stamps = sorted(rng.randrange(NOW + 100, NOW + 50_000) for _ in range(300))
        in_order = []
        for number, stamp in enumerate(stamps):
            side = rng.choice(list(Side))
            trade = Trade(str(number), 100.0 + rng.random(), rng.random(), side)
            in_order.append(event(trade, stamp))
        mixed = [each for each in in_order for _ in range(rng.choice((1, 1, 2, 3)))]
        mixed.sort(key=lambda each: each.event_time + rng.random() * 1_900)
        assert [each.event_time for each in mixed] != sorted(each.event_time for each in mixed)
        assert _flow_of(mixed) == pytest.approx(_flow_of(in_order)), seed
    table.add("F09", "ten streams of 300 trades, shuffled and repeated: the flow is the same")


class FastClock:
    """The venue's clock, which runs faster than ours."""

    def __init__(self, begin: int) -> None:
        self._begin, self._since = begin, time.monotonic()

    def now(self) -> Millis:
        """Milliseconds UTC."""
        return Millis(self._begin + round(1_000 * SPEED * (time.monotonic() - self._since)))

    def monotonic_ms(self) -> int:
        """Milliseconds of this computer: waiting is done in real time."""
        return round(1_000 * time.monotonic())


async def _listen(
    venue: Venue, clock: FastClock, pipeline: Pipeline, until: Millis
) -> list[object]:
    """Run a feed into a pipeline; end when one asks for trades, or at a time of the venue."""
    url = f"ws://127.0.0.1:{venue.port}/v5/public/linear"
    feed = BybitFeed(BybitSettings(url=url), clock, random.Random(1))  # noqa: S311
    timeline, asked = Timeline(pipeline), list[object]()
    async for batch in feed.events([BTC]):
        for each in batch:
            for _ in timeline.steps(each):
                pass
            asked += [one for one in pipeline.requests() if isinstance(one, BackfillTrades)]
        if asked or clock.now() > until:
            return asked
    return asked


async def test_f10_trades_lost_in_silence_are_found_out(table: FaultTable) -> None:
    """One of a hundred is lost: the candle says so, the flow is absent, the trades are fetched."""
    async with running_venue(symbols=1, speed=SPEED) as venue, asyncio.timeout(40):
        answer = await venue.get("time")
        clock = FastClock(int(answer["time"]))
        pipeline = pipeline_of(BTC)
        await venue.inject(fault="lose_trades", share=0.01)
        begin = clock.now()
        asked = await _listen(venue, clock, pipeline, Millis(begin + 3 * MINUTE))
        cycle = pipeline.view()
        assert cycle is not None
        marked, found = cycle.now % MINUTE / SECOND, time.monotonic()
        assert asked == [BackfillTrades(BTC)]
        flow = view_of(pipeline).score.components[ComponentName.ORDERFLOW].members
        assert {each.reason for each in flow if each.family == "taker_flow"} == {Reason.GAP}
        history = CcxtHistory(BYBIT, Budgets(clock).of(BYBIT, venue.url), venue.url)
        try:
            loaded = await Warmup(history, random.Random(1).random).trades(BTC, clock.now)  # noqa: S311
        finally:
            await history.close()
        pipeline.handle(loaded)
        healed = marked + time.monotonic() - found
    assert pipeline.counters["candles_without_their_trades"] == 1
    assert pipeline.counters["trades_backfilled"] >= 1
    what = f"1 % of trades lost: found after the close, {pipeline.counters['trades_backfilled']}"
    table.add("F10", f"{what} fetched", marked, healed)
    assert marked <= 10
