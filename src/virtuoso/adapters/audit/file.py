"""The audit log as JSON lines in the state folder, shared by the processes of a machine."""

import asyncio
import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from virtuoso.domain.audit import GENESIS, AuditEntry, AuditRow, chained
from virtuoso.domain.errors import StateError

FILE_BYTES: Final = 16 * 1024 * 1024
"""A fuller file is set aside under the number of its last row, and a new one goes on."""
FILES_KEPT: Final = 20
LONGEST_ROW: Final = 16 * 1024
DEADLINE_S: Final = 3.0

_decoder = msgspec.json.Decoder(AuditRow)


class FileAudit:
    """Appends under a lock, flushed to the disk; a row cut by a crash is cut off by the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._executor: ThreadPoolExecutor | None = None

    async def append(self, entry: AuditEntry) -> AuditRow:
        """Add a row."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="audit")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await loop.run_in_executor(self._executor, self._append, entry)
        except (OSError, TimeoutError) as error:
            found = str(error) or f"not done within {DEADLINE_S:g} s"
            msg = f"expected to write the audit log {self._path}, found: {found}"
            raise StateError(msg) from error

    async def last(self, count: int) -> Sequence[AuditRow]:
        """The newest rows of the newest file, oldest first."""
        try:
            data = await asyncio.to_thread(self._path.read_bytes)
        except FileNotFoundError:
            return ()
        except OSError as error:
            msg = f"expected to read the audit log {self._path}, found: {error.strerror}"
            raise StateError(msg) from error
        lines = data.splitlines()[-count:]
        try:
            return [_decoder.decode(line) for line in lines]
        except msgspec.MsgspecError as error:
            msg = f"expected whole rows in {self._path}, found: {error}"
            raise StateError(msg) from error

    async def close(self) -> None:
        """End the writer's thread."""
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _append(self, entry: AuditEntry) -> AuditRow:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # the lock is a file of its own, because the log itself is set aside when it is full
        guard = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # of this opening, not of the process: two logs in one process exclude each other too
            fcntl.flock(guard, fcntl.LOCK_EX)
            return self._append_alone(entry)
        finally:
            os.close(guard)

    def _append_alone(self, entry: AuditEntry) -> AuditRow:
        log = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            end, newest = self._newest(log)
            if newest is None:
                newest = self._newest_set_aside()
            number = 1 if newest is None else newest.number + 1
            row = chained(entry, number, GENESIS if newest is None else newest.hash)
            line = msgspec.json.encode(row) + b"\n"
            if os.pwrite(log, line, end) != len(line):
                msg = "the disk took only a part of a row"
                raise OSError(msg)
            os.truncate(log, end + len(line))
            os.fsync(log)
        finally:
            os.close(log)
        if end + len(line) >= FILE_BYTES:
            self._set_aside(row.number)
        return row

    def _newest(self, log: int) -> tuple[int, AuditRow | None]:
        """Where the next row goes, and the last whole one before it."""
        size = os.fstat(log).st_size
        start = max(0, size - LONGEST_ROW)
        tail = os.pread(log, size - start, start)
        end = start + tail.rfind(b"\n") + 1
        whole = tail[: end - start].splitlines()
        if not whole:
            return 0, None
        try:
            return end, _decoder.decode(whole[-1])
        except msgspec.MsgspecError as error:
            msg = f"its last row is no row: {error}"
            raise OSError(msg) from error

    def _aside(self) -> list[Path]:
        return sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"))

    def _newest_set_aside(self) -> AuditRow | None:
        files = self._aside()
        if not files:
            return None
        log = os.open(files[-1], os.O_RDONLY)
        try:
            return self._newest(log)[1]
        finally:
            os.close(log)

    def _set_aside(self, number: int) -> None:
        self._path.rename(self._path.with_stem(f"{self._path.stem}-{number:012}"))
        for old in self._aside()[:-FILES_KEPT]:
            old.unlink()
