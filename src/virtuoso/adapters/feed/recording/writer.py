"""Recorder: the tape beside a feed. Takes records at once, writes them in a thread of its own.

Nothing here holds the feed up: what cannot be kept is counted, and the recording says where it is
missing. What can no longer be written ends the recording, not the run.
"""

import os
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
import zstandard

from virtuoso.adapters.feed.connection import Batch
from virtuoso.adapters.feed.recording.events import pack_events, symbols_of
from virtuoso.adapters.feed.recording.format import (
    FORMAT,
    LARGEST_CHUNK,
    RECORD_BYTES,
    SUFFIX,
    Header,
    Kind,
    Lost,
    pack_header,
    pack_lost,
)
from virtuoso.adapters.feed.recording.part import Part
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import Venue
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND, Millis
from virtuoso.ports import Clock

log = structlog.get_logger()

_LEVEL: Final = 3
_POLL_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 1024 * 1024
_CLOSE_SECONDS: Final = 10.0
_COLLISIONS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RecorderSettings:
    """Where a recording goes, and how much of it."""

    folder: Path
    part_bytes: int = 256 * 1024 * 1024
    """A part that is longer than this is finished, and the next one begun."""
    waiting_bytes: int = 64 * 1024 * 1024
    """How much may wait for the disk; what comes beyond it is lost, and the recording says so."""
    free_bytes: int = 256 * 1024 * 1024
    """Recording stops before the disk has less than this left: others need it too."""

    def __post_init__(self) -> None:
        if self.part_bytes < 1 or self.waiting_bytes < 1 or self.free_bytes < 0:
            msg = (
                "expected a part and a queue of at least a byte, found "
                f"{self.part_bytes} and {self.waiting_bytes}"
            )
            raise SettingsError(msg)


@dataclass(frozen=True, slots=True)
class RecorderState:
    """What a recorder says of itself."""

    file: str
    """The part that is being written, or was written last."""
    records: int
    """Taken so far, without those that were lost."""
    lost: int
    written_bytes: int
    parts: int
    stopped: str | None
    """Why nothing is written any more; None while it is."""


class Recorder:
    """A Tape that writes files. `start` before the feed begins, `close` after it ended."""

    def __init__(
        self, settings: RecorderSettings, venue: Venue, source: Source, version: str, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._parts = _Parts(settings, venue, source, version, clock)
        self._waiting: deque[tuple[Kind, str, Millis, bytes, int]] = deque()
        self._taken = 0
        self._taken_bytes = 0
        """Ever put in line: written by the feed's thread only."""
        self._drained_bytes = 0
        """Ever taken from the line: written by the writer's thread only."""
        self._lost = 0
        self._gap: tuple[int, Millis, Millis] | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._stopped: str | None = None
        self._unwritten = 0
        """Taken, but not written when it stopped."""

    def start(self) -> None:
        """Create the folder and the first file. Raises SettingsError when that cannot be done."""
        try:
            self._settings.folder.mkdir(parents=True, exist_ok=True)
            self._parts.begin()
        except OSError as error:
            msg = (
                f"expected a folder for recordings that can be written at "
                f"{self._settings.folder}, found: {error.strerror}"
            )
            raise SettingsError(msg) from error
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()
        log.info("recording_started", file=self._parts.name)

    def frame(self, route: str, receive_time: Millis, frame: str | bytes) -> None:
        """Keep a raw frame."""
        body = frame.encode() if isinstance(frame, str) else frame
        self._take(Kind.FRAME, route, receive_time, body)

    def events(self, batch: Batch) -> None:
        """Keep events that no frame brought."""
        if not batch:
            return
        for event in batch:
            self._parts.note(symbols_of(event))
        self._take(Kind.EVENTS, "", batch[0].receive_time, pack_events(batch))

    def state(self) -> RecorderState:
        """How it goes."""
        parts, unwritten = self._parts, self._unwritten
        return RecorderState(
            file=parts.name,
            records=self._taken - unwritten,
            lost=self._lost + unwritten,
            written_bytes=parts.written,
            parts=parts.number,
            stopped=self._stopped,
        )

    def close(self) -> None:
        """Write what waits, finish the file. Blocks for a few seconds at most."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                log.error("recording_unfinished", file=self._parts.name)

    def _take(self, kind: Kind, route: str, receive_time: Millis, body: bytes) -> None:
        if self._stopped is not None:
            self._lost += 1
            return
        size = len(body) + len(route) + RECORD_BYTES
        waiting = self._taken_bytes - self._drained_bytes
        if waiting + size > self._settings.waiting_bytes or size > LARGEST_CHUNK // 2:
            self._lose(receive_time)
            return
        if self._gap is not None:
            self._note_gap(*self._gap)
        self._put(kind, route, receive_time, body)

    def _put(self, kind: Kind, route: str, receive_time: Millis, body: bytes) -> None:
        size = len(body) + len(route) + RECORD_BYTES
        self._taken += 1
        self._taken_bytes += size
        self._waiting.append((kind, route, receive_time, body, size))

    def _lose(self, receive_time: Millis) -> None:
        self._lost += 1
        if self._gap is None:
            self._gap = (1, receive_time, receive_time)
            log.error("recording_gap_begins", file=self._parts.name, at=receive_time)
        else:
            count, first, last = self._gap
            self._gap = (count + 1, first, max(last, receive_time))

    def _note_gap(self, count: int, first: Millis, last: Millis) -> None:
        self._gap = None
        log.error("recording_gap", file=self._parts.name, lost=count, first=first, last=last)
        self._put(Kind.LOST, "", last, pack_lost(Lost(count, first, last)))

    def _write(self) -> None:
        """Write until closed, or until it cannot be done any more; runs in the thread."""
        parts = self._parts
        try:
            while not self._closing.wait(_POLL_SECONDS):
                self._drain()
            self._drain()
            if self._gap is not None:  # the feed is silent by now: this thread may end its gap
                self._note_gap(*self._gap)
                self._drain()
            parts.end()
            log.info("recording_ended", file=parts.name, parts=parts.number, lost=self._lost)
        except (OSError, zstandard.ZstdError) as error:
            self._stopped = str(getattr(error, "strerror", None) or error)
            with suppress(OSError):
                self._unwritten = parts.rescue()
            self._unwritten += len(self._waiting)
            self._waiting.clear()
            log.error("recording_stopped", file=parts.name, reason=self._stopped)  # noqa: TRY400

    def _drain(self) -> None:
        waiting, parts = self._waiting, self._parts
        for _ in range(len(waiting)):
            kind, route, receive_time, body, size = waiting.popleft()
            parts.add(kind, route, receive_time, body)
            self._drained_bytes += size
        parts.flush_old()


class _Parts:
    """The files of one recording, one after the other. Raises OSError wherever it writes."""

    def __init__(
        self, settings: RecorderSettings, venue: Venue, source: Source, version: str, clock: Clock
    ) -> None:
        self._settings = settings
        self._venue = venue
        self._source = source
        self._version = version
        self._clock = clock
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._symbols: set[str] = set()
        self._session = ""
        self.number = 0
        self.name = ""
        self.written = 0
        """Bytes of all parts."""
        self._part: Part | None = None

    def note(self, symbols: Iterable[str]) -> None:
        """Remember which instruments the line is about."""
        self._symbols.update(symbols)

    def begin(self) -> None:
        """Begin the next part."""
        started = self._clock.now()
        descriptor, path = self._create(started)
        self.number += 1
        self._session = self._session or path.name.removesuffix(SUFFIX)
        header = Header(
            format=FORMAT,
            venue=self._venue,
            source=self._source,
            version=self._version,
            session=self._session,
            part=self.number,
            started=started,
            symbols=self._known(),
        )
        self.name = path.name
        self._part = Part(descriptor, self._clock)
        self._put(pack_header(header))

    def _known(self) -> tuple[str, ...]:
        return tuple(sorted(self._symbols.copy()))

    def _create(self, started: Millis) -> tuple[int, Path]:
        simulated = "-simulated" if self._source is Source.SIMULATOR else ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        for at in range(started, started + _COLLISIONS):
            stamp = datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y%m%dT%H%M%S")
            path = self._settings.folder / (
                f"{self._venue}{simulated}-{stamp}.{at % SECOND:03d}Z{SUFFIX}"
            )
            with suppress(FileExistsError):
                return os.open(path, flags, 0o644), path
        raise FileExistsError(17, "too many recordings of the same moment", str(path))

    def _put(self, data: bytes) -> None:
        if self._part is None:
            msg = "expected a part that was begun"
            raise OSError(msg)
        self._part.put(data)
        self.written += len(data)

    def add(self, kind: Kind, route: str, receive_time: Millis, body: bytes) -> None:
        """Take a record; write the chunk that it fills."""
        part = self._part
        if part is None:
            return
        part.add(kind, route, receive_time, body)
        if part.raw_bytes >= _CHUNK_BYTES:
            self._flush(part)
            self._turn_over(part)

    def flush_old(self) -> None:
        """Write the chunk that has waited long enough; make it safe now and then."""
        part = self._part
        if part is None:
            return
        if part.is_due():
            self._flush(part)
            self._turn_over(part)
        else:
            part.sync_now_and_then()

    def _flush(self, part: Part) -> None:
        free = os.fstatvfs(part.descriptor)
        if free.f_bavail * free.f_frsize < self._settings.free_bytes:
            left = self._settings.free_bytes // 1_048_576
            raise OSError(28, f"less than {left} MB would be left on the disk")
        self.written += part.flush(self._compressor)

    def _turn_over(self, part: Part) -> None:
        """Begin the next part when this one is full."""
        if part.size >= self._settings.part_bytes:
            part.finish(self._known(), followed=True)
            self._part = None
            self.begin()

    def end(self) -> None:
        """Write what is left and the footer."""
        part = self._part
        if part is None:
            return
        if part.open_records:
            self._flush(part)
        part.finish(self._known(), followed=False)
        self._part = None

    def rescue(self) -> int:
        """Cut off what was not written whole; how many records that was.

        The file is finished if there is room for its footer.
        """
        part, self._part = self._part, None
        if part is None:
            return 0
        part.rescue(self._known())
        return part.open_records
