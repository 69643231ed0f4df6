"""Recordings made for a test."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from virtuoso.adapters.feed.recording.writer import Recorder, RecorderSettings
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import FeedEvent
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START, FakeClock

Entry: TypeAlias = tuple[str, int, str | bytes] | Sequence[FeedEvent]
"""A frame with its route and receive time, or events."""

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
ETH = Instrument(BYBIT, Symbol("ETHUSDT"))


def make_recorder(
    folder: Path,
    *,
    venue: Venue = BYBIT,
    source: Source = Source.BYBIT,
    started: int = START,
    part_bytes: int = 1_000_000_000,
    waiting_bytes: int = 64_000_000,
    free_bytes: int = 0,
) -> Recorder:
    """A recorder that was not started yet."""
    settings = RecorderSettings(
        folder=folder, part_bytes=part_bytes, waiting_bytes=waiting_bytes, free_bytes=free_bytes
    )
    return Recorder(settings, venue, source, "0.1.0", FakeClock(started))


def write(recorder: Recorder, entries: Sequence[Entry]) -> None:
    """Write entries down, in their order."""
    recorder.start()
    for entry in entries:
        if isinstance(entry, tuple) and isinstance(entry[0], str):
            route, at, frame = entry
            recorder.frame(route, Millis(at), frame)
        else:
            recorder.events(entry)  # type: ignore[arg-type] # the other kind of entry
    recorder.close()


def recorded(
    folder: Path,
    entries: Sequence[Entry],
    *,
    venue: Venue = BYBIT,
    source: Source = Source.BYBIT,
    started: int = START,
    part_bytes: int = 1_000_000_000,
) -> list[Path]:
    """Write a recording and give its files."""
    before = set(folder.iterdir()) if folder.is_dir() else set()
    recorder = make_recorder(
        folder, venue=venue, source=source, started=started, part_bytes=part_bytes
    )
    write(recorder, entries)
    state = recorder.state()
    assert (state.stopped, state.lost) == (None, 0)
    return sorted(set(folder.iterdir()) - before)


def bybit_trade(at: int, number: int, symbol: str = "BTCUSDT") -> Entry:
    """A frame with one trade."""
    row = {"T": at, "s": symbol, "S": "Buy", "v": "2", "p": "100.5", "i": str(number), "BT": False}
    topic = f"publicTrade.{symbol}"
    frame = {"topic": topic, "type": "snapshot", "ts": at, "data": [row]}
    return "", at, msgspec.json.encode(frame).decode()


def bybit_book(at: int, update: int, *, snapshot: bool, depth: int = 200) -> Entry:
    """A frame of the order book."""
    data = {"s": "BTCUSDT", "b": [["100", "1"]], "a": [["101", "2"]], "u": update, "seq": update}
    kind = "snapshot" if snapshot else "delta"
    frame = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": at, "data": data, "cts": at}
    return "", at, msgspec.json.encode(frame).decode()
