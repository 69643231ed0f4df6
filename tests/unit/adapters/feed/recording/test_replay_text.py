"""Recordings of others: they play like the venue, or it is said what is wrong with them."""

import asyncio
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from virtuoso.adapters.feed.recording.replay import ReplayFeed
from virtuoso.domain.errors import RecordingError, SettingsError
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Connected,
    FeedEnded,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Topic,
    TopicRefused,
    Trade,
)
from virtuoso.domain.scores import Source

T0 = 1_763_700_000_000


def trade_line(at: int, number: int = 1, symbol: str = "BTCUSDT", digits: int = 16) -> str:
    """A recorded trade."""
    data = {
        "e": "trade",
        "E": at,
        "T": at,
        "s": symbol,
        "t": number,
        "p": "100.5",
        "q": "2",
        "X": "MARKET",
        "m": False,
    }
    frame = {"stream": f"{symbol.lower()}@trade", "data": data}
    return f"{at * 10 ** (digits - 13)} {json.dumps(frame, separators=(',', ':'))}"


def depth_line(at: int, first: int, last: int, previous: int) -> str:
    """A recorded difference of the book."""
    data = {
        "e": "depthUpdate",
        "E": at,
        "T": at,
        "s": "BTCUSDT",
        "U": first,
        "u": last,
        "pu": previous,
        "b": [["100", "2"]],
        "a": [],
    }
    return f"{at * 1_000} " + json.dumps({"stream": "btcusdt@depth@0ms", "data": data})


def rest_line(at: int, last: int) -> str:
    """A recorded REST book."""
    body = {"lastUpdateId": last, "E": at, "T": at, "bids": [["100", "1"]], "asks": [["101", "1"]]}
    return f"{at * 1_000} " + json.dumps(body)


def write(path: Path, *lines: str) -> str:
    """Write a recording, compressed if its name says so."""
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


async def play(feed: ReplayFeed, instruments: Sequence[Instrument] = ()) -> list[FeedEvent]:
    """Everything a replay gives."""
    found: list[FeedEvent] = []
    async for batch in feed.events(instruments or feed.instruments):
        found += batch
    return found


async def test_a_recording_plays_from_connected_to_ended(tmp_path: Path) -> None:
    """With the recorded receive times, whether in micro- or in nanoseconds."""
    path = write(tmp_path / "btcusdt.gz", trade_line(T0, 1), trade_line(T0 + 1_500, 2, digits=19))
    feed = ReplayFeed.open(path)
    assert (feed.recorded_from, feed.recorded_to) == (T0, T0 + 1_500)
    assert feed.instruments == (Instrument(BINANCE, Symbol("BTCUSDT")),)
    assert feed.source is Source.REPLAY
    first, withheld, *middle, last = await play(feed)
    assert isinstance(first, Connected)
    assert isinstance(withheld, TopicRefused)
    assert (first.instruments, first.receive_time) == (frozenset(feed.instruments), T0)
    assert last == FeedEnded(feed.recorded_to)
    assert [event.receive_time for event in middle] == [T0, T0 + 1_500]
    assert all(isinstance(each, MarketEvent) and isinstance(each.data, Trade) for each in middle)


async def test_liquidations_that_were_not_recorded_are_not_none(tmp_path: Path) -> None:
    """A file that holds some says nothing; of a symbol without any, they are withheld."""
    order = {
        "e": "forceOrder",
        "E": T0,
        "o": {"s": "BTCUSDT", "S": "SELL", "q": "1", "p": "99", "ap": "99", "X": "FILLED", "T": T0},
    }
    forced = f"{T0 * 1_000} " + json.dumps({"stream": "btcusdt@forceOrder", "data": order})
    path = write(tmp_path / "both.gz", forced, trade_line(T0 + 1, 1, "ETHUSDT"))
    withheld = [
        each for each in await play(ReplayFeed.open(path)) if isinstance(each, TopicRefused)
    ]
    assert [(each.instrument.symbol, each.topic) for each in withheld] == [
        ("ETHUSDT", Topic.LIQUIDATIONS)
    ]


async def test_files_are_merged_by_receive_time(tmp_path: Path) -> None:
    """Joined by commas, or as a folder."""
    one = write(tmp_path / "a.gz", trade_line(T0, 1), trade_line(T0 + 20, 3))
    two = write(
        tmp_path / "b.txt",
        trade_line(T0 + 10, 2, "ETHUSDT"),
        trade_line(T0 + 30, 4, "ETHUSDT"),
    )
    for path in (f"{two}, {one}", str(tmp_path)):
        feed = ReplayFeed.open(path)
        assert [each.symbol for each in feed.instruments] == ["BTCUSDT", "ETHUSDT"]
        events = await play(feed)
        trades = [each.data.id for each in events if isinstance(each, MarketEvent)]
        assert trades == ["1", "2", "3", "4"]
    only = await play(feed, feed.instruments[:1])
    assert sum(isinstance(each, MarketEvent) for each in only) == 2


async def test_a_book_in_the_recording_is_bridged(tmp_path: Path) -> None:
    """A line without a stream is the REST book of the file's instrument."""
    path = write(
        tmp_path / "x.gz",
        depth_line(T0, 1, 5, 0),
        depth_line(T0 + 1, 6, 9, 5),
        rest_line(T0 + 2, 7),
        depth_line(T0 + 3, 11, 12, 9),
    )
    events = [each for each in await play(ReplayFeed.open(path)) if isinstance(each, MarketEvent)]
    assert [type(event.data) for event in events] == [BookSnapshot, BookDelta, BookDelta]
    assert [event.receive_time for event in events] == [T0 + 2, T0 + 2, T0 + 3]


async def test_a_malformed_line_is_refused_and_the_replay_goes_on(tmp_path: Path) -> None:
    """One without a time, one that is no JSON, one with an impossible number."""
    path = write(
        tmp_path / "x.gz",
        trade_line(T0, 1),
        "nonsense",
        f"{T0}000 {{cut",
        trade_line(T0 + 1, 2).replace("100.5", "NaN"),
        trade_line(T0 + 2, 3),
    )
    events = await play(ReplayFeed.open(path))
    refused = [each for each in events if isinstance(each, FrameRefused)]
    assert len(refused) == 3
    assert not any(each.recycled for each in refused)
    assert sum(isinstance(each, MarketEvent) for each in events) == 2


async def test_speed_is_that_of_the_recording_times_the_factor(tmp_path: Path) -> None:
    """Half a second of recording at ten times the speed."""
    path = write(tmp_path / "x.gz", trade_line(T0, 1), trade_line(T0 + 500, 2))
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await play(ReplayFeed.open(path, speed=10))
    assert loop.time() - begin >= 0.05
    with pytest.raises(SettingsError, match="expected a speed above 0"):
        ReplayFeed.open(path, speed=0)


def test_unreadable_recordings_are_refused_before_anything_starts(tmp_path: Path) -> None:
    """Each with what was expected."""
    whole = Path(write(tmp_path / "whole.gz", *(trade_line(T0 + at, at) for at in range(200))))
    cut = tmp_path / "cut.gz"
    cut.write_bytes(whole.read_bytes()[:-20])
    spot = depth_line(T0, 1, 2, 0).replace('"pu": 0, ', "")
    cases = {
        str(tmp_path / "missing.gz"): "found nothing",
        str(cut): "expected a whole file",
        write(tmp_path / "empty.gz", ""): "found an empty file",
        write(tmp_path / "text.txt", "time,open,high"): "found 'time,open,high",
        write(tmp_path / "spot.gz", spot): "looks like spot",
        write(tmp_path / "back.gz", trade_line(T0 + 1), trade_line(T0)): "line 2 out of it",
        write(tmp_path / "answers.gz", f"{T0}000 " + '{"result":null,"id":1}'): "without one",
        str(tmp_path / "none"): "found none",
    }
    (tmp_path / "none").mkdir()
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b"not compressed")
    cases[str(plain)] = "expected a whole file"
    for path, message in cases.items():
        with pytest.raises(RecordingError, match=message):
            ReplayFeed.open(path)


async def test_instruments_that_were_not_recorded_are_a_mistake(tmp_path: Path) -> None:
    """The message names those that were."""
    feed = ReplayFeed.open(write(tmp_path / "x.gz", trade_line(T0)))
    with pytest.raises(SettingsError, match=r"the recording \(BTCUSDT\), found \['ETHUSDT'\]"):
        await play(feed, [Instrument(BINANCE, Symbol("ETHUSDT"))])
