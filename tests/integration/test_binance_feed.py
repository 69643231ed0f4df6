"""The Binance feed against the simulated venue, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from support.binance_listener import BinanceListener, binance_listening, instrument
from support.simulated_binance import binance_get
from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.adapters.feed.binance.subscriptions import Kind, streams_of
from virtuoso.adapters.feed.connection import Batch
from virtuoso.adapters.feed.recording.decode import BinanceDecoder
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookSnapshot,
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
    TradesMissing,
)
from virtuoso.domain.time import Millis

BTC, ETH, SOL = INSTRUMENTS = [instrument(name) for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with three symbols."""
    async with running_venue() as running:
        yield running


@pytest.fixture
async def listener(venue: Venue) -> AsyncIterator[BinanceListener]:
    """Return a listener whose three books stand."""
    async with binance_listening(f"127.0.0.1:{venue.port}", INSTRUMENTS) as listening:
        await listening.until(lambda: listening.are_synced(INSTRUMENTS))
        yield listening


async def test_every_kind_of_data_flows(listener: BinanceListener) -> None:
    """Seven streams an instrument, nothing refused at the door, one REST book each."""
    wanted = {"BookSnapshot", "BookDelta", "Quote", "Trade", "Ticker", "FormingCandle", "Alive"}
    await listener.until(lambda: wanted <= set(listener.kinds))
    await listener.until(lambda: listener.kinds["BookDelta"] > 30)
    assert isinstance(listener.events[0], Connected)
    assert listener.events[0].instruments == frozenset(INSTRUMENTS)
    assert listener.door.counters == {}
    assert listener.kinds["BookSnapshot"] == 3


async def test_the_book_equals_that_of_the_venue(venue: Venue, listener: BinanceListener) -> None:
    """At the same update the levels are those of the REST side."""
    book = listener.books[BTC]
    for _ in range(20):
        rest = await binance_get(venue, "/fapi/v1/depth", symbol="BTCUSDT", limit=50)
        await listener.until(lambda at=rest["lastUpdateId"]: book.sequence >= at)  # type: ignore[misc]
        if book.sequence == rest["lastUpdateId"]:
            break
    assert book.sequence == rest["lastUpdateId"]
    bids, asks = book.levels(50)
    assert bids == [(float(price), float(size)) for price, size in rest["bids"]]
    assert asks == [(float(price), float(size)) for price, size in rest["asks"]]


async def test_connections_are_replaced_without_a_gap() -> None:
    """A life of a second: the books go on, no trade is lost, none comes twice."""
    async with (
        running_venue() as venue,
        binance_listening(f"127.0.0.1:{venue.port}", INSTRUMENTS, life_seconds=1.0) as listener,
    ):
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        # each pair of connections has its two requests acknowledged
        await listener.until(lambda: listener.kinds["Alive"] >= 12)
        count = listener.kinds["BookDelta"]
        await listener.until(lambda: listener.kinds["BookDelta"] > count + 20)
        assert listener.kinds["Connected"] == 1
        assert not listener.kinds["Disconnected"]
        assert listener.kinds["BookSnapshot"] == 3
        assert listener.resyncs == []
        assert listener.kinds["TradesMissing"] == 0
        for each in INSTRUMENTS:
            assert listener.books[each].gaps == 0
            ids = listener.trade_ids(each)
            assert all(after == before + 1 for before, after in pairwise(ids))
        assert len(listener.trade_ids(BTC)) > 10
        assert {reason for _, reason in listener.door.counters} <= {"repeated", "old"}


async def test_the_end_of_a_connection_by_the_venue_is_survived() -> None:
    """As after 24 hours, or at any other time."""
    async with (
        running_venue(binance_life_seconds=1.5) as venue,
        binance_listening(f"127.0.0.1:{venue.port}", INSTRUMENTS) as listener,
    ):
        for number in (1, 2):
            await listener.until(lambda at=number: listener.kinds["Disconnected"] == at)  # type: ignore[misc]
            assert listener.told(Disconnected)[-1].reason == "the venue closed the connection"
            await listener.until(lambda: listener.are_synced(INSTRUMENTS))


async def test_a_gap_is_healed_by_another_rest_book(
    venue: Venue, listener: BinanceListener
) -> None:
    """Seen once by the door, healed within a second, and the connections live on."""
    assert await venue.inject(fault="book_gap", symbol="BTCUSDT", venue="binance") == 200
    await listener.until(lambda: bool(listener.resyncs))
    assert await listener.until(lambda: listener.books[BTC].synced) < 1.0 * SLACK
    book = listener.books[BTC]
    assert (listener.resyncs, book.gaps, book.resyncs) == (["gap"], 1, 1)
    assert not listener.kinds["Disconnected"]


@pytest.mark.parametrize("fault", ["book_old", "book_repeat", "book_reorder", "crossed_book"])
async def test_a_false_difference_never_makes_a_false_book(
    venue: Venue, listener: BinanceListener, fault: str
) -> None:
    """Old, repeated, in the wrong order, crossed: the book is absent, then whole again."""
    assert await venue.inject(fault=fault, symbol="BTCUSDT", venue="binance") == 200
    await listener.until(lambda: bool(listener.resyncs))
    # a false level of the venue's lasts until the next REST book, which does not have it
    assert await listener.until(lambda: listener.books[BTC].synced) < 2.0 * SLACK
    assert listener.books[BTC].gaps >= 1


async def test_an_old_rest_book_is_asked_for_again_until_it_fits(
    venue: Venue, listener: BinanceListener
) -> None:
    """At first after half a second; no book is made of it."""
    await venue.inject(fault="old_snapshot", symbol="BTCUSDT", venue="binance", seconds=3.0)
    frozen = listener.books[BTC].sequence
    await listener.until(lambda: listener.books[BTC].sequence > frozen)
    await venue.inject(fault="book_gap", symbol="BTCUSDT", venue="binance")
    await listener.until(lambda: bool(listener.resyncs))
    assert 0.5 < await listener.until(lambda: listener.books[BTC].synced) < 5.0 * SLACK
    assert listener.books[BTC].gaps == 1


async def test_the_books_wait_for_a_rest_side_that_is_down(
    venue: Venue, listener: BinanceListener
) -> None:
    """Everything else flows; the books come soon after it is back: as soon as one may ask again."""
    await venue.inject(fault="rest_down", venue="binance")
    await venue.inject(fault="drop_connection", venue="binance")
    await listener.until(lambda: listener.kinds["Disconnected"] > 0)
    before = listener.kinds["Trade"]
    await listener.until(lambda: listener.kinds["Trade"] > before)
    assert not listener.are_synced(INSTRUMENTS)
    await venue.inject(fault="clear")
    assert await listener.until(lambda: listener.are_synced(INSTRUMENTS)) < 5.0 * SLACK


async def test_a_half_open_connection_is_noticed_within_four_seconds(
    venue: Venue, listener: BinanceListener
) -> None:
    """Nothing ends it but its silence."""
    await venue.inject(fault="half_open", venue="binance")
    assert 2.5 < await listener.until(lambda: listener.kinds["Disconnected"] > 0) < 4.0 * SLACK
    assert listener.told(Disconnected)[0].reason.startswith("no data for 3.")
    await venue.inject(fault="clear")
    await listener.until(lambda: listener.are_synced(INSTRUMENTS))


async def test_a_connection_that_never_says_a_word_is_an_error(venue: Venue) -> None:
    """As on the addresses that were retired: accepted, acknowledged, silent."""
    await venue.inject(fault="freeze", venue="binance")
    address = f"127.0.0.1:{venue.port}"
    async with binance_listening(address, INSTRUMENTS, silence_seconds=1.0) as listener:
        await listener.until(lambda: listener.kinds["Disconnected"] > 0)
        silent = listener.told(TopicSilent)
        assert {each.instrument for each in silent} == set(INSTRUMENTS)
        reasons = {each.reason for each in silent}
        reasons |= {each.reason for each in listener.told(Disconnected)}
        assert all(reason.startswith("subscribed to, and not a word") for reason in reasons)
        await venue.inject(fault="unfreeze", venue="binance")
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        await listener.until(lambda: listener.kinds["TopicRestored"] > 0)


SILENCES = {
    Kind.DEPTH: ("BTCUSDT", 4.0),
    Kind.BEST_PRICES: ("ETHUSDT", 5.0),
    Kind.TRADES: ("SOLUSDT", 20.0),
    Kind.MARK_PRICE: ("XRPUSDT", 6.0),
    Kind.TICKER: ("DOGEUSDT", 20.0),
    Kind.CANDLES: ("BNBUSDT", 20.0),
}
"""Which stream of which instrument falls silent, and within how many seconds that is found."""


async def test_one_silent_stream_is_found_and_renewed_alone() -> None:
    """Of every kind but liquidations, which may be silent for hours."""
    async with running_venue(symbols=8) as venue:
        rows = (await binance_get(venue, "/fapi/v1/exchangeInfo"))["symbols"]
        assert {symbol for symbol, _ in SILENCES.values()} <= {row["symbol"] for row in rows}
        found = asyncio.Barrier(len(SILENCES))
        await asyncio.gather(*(fall_silent(venue, kind, found) for kind in SILENCES))


async def fall_silent(venue: Venue, kind: Kind, found: asyncio.Barrier) -> None:
    """Let one stream fall silent on connections of its own, and speak again."""
    symbol, within = SILENCES[kind]
    one = instrument(symbol)
    name = next(name for name in streams_of(one) if name.kind is kind)
    async with binance_listening(f"127.0.0.1:{venue.port}", [one]) as listener:
        await listener.until(lambda: listener.kinds["Ticker"] > 4 and listener.are_synced([one]))
        await listener.until(lambda: listener.kinds["FormingCandle"] > 0)
        await venue.inject(fault="freeze_topic", topic=name.text, venue="binance")
        await listener.until(lambda: listener.kinds["TopicSilent"] > 0, within)
        (silent,) = listener.told(TopicSilent)
        assert (silent.instrument, silent.topic) == (one, name.topic)
        acknowledged = listener.kinds["Alive"]
        await listener.until(lambda: listener.kinds["Alive"] >= acknowledged + 2)
        assert not listener.kinds["Disconnected"]
        async with found:
            await venue.inject(fault="unfreeze", venue="binance")
        await listener.until(lambda: listener.kinds["TopicRestored"] > 0)
        restored = listener.told(TopicRestored)[0]
        assert (restored.instrument, restored.topic) == (one, name.topic)
        await listener.until(lambda: listener.are_synced([one]))


async def test_a_stream_that_stays_dead_takes_its_neighbours_along_only_twice(
    venue: Venue, listener: BinanceListener
) -> None:
    """Renewed, then both connections anew, twice; from then on it is renewed alone."""
    await venue.inject(fault="freeze_topic", topic="btcusdt@depth@100ms", venue="binance")
    await listener.until(lambda: listener.kinds["TopicSilent"] >= 5)
    assert [each.reason[:20] for each in listener.told(Disconnected)] == [
        "btcusdt@depth@100ms:"
    ] * 2
    assert listener.are_synced([ETH, SOL])
    assert not listener.books[BTC].synced
    await venue.inject(fault="unfreeze", venue="binance")
    await listener.until(lambda: listener.are_synced(INSTRUMENTS))


async def test_trades_that_were_lost_are_counted_and_told(
    venue: Venue, listener: BinanceListener
) -> None:
    """Every number left out, and no other."""
    await venue.inject(fault="lose_trades", share=0.3, venue="binance", seconds=3.0)
    await listener.until(lambda: listener.kinds["TradesMissing"] > 2)
    await asyncio.sleep(3.0)  # the fault is over, and every hole is told once it is 2 s old
    await listener.until(lambda: listener.kinds["Trade"] > 0)

    def lost_and_told() -> list[tuple[int, int]]:
        found = []
        for each in INSTRUMENTS:
            ids = listener.trade_ids(each)
            told = sum(one.count for one in listener.told(TradesMissing) if one.instrument == each)
            found.append((ids[-1] - ids[0] + 1 - len(ids), told))
        return found

    await listener.until(lambda: all(lost == told for lost, told in lost_and_told()))
    assert sum(lost for lost, _ in lost_and_told()) > 2
    assert sum(each.count for each in listener.told(TradesMissing)) > 2


async def test_late_trades_are_not_lost(venue: Venue, listener: BinanceListener) -> None:
    """Nor are repeated ones."""
    await venue.inject(fault="repeat_trades", venue="binance")
    await venue.inject(fault="late_trades", delay=0.5, venue="binance")
    before = listener.kinds["Trade"]
    await listener.until(lambda: listener.kinds["Trade"] > before + 30)
    assert not listener.kinds["TradesMissing"]


async def test_a_stream_that_is_refused_is_found_and_set_aside(venue: Venue) -> None:
    """Wherever it stands among the others, which flow."""
    await venue.inject(fault="refuse_topic", topic="ethusdt@forceOrder", venue="binance")
    async with binance_listening(f"127.0.0.1:{venue.port}", INSTRUMENTS) as listener:
        await listener.until(lambda: listener.kinds["TopicRefused"] > 0)
        (refused,) = listener.told(TopicRefused)
        assert (refused.instrument, refused.topic) == (ETH, Topic.LIQUIDATIONS)
        assert refused.reason.startswith("the venue refuses it: ")
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        wanted = {"Quote", "Trade", "Ticker", "FormingCandle"}
        await listener.until(lambda: wanted <= set(listener.kinds))
        assert not listener.kinds["Disconnected"]


async def test_malformed_frames_recycle_and_data_are_back_within_a_second(
    venue: Venue, listener: BinanceListener
) -> None:
    """A sample is kept, and the reason is in words."""
    await venue.inject(fault="garbage", variant="price_is_nan", venue="binance")
    await listener.until(lambda: listener.kinds["Disconnected"] > 0)
    assert any(each.recycled and each.sample for each in listener.told(FrameRefused))
    assert listener.told(Disconnected)[0].reason.startswith("unreadable frame: ")
    assert await listener.until(lambda: listener.are_synced(INSTRUMENTS)) < 1.5 * SLACK


async def test_a_topic_is_renewed_and_a_second_time_within_a_minute_recycled(
    listener: BinanceListener,
) -> None:
    """A book gets another REST book instead, as often as that is asked."""
    for number in (2, 3):
        listener.feed.renew(BTC, Topic.BOOK)
        await listener.until(lambda at=number: listener.kinds["BookSnapshot"] == 2 + at)  # type: ignore[misc]
    listener.feed.renew(BTC, Topic.TRADES)
    before = listener.kinds["Alive"]
    await listener.until(lambda: listener.kinds["Alive"] >= before + 2)
    assert not listener.kinds["Disconnected"]
    listener.feed.renew(BTC, Topic.TRADES)
    await listener.until(lambda: listener.kinds["Disconnected"] == 1)
    await listener.until(lambda: listener.are_synced(INSTRUMENTS))
    listener.feed.recycle(SOL, "because of a test")
    await listener.until(lambda: listener.kinds["Disconnected"] == 2)
    assert listener.told(Disconnected)[-1].reason == "because of a test"


async def test_the_universe_changes_without_a_reconnect(listener: BinanceListener) -> None:
    """Who stays notices nothing; who goes is unsubscribed, who comes gets a book."""
    listener.watch([ETH, BTC])
    await listener.until(lambda: listener.kinds["Disconnected"] > 0)
    assert listener.told(Disconnected)[0].instruments == frozenset({SOL})
    assert listener.told(Disconnected)[0].reason == "no longer watched"
    acknowledged = listener.kinds["Alive"]
    await listener.until(lambda: listener.kinds["Alive"] >= acknowledged + 2)
    seen = listener.of_instrument[SOL]
    listener.watch([SOL, BTC, ETH])
    await listener.until(lambda: listener.kinds["Connected"] == 2)
    assert listener.told(Connected)[1].instruments == frozenset({SOL})
    await listener.until(lambda: listener.are_synced(INSTRUMENTS))
    assert listener.of_instrument[SOL] > seen
    assert listener.kinds["BookSnapshot"] == 4
    assert listener.books[BTC].gaps == listener.books[ETH].gaps == 0
    listener.feed.recycle(BTC, "to see who is connected")
    await listener.until(lambda: listener.kinds["Connected"] == 3)
    assert listener.told(Disconnected)[-1].instruments == frozenset(INSTRUMENTS)
    assert listener.told(Connected)[-1].instruments == frozenset(INSTRUMENTS)
    with pytest.raises(SettingsError, match="expected instruments of binance, found BTCUSDT"):
        listener.feed.watch([Instrument(BYBIT, Symbol("BTCUSDT"))])


async def test_a_universe_grows_and_shrinks_beyond_one_pair_of_connections() -> None:
    """From three to eighty and back; the venue would end a connection that asks too fast."""
    async with (
        running_venue(symbols=80) as venue,
        binance_listening(f"127.0.0.1:{venue.port}", INSTRUMENTS) as listener,
    ):
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        rows = (await binance_get(venue, "/fapi/v1/exchangeInfo"))["symbols"]
        all_of_them = [instrument(row["symbol"]) for row in rows]
        listener.watch(all_of_them)
        await listener.until(lambda: listener.are_synced(all_of_them))
        connected = [each.instruments for each in listener.told(Connected)]
        assert frozenset().union(*connected) == frozenset(all_of_them)
        assert sum(map(len, connected)) == 80
        assert not listener.kinds["FrameRefused"]
        listener.watch(INSTRUMENTS)
        given_up = frozenset(all_of_them) - frozenset(INSTRUMENTS)
        await listener.until(
            lambda: (
                frozenset().union(*(each.instruments for each in listener.told(Disconnected)))
                == given_up
            )
        )
        assert all(listener.books[each].gaps == 0 for each in INSTRUMENTS)


class FrameTape:
    """Keeps what a recorder would."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Millis, bytes] | Batch] = []

    def frame(self, route: str, receive_time: Millis, frame: str | bytes) -> None:
        """Keep a frame."""
        raw = frame.encode() if isinstance(frame, str) else frame
        self.records.append((route, receive_time, raw))

    def events(self, batch: Batch) -> None:
        """Keep events."""
        self.records.append(batch)


async def test_what_went_over_the_line_can_be_played_again(venue: Venue) -> None:
    """Gaps, renewals, replaced and lost connections among it: the same events in their order."""
    tape = FrameTape()
    address = f"127.0.0.1:{venue.port}"
    async with binance_listening(address, INSTRUMENTS, tape=tape, life_seconds=1.5) as listener:
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        await venue.inject(fault="book_gap", symbol="ETHUSDT", venue="binance")
        await listener.until(lambda: bool(listener.resyncs))
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        listener.feed.renew(BTC, Topic.BOOK)
        await listener.until(lambda: listener.kinds["BookSnapshot"] == 5)
        listener.watch([BTC, ETH])
        await listener.until(lambda: listener.kinds["Disconnected"] == 1)
        listener.watch(INSTRUMENTS)
        await listener.until(lambda: listener.kinds["BookSnapshot"] == 6)
        await listener.until(lambda: listener.kinds["BookDelta"] > 100)
        await venue.inject(fault="drop_connection", venue="binance")
        await listener.until(lambda: listener.kinds["Disconnected"] == 2)
        await listener.until(lambda: listener.are_synced(INSTRUMENTS))
        count = len(listener.market)
        await listener.until(lambda: len(listener.market) > count + 50)
    decoder = BinanceDecoder(lambda _: True)
    played: list[FeedEvent] = []
    for record in tape.records:
        if isinstance(record, tuple):
            route, receive_time, raw = record
            played += decoder.frame(route, raw, receive_time)
        else:
            played += record
    market = [event for event in played if isinstance(event, MarketEvent)]
    others = [event for event in played if not isinstance(event, MarketEvent)]
    assert market[: len(listener.market)] == listener.market
    assert others[: len(listener.events)] == listener.events
    assert sum(isinstance(event.data, BookSnapshot) for event in market) >= 9
    stamps = [event.receive_time for event in played]
    assert stamps == sorted(stamps)
