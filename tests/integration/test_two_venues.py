"""Two venues through the whole engine, to what a reader of the cache sees."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec

from support.markets import BTC, BTC_BINANCE, ETH, heard_of, listing_of, pipeline_of
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.instruments import BINANCE, BYBIT, Listing, Venue
from virtuoso.domain.market_data import BookDelta, Disconnected
from virtuoso.domain.scores import State
from virtuoso.engine.engine import Engine, EngineSettings
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.universe import Wanted
from virtuoso.engine.venue_watch import VenueWatch, WatchSettings
from virtuoso.engine.warmup import Warmup
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_history import FakeHistory
from virtuoso.testing.fake_line import FakeLine
from virtuoso.wire import keys
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.follower import Follower

CLOCK = SystemClock()


def watch_of(
    venue: Venue, *listings: Listing, partner: VenueWatch | None = None
) -> tuple[FakeLine, VenueWatch]:
    """Watch a venue that lists these."""
    feed, history = FakeLine(venue), FakeHistory(listings)
    watch = VenueWatch(
        feed=feed,
        history=history,
        clock=CLOCK,
        pipeline=pipeline_of(venue=venue),
        warmup=Warmup(history, lambda: 0.0),
        jitter=lambda: 0.0,
        settings=WatchSettings(Wanted(2, ())),
        partner=partner,
    )
    return feed, watch


class Two:
    """Two venues that can be silenced, an engine on both, and a reader."""

    def __init__(self) -> None:
        self.first_line, self.first = watch_of(BYBIT, listing_of(BTC), listing_of(ETH))
        self.second_line, self.second = watch_of(
            BINANCE, listing_of(BTC_BINANCE), partner=self.first
        )
        self.cache, self.broker = FakeCache(CLOCK), FakeBroker()
        self.engine = Engine(
            first=self.first,
            second=self.second,
            clock=CLOCK,
            publisher=Publisher(self.cache, self.broker, 30_000),
            settings=EngineSettings("1", "e"),
        )
        self.follower = Follower(self.cache, self.broker, CLOCK, tick_s=0.1)
        self.first_speaks = True

    def speak(self) -> None:
        """Let both venues bring something of each of their markets."""
        now = CLOCK.now()
        for instrument in (BTC, ETH) if self.first_speaks else ():
            self.first_line.put(*heard_of(instrument, now))
        self.second_line.put(*heard_of(BTC_BINANCE, now, 100.05))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.engine.run())
            tasks.create_task(self.follower.run())
            while True:
                self.speak()
                await asyncio.sleep(0.2)

    async def detail(self) -> SymbolDetail:
        """Read what is published of Bitcoin, as soon as it is."""
        async with asyncio.timeout(40):
            while True:
                served = await self.follower.document(keys.symbol_detail(BTC.symbol))
                if served.status == 200:
                    return msgspec.json.decode(served.body, type=SymbolDetail)
                await asyncio.sleep(0.05)

    def venues(self) -> dict[str, str]:
        """Say where each symbol on the board is from."""
        board = self.follower.reader.board
        return {} if board is None else {each.symbol: each.venue for each in board.symbols}


@asynccontextmanager
async def two_venues() -> AsyncIterator[Two]:
    """Run both."""
    two = Two()
    task = asyncio.create_task(two.run())
    try:
        yield two
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], seconds: float = 10.0 * SLACK) -> None:
    """Wait for something. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def parts(two: Two) -> Iterator[tuple[str, str]]:
    """Give the engine's parts with their texts."""
    status = two.follower.engine
    for part in () if status is None else status.parts:
        yield part.name, part.text


async def test_the_second_venue_stands_in_and_says_so() -> None:
    """Agreement while both are live; venue named and a notice when the first one falls silent."""
    async with two_venues() as two:
        await until(lambda: two.venues() == {"BTCUSDT": "bybit", "ETHUSDT": "bybit"})
        await until(lambda: "1 symbols compared" in dict(parts(two)).get("agreement", ""))
        detail = await two.detail()
        assert detail.other_venue is not None
        assert detail.other_venue.price_difference_bps == 5.0
        assert detail.book is not None
        assert detail.book.synced_since is not None
        two.first_speaks = False
        await until(lambda: two.venues() == {"BTCUSDT": "binance", "ETHUSDT": "bybit"}, 20)
        [notice] = [each for each in two.follower.notices if each.code == "second_venue"]
        assert "1 of 2 symbols are shown from binance" in notice.text
        rows = two.follower.reader.rows
        assert rows[0].price_state is State.LIVE
        assert rows[1].price_state is State.STALE
        async with asyncio.timeout(40):
            while (await two.detail()).record.venue != "binance":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        detail = await two.detail()
        assert detail.record.price == 100.05
        assert detail.other_venue is not None
        assert detail.other_venue.speaks


async def test_a_lost_book_is_told_before_the_next_second() -> None:
    """In an edition of its own: the board has it within a fraction of a second."""
    async with two_venues() as two:
        await until(lambda: two.follower.reader.seq >= 2)
        lane = two.first.pipeline.lane(BTC)
        assert lane is not None
        await until(lambda: lane.market.book.synced)
        two.first_speaks = False
        seq = two.first.pipeline.seq
        now = CLOCK.now()
        two.first_line.put(
            *[
                each._replace(data=BookDelta([], [], previous=1, sequence=2))
                for each in list(heard_of(BTC, now))[:1]
            ]
        )
        await until(lambda: bool(two.first.pipeline.amended) or two.first.pipeline.seq > seq, 2)
        assert not lane.market.book.synced
        counters = two.first.pipeline.counters
        assert counters["book_gaps"] == 1


async def test_what_was_refused_can_be_read() -> None:
    """The last refusals with reason and sample, newest first; nothing when nothing was."""
    async with two_venues() as two:
        await until(lambda: two.follower.reader.seq >= 1)
        trade = list(heard_of(BTC, CLOCK.now()))[2]
        two.first_line.put(trade, trade)
        await until(lambda: bool(two.first.pipeline.refusals))

        async def found() -> str:
            return (await two.follower.document(keys.REFUSALS)).body.decode()

        async with asyncio.timeout(40):
            while '"reason":"repeated"' not in await found():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert '"venue":"bybit"' in await found()


async def test_a_cut_first_venue_is_said_and_its_symbols_leave_the_board_to_the_second() -> None:
    """Without a connection there is nothing to wait for but the two checks."""
    async with two_venues() as two:
        await until(lambda: len(two.venues()) == 2)
        await until(lambda: two.second.pipeline.view() is not None)
        two.first_speaks = False
        both = frozenset({BTC, ETH})
        two.first_line.put(Disconnected(BYBIT, both, "the venue closed", CLOCK.now()))
        await until(lambda: "feed_disconnected" in {each.code for each in two.follower.notices})
        await until(lambda: two.venues().get("BTCUSDT") == "binance", 15)


async def test_a_first_venue_out_of_reach_leaves_the_board_to_the_second() -> None:
    """Its own choice of symbols, and the reason on the page."""
    two = Two()
    history = two.first._history
    assert isinstance(history, FakeHistory)
    history.dead = True
    two.second.universe._partner = None
    task = asyncio.create_task(two.run())
    try:
        await until(lambda: two.venues() == {"BTCUSDT": "binance"})
        assert "venue_unreachable" in {each.code for each in two.follower.notices}
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
