"""One file of a recording: chunks of records, then a footer that accounts for them."""

import hashlib
import os
from typing import Final

import zstandard

from virtuoso.adapters.feed.recording.format import (
    ChunkHead,
    Counts,
    Footer,
    IndexEntry,
    Kind,
    pack_chunk_head,
    pack_footer,
    pack_record,
    total,
)
from virtuoso.domain.time import SECOND, Millis
from virtuoso.ports import Clock

_CHUNK_MS: Final = 800
"""How old a chunk's first record gets before it is written: with the poll, under a second."""
_SYNC_MS: Final = 5 * SECOND
_INDEX_ENTRIES: Final = 4_096


class Part:
    """One file. Raises OSError wherever it writes."""

    def __init__(self, descriptor: int, clock: Clock) -> None:
        self.descriptor = descriptor
        self.size = 0
        """Bytes written whole."""
        self.raw_bytes = 0
        """Of the open chunk."""
        self._clock = clock
        self._digest = hashlib.sha256()
        self._counts = Counts()
        """Of the chunks that were written."""
        self._open = Counts()
        """Of the open chunk."""
        self._records: list[bytes] = []
        self._opened_ms = 0
        self._synced_ms = clock.monotonic_ms()
        self._unsynced = False
        self._first: Millis | None = None
        self._last = Millis(0)
        self._chunk_first = self._chunk_last = Millis(0)
        self._chunks = 0
        self._index: list[IndexEntry] = []
        self._spacing = 1

    def put(self, data: bytes) -> None:
        """Write bytes, all of them."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]
        self.size += len(data)
        self._digest.update(data)
        self._unsynced = True

    def add(self, kind: Kind, route: str, receive_time: Millis, body: bytes) -> None:
        """Take a record into the open chunk."""
        if not self._records:
            self._opened_ms = self._clock.monotonic_ms()
            self._chunk_first = self._chunk_last = receive_time
        # the line's order is not always that of the times: what was stamped may have waited
        self._chunk_first = min(self._chunk_first, receive_time)
        self._chunk_last = max(self._chunk_last, receive_time)
        packed = pack_record(kind, route, receive_time, body)
        self._records.append(packed)
        self.raw_bytes += len(packed)
        self._open.add(kind, body)

    @property
    def open_records(self) -> int:
        """How many records the open chunk has."""
        return len(self._records)

    def is_due(self) -> bool:
        """Whether the open chunk has waited long enough."""
        return bool(self._records) and self._clock.monotonic_ms() - self._opened_ms >= _CHUNK_MS

    def flush(self, compressor: zstandard.ZstdCompressor) -> int:
        """Write the open chunk; the number of bytes it took."""
        raw = b"".join(self._records)
        packed = compressor.compress(raw)
        head = ChunkHead(
            self._chunks,
            len(packed),
            len(raw),
            len(self._records),
            self._chunk_first,
            self._chunk_last,
        )
        offset = self.size
        data = pack_chunk_head(head) + packed
        self.put(data)
        self._chunks += 1
        self._counts = total((self._counts, self._open))
        self._open = Counts()
        self._first = head.first if self._first is None else min(self._first, head.first)
        self._last = max(self._last, head.last)
        self._note_place(IndexEntry(offset, self._last))
        self._records.clear()
        self.raw_bytes = 0
        return len(data)

    def _note_place(self, entry: IndexEntry) -> None:
        """Keep every n-th chunk's place, n twice as much whenever there are too many."""
        if (self._chunks - 1) % self._spacing == 0:
            self._index.append(entry)
        if len(self._index) > _INDEX_ENTRIES:
            del self._index[1::2]
            self._spacing *= 2

    def sync_now_and_then(self) -> None:
        """Let what was written survive a loss of power."""
        now = self._clock.monotonic_ms()
        if self._unsynced and now - self._synced_ms >= _SYNC_MS:
            os.fsync(self.descriptor)
            self._synced_ms = now
            self._unsynced = False

    def finish(self, symbols: tuple[str, ...], *, followed: bool) -> None:
        """Write the footer and close."""
        footer = Footer(
            counts=self._counts,
            first=self._first or Millis(0),
            last=self._last,
            chunks=self._chunks,
            symbols=symbols,
            sha256=self._digest.hexdigest(),
            index=tuple(self._index),
            followed=followed,
        )
        self.put(pack_footer(footer))
        os.fsync(self.descriptor)
        os.close(self.descriptor)

    def rescue(self, symbols: tuple[str, ...]) -> None:
        """Cut the file to what was written whole, and give it a footer if there is room."""
        whole = self.size
        os.ftruncate(self.descriptor, whole)
        os.lseek(self.descriptor, whole, os.SEEK_SET)
        try:
            self.finish(symbols, followed=False)
        except OSError:
            os.ftruncate(self.descriptor, whole)
            os.close(self.descriptor)
