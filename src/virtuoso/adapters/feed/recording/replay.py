"""ReplayFeed: a recording that plays as if it were the venue, at any speed.

What was recorded by `writer` comes out as the line that went in: frames decoded as the live stream
decodes them, everything else at its exact place. What others recorded (`text`) has frames only.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple, Protocol, Self

import structlog

from virtuoso.adapters.feed.binance.parse import read_envelope
from virtuoso.adapters.feed.connection import Batch
from virtuoso.adapters.feed.recording.decode import (
    BinanceDecoder,
    Decoder,
    Watched,
    decoder_of,
    refused,
    watched_of,
)
from virtuoso.adapters.feed.recording.events import symbols_of, unpack_events
from virtuoso.adapters.feed.recording.format import (
    SUFFIX,
    DamagedRecordingError,
    Kind,
    Record,
    unpack_lost,
)
from virtuoso.adapters.feed.recording.reader import (
    UNFINISHED,
    TapeFile,
    is_tape,
    open_tape,
    records_of,
    scan,
)
from virtuoso.adapters.feed.recording.text import (
    EXPECTED,
    SUFFIXES,
    TextFile,
    merged_lines,
    open_text,
)
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import RecordingError, SettingsError
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol, Venue, parse_symbol
from virtuoso.domain.market_data import (
    Connected,
    DefinitionChosen,
    Disconnected,
    FeedEnded,
    FeedEvent,
    MarketEvent,
    Topic,
    TopicRefused,
    UniverseChosen,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis

log = structlog.get_logger()

_BATCHES_AT_ONCE: Final = 200
"""After so many batches without a pause the other tasks of the process get their turn."""


class Played(NamedTuple):
    """What one record brings, and when it was received."""

    receive_time: Millis
    batch: Batch


class Line(Protocol):
    """Records that follow one another."""

    venue: Venue
    source: Source
    """What a reader is told of the data."""
    first: Millis
    last: Millis
    symbols: frozenset[str]
    chooses_universe: bool
    """Whether it begins with the choice of the universe, so that it needs nothing else."""

    def play(self, instruments: Collection[Instrument]) -> Iterator[Played]:
        """Everything, in order; of these instruments, or of all when there are none named."""
        ...


class ReplayFeed:
    """A recording that plays as if it were the venue: the receive times are the recorded ones."""

    def __init__(
        self,
        lines: Sequence[Line],
        speed: float | None = None,
        *,
        keeps_definition: bool = True,
    ) -> None:
        """`speed` 1 plays in real time, 10 ten times as fast, None as fast as it goes.

        Unless it `keeps_definition`, what scores were computed by then is left out.
        """
        if speed is not None and not 0 < speed <= 1e6:
            msg = f"expected a speed above 0, or none for the fastest, found {speed}"
            raise SettingsError(msg)
        kinds = {(line.venue, line.source) for line in lines}
        if len(kinds) != 1:
            found = ", ".join(sorted(f"{venue} ({source})" for venue, source in kinds))
            msg = f"expected recordings of one venue, found {found or 'none'}"
            raise RecordingError(msg)
        self._lines = tuple(lines)
        self._speed = speed
        self._keeps_definition = keeps_definition
        self._venue = lines[0].venue
        self._source = lines[0].source
        self._instruments = tuple(
            sorted(
                Instrument(self._venue, parse_symbol(symbol))
                for symbol in frozenset().union(*(line.symbols for line in lines))
            )
        )

    @classmethod
    def open(cls, path: str, speed: float | None = None, *, keeps_definition: bool = True) -> Self:
        """Look into the file, the comma-joined files or the folder.

        Raises RecordingError saying what was expected.
        """
        texts: list[TextFile] = []
        tapes: list[TapeFile] = []
        for file in files_of(path):
            if is_tape(file):
                tapes.append(open_tape(file))
            else:
                texts.append(open_text(file))
        lines: list[Line] = [TextLine(texts)] if texts else []
        tapes.sort(key=lambda tape: (tape.header.session, tape.header.part))
        for _, parts in groupby(tapes, key=lambda tape: tape.header.session):
            lines.append(TapeLine(list(parts)))
        lines.sort(key=lambda line: line.first)
        return cls(lines, speed, keeps_definition=keeps_definition)

    @property
    def venue(self) -> Venue:
        """The venue whose frames were recorded."""
        return self._venue

    @property
    def source(self) -> Source:
        """A replay, or the simulator: what it made says so for ever."""
        return self._source

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument that the recording is about."""
        return self._instruments

    @property
    def recorded_from(self) -> Millis:
        """The first receive time."""
        return min(line.first for line in self._lines)

    @property
    def recorded_to(self) -> Millis:
        """The last receive time."""
        return max(line.last for line in self._lines)

    @property
    def chooses_universe(self) -> bool:
        """Whether it holds all that changed the markets, from the choice of the universe on."""
        return self._lines[0].chooses_universe

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Yield a batch a recorded frame, then FeedEnded. Raises SettingsError, RecordingError.

        A recording that chooses its universe may be played whole, without naming any instruments.
        """
        missing = [each.symbol for each in instruments if each not in self._instruments]
        if missing or not (instruments or self.chooses_universe):
            found = ", ".join(each.symbol for each in self._instruments)
            msg = f"expected instruments of the recording ({found}), found {missing or 'none'}"
            raise SettingsError(msg)
        loop = asyncio.get_running_loop()
        started, first = loop.time(), self.recorded_from
        at = first
        for number, (receive_time, batch) in enumerate(_merged(self._lines, instruments)):
            at = max(at, receive_time)
            if self._speed is not None:
                ahead = started + (at - first) / SECOND / self._speed - loop.time()
                if ahead > 0:
                    await asyncio.sleep(ahead)
            if number % _BATCHES_AT_ONCE == 0:
                await asyncio.sleep(0)
            kept = batch if self._keeps_definition else _without_definition(batch)
            if kept:
                yield kept
        yield [FeedEnded(at)]

    async def insert(self, event: FeedEvent) -> None:
        """Nothing is put into a recording: what was inserted then is part of it."""

    def watch(self, instruments: Collection[Instrument]) -> None:
        """The instruments of a recording are what they are."""

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Nothing can be asked of a recording."""

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Nothing can be asked of a recording."""


def _without_definition(batch: Batch) -> Batch:
    return [each for each in batch if not isinstance(each, DefinitionChosen)]


def _merged(lines: Sequence[Line], instruments: Collection[Instrument]) -> Iterator[Played]:
    """Several lines by receive time; each keeps its own order."""
    if len(lines) == 1:
        return lines[0].play(instruments)

    def rising(line: Line) -> Iterator[tuple[Millis, Played]]:
        newest = Millis(0)
        for played in line.play(instruments):
            newest = max(newest, played.receive_time)
            yield newest, played

    merged = heapq.merge(*(rising(line) for line in lines), key=lambda each: each[0])
    return (played for _, played in merged)


class TextLine:
    """Files of others: frames of Binance, merged by receive time."""

    venue = BINANCE
    source = Source.REPLAY
    chooses_universe = False

    def __init__(self, files: Sequence[TextFile]) -> None:
        self._files = sorted(files, key=lambda file: (file.first, file.path.name))
        self.first = min(file.first for file in files)
        self.last = max(file.last for file in files)
        self.symbols: frozenset[str] = frozenset().union(*(file.symbols for file in files))

    def play(self, instruments: Collection[Instrument]) -> Iterator[Played]:
        """Connected, then everything. Raises RecordingError when a file changed under us.

        Who recorded the files did not say which streams they took: liquidations that never come
        are unknown, and not none.
        """
        begin: list[FeedEvent] = [Connected(BINANCE, frozenset(instruments), self.first)]
        liquidated = frozenset().union(*(file.liquidated for file in self._files))
        begin += [
            TopicRefused(each, Topic.LIQUIDATIONS, "not in the recording", self.first)
            for each in sorted(instruments)
            if str(each.symbol) not in liquidated
        ]
        yield Played(self.first, begin)
        decoder = BinanceDecoder(watched_of(instruments))
        for line in merged_lines(self._files):
            receive_time = Millis(line.receive_time)
            batch: Batch
            try:
                if not line.sound:
                    reason = f"{EXPECTED}, found a line without"
                    batch = [refused(BINANCE, line.frame, reason, receive_time)]
                else:
                    envelope = read_envelope(line.frame)
                    if envelope.stream is None:
                        symbol = self._files[line.file_number].symbol
                        batch = decoder.rest_book(symbol, line.frame, receive_time)
                    else:
                        batch = decoder.data(envelope, receive_time)
            except UnreadableFrameError as error:
                batch = [refused(BINANCE, line.frame, str(error), receive_time)]
            yield Played(receive_time, batch)


class TapeLine:
    """The parts of one recording of ours."""

    def __init__(self, parts: Sequence[TapeFile]) -> None:
        """`parts` in their order. Raises RecordingError for an empty recording."""
        self._parts = parts
        header = parts[0].header
        self.venue = header.venue
        simulated = header.source is Source.SIMULATOR
        self.source = Source.SIMULATOR if simulated else Source.REPLAY
        spans = [self._span(part) for part in parts]
        found = [span for span in spans if span is not None]
        if not found:
            msg = f"expected records in {parts[0].name}, found none"
            raise RecordingError(msg)
        self.first = min(first for first, _, _ in found)
        self.last = max(last for _, last, _ in found)
        self.symbols: frozenset[str] = frozenset().union(*(names for _, _, names in found))
        self.chooses_universe = header.part == 1 and _chooses_universe(parts[0])

    @staticmethod
    def _span(part: TapeFile) -> tuple[Millis, Millis, frozenset[str]] | None:
        footer = part.footer
        if footer is not None:
            if not footer.counts.records:
                return None
            return footer.first, footer.last, frozenset(footer.symbols)
        log.warning("recording_unfinished", file=part.name, reason=part.damage or UNFINISHED)
        scanned = scan(part)
        if scanned.first is None or scanned.last is None:
            return None
        return scanned.first, scanned.last, frozenset(part.header.symbols) | _symbols_in(part)

    def play(self, instruments: Collection[Instrument]) -> Iterator[Played]:
        """Everything that was recorded; where something is missing, that is said in its place."""
        playing = _Playing(self.venue, self.symbols, instruments)
        before = 0
        for part in self._parts:
            number = part.header.part
            if number != before + 1:
                reason = f"part {before + 1} is missing before {part.name}"
                yield playing.missing(reason, playing.newest or self.first)
            before = number
            try:
                for record in records_of(part):
                    yield playing.play(record)
            except DamagedRecordingError as error:
                yield playing.missing(str(error), playing.newest or self.first)
            else:
                if part.damage is not None:
                    yield playing.missing(part.damage, playing.newest or self.first)
                elif part.footer is None:
                    reason = f"{part.name}: {UNFINISHED}"
                    yield playing.unfinished(reason, playing.newest or self.first)
        last = self._parts[-1].footer
        if last is not None and last.followed:
            reason = f"the part that follows {self._parts[-1].name} is missing"
            yield playing.unfinished(reason, playing.newest or self.last)


class _Playing:
    """One pass over a line."""

    def __init__(
        self, venue: Venue, symbols: Collection[str], instruments: Collection[Instrument]
    ) -> None:
        self._venue = venue
        chosen = {each for each in instruments if each.venue == venue}
        self._instruments = frozenset(chosen) or frozenset(
            Instrument(venue, Symbol(each)) for each in symbols
        )
        self._only = frozenset(chosen)
        watched: Watched = watched_of(chosen)
        self._decoder: Decoder | None = decoder_of(venue, watched)
        self.newest: Millis | None = None

    def play(self, record: Record) -> Played:
        """What one record brings. Raises DamagedRecordingError."""
        kind, route, at, body = record
        self.newest = at if self.newest is None else max(self.newest, at)
        if kind is Kind.EVENTS:
            return Played(at, [each for each in unpack_events(body) if self._is_played(each)])
        if kind is Kind.LOST:
            lost = unpack_lost(body)
            reason = f"{lost.records} records were not written: the disk could not keep up"
            return self.missing(reason, at)
        if self._decoder is None:
            reason = f"expected no frames of {self._venue}, found {len(body)} bytes"
            return Played(at, [refused(self._venue, body, reason, at)])
        try:
            return Played(at, self._decoder.frame(route, body, at))
        except UnreadableFrameError as error:
            return Played(at, [refused(self._venue, body, str(error), at)])

    def _is_played(self, event: FeedEvent) -> bool:
        return (
            not self._only or not isinstance(event, MarketEvent) or event.instrument in self._only
        )

    def missing(self, reason: str, at: Millis) -> Played:
        """Say that here something is missing: what was known before cannot be trusted after it."""
        log.error("recording_hole", reason=reason, at=at)
        gone = Disconnected(self._venue, self._instruments, reason[:200], at)
        back = Connected(self._venue, self._instruments, at)
        return Played(at, [refused(self._venue, b"", reason[:200], at), gone, back])

    def unfinished(self, reason: str, at: Millis) -> Played:
        """Say that the recording ends before its time; what was played stands."""
        log.warning("recording_cut", reason=reason, at=at)
        return Played(at, [refused(self._venue, b"", reason[:200], at)])


def _chooses_universe(part: TapeFile) -> bool:
    try:
        first = next(records_of(part), None)
        events = [] if first is None or first.kind is not Kind.EVENTS else unpack_events(first.body)
    except DamagedRecordingError:
        return False
    return bool(events) and isinstance(events[0], UniverseChosen)


def _symbols_in(part: TapeFile) -> frozenset[str]:
    """The instruments of the events of a file that has no footer to name them."""
    found: set[str] = set()
    try:
        for record in records_of(part):
            if record.kind is Kind.EVENTS:
                for event in unpack_events(record.body):
                    found.update(symbols_of(event))
    except DamagedRecordingError as error:
        log.warning("recording_damaged", file=part.name, reason=str(error))
    return frozenset(found)


def files_of(path: str) -> list[Path]:
    """The files that a path names: one, several joined by commas, or a folder of them.

    Raises RecordingError.
    """
    files: list[Path] = []
    for part in path.split(","):
        place = Path(part.strip()).expanduser()
        if place.is_dir():
            inside = sorted(
                each
                for each in place.iterdir()
                if each.suffix in SUFFIXES or each.name.endswith(SUFFIX)
            )
            if not inside:
                msg = (
                    f"expected recordings ({SUFFIX}, {', '.join(SUFFIXES)}) in {place}, found none"
                )
                raise RecordingError(msg)
            files += inside
        elif place.is_file():
            files.append(place)
        else:
            msg = f"expected a recording or a folder of them at {place}, found nothing"
            raise RecordingError(msg)
    return files
