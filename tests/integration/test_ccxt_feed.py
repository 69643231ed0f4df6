"""CCXT's own Bybit class under our guard, against the simulated venue, over real sockets."""

import asyncio
import contextlib
import gc
import random
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import CoroutineType

import aiohttp
import msgspec
import pytest

from support.processes import VIRTUOSO, command, running, wait_for
from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.ccxt.history import CcxtGenericHistory
from virtuoso.adapters.feed.ccxt_feed import CcxtFeed, CcxtSettings
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.apps.scoring import lane_maker
from virtuoso.domain.errors import VenueRefusedError, VenueUnavailableError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.instruments import Venue as VenueName
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    DerivativesLoaded,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Tick,
    Ticker,
    TickerField,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    Trade,
)
from virtuoso.domain.scores import Absent, ComponentName, Reason, Source, State
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.engine.pipeline import Pipeline
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action
from virtuoso.ports import CandleKind, Clock
from virtuoso.scoring.definition import Definition
from virtuoso.simulator.garbage import GARBAGE
from virtuoso.simulator.server import ExchangeServer
from virtuoso.simulator.settings import ExchangeSettings

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
INSTRUMENTS = tuple(Instrument(BYBIT, Symbol(symbol)) for symbol in SYMBOLS)
BTC, ETH, SOL = INSTRUMENTS
HARMLESS = {
    "plain_text",
    "list",
    "number",
    "empty",
    "numeric_topic",
    "unknown_symbol",
}
"""Malformed frames that are none of a market: other venues greet with such texts."""
ENOUGH_SECONDS = 30.0 * SLACK
"""What a loaded machine may take for what otherwise takes less than one."""


class Listener:
    """Stands where the engine stands: judges and applies, and asks the feed to mend."""

    def __init__(self, feed: CcxtFeed) -> None:
        self.feed = feed
        self.door = Door(INSTRUMENTS)
        self.books = {instrument: OrderBook() for instrument in INSTRUMENTS}
        self.log: list[FeedEvent] = []
        self.kinds: Counter[str] = Counter()
        self.changed = asyncio.Condition()

    async def run(self, instruments: Sequence[Instrument]) -> None:
        """Take everything that comes."""
        async for batch in self.feed.events(instruments):
            for event in batch:
                self.take(event)
            async with self.changed:
                self.changed.notify_all()

    def take(self, event: FeedEvent) -> None:
        """Do with an event what the engine does."""
        self.log.append(event)
        self.kinds[type(event).__name__] += 1
        if isinstance(event, MarketEvent):
            self.kinds[type(event.data).__name__] += 1
            verdict = self.door.judge(event, self.books[event.instrument])
            self.kinds[f"{verdict.action} {type(event.data).__name__}"] += 1
            if verdict.action is Action.RESYNC:
                self.feed.renew(event.instrument, Topic.BOOK)
        elif isinstance(event, Disconnected):
            self.door.forget(event.instruments)
            for instrument in event.instruments:
                self.books[instrument].forget(Reason.NO_FEED)

    async def until(
        self, condition: Callable[[], object], seconds: float = ENOUGH_SECONDS
    ) -> float:
        """Wait for something to become true; how long it took."""
        begin = time.monotonic()
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: bool(condition()))
        return time.monotonic() - begin

    def since(self, position: int, kind: type) -> list[FeedEvent]:
        """What of a kind came after a position of the log; market data by their kind."""
        return [
            event
            for event in self.log[position:]
            if isinstance(event.data if isinstance(event, MarketEvent) else event, kind)
        ]

    @property
    def has_everything(self) -> bool:
        """Whether every market has a book, a ticker and trades."""
        return {
            (event.instrument, type(event.data))
            for event in self.log
            if isinstance(event, MarketEvent)
        } >= {
            (instrument, kind)
            for instrument in INSTRUMENTS
            for kind in (BookSnapshot, Trade, Ticker)
        }


def feed_for(url: str, clock: Clock | None = None) -> CcxtFeed:
    """A feed that listens to a venue on this machine."""
    clock = clock or SystemClock()
    rng = random.Random(7)  # noqa: S311 - not for secrets
    return CcxtFeed(
        CcxtSettings(venue=BYBIT, base_url=url),
        RequestBudget(BYBIT, clock),
        clock,
        rng,
        Source.SIMULATOR,
    )


@asynccontextmanager
async def listening(
    feed: CcxtFeed, instruments: Sequence[Instrument] = INSTRUMENTS
) -> AsyncIterator[Listener]:
    """A listener that listens; what it dies of is raised."""
    listener = Listener(feed)
    task = asyncio.create_task(listener.run(instruments))
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with three symbols."""
    async with running_venue() as running:
        yield running


async def test_every_kind_of_data_flows(venue: Venue) -> None:
    """Books, trades and tickers of three markets pass the door, and the source is told."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        await listener.until(lambda: listener.kinds["BookSnapshot"] > 30)
        assert isinstance(listener.log[0], Connected)
        assert listener.log[0].instruments == frozenset(INSTRUMENTS)
        assert listener.door.counters == {}
        for book in listener.books.values():
            assert (len(book.bids), len(book.asks), book.gaps) == (200, 200, 0)
        assert (listener.feed.source, listener.feed.venue) == (Source.SIMULATOR, BYBIT)
        ticker = next(
            event.data
            for event in listener.log
            if isinstance(event, MarketEvent) and isinstance(event.data, Ticker)
        )
        assert set(ticker.values) == set(TickerField)


async def test_the_book_is_that_of_the_venue(venue: Venue) -> None:
    """Where nothing changed between the two readings, the levels are those of the REST side."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.books[BTC].synced)
        for _ in range(200):
            asked = await venue.result("orderbook", symbol="BTCUSDT", limit=200)
            rest = [(float(price), float(size)) for price, size in asked["b"]]
            if list(listener.books[BTC].bids) == rest:
                return
            await asyncio.sleep(0.02)
        pytest.fail("the two books were never equal")


async def test_no_trade_is_lost_or_told_twice(venue: Venue) -> None:
    """The trades of the stream are the newest of the REST side, each once, in their order."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.kinds["Trade"] > 100)
        asked = await venue.result("recent-trade", symbol="BTCUSDT", limit=1_000)
        newest = [row["execId"] for row in reversed(asked["list"])]
        await listener.until(lambda: newest[-1] in streamed(listener.log))
        ids = streamed(listener.log)
        assert len(ids) == len(set(ids))
        first = newest.index(ids[0])
        assert ids[: len(newest) - first] == newest[first:]


def streamed(log: Sequence[FeedEvent]) -> list[str]:
    """The ids of the bitcoin trades that came."""
    return [
        event.data.id
        for event in log
        if isinstance(event, MarketEvent)
        and isinstance(event.data, Trade)
        and event.instrument == BTC
    ]


@pytest.mark.parametrize("variant", GARBAGE)
async def test_data_come_again_after_a_malformed_frame(venue: Venue, variant: str) -> None:
    """The frame is told, the connection replaced, and every kind of data is there again."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="garbage", variant=variant) == 200
        if variant in HARMLESS:
            await listener.until(lambda: listener.since(position, BookSnapshot))
        else:
            await listener.until(lambda: listener.since(position, Connected))
            again = len(listener.log)
            await listener.until(lambda: listener.since(again, BookSnapshot))
        await listener.until(
            lambda: all(listener.since(position, kind) for kind in (Trade, Ticker, BookSnapshot))
        )
        refused = listener.since(position, FrameRefused)
        if variant in HARMLESS:
            assert not any(isinstance(each, FrameRefused) and each.recycled for each in refused)
            assert not listener.since(position, Disconnected)
            return
        recovery = [
            type(event)
            for event in listener.log[position:]
            if isinstance(event, (FrameRefused, Disconnected, Connected))
        ]
        assert recovery == [FrameRefused, Disconnected, Connected]
        assert isinstance(refused[0], FrameRefused)
        assert refused[0].recycled
        assert refused[0].reason
        if variant.startswith(("price", "size")):  # seen as such, and not as a gap
            assert refused[0].reason.startswith("expected")
        assert len(refused[0].sample) <= 4 * 1024
        assert listener.kinds["resync BookSnapshot"] == 0


async def test_a_lost_update_is_found_in_the_same_message(venue: Venue) -> None:
    """A gap ends the connection before the library applies the update; the next book is whole."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="book_gap", symbol="BTCUSDT") == 200
        await listener.until(lambda: listener.since(position, FrameRefused))
        refused = listener.since(position, FrameRefused)[0]
        assert isinstance(refused, FrameRefused)
        assert "gap" in refused.reason
        assert not listener.books[BTC].synced or listener.since(position, Connected)
        await listener.until(lambda: listener.since(position, Connected))
        await listener.until(lambda: listener.books[BTC].synced)


async def test_a_crossed_book_never_passes_the_door_and_heals(venue: Venue) -> None:
    """What the library takes without a word is refused whole, and the book begins anew."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="crossed_book", symbol="BTCUSDT") == 200
        await listener.until(lambda: listener.kinds["resync BookSnapshot"])
        await listener.until(lambda: listener.since(position, Connected))
        await listener.until(lambda: listener.books[BTC].synced)


async def test_a_frozen_stream_is_noticed_although_pings_are_answered(venue: Venue) -> None:
    """Three seconds without data end the connection, and each new one until there are data."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="freeze") == 200
        took = await listener.until(lambda: listener.since(position, Disconnected))
        assert took > 2
        ended = listener.since(position, Disconnected)[0]
        assert isinstance(ended, Disconnected)
        assert ended.reason.startswith("no data for")
        assert ended.instruments == frozenset(INSTRUMENTS)
        assert await venue.inject(fault="unfreeze") == 200
        await listener.until(lambda: all(book.synced for book in listener.books.values()))


async def test_a_frozen_topic_is_told_and_begun_anew(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One silent ticker among lively neighbours is silent in words, then restored."""
    monkeypatch.setattr("virtuoso.adapters.feed.ccxt_feed._SILENT_SECONDS", 1.5)
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="freeze_topic", topic="tickers.ETHUSDT") == 200
        await listener.until(lambda: listener.since(position, TopicSilent))
        silent = listener.since(position, TopicSilent)[0]
        assert isinstance(silent, TopicSilent)
        assert (silent.instrument, silent.topic) == (ETH, Topic.TICKER)
        assert await venue.inject(fault="clear") == 200
        await listener.until(lambda: listener.since(position, TopicRestored))


async def test_a_refused_topic_is_told_and_the_others_live_on(venue: Venue) -> None:
    """After three refusals the topic is set aside."""
    assert await venue.inject(fault="refuse_topic", topic="tickers.ETHUSDT") == 200
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.since(0, TopicRefused))
        refused = listener.since(0, TopicRefused)[0]
        assert isinstance(refused, TopicRefused)
        assert (refused.instrument, refused.topic) == (ETH, Topic.TICKER)
        assert "handler not found" in refused.reason
        await listener.until(lambda: all(book.synced for book in listener.books.values()))


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_dropped_connection_is_replaced(venue: Venue, how: str) -> None:
    """The end is told before anything of the next connection."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        position = len(listener.log)
        assert await venue.inject(fault="drop_connection", how=how) == 200
        await listener.until(lambda: listener.since(position, Connected))
        assert len(listener.since(position, Disconnected)) == 1
        await listener.until(lambda: all(book.synced for book in listener.books.values()))


async def test_the_watched_instruments_can_change(venue: Venue) -> None:
    """A new one begins, a dropped one ends, and one the venue does not list is refused."""
    nobody = Instrument(BYBIT, Symbol("NOSUCHUSDT"))
    async with listening(feed_for(venue.url), (BTC,)) as listener:
        await listener.until(lambda: listener.books[BTC].synced)
        listener.feed.watch((SOL, nobody))
        await listener.until(lambda: listener.books[SOL].synced)
        await listener.until(lambda: len(listener.since(0, TopicRefused)) >= 3)
        position = len(listener.log)
        await listener.until(lambda: len(listener.since(position, BookSnapshot)) > 10)
        late = listener.since(position, BookSnapshot)
        assert {event.instrument for event in late if isinstance(event, MarketEvent)} == {SOL}


async def test_events_of_ours_stand_in_the_same_line(venue: Venue) -> None:
    """An inserted event comes out behind what was received before it."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        await listener.feed.insert(Tick(Millis(7)))
        await listener.until(lambda: Tick(Millis(7)) in listener.log)


async def test_a_venue_that_is_not_there_is_told_and_waited_for() -> None:
    """The reason holds no address; nothing is raised."""
    async with listening(feed_for("http://127.0.0.1:9")) as listener:
        await listener.until(lambda: listener.since(0, Disconnected))
        ended = listener.since(0, Disconnected)[0]
        assert isinstance(ended, Disconnected)
        assert "no list of markets" in ended.reason


async def test_nothing_is_left_behind(venue: Venue) -> None:
    """After the end there is neither a task nor a session of the feed's; pytest sees the rest."""
    async with listening(feed_for(venue.url)) as listener:
        await listener.until(lambda: listener.has_everything)
        await venue.inject(fault="garbage", variant="cut_json")
        await listener.until(lambda: listener.since(0, Disconnected))
        assert tasks_of_the_feed()
    async with asyncio.timeout(40):
        while tasks_of_the_feed():  # noqa: ASYNC110 - the end of a task of the library tells nobody
            await asyncio.sleep(0.02)
    gc.collect()


def tasks_of_the_feed() -> list[str]:
    """What runs that is code of the feed or of the library."""
    files = [
        coroutine.cr_code.co_filename
        for task in asyncio.all_tasks()
        if isinstance(coroutine := task.get_coro(), CoroutineType)
    ]
    return [each for each in files if "/adapters/feed/" in each or "/ccxt/" in each]


class VenueClock:
    """The clock of a venue whose minute ends soon."""

    def __init__(self, before_minute_ms: int) -> None:
        begin = int(time.time() * 1_000)
        self._ahead = begin // MINUTE * MINUTE + MINUTE - before_minute_ms - begin

    def now(self) -> Millis:
        """Wall time, moved."""
        return Millis(int(time.time() * 1_000) + self._ahead)

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back."""
        return int(time.monotonic() * 1_000)


@asynccontextmanager
async def venue_before_minute(milliseconds: int) -> AsyncIterator[tuple[Venue, VenueClock]]:
    """Run a venue whose minute ends so soon, with a clock that agrees with its own."""
    clock = VenueClock(milliseconds)
    server = ExchangeServer(
        ExchangeSettings(symbols=3, seed=7, port=0), clock=lambda: clock.now() / 1_000
    )
    port = await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Venue(server, port, session), clock
    finally:
        await server.stop()


async def test_a_closed_minute_comes_as_a_candle() -> None:
    """Soon after the minute each market's candle is there, equal to the venue's, once."""
    async with (
        venue_before_minute(3_000) as (venue, clock),
        listening(feed_for(venue.url, clock)) as listener,
    ):
        await listener.until(lambda: listener.kinds["Candle"] == 3)
        assert listener.kinds["accept Candle"] == 3
        for event in listener.since(0, Candle):
            assert isinstance(event, MarketEvent)
            candle = event.data
            assert isinstance(candle, Candle)
            assert event.event_time == candle.close_time <= event.receive_time
            asked = await venue.result("kline", symbol=event.instrument.symbol, interval=1, limit=5)
            row = next(each for each in asked["list"] if int(each[0]) == candle.open_time)
            told = [candle.open, candle.high, candle.low, candle.close, candle.volume]
            assert [float(value) for value in row[1:6]] == told


@pytest.fixture
async def history(venue: Venue) -> AsyncIterator[CcxtGenericHistory]:
    """Return the past of that venue."""
    clock = SystemClock()
    found = CcxtGenericHistory(BYBIT, RequestBudget(BYBIT, clock), clock, venue.url)
    yield found
    await found.close()


async def test_the_past_comes_through_unified_calls(history: CcxtGenericHistory) -> None:
    """Catalogue, candles of all timeframes and prices, funding, open interest, account ratio."""
    listings = {each.instrument: each for each in await history.listings()}
    assert set(listings) == set(INSTRUMENTS)
    assert listings[BTC].tick_size > 0
    assert (listings[BTC].turnover_24h or 0) > 0
    for timeframe in Timeframe:
        candles = await history.candles(BTC, timeframe, 1_000)
        assert len(candles) == 1_000
        assert all(later.open_time == earlier.close_time for earlier, later in pairwise(candles))
        assert candles[-1].close_time <= SystemClock().now()
    assert len(await history.candles(BTC, Timeframe.M1, 7, CandleKind.MARK)) == 7
    assert len(await history.candles(BTC, Timeframe.M1, 7, CandleKind.INDEX)) == 7
    assert (await history.funding(BTC, 9))[-1].interval_hours == 8
    assert (await history.open_interest(BTC, 9))[-1].contracts > 0
    ratio = (await history.long_short_ratio(BTC, 9))[-1]
    assert ratio.long_share + ratio.short_share == pytest.approx(1)
    assert len(await history.trades(BTC, 5)) == 5
    assert len((await history.book(BTC)).data.bids) == 200
    assert abs(await history.venue_time() - SystemClock().now()) < 5_000


async def test_it_all_ends_in_a_score() -> None:
    """Book, trades, ticker and past of CCXT's Bybit make a score, and its price is theirs."""
    definition = Definition()
    pipeline = Pipeline((BTC,), (), definition, lane_maker(definition, BYBIT, Source.BYBIT))
    async with (
        venue_before_minute(50_000) as (venue, clock),
        listening(feed_for(venue.url, clock), (BTC,)) as listener,
    ):
        await listener.until(lambda: len(listener.log) > 5)
        second = Millis(listener.log[-1].receive_time // 1_000 * 1_000)
        for loaded in await past_of_bitcoin(venue, clock, second):
            pipeline.handle(loaded)
        taken = 0
        for later in range(1, 6):
            at = Millis(second + 1_000 * later)
            await listener.until(partial(lambda at: listener.log[-1].receive_time > at, at))
            for event in listener.log[taken:]:
                pipeline.handle(event)
            taken = len(listener.log)
            pipeline.second(at)
    view = pipeline.view()
    assert view is not None
    market = view.markets[0]
    absent = {
        name: part.reason
        for name, part in market.score.components.items()
        if isinstance(part, Absent)
    }
    # five minutes of books and of flow make the usual against which they are judged
    assert set(absent.values()) <= {Reason.WARMING_UP}
    assert set(absent) <= {ComponentName.ORDERBOOK, ComponentName.ORDERFLOW}
    assert market.score.score is not None
    assert {each.kind: each.state for each in market.inputs}["book"] is State.LIVE
    assert market.price.value is not None


async def past_of_bitcoin(venue: Venue, clock: Clock, at: Millis) -> list[FeedEvent]:
    """Fetch what a market's past is made of, as the engine does."""
    history = CcxtGenericHistory(BYBIT, RequestBudget(BYBIT, clock), clock, venue.url)
    try:
        return [
            CandlesLoaded(
                BTC, {each: await history.candles(BTC, each, 1_000) for each in Timeframe}, at
            ),
            DerivativesLoaded(
                BTC,
                at,
                mark=await history.candles(BTC, Timeframe.M1, 1_000, CandleKind.MARK),
                index=await history.candles(BTC, Timeframe.M1, 1_000, CandleKind.INDEX),
                funding=await history.funding(BTC, 200),
                open_interest=await history.open_interest(BTC, 200),
                ratio=await history.long_short_ratio(BTC, 500),
            ),
        ]
    finally:
        await history.close()


def test_a_book_without_a_sequence_is_never_better_than_delayed() -> None:
    """The same events at a venue whose rule for lost updates we do not know."""
    states = {}
    for venue in (BYBIT, VenueName("okx")):
        instrument = Instrument(venue, Symbol("BTCUSDT"))
        definition = Definition()
        make_lane = lane_maker(definition, venue, Source.CCXT)
        pipeline = Pipeline((instrument,), (), definition, make_lane)
        book = BookSnapshot([(99.0, 1.0)], [(100.0, 1.0)], 1)
        at = Millis(1_800_000_000_000)
        pipeline.handle(Connected(venue, frozenset({instrument}), at))
        pipeline.handle(MarketEvent(instrument, book, at, at))
        ticker = Ticker({TickerField.LAST_PRICE: 99.5}, whole=True)
        pipeline.handle(MarketEvent(instrument, ticker, at, at))
        pipeline.second(at)
        view = pipeline.view()
        assert view is not None
        states[venue] = {each.kind: each.state for each in view.markets[0].inputs}["book"]
    assert list(states.values()) == [State.LIVE, State.DELAYED]


async def test_what_is_not_listed_is_refused(history: CcxtGenericHistory) -> None:
    """A no is not to be asked again."""
    with pytest.raises(VenueRefusedError, match="NOSUCHUSDT"):
        await history.candles(Instrument(BYBIT, Symbol("NOSUCHUSDT")), Timeframe.M1, 5)


async def test_a_venue_that_does_not_work_is_one_of_our_errors(
    venue: Venue, history: CcxtGenericHistory
) -> None:
    """Whether it is down or shows a page of HTML."""
    for fault in ("rest_down", "maintenance"):
        await venue.inject(fault=fault)
        with pytest.raises(VenueUnavailableError):
            await history.listings()
        await venue.inject(fault="clear")


def test_an_unknown_venue_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """Exit code 78 and nothing started, as for every other setting that is wrong."""
    done = command("run", "--source", "ccxt:nosuch", folder=tmp_path)
    assert done.returncode == 78
    # a warning of the log, such as that it runs as root, is not the refusal
    assert len([line for line in done.stderr.splitlines() if not line.startswith("{")]) == 1
    assert "ccxt:okx" in done.stderr
    assert "'nosuch'" in done.stderr


@pytest.mark.process
def test_virtuoso_runs_on_a_venue_through_ccxt(tmp_path: Path) -> None:
    """From the command line to a score that says that it is simulated, and an orderly end."""
    with subprocess.Popen(
        [*VIRTUOSO, "exchange", "--port", "0", "--symbols", "3"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    ) as exchange:
        try:
            assert exchange.stdout is not None
            address = next(
                found["exchange"]
                for line in exchange.stdout
                if (found := msgspec.json.decode(line)).get("exchange")
            )
            settings = tmp_path / "ccxt.toml"
            settings.write_text(f'[feed]\nccxt_url = "http://{address}"\n', "utf-8")
            arguments = ("--source", "ccxt:bybit", "--config", str(settings))
            with running(tmp_path, *arguments) as process:
                records = wait_for(
                    "a score",
                    lambda: (
                        [each for each in process.symbols() if each["confluence_score"]] or None
                    ),
                    120,
                )
                assert {(each["source"], each["venue"]) for each in records} == {
                    ("simulator", "bybit")
                }
                process.stop()
                assert process.process.returncode == 0
        finally:
            exchange.kill()
