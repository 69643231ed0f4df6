"""Reads recordings: what a file says of itself, its records in order, and whether it is whole."""

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from virtuoso.adapters.feed.recording.format import (
    CHUNK_HEAD_BYTES,
    LARGEST_CHUNK,
    LARGEST_HEADER,
    MAGIC,
    SKIP,
    SKIP_MAGIC,
    TAIL_BYTES,
    ChunkHead,
    Counts,
    DamagedRecordingError,
    Footer,
    Header,
    Record,
    footer_length,
    unpack_chunk_head,
    unpack_footer,
    unpack_header,
    unpack_records,
)
from virtuoso.domain.errors import RecordingError
from virtuoso.domain.time import Millis

UNFINISHED: Final = (
    "it has no footer: whoever wrote it was stopped; at most its last second is lost"
)
_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TapeFile:
    """A recording's file as it describes itself."""

    path: Path
    header: Header
    footer: Footer | None
    """None: it was not finished, or its end is damaged."""
    begin: int
    """Where the first chunk stands."""
    end: int
    """Where the chunks end, or the file when there is no footer."""
    damage: str | None = None
    """What is wrong with its end, if it is more than unfinished."""

    @property
    def name(self) -> str:
        """Of the file."""
        return self.path.name


def is_tape(path: Path) -> bool:
    """Whether a file begins like a recording of ours. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            start = file.read(SKIP.size + len(MAGIC))
    except OSError as error:
        raise _unreadable(path, error) from error
    return start[SKIP.size :] == MAGIC


def open_tape(path: Path) -> TapeFile:
    """Read the header, and the footer if there is one. Raises RecordingError."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin, header = _read_header(path, file)
            file.seek(max(begin, size - TAIL_BYTES))
            length = footer_length(file.read())
            if length is None or length > size - begin:
                return TapeFile(path, header, None, begin, size)
            file.seek(size - length)
            try:
                footer = unpack_footer(file.read(length))
            except DamagedRecordingError as error:
                return TapeFile(path, header, None, begin, size - length, damage=str(error))
            return TapeFile(path, header, footer, begin, size - length)
    except OSError as error:
        raise _unreadable(path, error) from error


def _read_header(path: Path, file: BinaryIO) -> tuple[int, Header]:
    start = file.read(SKIP.size)
    magic, length = SKIP.unpack(start) if len(start) == SKIP.size else (0, 0)
    body = file.read(length) if magic == SKIP_MAGIC and length <= LARGEST_HEADER else b""
    if len(body) != length or not body.startswith(MAGIC):
        msg = f"expected the header of a recording in {path.name}, found something else"
        raise RecordingError(msg)
    try:
        return SKIP.size + length, unpack_header(body[len(MAGIC) :])
    except RecordingError as error:
        msg = f"{error} ({path.name})"
        raise RecordingError(msg) from error


def _unreadable(path: Path, error: OSError) -> RecordingError:
    return RecordingError(f"expected a readable file at {path}, found: {error.strerror or error}")


def records_of(tape: TapeFile, since: Millis | None = None) -> Iterator[Record]:
    """The records, in the order of the line; with `since`, from the chunk that reaches it on.

    Raises DamagedRecordingError, naming the byte, where the file is not what was written. A file
    without a footer ends with its last whole chunk.
    """
    for _, raw in chunks_of(tape, since):
        yield from unpack_records(raw)


def chunks_of(tape: TapeFile, since: Millis | None = None) -> Iterator[tuple[ChunkHead, bytes]]:
    """The chunks with their records unpacked, like `records_of`."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_CHUNK)
    try:
        with tape.path.open("rb") as file:
            at = tape.begin if since is None else _place_of(tape, since)
            number: int | None = 0 if at == tape.begin else None
            file.seek(at)
            while at < tape.end:
                head = unpack_chunk_head(file.read(CHUNK_HEAD_BYTES))
                after = at + CHUNK_HEAD_BYTES + (0 if head is None else head.packed_bytes)
                if tape.footer is None and (after > tape.end or _is_cut(head, tape.end - at)):
                    return  # the chunk that was being written when the end came
                if head is None or after > tape.end or number not in {None, head.number}:
                    msg = f"expected a chunk at byte {at} of {tape.name}, found something else"
                    raise DamagedRecordingError(msg)
                if since is not None and head.last < since:
                    file.seek(after)
                else:
                    since = None
                    yield head, _unpack(unpacker, file.read(head.packed_bytes), head, tape, at)
                number, at = head.number + 1, after
            if tape.footer is not None and number not in {None, tape.footer.chunks}:
                msg = f"expected {tape.footer.chunks} chunks in {tape.name}, found {number}"
                raise DamagedRecordingError(msg)
    except OSError as error:
        raise _unreadable(tape.path, error) from error


def _is_cut(head: ChunkHead | None, left: int) -> bool:
    return head is None and left < CHUNK_HEAD_BYTES


def _place_of(tape: TapeFile, since: Millis) -> int:
    """Where to begin looking for the first chunk that reaches a time."""
    if tape.footer is None:
        return tape.begin
    index = tape.footer.index
    older = bisect_right(index, since - 1, key=lambda entry: entry.last)
    return index[older - 1].offset if older else tape.begin


def _unpack(
    unpacker: zstandard.ZstdDecompressor, packed: bytes, head: ChunkHead, tape: TapeFile, at: int
) -> bytes:
    try:
        claimed = zstandard.frame_content_size(packed)
        if claimed != head.raw_bytes:  # asked first: memory is taken for what it claims
            msg = (
                f"expected a chunk of {head.raw_bytes} bytes at byte {at} of {tape.name}, "
                f"found one that claims {claimed}"
            )
            raise DamagedRecordingError(msg)
        raw = unpacker.decompress(packed, max_output_size=head.raw_bytes)
    except zstandard.ZstdError as error:
        msg = f"expected a sound chunk at byte {at} of {tape.name}, found: {error}"
        raise DamagedRecordingError(msg) from error
    if len(raw) != head.raw_bytes:
        msg = (
            f"expected {head.raw_bytes} bytes in the chunk at byte {at} of {tape.name}, "
            f"found {len(raw)}"
        )
        raise DamagedRecordingError(msg)
    return raw


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in a file, found by reading its chunk heads."""

    first: Millis | None
    last: Millis | None
    chunks: int
    bytes_after: int
    """At the end, of a chunk that was not written whole."""


def scan(tape: TapeFile) -> Scan:
    """Hop from chunk to chunk without unpacking any. Raises RecordingError."""
    first: Millis | None = None
    last: Millis | None = None
    at, chunks = tape.begin, 0
    try:
        with tape.path.open("rb") as file:
            while at < tape.end:
                file.seek(at)
                head = unpack_chunk_head(file.read(CHUNK_HEAD_BYTES))
                if head is None or at + CHUNK_HEAD_BYTES + head.packed_bytes > tape.end:
                    break
                first = head.first if first is None else min(first, head.first)
                last = head.last if last is None else max(last, head.last)
                chunks += 1
                at += CHUNK_HEAD_BYTES + head.packed_bytes
    except OSError as error:
        raise _unreadable(tape.path, error) from error
    return Scan(first, last, chunks, tape.end - at)


def faults_of(tape: TapeFile, visit: Callable[[Record], None] | None = None) -> list[str]:
    """Read all of a file and say what is wrong with it; nothing when it is whole.

    `visit` is shown every record on the way. Raises RecordingError when it cannot be read at all.
    """
    faults = [] if tape.damage is None else [tape.damage]
    counts = Counts()
    try:
        for head, raw in chunks_of(tape):
            before = counts.records
            for record in unpack_records(raw):
                counts.add(record.kind, record.body)
                if visit is not None:
                    visit(record)
            if counts.records - before != head.records:
                found = counts.records - before
                faults.append(f"expected {head.records} records in a chunk, found {found}")
    except DamagedRecordingError as error:
        faults.append(str(error))
    if tape.footer is None:
        if tape.damage is None:
            faults.append(UNFINISHED)
        return faults
    if not faults and tape.footer.counts != counts:
        faults.append(f"expected {tape.footer.counts}, found {counts}")
    if (digest := _digest(tape)) != tape.footer.sha256:
        faults.append(f"expected checksum {tape.footer.sha256[:16]}…, found {digest[:16]}…")
    return faults


def _digest(tape: TapeFile) -> str:
    digest = hashlib.sha256()
    left = tape.end
    try:
        with tape.path.open("rb") as file:
            while left and (data := file.read(min(_READ_BYTES, left))):
                digest.update(data)
                left -= len(data)
    except OSError as error:
        raise _unreadable(tape.path, error) from error
    return digest.hexdigest()
