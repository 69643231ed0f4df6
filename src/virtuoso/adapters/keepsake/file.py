"""The last good snapshot in a file of the state folder."""

import asyncio
import os
from pathlib import Path

from virtuoso.domain.errors import CacheUnavailableError

LARGEST_BYTES = 64 * 1024 * 1024


class FileKeepsake:
    """A file that is whole or not there: written beside its place, then put into it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, value: bytes) -> None:
        """Put it in the place of the one before."""
        try:
            await asyncio.to_thread(self._write, value)
        except OSError as error:
            message = f"expected to write {self._path}, found: {error.strerror}"
            raise CacheUnavailableError(message) from error

    async def recall(self) -> bytes | None:
        """What was kept last, if it is still there."""
        try:
            return await asyncio.to_thread(self._read)
        except FileNotFoundError:
            return None
        except OSError as error:
            message = f"expected to read {self._path}, found: {error.strerror}"
            raise CacheUnavailableError(message) from error

    async def close(self) -> None:
        """Nothing is open."""

    def _write(self, value: bytes) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            with os.fdopen(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb"
            ) as out:
                out.write(value)
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)

    def _read(self) -> bytes | None:
        if self._path.stat().st_size > LARGEST_BYTES:
            return None
        return self._path.read_bytes()
