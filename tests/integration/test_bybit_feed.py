"""The Bybit feed over real sockets: its universe, its silent topics, its way back."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Self

import msgspec
import pytest
from aiohttp import web

from support.feed_listener import listening_to
from support.scripted_bybit import ScriptedBybit, scripted_bybit, ticker, trade
from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.stream import BybitFeed
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    Tick,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock

BTC, ETH, SOL = (Instrument(BYBIT, Symbol(f"{coin}USDT")) for coin in ("BTC", "ETH", "SOL"))
THREE = (BTC, ETH, SOL)
CANARY = "orderbook.1.BTCUSDT"


def feed_for(
    url: str, clock: Clock | None = None, tape: "Tape | None" = None, **patience: float
) -> BybitFeed:
    """A feed that listens to a venue on this machine, in a hurry if a test wants that."""
    settings = BybitSettings(url=url, patience=Patience(**patience))
    rng = random.Random(7)  # noqa: S311 - not for secrets
    return BybitFeed(settings, clock or SystemClock(), rng, Source.SIMULATOR, tape)


def stream_of(venue: Venue) -> str:
    """The address of a simulated venue's stream."""
    return f"ws://127.0.0.1:{venue.port}/v5/public/linear"


def texts_of(instrument: Instrument) -> set[str]:
    """The topics of an instrument as they are asked for."""
    return {name.text for name in topics_of(instrument, BybitSettings())}


def many(count: int) -> list[Instrument]:
    """Instruments with names of their own."""
    return [Instrument(BYBIT, Symbol(f"A{number:03d}USDT")) for number in range(count)]


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with three symbols."""
    async with running_venue() as running:
        yield running


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedBybit]:
    """Return a server that says only what it is told to."""
    async with scripted_bybit() as running:
        yield running


class Chatter:
    """Lets topics of a scripted venue speak each 20 ms, so that the connection lives."""

    def __init__(self, venue: ScriptedBybit, *topics: str) -> None:
        self._venue = venue
        self.topics = set(topics)

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        """End."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            for topic in sorted(self.topics):
                await self._venue.push(self._venue.book(topic, snapshot=True))
            await asyncio.sleep(0.02)


# the universe


async def test_the_universe_changes_without_a_restart(venue: Venue) -> None:
    """Newcomers get data, who is gone gets none, who stays is not touched."""
    async with listening_to(feed_for(stream_of(venue)), (BTC, ETH)) as listener:
        await listener.until(lambda: listener.are_synced([BTC, ETH]))
        listener.watch((BTC, SOL))
        took = await listener.until(lambda: listener.books[SOL].synced)
        assert took < 1 * SLACK
        assert listener.connected == {BTC, SOL}
        gone = listener.of(Disconnected)
        assert [(each.instruments, each.reason) for each in gone] == [
            (frozenset({ETH}), "no longer watched")
        ]
        assert [each.instruments for each in listener.of(Connected)] == [
            frozenset({BTC, ETH}),
            frozenset({SOL}),
        ]
        snapshots = listener.heard[BTC, "BookSnapshot"]
        before = listener.heard[ETH, "Quote"]
        await listener.until(lambda: listener.heard[SOL, "Quote"] > 20)
        assert (listener.heard[BTC, "BookSnapshot"], snapshots) == (1, 1)
        assert listener.heard[ETH, "Quote"] == before
        assert listener.books[BTC].gaps == 0
        assert not listener.of(FrameRefused)


async def test_nothing_acknowledged_is_subscribed_to_again(scripted: ScriptedBybit) -> None:
    """What is new is asked for, what is gone given back, and nothing else is said."""
    async with listening_to(feed_for(scripted.url), (BTC, ETH)) as listener:
        await listener.until(lambda: listener.connected == {BTC, ETH})
        await until(lambda: scripted.count("subscribe", "allLiquidation.ETHUSDT") == 1)
        listener.watch((ETH, SOL))
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        asked = Counter(
            text for op, texts in scripted.requests if op == "subscribe" for text in texts
        )
        back = {text for op, texts in scripted.requests if op == "unsubscribe" for text in texts}
        assert set(asked) == texts_of(BTC) | texts_of(ETH) | texts_of(SOL)
        assert set(asked.values()) == {1}
        assert back == texts_of(BTC)


async def test_a_canary_is_kept_while_nobody_busy_is_watched(scripted: ScriptedBybit) -> None:
    """It turns into a topic like any other when its instrument comes, and back."""
    async with listening_to(feed_for(scripted.url), (SOL,)) as listener:
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        assert scripted.requests[0] == ("subscribe", [CANARY])
        listener.watch((SOL, BTC))
        await until(lambda: scripted.count("subscribe", "allLiquidation.BTCUSDT") == 1)
        assert scripted.count("subscribe", CANARY) == 1
        listener.watch((SOL,))
        await until(lambda: scripted.count("unsubscribe", "allLiquidation.BTCUSDT") == 1)
        await until(lambda: CANARY in scripted.topics[scripted.sockets[0]])
        assert scripted.topics[scripted.sockets[0]] == texts_of(SOL) | {CANARY}


async def test_connections_come_and_go_with_the_universe(scripted: ScriptedBybit) -> None:
    """50 instruments on each, none without; the newcomer takes the room there is."""
    universe = many(120)
    async with listening_to(feed_for(scripted.url), universe) as listener:
        await listener.until(lambda: len(listener.connected) == 120)
        assert len(scripted.sockets) == 3
        assert [len(each.instruments) for each in listener.of(Connected)] == [50, 50, 20]
        # one every 0.1 s, of which a busy server sees the first later than it was opened
        assert scripted.opened[2] - scripted.opened[0] > 0.1
        listener.watch(universe[:60])
        await until(lambda: len(scripted.sockets) == 2)
        await listener.until(lambda: len(listener.connected) == 60)
        listener.watch([*universe[:60], SOL])
        await listener.until(lambda: SOL in listener.connected)
        assert len(scripted.sockets) == 2
        listener.watch([])
        await until(lambda: not scripted.sockets)
        await listener.until(lambda: not listener.connected)
        listener.watch([BTC])
        await listener.until(lambda: listener.connected == {BTC})
        assert len(scripted.sockets) == 1


async def test_who_leaves_and_comes_back_at_once_begins_anew(scripted: ScriptedBybit) -> None:
    """The consumer has forgotten it in between: it needs a snapshot."""
    async with listening_to(feed_for(scripted.url), (BTC, ETH)) as listener:
        await until(lambda: scripted.count("subscribe", "allLiquidation.ETHUSDT") == 1)
        listener.feed.watch((BTC,))
        listener.feed.watch((BTC, ETH))
        await until(lambda: scripted.count("subscribe", "allLiquidation.ETHUSDT") == 2)
        await listener.until(lambda: len(listener.of(Connected)) == 2)
        assert listener.connected == {BTC, ETH}
        assert scripted.count("unsubscribe", "tickers.ETHUSDT") == 1
        assert scripted.count("subscribe", "tickers.BTCUSDT") == 1


async def test_a_lost_connection_tells_of_those_it_carries_now(scripted: ScriptedBybit) -> None:
    """Not of those it was opened for."""
    async with listening_to(feed_for(scripted.url), (BTC, ETH)) as listener:
        await listener.until(lambda: listener.connected == {BTC, ETH})
        listener.watch((ETH, SOL))
        await listener.until(lambda: listener.connected == {ETH, SOL})
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        listener.feed.recycle(SOL, "a test wants it")
        await listener.until(lambda: not listener.connected)
        assert listener.of(Disconnected)[-1].instruments == {ETH, SOL}
        await listener.until(lambda: listener.connected == {ETH, SOL})
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 2)
        assert scripted.count("subscribe", "allLiquidation.BTCUSDT") == 1


async def test_instruments_of_another_venue_cannot_be_watched() -> None:
    """It is a mistake, and said so."""
    with pytest.raises(SettingsError, match="expected instruments of bybit, found BTCUSDT"):
        feed_for("ws://127.0.0.1:1").watch([Instrument(BINANCE, Symbol("BTCUSDT"))])


# silence


@pytest.mark.parametrize(
    ("topic", "kind", "seconds"),
    [
        ("orderbook.200.BTCUSDT", Topic.BOOK, 4.0),
        ("publicTrade.BTCUSDT", Topic.TRADES, 5.0),
        ("tickers.BTCUSDT", Topic.TICKER, 6.0),
        ("orderbook.1.BTCUSDT", Topic.QUOTE, 6.0),
    ],
)
async def test_a_dead_topic_is_renewed_alone(
    venue: Venue, topic: str, kind: Topic, seconds: float
) -> None:
    """It is told; what it says when it speaks again ends that; the connection lives."""
    async with listening_to(feed_for(stream_of(venue)), THREE) as listener:
        await listener.until(lambda: listener.are_synced() and listener.kinds["Trade"] > 3)
        await venue.inject(fault="freeze_topic", topic=topic)
        took = await listener.until(lambda: listener.of(TopicSilent), seconds=10 * SLACK)
        assert took < seconds
        (silent,) = listener.of(TopicSilent)
        assert (silent.instrument, silent.topic) == (BTC, kind)
        await venue.inject(fault="unfreeze")
        await listener.until(lambda: listener.of(TopicRestored))
        (restored,) = listener.of(TopicRestored)
        assert (restored.instrument, restored.topic) == (BTC, kind)
        await listener.until(listener.are_synced)
        assert not listener.of(Disconnected)


async def test_a_topic_that_stays_dead_climbs_the_ladder_and_then_spares_its_neighbours(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Renewed, recycled, recycled at a fresh address; and then only renewed."""
    forgotten: list[str] = []
    monkeypatch.setattr(
        "virtuoso.adapters.feed.bybit.stream.forget_address",
        lambda _, url: forgotten.append(url),
    )
    feed = feed_for(stream_of(venue), snapshot=0.3, renew_again=0.5)
    topic = "orderbook.200.ETHUSDT"
    await venue.inject(fault="freeze_topic", topic=topic)
    async with listening_to(feed, THREE) as listener:
        await listener.until(lambda: len(listener.of(Disconnected)) == 2)
        reasons = {each.reason for each in listener.of(Disconnected)}
        assert reasons == {
            f"{topic} had to be renewed again within a minute: no snapshot within 0.3 s"
        }
        assert len(forgotten) == 1
        snapshots = listener.heard[BTC, "BookSnapshot"]
        await listener.until(lambda: listener.connected)
        await listener.until(lambda: len(listener.of(TopicSilent)) == 3)
        deltas = listener.heard[BTC, "BookDelta"]
        await listener.until(lambda: listener.heard[BTC, "BookDelta"] > deltas + 15)
        assert len(listener.of(Disconnected)) == 2
        assert listener.heard[BTC, "BookSnapshot"] <= snapshots + 1
        await venue.inject(fault="clear")
        await listener.until(listener.are_synced)
        assert [each.topic for each in listener.of(TopicRestored)] == [Topic.BOOK]


async def test_a_ticker_that_never_says_a_word_is_an_error(scripted: ScriptedBybit) -> None:
    """A wrong name or a wrong address, while its neighbours live."""
    feed = feed_for(scripted.url, first_word=0.3)
    async with (
        Chatter(scripted, *(f"orderbook.{n}.BTCUSDT" for n in (1, 200))),
        listening_to(feed, (BTC,)) as listener,
    ):
        await listener.until(lambda: listener.of(TopicSilent))
        (silent,) = listener.of(TopicSilent)
        assert silent.topic is Topic.TICKER
        assert silent.reason == (
            "subscribed to, and not a word within 0.3 s: a wrong name or address"
        )
        await until(lambda: scripted.count("subscribe", "tickers.BTCUSDT") == 2)
        await scripted.push(ticker("tickers.BTCUSDT", "100", snapshot=True))
        await listener.until(lambda: listener.of(TopicRestored))


async def test_a_silent_ticker_that_goes_on_with_a_change_is_renewed(
    scripted: ScriptedBybit,
) -> None:
    """What it did not say meanwhile is not known: it is well with a whole one."""
    feed = feed_for(scripted.url, first_word=0.2, renew_again=60)
    async with (
        Chatter(scripted, *(f"orderbook.{n}.BTCUSDT" for n in (1, 200))),
        listening_to(feed, (BTC,)) as listener,
    ):
        await until(lambda: scripted.count("subscribe", "tickers.BTCUSDT") == 2)
        await scripted.push(ticker("tickers.BTCUSDT", "101"))
        await until(lambda: scripted.count("subscribe", "tickers.BTCUSDT") == 3)
        assert not listener.of(TopicRestored)
        await scripted.push(ticker("tickers.BTCUSDT", "101", snapshot=True))
        await listener.until(lambda: listener.of(TopicRestored))


@pytest.mark.parametrize("busy", [True, False])
async def test_a_half_open_connection_is_noticed_within_three_seconds(
    venue: Venue, *, busy: bool
) -> None:
    """With a canary, which every connection has, be it of its own or not."""
    instruments = (BTC,) if busy else (SOL,)
    async with listening_to(feed_for(stream_of(venue)), instruments) as listener:
        await listener.until(lambda: listener.kinds["Quote"] > 5)
        await venue.inject(fault="half_open")
        took = await listener.until(lambda: listener.of(Disconnected))
        assert 2 < took <= 3.0 * SLACK
        await venue.inject(fault="clear")
        await listener.until(listener.are_synced, seconds=10 * SLACK)


async def test_a_connection_without_a_canary_is_given_a_second_more(
    scripted: ScriptedBybit,
) -> None:
    """Best prices of a quiet market come each 3 s only."""
    scripted.refused |= {CANARY}
    feed = feed_for(scripted.url, silence=0.3, silence_without_canary=0.6)
    async with listening_to(feed, (SOL,)) as listener:
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        took = await listener.until(lambda: listener.of(Disconnected))
        assert 0.5 < took < 1.5 * SLACK
        (lost,) = listener.of(Disconnected)
        assert lost.reason.startswith("subscribed, and no data within 0.")
        assert lost.reason.endswith(" s: a wrong address?")
        assert not listener.of(TopicRefused)


async def test_a_request_that_is_not_answered_ends_the_connection(scripted: ScriptedBybit) -> None:
    """In words."""
    scripted.answers = False
    async with listening_to(feed_for(scripted.url, answer=0.2), (BTC,)) as listener:
        await listener.until(lambda: listener.of(Disconnected))
        assert listener.of(Disconnected)[0].reason == "no answer to subscribe within 0.2 s"


async def test_a_ping_that_is_not_answered_ends_the_connection(scripted: ScriptedBybit) -> None:
    """Data alone are no proof that we are heard."""
    feed = feed_for(scripted.url, ping=0.2)
    async with Chatter(scripted, CANARY), listening_to(feed, (SOL,)) as listener:
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        await asyncio.sleep(0)
        scripted.answers = False
        await listener.until(lambda: listener.of(Disconnected))
        assert listener.of(Disconnected)[0].reason == "no answer to a ping within 0.2 s"


# topics that were refused


async def test_a_refused_topic_is_asked_for_again_in_time(scripted: ScriptedBybit) -> None:
    """And is well when it gives data; liquidations, which may have none, when they are granted."""
    scripted.refused |= {"tickers.SOLUSDT", "allLiquidation.SOLUSDT"}
    feed = feed_for(scripted.url, ask_again=0.3)
    async with Chatter(scripted, CANARY), listening_to(feed, (SOL,)) as listener:
        await listener.until(lambda: len(listener.of(TopicRefused)) >= 4)
        assert listener.of(TopicRefused)[0].reason == (
            "error:handler not found,topic:tickers.SOLUSDT"
        )
        scripted.refused.clear()
        await listener.until(lambda: listener.of(TopicRestored))
        assert [each.topic for each in listener.of(TopicRestored)] == [Topic.LIQUIDATIONS]
        await scripted.push(ticker("tickers.SOLUSDT", "100", snapshot=True))
        await listener.until(lambda: len(listener.of(TopicRestored)) == 2)
        assert listener.of(TopicRestored)[1].topic is Topic.TICKER
        assert scripted.count("subscribe", "publicTrade.SOLUSDT") <= 3
        assert not listener.of(Disconnected)


async def test_a_refused_topic_is_asked_for_on_the_next_connection(venue: Venue) -> None:
    """Whatever the time."""
    await venue.inject(fault="refuse_topic", topic="publicTrade.ETHUSDT")
    async with listening_to(feed_for(stream_of(venue)), THREE) as listener:
        await listener.until(lambda: listener.of(TopicRefused) and listener.are_synced())
        assert listener.heard[ETH, "Trade"] == 0
        await venue.inject(fault="clear")
        listener.feed.recycle(ETH, "a test wants it")
        await listener.until(lambda: listener.heard[ETH, "Trade"])
        assert [each.topic for each in listener.of(TopicRestored)] == [Topic.TRADES]


# books


@pytest.mark.parametrize(
    "fault",
    ["book_gap", "book_old", "book_repeat", "book_reorder", "book_delta_one"],
)
async def test_a_broken_book_is_whole_again_within_a_second(venue: Venue, fault: str) -> None:
    """Renewed alone, once; the others go on."""
    async with listening_to(feed_for(stream_of(venue)), THREE) as listener:
        await listener.until(listener.are_synced)
        assert await venue.inject(fault=fault, symbol="ETHUSDT") == 200
        await listener.until(lambda: listener.resyncs)
        took = await listener.until(lambda: listener.books[ETH].synced)
        assert took < 1 * SLACK
        deltas = listener.heard[ETH, "BookDelta"]
        await listener.until(lambda: listener.heard[ETH, "BookDelta"] > deltas + 5)
        assert [instrument for instrument, _ in listener.resyncs] == [ETH]
        assert (listener.books[ETH].gaps, listener.books[ETH].resyncs) == (1, 1)
        assert listener.books[BTC].gaps == listener.books[SOL].gaps == 0
        assert not listener.of(Disconnected)


async def test_a_snapshot_at_any_time_replaces_the_book(venue: Venue) -> None:
    """Also with u = 1, after a restart of the venue's service."""
    async with listening_to(feed_for(stream_of(venue)), THREE) as listener:
        await listener.until(listener.are_synced)
        await venue.inject(fault="book_restart", symbol="ETHUSDT")
        await listener.until(lambda: listener.heard[ETH, "BookSnapshot"] == 2)
        deltas = listener.heard[ETH, "BookDelta"]
        await listener.until(lambda: listener.heard[ETH, "BookDelta"] > deltas + 5)
        assert listener.resyncs == []
        assert listener.books[ETH].gaps == 0


async def test_changes_before_a_snapshot_make_no_book(venue: Venue) -> None:
    """They are dropped, and the snapshot that follows begins it."""
    await venue.inject(fault="delta_first", symbol="ETHUSDT")
    async with listening_to(feed_for(stream_of(venue)), THREE) as listener:
        await listener.until(listener.are_synced)
        assert listener.door.counters["BookDelta", "unsynced"] == 1
        assert listener.resyncs == []


async def test_a_book_is_renewed_once_however_often_that_is_asked(
    scripted: ScriptedBybit,
) -> None:
    """Until its snapshot has come."""
    topic = "orderbook.200.SOLUSDT"
    async with Chatter(scripted, CANARY), listening_to(feed_for(scripted.url), (SOL,)) as listener:
        await until(lambda: scripted.count("subscribe", topic) == 1)
        await scripted.push(scripted.book(topic, snapshot=True))
        await listener.until(lambda: listener.books[SOL].synced)
        for _ in range(5):
            listener.feed.renew(SOL, Topic.BOOK)
        await until(lambda: scripted.count("subscribe", topic) == 2)
        for _ in range(5):
            listener.feed.renew(SOL, Topic.BOOK)
            await asyncio.sleep(0)
        await scripted.push(scripted.book(topic, snapshot=True))
        await listener.until(lambda: listener.heard[SOL, "BookSnapshot"] == 2)
        assert scripted.requests.count(("unsubscribe", [topic])) == 1
        assert scripted.count("subscribe", topic) == 2
        assert not listener.of(Disconnected)


# this machine


class JumpingClock(SystemClock):
    """A clock that can be told that the computer slept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept_ms = 0

    def now(self) -> Millis:
        """Milliseconds UTC."""
        return Millis(super().now() + self.slept_ms)

    def monotonic_ms(self) -> int:
        """Milliseconds since some fixed instant, sleep included."""
        return super().monotonic_ms() + self.slept_ms


async def test_after_a_sleep_everything_begins_anew_without_a_storm(
    scripted: ScriptedBybit,
) -> None:
    """Nothing that waited in the sockets passes for new; each connection is opened once."""
    clock = JumpingClock()
    universe = many(120)
    topics = [f"orderbook.1.{each.symbol}" for each in universe[::20]]
    feed = feed_for(scripted.url, clock)
    async with Chatter(scripted, *topics, CANARY), listening_to(feed, universe) as listener:
        await listener.until(lambda: len(listener.connected) == 120)
        await until(lambda: scripted.count("subscribe", f"allLiquidation.{universe[-1].symbol}"))
        clock.slept_ms = 300_000
        quotes = listener.kinds["Quote"]
        await listener.until(lambda: len(listener.of(Disconnected)) == 3)
        assert {each.reason for each in listener.of(Disconnected)} == {
            "this computer slept or stood still for 300 s"
        }
        assert listener.kinds["Quote"] - quotes <= len(topics)
        await listener.until(lambda: len(listener.connected) == 120)
        assert len(scripted.opened) == 6
        assert len(listener.of(Disconnected)) == 3


async def test_a_flood_leaves_the_others_their_turn(scripted: ScriptedBybit) -> None:
    """20,000 frames at once, and the loop is never held for a tenth of a second."""
    frames = 20_000
    topic = "publicTrade.BTCUSDT"
    text = msgspec.json.encode(trade(topic, 1)).decode()
    feed = feed_for(scripted.url)
    async with asyncio.timeout(30), aclosing(feed.events([BTC])) as events:  # type: ignore[type-var]
        async for _ in events:
            if scripted.count("subscribe", topic):
                break
        (socket,) = scripted.sockets
        # written while nobody reads, so that all of it lies ready
        flood = asyncio.create_task(_send_all(socket, text, frames))
        longest = asyncio.create_task(_longest_pause(flood))
        taken = 0
        async for batch in events:
            taken += sum(1 for event in batch if not isinstance(event, FrameRefused))
            if taken >= frames:
                break
        await flood
    assert await longest < 0.1


async def _send_all(socket: web.WebSocketResponse, text: str, frames: int) -> None:
    for _ in range(frames):
        await socket.send_str(text)


async def _longest_pause(until_done: asyncio.Task[None]) -> float:
    loop = asyncio.get_running_loop()
    longest, before = 0.0, loop.time()
    while not until_done.done():
        await asyncio.sleep(0)
        longest, before = max(longest, loop.time() - before), loop.time()
    return longest


# the tape


class Tape:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.words: list[FeedEvent] = []

    def frame(self, route: str, receive_time: Millis, frame: str | bytes) -> None:
        """Keep a frame."""
        assert route == ""
        assert receive_time > 0
        self.frames.append(frame)

    def events(self, batch: Sequence[FeedEvent]) -> None:
        """Keep words."""
        self.words.extend(batch)


async def test_every_frame_with_data_is_on_the_tape_and_no_other(scripted: ScriptedBybit) -> None:
    """Also those that say nothing to us; not the canary's, nor answers."""
    tape = Tape()
    topic = "orderbook.1.SOLUSDT"
    one_sided = scripted.book(topic, snapshot=True)
    one_sided["data"]["a"] = []
    frames = [
        scripted.book(topic, snapshot=True),
        one_sided,
        trade("publicTrade.SOLUSDT", 1),
        ticker("tickers.SOLUSDT", "100", snapshot=True),
    ]
    async with listening_to(feed_for(scripted.url, tape=tape), (SOL,)) as listener:
        await until(lambda: scripted.count("subscribe", "allLiquidation.SOLUSDT") == 1)
        await scripted.push(scripted.book(CANARY, snapshot=True), *frames)
        await listener.feed.insert(Tick(Millis(1)))
        await listener.until(lambda: listener.kinds["Ticker"])
        assert tape.frames == [msgspec.json.encode(frame).decode() for frame in frames]
        assert Tick(Millis(1)) in tape.words
        assert {type(word).__name__ for word in tape.words} == {"Connected", "Alive", "Tick"}


async def until(condition: Callable[[], object], seconds: float = 10.0 * SLACK) -> None:
    """Wait for something that no event tells of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the server raises no event
            await asyncio.sleep(0.01)
