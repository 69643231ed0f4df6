"""ReplayFeed: recorded raw frames, read as the live stream reads them, at any speed.

A line is a receive time (16 digits: microseconds, 19: nanoseconds), a space, and a frame of
Binance's combined streams; a line without `stream` is the REST book of that file's instrument.
"""

import asyncio
import gzip
import heapq
import re
import zlib
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Self

from virtuoso.adapters.feed.binance import frames
from virtuoso.adapters.feed.binance.book_bridge import BookBridge
from virtuoso.adapters.feed.binance.parse import read_data, read_envelope, read_rest_book
from virtuoso.adapters.feed.connection import LARGEST_SAMPLE, Batch
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import RecordingError, SettingsError, UnknownSymbolError
from virtuoso.domain.instruments import BINANCE, Instrument, Venue, parse_symbol
from virtuoso.domain.market_data import (
    Connected,
    FeedEnded,
    FeedEvent,
    FrameRefused,
    Topic,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis

_SUFFIXES: Final = (".gz", ".txt", ".jsonl", ".dat")
_EXPECTED: Final = "expected lines of a receive time (16 or 19 digits), a space and a JSON frame"
_LINE: Final = re.compile(rb"(\d{16}|\d{19}) (\{.*)")
_STREAM: Final = re.compile(rb'"stream"\s*:\s*"([a-z0-9]{2,30})@(\w+)')
_NAME: Final = re.compile(r"([a-z0-9]{2,20}usdt)(?![a-z])", re.IGNORECASE)
_DIVISOR: Final = {16: 1_000, 19: 1_000_000}
_LONGEST_LINE: Final = 4 * 1024 * 1024
_LINES_AT_ONCE: Final = 200
"""After so many lines without a pause the other tasks of the process get their turn."""


class Line(NamedTuple):
    """One recorded frame."""

    receive_time: int
    file_number: int
    frame: bytes
    sound: bool = True
    """False: it has no time, and stands where it was found."""


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """A file that was read through once and found whole."""

    path: Path
    symbol: str
    """Of the instrument that its REST books belong to."""
    symbols: frozenset[str]
    first: Millis
    last: Millis
    lines: int


class ReplayFeed:
    """A recording that plays as if it were the venue: the receive times are the recorded ones."""

    def __init__(self, files: Sequence[RecordedFile], speed: float | None = None) -> None:
        """`speed` 1 plays in real time, 10 ten times as fast, None as fast as it goes."""
        if speed is not None and not 0 < speed <= 1e6:
            msg = f"expected a speed above 0, or none for the fastest, found {speed}"
            raise SettingsError(msg)
        self._files = tuple(sorted(files, key=lambda file: (file.first, file.path.name)))
        self._speed = speed
        self._instruments = tuple(
            sorted(
                Instrument(BINANCE, parse_symbol(symbol))
                for symbol in frozenset().union(*(file.symbols for file in self._files))
            )
        )

    @classmethod
    def open(cls, path: str, speed: float | None = None) -> Self:
        """Check the file, the comma-joined files or the folder, reading all of it once.

        Raises RecordingError saying what was expected.
        """
        return cls([_check(file) for file in _files_of(path)], speed)

    @property
    def venue(self) -> Venue:
        """Binance: recordings are of its streams."""
        return BINANCE

    @property
    def source(self) -> Source:
        """A replay, whatever it is of."""
        return Source.REPLAY

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument that the recording has frames of."""
        return self._instruments

    @property
    def recorded_from(self) -> Millis:
        """The first receive time."""
        return min(file.first for file in self._files)

    @property
    def recorded_to(self) -> Millis:
        """The last receive time."""
        return max(file.last for file in self._files)

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Yield a batch a recorded frame, then FeedEnded. Raises SettingsError, RecordingError."""
        missing = [each.symbol for each in instruments if each not in self._instruments]
        if missing or not instruments:
            found = ", ".join(each.symbol for each in self._instruments)
            msg = f"expected instruments of the recording ({found}), found {missing or 'none'}"
            raise SettingsError(msg)
        reading = _Reading(self._files, instruments)
        first = self.recorded_from
        yield [Connected(BINANCE, frozenset(instruments), first)]
        loop = asyncio.get_running_loop()
        started, at = loop.time(), first
        for number, line in enumerate(reading.lines()):
            at = Millis(line.receive_time)
            if self._speed is not None:
                ahead = started + (at - first) / SECOND / self._speed - loop.time()
                if ahead > 0:
                    await asyncio.sleep(ahead)
            if number % _LINES_AT_ONCE == 0:
                await asyncio.sleep(0)
            batch = reading.read(line)
            if batch:
                yield batch
        yield [FeedEnded(at)]

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Nothing can be asked of a recording."""

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Nothing can be asked of a recording."""


class _Reading:
    """One pass over the files: lines in the order of their receive time, and what they mean."""

    def __init__(self, files: Sequence[RecordedFile], instruments: Collection[Instrument]) -> None:
        self._files = files
        self._by_symbol = {str(each.symbol): each for each in instruments}
        self._bridges = {str(each.symbol): BookBridge(each) for each in instruments}

    def lines(self) -> Iterator[Line]:
        """Every line of every file. Raises RecordingError when a file changed under us."""
        return heapq.merge(
            *(_lines_of(file.path, number) for number, file in enumerate(self._files)),
            key=lambda line: line.receive_time,
        )

    def read(self, line: Line) -> Sequence[FeedEvent]:
        """The events that a line brings; one that cannot be read is refused, and that is all."""
        receive_time = Millis(line.receive_time)
        if not line.sound:
            return [_refused(line, f"{_EXPECTED}, found a line without")]
        try:
            envelope = read_envelope(line.frame)
            if envelope.stream is None:
                return self._read_rest_book(line, receive_time)
            parsed = read_data(envelope, self._by_symbol, receive_time)
        except UnreadableFrameError as error:
            return [_refused(line, str(error))]
        if parsed is None:
            return []
        if isinstance(parsed, frames.Depth):
            return self._bridges[parsed.symbol].offer(parsed, receive_time)
        return [parsed]

    def _read_rest_book(self, line: Line, receive_time: Millis) -> Sequence[FeedEvent]:
        bridge = self._bridges.get(self._files[line.file_number].symbol)
        rest = read_rest_book(line.frame)
        return [] if bridge is None else bridge.offer_rest_book(rest, receive_time)


def _refused(line: Line, reason: str) -> FrameRefused:
    return FrameRefused(
        BINANCE,
        reason,
        line.frame[:LARGEST_SAMPLE],
        recycled=False,
        receive_time=Millis(line.receive_time),
    )


def _files_of(path: str) -> list[Path]:
    files: list[Path] = []
    for part in path.split(","):
        place = Path(part.strip()).expanduser()
        if place.is_dir():
            inside = sorted(each for each in place.iterdir() if each.suffix in _SUFFIXES)
            if not inside:
                msg = f"expected recordings ({', '.join(_SUFFIXES)}) in {place}, found none"
                raise RecordingError(msg)
            files += inside
        elif place.is_file():
            files.append(place)
        else:
            msg = f"expected a recording or a folder of them at {place}, found nothing"
            raise RecordingError(msg)
    return files


def _lines_of(path: Path, file_number: int) -> Iterator[Line]:
    """Raises RecordingError when the file cannot be read, or is cut short."""
    receive_time = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while text := file.readline(_LONGEST_LINE):
                match = _LINE.match(text)
                if match is not None:
                    digits = match[1]
                    receive_time = int(digits) // _DIVISOR[len(digits)]
                    yield Line(receive_time, file_number, match[2])
                elif not text.isspace():
                    yield Line(receive_time, file_number, text, sound=False)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"expected a whole file at {path}, found: {error}"
        raise RecordingError(msg) from error


def _check(path: Path) -> RecordedFile:
    """Read a file through. Raises RecordingError."""
    symbols: set[str] = set()
    first = last = -1
    lines = 0
    for line in _lines_of(path, 0):
        lines += 1
        if not line.sound:
            if lines > 1:
                continue  # refused when its turn comes; the rest is worth playing
            found = line.frame[:40].decode(errors="replace")
            msg = f"{_EXPECTED} in {path.name}, found {found!r}"
            raise RecordingError(msg)
        if first < 0:
            first = line.receive_time
        if line.receive_time < last:
            msg = f"expected receive times in order in {path.name}, found line {lines} out of it"
            raise RecordingError(msg)
        last = line.receive_time
        match = _STREAM.search(line.frame, 0, 100)
        if match is None:
            continue
        if match[2] == b"depth" and b'"pu"' not in line.frame and line.frame.endswith(b"}}"):
            msg = f"expected USD-M futures in {path.name}, found a book that looks like spot"
            raise RecordingError(msg)
        symbols.add(match[1].decode().upper())
    if not lines:
        msg = f"{_EXPECTED} in {path.name}, found an empty file"
        raise RecordingError(msg)
    named = _NAME.search(path.name)
    if not symbols and named is None:
        msg = f"{_EXPECTED} of a stream in {path.name}, found {lines} lines without one"
        raise RecordingError(msg)
    guess = named[1].upper() if named is not None else min(symbols)
    symbol = guess if not symbols or guess in symbols else min(symbols)
    try:
        parsed = frozenset(str(parse_symbol(each)) for each in symbols or {symbol})
    except UnknownSymbolError as error:
        msg = f"expected symbols in {path.name}: {error}"
        raise RecordingError(msg) from error
    return RecordedFile(path, symbol, parsed, Millis(first), Millis(last), lines)
