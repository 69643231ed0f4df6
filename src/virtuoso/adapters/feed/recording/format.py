"""What a recording is, byte for byte.

A file is a legal zstd stream: `zstd -dc FILE` gives its records. What zstd skips says the rest.

    header      skippable frame: MAGIC, a crc32, then a msgpack Header
    chunk       skippable frame: what the next frame holds; then a zstd frame with a checksum
    ...         one chunk a second, or more often when there is much to write
    footer      skippable frame: a msgpack Footer, its crc32, its length, END

A file without a footer was not finished: everything up to its last whole chunk is readable.
A record is a kind, a route, a receive time and a body; its order is that of the feed's line.
"""

import zlib
from collections.abc import Iterable, Iterator
from enum import IntEnum
from struct import Struct, error
from typing import Final, NamedTuple

import msgspec

from virtuoso.domain.errors import RecordingError
from virtuoso.domain.instruments import Venue
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis

FORMAT: Final = 1
SUFFIX: Final = ".tape.zst"
MAGIC: Final = b"VIRTUOSO RECORDING\n"
END: Final = b"VIRTUOSO END\n"
LARGEST_CHUNK: Final = 64 * 1024 * 1024
"""Bytes of one chunk's records; what claims to be longer is not ours."""
LARGEST_HEADER: Final = 1024 * 1024
LARGEST_FOOTER: Final = 64 * 1024 * 1024

SKIP: Final = Struct("<II")
"""Of a skippable frame: its magic number and the length of what follows."""
SKIP_MAGIC: Final = 0x184D2A5D
_CHUNK: Final = Struct("<IIIIqq")
_CRC: Final = Struct("<I")
CHUNK_HEAD_BYTES: Final = SKIP.size + _CHUNK.size + _CRC.size
_TAIL: Final = Struct(f"<II{len(END)}s")
TAIL_BYTES: Final = _TAIL.size
_RECORD: Final = Struct("<BBqI")
RECORD_BYTES: Final = _RECORD.size
_LONGEST_ROUTE: Final = 255


class DamagedRecordingError(RecordingError):
    """A recording is not what was written; everything before the place was read."""


class Kind(IntEnum):
    """What a record's body is."""

    FRAME = 1
    """Raw bytes as received; the route says how they are read."""
    EVENTS = 2
    """Events that no frame brought, see `events`."""
    LOST = 3
    """A msgpack Lost: here records are missing, because writing could not keep up."""


class Record(NamedTuple):
    """One entry of the line."""

    kind: Kind
    route: str
    receive_time: Millis
    body: bytes


class Lost(msgspec.Struct, frozen=True):
    """How many records are missing, and between which receive times."""

    records: int
    first: Millis
    last: Millis


class Header(msgspec.Struct, frozen=True):
    """What a file says of itself before anything else. The wire only grows."""

    format: int
    venue: Venue
    source: Source
    """Of the data: the venue, or the simulator. A replay of the latter is SIMULATED too."""
    version: str
    """Of the Virtuoso that wrote it."""
    session: str
    """The same for all parts of one recording."""
    part: int
    """1, 2, ...: each begins where the one before was full."""
    started: Millis
    symbols: tuple[str, ...] = ()
    """What was in the line before this part."""


class Counts(msgspec.Struct):
    """What is in a file."""

    frames: int = 0
    events: int = 0
    """Batches of events, not single ones."""
    losses: int = 0
    """Places at which records are missing."""
    lost: int = 0
    """Records that are missing there."""

    @property
    def records(self) -> int:
        """Every record of the file."""
        return self.frames + self.events + self.losses

    def add(self, kind: Kind, body: bytes) -> None:
        """Count a record. Raises DamagedRecordingError."""
        match kind:
            case Kind.FRAME:
                self.frames += 1
            case Kind.EVENTS:
                self.events += 1
            case Kind.LOST:
                self.losses += 1
                self.lost += unpack_lost(body).records


class IndexEntry(msgspec.Struct, frozen=True, array_like=True):
    """Where a chunk begins, and the newest receive time of all chunks up to and with it."""

    offset: int
    last: Millis


class Footer(msgspec.Struct, frozen=True):
    """What a finished file says of itself."""

    counts: Counts
    first: Millis
    last: Millis
    chunks: int
    symbols: tuple[str, ...]
    sha256: str
    """Of every byte before the footer."""
    index: tuple[IndexEntry, ...]
    """Some of the chunks, evenly spread; the chunks between them are found from head to head."""
    followed: bool = False
    """Another part goes on where this one ends."""


class ChunkHead(NamedTuple):
    """What stands before a zstd frame."""

    number: int
    packed_bytes: int
    raw_bytes: int
    records: int
    first: Millis
    last: Millis


_header_decoder: Final = msgspec.msgpack.Decoder(Header)
_footer_decoder: Final = msgspec.msgpack.Decoder(Footer)
_lost_decoder: Final = msgspec.msgpack.Decoder(Lost)


def pack_record(kind: Kind, route: str, receive_time: int, body: bytes) -> bytes:
    """One record as it stands in a chunk."""
    name = route.encode()
    if len(name) > _LONGEST_ROUTE:
        msg = f"expected a route of at most {_LONGEST_ROUTE} bytes, found {len(name)}"
        raise RecordingError(msg)
    return _RECORD.pack(kind, len(name), receive_time, len(body)) + name + body


def unpack_records(raw: bytes) -> Iterator[Record]:
    """The records of a chunk. Raises DamagedRecordingError."""
    at, end = 0, len(raw)
    try:
        while at < end:
            kind, name_bytes, receive_time, body_bytes = _RECORD.unpack_from(raw, at)
            name_end = at + RECORD_BYTES + name_bytes
            body_end = name_end + body_bytes
            if body_end > end:
                msg = f"expected a record of {body_bytes} bytes, found the end of its chunk"
                raise DamagedRecordingError(msg)
            name = raw[at + RECORD_BYTES : name_end].decode()
            yield Record(Kind(kind), name, Millis(receive_time), raw[name_end:body_end])
            at = body_end
    except (error, ValueError) as found:
        msg = f"expected a record at byte {at} of a chunk, found: {found}"
        raise DamagedRecordingError(msg) from found


def pack_lost(lost: Lost) -> bytes:
    """The body of a record of kind LOST."""
    return msgspec.msgpack.encode(lost)


def unpack_lost(body: bytes) -> Lost:
    """Read the body of a record of kind LOST. Raises DamagedRecordingError."""
    try:
        return _lost_decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as found:
        msg = f"expected the size of a gap, found: {found}"
        raise DamagedRecordingError(msg) from found


def pack_header(header: Header) -> bytes:
    """The first bytes of a file."""
    packed = msgspec.msgpack.encode(header)
    body = MAGIC + _CRC.pack(zlib.crc32(packed)) + packed
    return SKIP.pack(SKIP_MAGIC, len(body)) + body


def unpack_header(body: bytes) -> Header:
    """Read what follows MAGIC. Raises RecordingError, for another version of the format too."""
    packed = body[_CRC.size :]
    if len(body) < _CRC.size or _CRC.unpack_from(body)[0] != zlib.crc32(packed):
        msg = "expected a header that fits its checksum, found one that does not"
        raise DamagedRecordingError(msg)
    try:
        version = msgspec.msgpack.decode(packed, type=dict[str, object]).get("format")
        if version != FORMAT:
            msg = f"expected format {FORMAT} of a recording, found {version!r:.20}"
            raise RecordingError(msg)
        return _header_decoder.decode(packed)
    except (msgspec.MsgspecError, ValueError) as found:
        msg = f"expected the header of a recording, found: {found}"
        raise RecordingError(msg) from found


def pack_chunk_head(head: ChunkHead) -> bytes:
    """What stands before a zstd frame."""
    body = _CHUNK.pack(*head)
    return SKIP.pack(SKIP_MAGIC, len(body) + _CRC.size) + body + _CRC.pack(zlib.crc32(body))


def unpack_chunk_head(raw: bytes) -> ChunkHead | None:
    """Read a chunk's head; None when these bytes are something else."""
    if len(raw) < CHUNK_HEAD_BYTES:
        return None
    magic, length = SKIP.unpack_from(raw)
    body = raw[SKIP.size : SKIP.size + _CHUNK.size]
    (crc,) = _CRC.unpack_from(raw, SKIP.size + _CHUNK.size)
    if magic != SKIP_MAGIC or length != _CHUNK.size + _CRC.size or crc != zlib.crc32(body):
        return None
    number, packed_bytes, raw_bytes, records, first, last = _CHUNK.unpack(body)
    if max(packed_bytes, raw_bytes) > LARGEST_CHUNK:
        return None
    return ChunkHead(number, packed_bytes, raw_bytes, records, Millis(first), Millis(last))


def pack_footer(footer: Footer) -> bytes:
    """The last bytes of a finished file."""
    body = msgspec.msgpack.encode(footer)
    tail = _TAIL.pack(zlib.crc32(body), len(body), END)
    return SKIP.pack(SKIP_MAGIC, len(body) + len(tail)) + body + tail


def footer_length(tail: bytes) -> int | None:
    """How long a file's whole footer is, given its last bytes; None when there is none."""
    if len(tail) != TAIL_BYTES:
        return None
    _, length, end = _TAIL.unpack(tail)
    return int(SKIP.size + length + TAIL_BYTES) if end == END and length < LARGEST_FOOTER else None


def unpack_footer(raw: bytes) -> Footer:
    """Read a whole footer. Raises DamagedRecordingError."""
    body = raw[SKIP.size : -TAIL_BYTES]
    crc, length, _ = _TAIL.unpack(raw[-TAIL_BYTES:])
    skipped = SKIP.unpack_from(raw)
    if skipped != (SKIP_MAGIC, length + TAIL_BYTES) or crc != zlib.crc32(body):
        msg = "expected a footer that fits its checksum, found one that does not"
        raise DamagedRecordingError(msg)
    try:
        return _footer_decoder.decode(body)
    except (msgspec.MsgspecError, ValueError) as found:
        msg = f"expected the footer of a recording, found: {found}"
        raise DamagedRecordingError(msg) from found


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of what is in several files."""
    found = Counts()
    for each in counts:
        found.frames += each.frames
        found.events += each.events
        found.losses += each.losses
        found.lost += each.lost
    return found
