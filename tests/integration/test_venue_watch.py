"""One venue watched: ticks, universe, loads and polls, with a feed whose line a test writes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from structlog.testing import capture_logs

from support.markets import BTC, ETH, event, listing_of, pipeline_of, walk
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.instruments import BYBIT, Instrument, Listing, Symbol
from virtuoso.domain.maintenance import Maintenance
from virtuoso.domain.market_data import (
    Candle,
    CandlesLoaded,
    Connected,
    DefinitionChosen,
    Disconnected,
    Side,
    Tick,
    Trade,
    TradesLoaded,
    UniverseChosen,
)
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.universe import Wanted
from virtuoso.engine.venue_watch import VenueWatch, WatchSettings
from virtuoso.engine.warmup import Warmup
from virtuoso.ports import CandleKind
from virtuoso.scoring.definition import Definition
from virtuoso.testing.fake_history import FakeHistory
from virtuoso.testing.fake_line import FakeLine

SOL = Instrument(BYBIT, Symbol("SOLUSDT"))


class Venue(FakeHistory):
    """A history whose catalogue a test changes."""

    def list(self, *listings: Listing) -> None:
        """List these from now on."""
        self._listings = listings


def candles_of(*instruments: Instrument) -> dict[tuple[Instrument, Timeframe], list[Candle]]:
    """Give candles of every timeframe up to now."""
    now = SystemClock().now()
    return {
        (instrument, timeframe): walk(timeframe, 300, now - now % timeframe.ms)
        for instrument in instruments
        for timeframe in Timeframe
    }


async def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    """Wait for something. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(
    feed: FakeLine, history: FakeHistory, settings: WatchSettings | None = None
) -> AsyncIterator[VenueWatch]:
    """Run a watch of a live venue."""
    watch = VenueWatch(
        feed=feed,
        history=history,
        clock=SystemClock(),
        pipeline=pipeline_of(),
        warmup=Warmup(history, lambda: 0.0),
        jitter=lambda: 0.0,
        settings=settings or WatchSettings(Wanted(2, ()), refresh_seconds=0.05),
    )
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_line_begins_with_the_universe_then_histories_and_ticks_go_through_it() -> None:
    """What was received stands in the same line, and each second is closed by its tick."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    async with watching(feed, history) as watch:
        await until(lambda: any(isinstance(each, CandlesLoaded) for each in feed.taken))
        await until(lambda: sum(isinstance(each, Tick) for each in feed.taken) >= 2)
        assert isinstance(feed.taken[0], UniverseChosen)
        assert feed.watched == [(BTC,)]
        await until(lambda: watch.pipeline.view() is not None)
        lane = watch.pipeline.lane(BTC)
        assert lane is not None
        assert lane.loaded


async def test_the_line_of_a_live_run_played_again_gives_the_same_scores() -> None:
    """Seconds, candles and prices depend on nothing but the line."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    clock = SystemClock()
    async with watching(feed, history) as watch:
        await until(lambda: bool(feed.watched))
        for number in range(20):
            feed.put(event(Trade(str(number), 100.0 + number, 1.0, Side.BUY), clock.now()))
            await asyncio.sleep(0.1)
        await until(lambda: watch.pipeline.seq >= 2)
    live = watch.pipeline.view()
    assert live is not None
    again = pipeline_of()
    timeline = Timeline(again)
    found = None
    for each in feed.taken:
        for second in timeline.steps(each):
            if second == live.at:
                found = again.view()
        again.requests()
    assert found is not None
    assert found.markets[0].score == live.markets[0].score
    assert found.markets[0].price == live.markets[0].price
    assert found == live


async def test_newcomers_are_watched_and_the_delisted_are_given_up_without_a_restart() -> None:
    """The page is told who came, who went and why; the scores of the others go on."""
    feed = FakeLine()
    history = Venue([listing_of(BTC), listing_of(ETH)], candles_of(BTC, ETH, SOL))
    async with watching(feed, history) as watch:
        await until(lambda: watch.pipeline.view() is not None)
        history.list(listing_of(BTC), listing_of(SOL))
        await until(lambda: watch.pipeline.instruments == (BTC, SOL))
        assert feed.watched[-1] == (BTC, SOL)
        texts = {each.code: each.text for each in watch.notices()}
        assert texts["symbols_came"] == "bybit: now watched: SOLUSDT"
        assert texts["symbols_ended"] == "bybit: no longer listed: ETHUSDT"
        await until(lambda: (lane := watch.pipeline.lane(SOL)) is not None and lane.loaded)
        feed.put(event(Trade("late", 1.0, 1.0, Side.BUY), SystemClock().now(), ETH))
        await until(lambda: watch.pipeline.counters.get("not_subscribed") == 1)
        history.list(listing_of(BTC), listing_of(ETH))
        await until(lambda: watch.pipeline.instruments == (BTC, ETH))
        lane = watch.pipeline.lane(ETH)
        assert lane is not None
        assert lane.loaded, "what was known of it was kept"


async def test_a_delisting_that_is_announced_is_shown_until_it_happens() -> None:
    """With its reason and its time; a changed tick size does no harm."""
    feed = FakeLine()
    history = Venue([listing_of(BTC)], candles_of(BTC))
    async with watching(feed, history) as watch:
        await until(lambda: watch.pipeline.view() is not None)
        ends = Millis(1_900_000_000_000)
        history.list(replace(listing_of(BTC), tick_size=0.5, delisting_at=ends))
        await until(lambda: any(each.code == "delisting" for each in watch.notices()))
        [said] = [each for each in watch.notices() if each.code == "delisting"]
        assert said.text == "bybit ends BTCUSDT at 2030-03-17T17:46:40.000Z"
        assert watch.pipeline.instruments == (BTC,)


async def test_announced_maintenance_is_shown_from_a_day_before_until_it_is_over() -> None:
    """What was announced stands while the venue cannot be asked: then it may well have begun."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    now = SystemClock().now()
    soon, later = Millis(now + HOUR), Millis(now + 30 * HOUR)
    history.announced = [
        Maintenance("Upgrade", soon, Millis(soon + HOUR), ongoing=False),
        Maintenance("Another", later, None, ongoing=False),
    ]
    settings = WatchSettings(Wanted(2, ()), maintenance_seconds=0.05)
    async with watching(feed, history, settings) as watch:
        await until(lambda: any(each.code == "maintenance" for each in watch.notices()))
        history.dead = True
        [said] = [each for each in watch.notices() if each.code == "maintenance"]
        assert said.since == soon
        assert said.text.startswith("bybit announces maintenance from ")
        assert said.text.endswith(": Upgrade")
        history.dead = False
        history.announced = [Maintenance("Upgrade", Millis(now - HOUR), None, ongoing=True)]
        await until(lambda: any("is under maintenance" in each.text for each in watch.notices()))
        history.announced = [Maintenance("Upgrade", Millis(now - HOUR), now, ongoing=True)]
        await until(lambda: all(each.code != "maintenance" for each in watch.notices()))


async def test_a_catalogue_that_fails_leaves_the_universe_alone() -> None:
    """An unreachable venue delists nobody."""
    feed = FakeLine()
    history = Venue([listing_of(BTC)], candles_of(BTC))
    async with watching(feed, history) as watch:
        await until(lambda: watch.pipeline.view() is not None)
        history.dead = True
        await asyncio.sleep(0.3)
        history.dead = False
        history.list()
        await asyncio.sleep(0.3)
        assert watch.pipeline.instruments == (BTC,)


async def test_after_a_cut_the_missed_minutes_and_trades_are_fetched_into_the_line() -> None:
    """Minutes alone, as many as are missing: what is known is not fetched again."""
    feed = FakeLine()
    candles = candles_of(BTC)
    minutes = candles[BTC, Timeframe.M1]
    candles[BTC, Timeframe.M1] = minutes[:-5]
    trades = [event(Trade("missed", 100.0, 1.0, Side.BUY), minutes[-1].close_time)]
    history = Venue([listing_of(BTC)], candles, trades={BTC: trades})  # type: ignore[dict-item]
    async with watching(feed, history) as watch:
        await until(lambda: (lane := watch.pipeline.lane(BTC)) is not None and lane.loaded)
        now = SystemClock().now()
        candles[BTC, Timeframe.M1] = minutes
        feed.put(Connected(BYBIT, frozenset({BTC}), now))
        feed.put(Disconnected(BYBIT, frozenset({BTC}), "cut", now))
        feed.put(Connected(BYBIT, frozenset({BTC}), now))
        await until(lambda: any(isinstance(each, TradesLoaded) for each in feed.taken))
        series = watch.pipeline.market("BTCUSDT").candles[Timeframe.M1]
        await until(lambda: series.last_close == minutes[-1].close_time)
        assert len(series.backfilled) == 5
        assert series.closed[-1].close_time - series.closed[0].open_time == MINUTE * len(
            series.closed
        )
        [*_, fetched] = [each for each in feed.taken if isinstance(each, CandlesLoaded)]
        assert set(fetched.candles) == {Timeframe.M1}
        assert len(fetched.candles[Timeframe.M1]) < 12


async def test_a_venue_that_is_out_of_reach_is_asked_again_and_says_why() -> None:
    """No universe, no numbers, one sentence."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    history.dead = True
    async with watching(feed, history) as watch:
        await until(lambda: bool(watch.notices()))
        assert watch.notices()[0].text.startswith("bybit cannot be reached")
        assert watch.feed_part().status == "fail"
        history.dead = False
        await until(lambda: watch.pipeline.instruments == (BTC,))


class Slow(Venue):
    """A history that keeps one series back."""

    def __init__(
        self,
        listings: Sequence[Listing],
        candles: dict[tuple[Instrument, Timeframe], list[Candle]],
        held: tuple[Instrument, Timeframe],
    ) -> None:
        super().__init__(listings, candles)
        self.held = held
        self.freed = asyncio.Event()

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """Wait for one of them."""
        if (instrument, timeframe) == self.held:
            await self.freed.wait()
        return await super().candles(instrument, timeframe, limit, kind)


async def test_the_warm_up_says_how_far_it_is_and_nobody_waits_for_others() -> None:
    """On the page, at /health and in the log: symbols, and series of candles."""
    feed = FakeLine()
    candles = candles_of(BTC, ETH)
    history = Slow([listing_of(BTC), listing_of(ETH)], candles, (ETH, Timeframe.M5))
    with capture_logs() as logs:
        async with watching(feed, history) as watch:

            def scored() -> list[str]:
                cycle = watch.pipeline.view()
                markets = () if cycle is None else cycle.markets
                return [each.instrument.symbol for each in markets if each.score.score is not None]

            await until(lambda: scored() == ["BTCUSDT"])
            said = {each.code: each.text for each in watch.notices()}
            assert said["warming_up"] == "warming up: 1 of 2 symbols, 6 of 8 candle sets"
            part = watch.warm_part()
            assert part.status == "warn"
            assert part.text == "candle history of 1 of 2 symbols, 6 of 8 candle sets is here"
            history.freed.set()
            await until(lambda: scored() == ["BTCUSDT", "ETHUSDT"])
            assert "warming_up" not in {each.code for each in watch.notices()}
            assert watch.warm_part().status == "pass"
    told = [each for each in logs if each["event"] in {"warming_up", "warmed_up"}]
    assert [(each["event"], each["symbols"], each["candle_sets"]) for each in told] == [
        ("warming_up", 1, 6),
        ("warmed_up", 2, 8),
    ]


async def test_the_definition_stands_in_the_line_before_anything_of_the_venue() -> None:
    """A recording of the line says what its scores were computed by, from the beginning on."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    owner = Definition.of_profile("owner")
    async with watching(feed, history) as watch:
        await until(lambda: watch.pipeline.view() is not None)
        first = feed.taken[1]
        assert isinstance(first, DefinitionChosen)
        assert first.text == Definition().text
        await watch.redefine(owner)
        await until(lambda: watch.pipeline.definition == owner.hash)
        assert watch.cycles.kept[-1].definition == owner.hash


async def test_a_change_before_the_universe_is_chosen_is_not_lost() -> None:
    """A venue out of reach is scored by the newest definition once it is there."""
    feed, history = FakeLine(), Venue([listing_of(BTC)], candles_of(BTC))
    history.dead = True
    owner = Definition.of_profile("owner")
    async with watching(feed, history) as watch:
        await until(lambda: bool(watch.notices()))
        await watch.redefine(owner)
        assert feed.taken == []
        history.dead = False
        await until(lambda: watch.pipeline.definition == owner.hash)
