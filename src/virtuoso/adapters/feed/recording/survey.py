"""What is in a recording, and whether it is as it was written: the result of reading all of it."""

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from virtuoso.adapters.feed.recording.decode import symbol_of, topic_of
from virtuoso.adapters.feed.recording.events import symbols_of, unpack_events
from virtuoso.adapters.feed.recording.format import Kind, Record, unpack_lost
from virtuoso.adapters.feed.recording.reader import TapeFile, faults_of, is_tape, open_tape
from virtuoso.adapters.feed.recording.text import open_text
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import BINANCE, Venue
from virtuoso.domain.market_data import Disconnected
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis

SILENCE_MS: Final = 10 * SECOND
"""A stretch without any record that is longer than this is a hole."""
_HOLES_NAMED: Final = 1_000


class Hole(msgspec.Struct, frozen=True):
    """Where something is missing."""

    first: Millis
    last: Millis
    reason: str


class FileSurvey(msgspec.Struct, frozen=True):
    """One file."""

    file: str
    state: str
    """whole, unfinished, damaged, unchecked (a format without a checksum) or unreadable."""
    faults: tuple[str, ...]
    bytes: int
    venue: Venue | None = None
    source: Source | None = None
    """Of the data; None where the file does not say."""
    version: str | None = None
    session: str | None = None
    part: int | None = None
    followed: bool = False
    first: Millis | None = None
    last: Millis | None = None
    symbols: tuple[str, ...] = ()
    frames: int = 0
    frames_by_topic: dict[str, int] = {}
    events_by_kind: dict[str, int] = {}
    lost: int = 0
    holes: tuple[Hole, ...] = ()


def survey(path: Path) -> FileSurvey:
    """Read all of a file; one that cannot be read at all has the state unreadable."""
    size = path.stat().st_size
    try:
        if is_tape(path):
            return _survey_tape(open_tape(path), size)
        text = open_text(path)
    except RecordingError as error:
        return FileSurvey(path.name, "unreadable", (str(error),), size)
    return FileSurvey(
        path.name,
        "unchecked",
        (),
        size,
        venue=BINANCE,
        first=text.first,
        last=text.last,
        symbols=tuple(sorted(text.symbols)),
        frames=text.lines,
    )


def _survey_tape(tape: TapeFile, size: int) -> FileSurvey:
    found = _Found()
    faults = faults_of(tape, found.visit)
    header, footer = tape.header, tape.footer
    unfinished = footer is None and tape.damage is None and len(faults) == 1
    return FileSurvey(
        tape.name,
        "whole" if not faults else "unfinished" if unfinished else "damaged",
        tuple(faults),
        size,
        venue=header.venue,
        source=header.source,
        version=header.version,
        session=header.session,
        part=header.part,
        followed=footer is not None and footer.followed,
        first=found.first,
        last=found.last,
        symbols=tuple(sorted(found.symbols)),
        frames=sum(found.topics.values()),
        frames_by_topic=dict(sorted(found.topics.items())),
        events_by_kind=dict(sorted(found.events.items())),
        lost=found.lost,
        holes=tuple(found.holes),
    )


class _Found:
    """What was seen on the way through a file."""

    def __init__(self) -> None:
        self.topics: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.symbols: set[str] = set()
        self.holes: list[Hole] = []
        self.lost = 0
        self.first: Millis | None = None
        self.last: Millis | None = None

    def visit(self, record: Record) -> None:
        """Take one record. Raises DamagedRecordingError."""
        at = record.receive_time
        if self.last is not None and at - self.last > SILENCE_MS:
            self._note(Hole(self.last, at, "silence: nothing was received"))
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        match record.kind:
            case Kind.FRAME:
                topic = topic_of(record)
                self.topics[topic] += 1
                if (symbol := symbol_of(topic)) is not None:
                    self.symbols.add(symbol)
            case Kind.EVENTS:
                for event in unpack_events(record.body):
                    self.events[type(event).__name__] += 1
                    self.symbols.update(symbols_of(event))
                    if isinstance(event, Disconnected):
                        self._note(Hole(at, at, f"disconnected: {event.reason}"))
            case Kind.LOST:
                lost = unpack_lost(record.body)
                self.lost += lost.records
                reason = f"{lost.records} records were not written: the disk could not keep up"
                self._note(Hole(lost.first, lost.last, reason))

    def _note(self, hole: Hole) -> None:
        if len(self.holes) < _HOLES_NAMED:
            self.holes.append(hole)


def parts_missing(surveys: list[FileSurvey]) -> list[str]:
    """The parts that should stand between, before or after the files of one recording."""
    missing = []
    by_session: dict[str, list[FileSurvey]] = {}
    for each in surveys:
        if each.session is not None and each.part is not None:
            by_session.setdefault(each.session, []).append(each)
    for session, parts in sorted(by_session.items()):
        numbers = {each.part or 0: each for each in parts}
        newest = max(numbers)
        absent = [str(number) for number in range(1, newest) if number not in numbers]
        if absent:
            missing.append(f"{session}: part {', '.join(absent)} of {newest} is missing")
        if numbers[newest].followed:
            missing.append(f"{session}: part {newest + 1} is missing, it follows part {newest}")
    return missing
