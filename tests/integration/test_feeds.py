"""The Bybit feed and the history against the simulated venue, over real sockets."""

import asyncio
import contextlib
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bybit.stream import BybitFeed, BybitSettings
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.errors import (
    RateLimitedError,
    SettingsError,
    VenueRefusedError,
    VenueUnavailableError,
)
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    Alive,
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Topic,
    TopicRefused,
)
from virtuoso.domain.scores import Reason, Source
from virtuoso.domain.time import Timeframe
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action
from virtuoso.ports import CandleKind, Spacing
from virtuoso.simulator.garbage import GARBAGE

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
INSTRUMENTS = tuple(Instrument(BYBIT, Symbol(symbol)) for symbol in SYMBOLS)
BTC, ETH, SOL = INSTRUMENTS
IGNORED_GARBAGE = {"unknown_symbol"}


class Listener:
    """Stands where the engine stands: judges, applies, and asks the feed to mend."""

    def __init__(self, feed: BybitFeed) -> None:
        self.feed = feed
        self.door = Door(INSTRUMENTS)
        self.books = {instrument: OrderBook() for instrument in INSTRUMENTS}
        self.events: list[FeedEvent] = []
        self.resyncs: list[tuple[Instrument, str]] = []
        self.kinds: Counter[str] = Counter()
        self.changed = asyncio.Condition()

    async def run(self, instruments: Sequence[Instrument] = INSTRUMENTS) -> None:
        """Take everything that comes."""
        async for batch in self.feed.events(instruments):
            for event in batch:
                self.take(event)
            async with self.changed:
                self.changed.notify_all()

    def take(self, event: FeedEvent) -> None:
        """Do with an event what the engine does."""
        self.kinds[type(event).__name__] += 1
        if isinstance(event, MarketEvent):
            self.kinds[type(event.data).__name__] += 1
            verdict = self.door.judge(event, self.books[event.instrument])
            if verdict.action is Action.RESYNC:
                self.resyncs.append((event.instrument, verdict.reason))
                self.feed.renew(event.instrument, Topic.BOOK)
            return
        if isinstance(event, Disconnected):
            self.door.forget(event.instruments)
            for instrument in event.instruments:
                self.books[instrument].forget(Reason.NO_FEED)
        self.events.append(event)

    async def until(self, condition: Callable[[], bool], seconds: float = 10.0 * SLACK) -> float:
        """Wait for something to become true; how long it took."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(condition)
        return loop.time() - begin

    @property
    def all_synced(self) -> bool:
        """Whether there are three books."""
        return all(book.synced for book in self.books.values())

    def of(self, kind: type[FeedEvent]) -> list[FeedEvent]:
        """The connection events of a kind, in their order."""
        return [event for event in self.events if isinstance(event, kind)]


def feed_for(port: int) -> BybitFeed:
    """A feed that listens to a venue on this machine."""
    settings = BybitSettings(url=f"ws://127.0.0.1:{port}/v5/public/linear")
    rng = random.Random(7)  # noqa: S311 - not for secrets
    return BybitFeed(settings, SystemClock(), rng, Source.SIMULATOR)


@asynccontextmanager
async def listening(
    port: int, instruments: Sequence[Instrument] = INSTRUMENTS
) -> AsyncIterator[Listener]:
    """A listener that listens; what it dies of is raised."""
    listener = Listener(feed_for(port))
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
    """Books, quotes, trades, tickers and forming candles of three instruments, none refused."""
    async with listening(venue.port) as listener:
        wanted = {"BookSnapshot", "BookDelta", "Quote", "Trade", "Ticker", "FormingCandle"}
        await listener.until(lambda: wanted <= set(listener.kinds) and listener.all_synced)
        await listener.until(lambda: listener.kinds["BookDelta"] > 30)
        assert isinstance(listener.events[0], Connected)
        assert listener.events[0].instruments == frozenset(INSTRUMENTS)
        assert listener.of(Alive)
        assert listener.door.counters == {}
        for book in listener.books.values():
            assert (len(book.bids), len(book.asks), book.gaps) == (200, 200, 0)
        assert listener.feed.source is Source.SIMULATOR


async def test_the_book_equals_that_of_the_venue(venue: Venue) -> None:
    """At the same cross sequence the levels are those of the REST side."""
    async with listening(venue.port) as listener:
        book = listener.books[BTC]
        await listener.until(lambda: listener.all_synced)
        for _ in range(50):
            answer = await venue.result("orderbook", symbol="BTCUSDT", limit=50)
            with contextlib.suppress(TimeoutError):
                wanted: int = answer["seq"]
                await listener.until(
                    lambda wanted=wanted: book.cross_sequence == wanted,  # type: ignore[misc]
                    seconds=0.3,
                )
                bids = [(float(price), float(size)) for price, size in answer["b"]]
                asks = [(float(price), float(size)) for price, size in answer["a"]]
                assert book.levels(50) == (bids, asks)
                return
        pytest.fail("never met the REST side at the same sequence")


@pytest.mark.parametrize("variant", sorted(set(GARBAGE) - IGNORED_GARBAGE))
async def test_a_malformed_frame_costs_less_than_a_second(venue: Venue, variant: str) -> None:
    """A sample is kept, the connection recycled, and the books are whole again."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        await venue.inject(fault="garbage", variant=variant)
        await listener.until(lambda: bool(listener.of(Disconnected)))
        took = await listener.until(lambda: listener.all_synced)
        assert took < 1.0 * SLACK
        (refused,) = listener.of(FrameRefused)
        assert isinstance(refused, FrameRefused)
        assert refused.recycled
        assert len(refused.sample) <= 4_096
        assert len(listener.of(Connected)) == 2


async def test_a_well_formed_frame_of_an_unknown_topic_is_only_counted(venue: Venue) -> None:
    """The connection lives on."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        await venue.inject(fault="garbage", variant="unknown_symbol")
        await listener.until(lambda: bool(listener.of(FrameRefused)))
        (refused,) = listener.of(FrameRefused)
        assert isinstance(refused, FrameRefused)
        assert not refused.recycled
        assert not listener.of(Disconnected)


@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_dropped_connection_comes_back(venue: Venue, how: str) -> None:
    """Told as Disconnected with a reason, then Connected, then whole books."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        await venue.inject(fault="drop_connection", how=how)
        await listener.until(lambda: bool(listener.of(Disconnected)))
        took = await listener.until(lambda: listener.all_synced)
        (lost,) = listener.of(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason
        assert lost.instruments == frozenset(INSTRUMENTS)
        assert took < 2.0 * SLACK
        assert all(book.resyncs == 1 for book in listener.books.values())


async def test_a_gap_heals_by_renewing_one_topic(venue: Venue) -> None:
    """The door asks for a resync once, the feed renews that book alone, the others live on."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        snapshots = listener.kinds["BookSnapshot"]
        await venue.inject(fault="book_gap", symbol="ETHUSDT")
        await listener.until(lambda: bool(listener.resyncs))
        await listener.until(lambda: listener.all_synced)
        assert listener.resyncs == [(ETH, "gap")]
        assert listener.kinds["BookSnapshot"] == snapshots + 1
        assert (listener.books[ETH].gaps, listener.books[ETH].resyncs) == (1, 1)
        assert listener.books[BTC].gaps == listener.books[SOL].gaps == 0
        assert not listener.of(Disconnected)


async def test_a_crossed_book_is_never_seen_and_heals(venue: Venue) -> None:
    """It is absent as crossed until the new snapshot."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        await venue.inject(fault="crossed_book", symbol="SOLUSDT")
        await listener.until(lambda: bool(listener.resyncs))
        assert listener.resyncs[0] == (SOL, "crossed_book")
        await listener.until(lambda: listener.all_synced)


async def test_a_book_that_needs_renewing_again_recycles_the_connection(venue: Venue) -> None:
    """The second time within a minute; whole books follow."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        listener.feed.renew(ETH, Topic.BOOK)
        await listener.until(lambda: listener.books[ETH].synced_since is not None)
        await listener.until(lambda: listener.kinds["BookSnapshot"] == 4)
        listener.feed.renew(ETH, Topic.BOOK)
        await listener.until(lambda: bool(listener.of(Disconnected)))
        (lost,) = listener.of(Disconnected)
        assert isinstance(lost, Disconnected)
        assert "renewed again within a minute" in lost.reason
        await listener.until(lambda: listener.all_synced)


async def test_silence_is_noticed_although_pings_are_answered(venue: Venue) -> None:
    """No data for three seconds: the connection is recycled, and data return with the venue."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        await venue.inject(fault="freeze")
        took = await listener.until(lambda: bool(listener.of(Disconnected)))
        (lost,) = listener.of(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason.startswith("no data for 2.")
        assert 2.5 < took < 5.0 * SLACK
        await venue.inject(fault="clear")
        await listener.until(lambda: listener.all_synced)


async def test_a_refused_topic_is_set_aside_and_the_others_flow(venue: Venue) -> None:
    """The answer refuses the whole request; the good topics are sent again."""
    await venue.inject(fault="refuse_topic", topic="publicTrade.ETHUSDT")
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced and bool(listener.of(TopicRefused)))
        (refused,) = listener.of(TopicRefused)
        assert isinstance(refused, TopicRefused)
        assert (refused.instrument, refused.topic) == (ETH, Topic.TRADES)
        assert "handler not found" in refused.reason
        await listener.until(lambda: listener.kinds["Trade"] > 0)
        assert not listener.of(Disconnected)


async def test_an_instrument_that_is_not_listed_leaves_its_neighbours_alone(venue: Venue) -> None:
    """All its topics are refused one by one, and nothing else happens."""
    stranger = Instrument(BYBIT, Symbol("NOSUCHUSDT"))
    async with listening(venue.port, (BTC, stranger)) as listener:
        await listener.until(lambda: listener.books[BTC].synced)
        await listener.until(lambda: len(listener.of(TopicRefused)) == 6)
        assert not listener.of(Disconnected)


async def test_a_silent_book_topic_is_asked_for_twice_then_recycled(venue: Venue) -> None:
    """No snapshot within two seconds of the answer, and none after renewing."""
    await venue.inject(fault="freeze_topic", topic="orderbook.200.ETHUSDT")
    async with listening(venue.port) as listener:
        await listener.until(lambda: bool(listener.of(Disconnected)))
        (lost,) = listener.of(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason.startswith("orderbook.200.ETHUSDT had to be renewed again")
        await venue.inject(fault="clear")
        await listener.until(lambda: listener.all_synced)


async def test_recycle_reopens_the_connection(venue: Venue) -> None:
    """With the reason that was given."""
    async with listening(venue.port) as listener:
        await listener.until(lambda: listener.all_synced)
        listener.feed.recycle(BTC, "the door refused ten in a row")
        await listener.until(lambda: bool(listener.of(Disconnected)))
        (lost,) = listener.of(Disconnected)
        assert isinstance(lost, Disconnected)
        assert lost.reason == "the door refused ten in a row"
        await listener.until(lambda: listener.all_synced)


async def test_a_venue_that_is_not_there_is_reported_in_words() -> None:
    """And tried again and again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with listening(port) as listener:
            await listener.until(lambda: len(listener.of(Disconnected)) >= 3)
            first = listener.of(Disconnected)[0]
            assert isinstance(first, Disconnected)
            assert first.reason == "cannot connect: connection refused"
            assert not listener.of(Connected)


async def test_instruments_of_another_venue_are_a_mistake_in_the_settings() -> None:
    """As is none at all."""
    feed = feed_for(1)
    for instruments in ([], [Instrument(BINANCE, Symbol("BTCUSDT"))]):
        with pytest.raises(SettingsError, match="expected instruments of bybit"):
            await anext(aiter(feed.events(instruments)))


async def test_without_a_consumer_the_readers_wait_and_nothing_is_lost(venue: Venue) -> None:
    """A consumer that pauses finds the books whole and without a gap."""
    listener = Listener(feed_for(venue.port))
    events = listener.feed.events(INSTRUMENTS)
    loop = asyncio.get_running_loop()
    paused = False
    async with asyncio.timeout(40):
        async for batch in events:
            for event in batch:
                listener.take(event)
            if listener.all_synced and not paused:
                paused = True
                await asyncio.sleep(1.0)
                begin = loop.time()
            if paused and loop.time() - begin > 1.0:
                break
    await events.aclose()  # type: ignore[attr-defined]
    assert listener.all_synced
    assert listener.resyncs == []


# history


@asynccontextmanager
async def history_of(venue: Venue) -> AsyncIterator[CcxtHistory]:
    """A history that asks the simulated venue."""
    history = CcxtHistory(BYBIT, RequestBudget(BYBIT, SystemClock()), venue.url)
    try:
        yield history
    finally:
        await history.close()


async def test_history_gives_what_the_venue_knows(venue: Venue) -> None:
    """Listings, candles of three kinds without the open one, and the three series."""
    async with history_of(venue) as history:
        listings = await history.listings()
        assert [each.instrument.symbol for each in listings] == sorted(SYMBOLS)
        assert all(each.turnover_24h for each in listings)
        for timeframe in Timeframe:
            candles = await history.candles(BTC, timeframe, 1_000)
            assert len(candles) == 1_000
            steps = {b.open_time - a.open_time for a, b in pairwise(candles)}
            assert steps == {timeframe.ms}
            now = int((await venue.get("time"))["time"])
            assert now - timeframe.ms - 2_000 <= candles[-1].close_time <= now
        for kind in (CandleKind.MARK, CandleKind.INDEX):
            assert len(await history.candles(ETH, Timeframe.M5, 50, kind)) == 50
        rates = await history.funding(BTC, 20)
        assert len(rates) == 20
        assert rates[-1].interval_hours == 8
        interest = await history.open_interest(BTC, 30)
        assert len(interest) == 30
        assert interest[1].at - interest[0].at == 3_600_000
        dense = await history.open_interest(BTC, 30, Spacing.FIVE_MINUTES)
        assert [b.at - a.at for a, b in pairwise(dense)] == [300_000] * 29
        ratios = await history.long_short_ratio(BTC, 30)
        assert len(ratios) == 30
        newest = await history.long_short_ratio(BTC, 30, Spacing.FIVE_MINUTES)
        assert newest[1].at - newest[0].at == 300_000
        assert all(abs(row.long_share + row.short_share - 1) < 1e-3 for row in ratios)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rest_down", VenueUnavailableError),
        ("maintenance", VenueUnavailableError),
        ("rate_limit", RateLimitedError),
        ("ban", RateLimitedError),
    ],
)
async def test_a_venue_in_trouble_raises_our_errors(
    venue: Venue, fault: str, error: type[Exception]
) -> None:
    """Never one of the library's."""
    async with history_of(venue) as history:
        await venue.inject(fault=fault)
        with pytest.raises(error, match="bybit"):
            await history.candles(BTC, Timeframe.M1, 10)


async def test_after_a_ban_nothing_is_asked(venue: Venue) -> None:
    """All requests stop at once, and say for how long."""
    async with history_of(venue) as history:
        await venue.inject(fault="ban")
        with pytest.raises(RateLimitedError):
            await history.candles(BTC, Timeframe.M1, 10)
        await venue.inject(fault="clear")
        with pytest.raises(RateLimitedError, match="left alone for another"):
            await history.candles(BTC, Timeframe.M1, 10)


async def test_a_symbol_that_is_not_listed_is_refused(venue: Venue) -> None:
    """Do not ask again."""
    async with history_of(venue) as history:
        with pytest.raises(VenueRefusedError):
            await history.candles(Instrument(BYBIT, Symbol("NOSUCHUSDT")), Timeframe.M1, 10)
