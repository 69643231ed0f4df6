"""Our recordings, played again: the same line, or a word about what is missing from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.tapes import BTC, ETH, bybit_book, bybit_trade, make_recorder, recorded, write
from virtuoso.adapters.feed.recording.format import (
    FORMAT,
    Header,
    pack_header,
)
from virtuoso.adapters.feed.recording.reader import open_tape
from virtuoso.adapters.feed.recording.replay import ReplayFeed
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    CandlesLoaded,
    Connected,
    Disconnected,
    FeedEnded,
    FeedEvent,
    FrameRefused,
    MarketEvent,
    Quote,
    Tick,
    Trade,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START

T0 = START
CONNECTED = Connected(BYBIT, frozenset({BTC, ETH}), Millis(T0))
BINANCE_BTC = Instrument(BINANCE, Symbol("BTCUSDT"))


async def play(
    paths: Sequence[Path] | Path, instruments: Sequence[Instrument] = ()
) -> list[FeedEvent]:
    """Everything a replay gives."""
    found: list[FeedEvent] = []
    path = ",".join(str(each) for each in ([paths] if isinstance(paths, Path) else paths))
    feed = ReplayFeed.open(path)
    async for batch in feed.events(instruments or feed.instruments):
        found += batch
    return found


async def test_the_line_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """Frames decoded with their topic's depth, events between them at their exact place."""
    loaded = CandlesLoaded(BTC, {}, Millis(T0 + 4))
    (path,) = recorded(
        tmp_path,
        [
            [CONNECTED],
            bybit_book(T0 + 1, 1, snapshot=True, depth=1),
            bybit_book(T0 + 2, 7, snapshot=True),
            [Tick(Millis(T0 + 3))],
            bybit_book(T0 + 3, 8, snapshot=False),
            [loaded, Tick(Millis(T0 + 4))],
            bybit_trade(T0 + 2, 5),
        ],
    )
    feed = ReplayFeed.open(str(path))
    assert (feed.venue, feed.source) == (BYBIT, Source.REPLAY)
    assert (feed.recorded_from, feed.recorded_to) == (T0, T0 + 4)
    assert feed.instruments == (BTC, ETH)
    events = await play(path)
    assert events[0] == CONNECTED
    shown = [type(each.data if isinstance(each, MarketEvent) else each) for each in events[1:]]
    assert shown == [
        Quote,
        BookSnapshot,
        Tick,
        BookDelta,
        CandlesLoaded,
        Tick,
        Trade,
        FeedEnded,
    ]
    assert events[5] == loaded
    assert [each.receive_time - T0 for each in events] == [0, 1, 2, 3, 3, 4, 4, 2, 4]
    book = events[2]
    assert isinstance(book, MarketEvent)
    assert isinstance(book.data, BookSnapshot)
    assert book.data.depth == 200
    assert await play(path) == events


async def test_what_the_simulator_made_stays_simulated(tmp_path: Path) -> None:
    """A replay never calls it anything else."""
    (path,) = recorded(tmp_path, [[CONNECTED]], source=Source.SIMULATOR)
    assert ReplayFeed.open(str(path)).source is Source.SIMULATOR
    (real,) = recorded(tmp_path, [[CONNECTED]])
    with pytest.raises(RecordingError, match=r"of one venue, found bybit \(replay\), bybit \(sim"):
        ReplayFeed.open(f"{path},{real}")


async def test_some_instruments_can_be_played_alone(tmp_path: Path) -> None:
    """The market facts of the others are left out."""
    (path,) = recorded(
        tmp_path, [[CONNECTED], bybit_trade(T0, 1), bybit_trade(T0, 2, symbol="ETHUSDT")]
    )
    facts = [each for each in await play(path, [ETH]) if isinstance(each, MarketEvent)]
    assert [each.instrument for each in facts] == [ETH]


def depth(at: int, first: int, last: int, previous: int) -> tuple[str, int, str]:
    """A frame with a difference of Binance's book."""
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
    return "", at, json.dumps({"stream": "btcusdt@depth@100ms", "data": data})


def rest(at: int, last: int) -> tuple[str, int, bytes]:
    """The body of a REST book."""
    body: dict[str, Any] = {"lastUpdateId": last, "E": at, "T": at}
    return (
        "rest_book:BTCUSDT",
        at,
        json.dumps(body | {"bids": [["100", "1"]], "asks": [["101", "1"]]}).encode(),
    )


async def test_a_book_of_binance_is_bridged_as_it_was(tmp_path: Path) -> None:
    """By the REST book in its place, and anew where the feed began it anew."""
    (path,) = recorded(
        tmp_path,
        [
            [Connected(BINANCE, frozenset({BINANCE_BTC}), Millis(T0))],
            ("restart_book:BTCUSDT", T0, b""),
            depth(T0 + 1, 1, 5, 0),
            rest(T0 + 2, 4),
            depth(T0 + 3, 6, 9, 5),
            ("restart_book:BTCUSDT", T0 + 4, b""),
            depth(T0 + 5, 10, 12, 9),
            rest(T0 + 6, 11),
        ],
        venue=BINANCE,
        source=Source.BINANCE,
    )
    facts = [each for each in await play(path) if isinstance(each, MarketEvent)]
    assert [(type(each.data), each.receive_time - T0) for each in facts] == [
        (BookSnapshot, 2),
        (BookDelta, 2),
        (BookDelta, 3),
        (BookSnapshot, 6),
        (BookDelta, 6),
    ]


async def test_a_venue_without_frames_plays_its_events(tmp_path: Path) -> None:
    """As the feeds of other libraries record them; a frame is refused with its reason."""
    okx = Venue("okx")
    instrument = Instrument(okx, Symbol("BTCUSDT"))
    fact = MarketEvent(instrument, Quote(1.0, 2.0, 3.0, 4.0, 5), Millis(T0), Millis(T0))
    (path,) = recorded(tmp_path, [[fact], ("", T0, b"{}")], venue=okx)
    first, refused, _ = await play(path)
    assert first == fact
    assert isinstance(refused, FrameRefused)
    assert "expected no frames of okx" in refused.reason


async def test_parts_follow_each_other_whatever_their_times_say(tmp_path: Path) -> None:
    """And a part that is missing is a hole that every market is told of."""
    entries = [bybit_trade(T0 - at, at) for at in range(40)]
    big = [("", T0, json.dumps({"topic": "x", "pad": "p" * 2_000_000}))] * 2
    paths = recorded(tmp_path, [[CONNECTED], *entries[:20], *big, *entries[20:]], part_bytes=1)
    assert len(paths) == 3
    whole = await play(paths[::-1])
    assert [each.data.id for each in whole if isinstance(each, MarketEvent)] == [
        str(number) for number in range(40)
    ]
    assert not any(isinstance(each, FrameRefused | Disconnected) for each in whole)
    for missing, reason in ((0, "part 1 is missing"), (1, "part 2 is missing")):
        events = await play([path for number, path in enumerate(paths) if number != missing])
        (gone,) = [each for each in events if isinstance(each, Disconnected)]
        assert reason in gone.reason
        assert gone.instruments == {BTC, ETH}
    events = await play(paths[:2])
    (last,) = [each for each in events if isinstance(each, FrameRefused)]
    assert "is missing" in last.reason


async def test_records_that_were_lost_are_a_hole(tmp_path: Path) -> None:
    """Trades that nobody recorded must not be missed in silence."""
    recorder = make_recorder(tmp_path, waiting_bytes=1_000)
    trade = bybit_trade(T0 + 1, 1)
    write(recorder, [[CONNECTED], *[trade] * 1_000])
    assert recorder.state().lost
    events = await play(tmp_path)
    gone = next(each for each in events if isinstance(each, Disconnected))
    assert "records were not written" in gone.reason
    assert gone.instruments == {BTC, ETH}
    assert isinstance(events[events.index(gone) + 1], Connected)


async def test_an_unfinished_recording_plays_to_its_last_whole_chunk(tmp_path: Path) -> None:
    """And says that it was cut, wherever that was."""
    (path,) = recorded(tmp_path, [[CONNECTED], *(bybit_trade(T0 + at, at) for at in range(50))])
    tape = open_tape(path)
    data = path.read_bytes()
    path.write_bytes(data[: tape.end + 3])
    feed = ReplayFeed.open(str(path))
    assert feed.instruments == (BTC, ETH)
    events = await play(path)
    assert sum(isinstance(each, MarketEvent) for each in events) == 50
    (told,) = [each for each in events if isinstance(each, FrameRefused)]
    assert "it has no footer" in told.reason


async def test_a_damaged_chunk_is_a_hole_and_not_silence(tmp_path: Path) -> None:
    """What came before it is played; every market is told; the byte is named."""
    pads = [("", T0, json.dumps({"topic": "x", "pad": "p" * 2_000_000}))] * 3
    (path,) = recorded(tmp_path, [[CONNECTED], bybit_trade(T0, 1), *pads, bybit_trade(T0, 2)])
    data = bytearray(path.read_bytes())
    data[open_tape(path).end - 30] ^= 1
    path.write_bytes(data)
    events = await play(path)
    assert sum(isinstance(each, MarketEvent) for each in events) == 1
    (told,) = [each for each in events if isinstance(each, FrameRefused)]
    assert "expected a sound chunk at byte" in told.reason
    assert any(isinstance(each, Disconnected) for each in events)
    assert isinstance(events[-1], FeedEnded)


def test_what_is_not_a_recording_of_ours_is_refused(tmp_path: Path) -> None:
    """Each with what was expected."""
    (path,) = recorded(tmp_path, [[CONNECTED]])
    data = path.read_bytes()
    header = open_tape(path).header
    newer = Header(
        format=FORMAT + 1,
        venue=header.venue,
        source=header.source,
        version="9.9.9",
        session="s",
        part=1,
        started=header.started,
    )
    cases = {
        "newer": (pack_header(newer), "expected format 1 of a recording, found 2"),
        "head": (data[:40], "expected the header of a recording"),
        "flip": (data[:60] + b"?" + data[61:], "fits its checksum"),
        "none": (b"", "found an empty file"),
        "other": (b"(\xb5/\xfd" + data, "expected lines of a receive time"),
    }
    for name, (content, message) in cases.items():
        file = tmp_path / f"{name}.tape.zst"
        file.write_bytes(content)
        with pytest.raises(RecordingError, match=message):
            ReplayFeed.open(str(file))
    empty = recorded(tmp_path / "empty", [])
    with pytest.raises(RecordingError, match="expected records in"):
        ReplayFeed.open(str(empty[0]))


async def test_two_recordings_are_merged_by_receive_time(tmp_path: Path) -> None:
    """Each in its own order, as two processes would have seen the same market."""
    one = recorded(tmp_path / "a", [[CONNECTED], bybit_trade(T0 + 5, 1), bybit_trade(T0 + 9, 2)])
    two = recorded(
        tmp_path / "b",
        [bybit_trade(T0 + 7, 3, "ETHUSDT"), bybit_trade(T0 + 6, 4, "ETHUSDT")],
        started=START + 1,
    )
    events = await play([*two, *one])
    trades = [each.data.id for each in events if isinstance(each, MarketEvent)]
    assert trades == ["1", "3", "4", "2"]
