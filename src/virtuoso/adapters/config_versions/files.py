"""Saved versions as files of the state folder: written whole or not at all, never changed."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.errors import ConflictError, StateError

KEPT: Final = 500
LARGEST_BYTES: Final = 1024 * 1024
_SUFFIX: Final = ".json"


class _Filed(msgspec.Struct, frozen=True):
    version: ConfigVersion
    check: str


_decoder = msgspec.json.Decoder(_Filed)


class FileConfigVersions:
    """`000001.json`, `000002.json`, ...; the highest that is whole is in force.

    A number is taken by linking a finished file to its name, which only one process can do.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.broken: tuple[str, ...] = ()
        """Files that are not what was written; the last whole version stands in for them."""

    async def newest(self) -> ConfigVersion | None:
        """The version in force; None when nothing was ever saved."""
        return await asyncio.to_thread(self.newest_now)

    async def find(self, number: int) -> ConfigVersion | None:
        """One version; None where there is none, or it is broken."""
        return await asyncio.to_thread(self._read, self._path(number))

    async def last(self, count: int) -> Sequence[ConfigVersion]:
        """The newest whole ones, newest first."""
        return await asyncio.to_thread(self._last, count)

    async def add(self, version: ConfigVersion) -> None:
        """Save a version under its number."""
        try:
            await asyncio.to_thread(self._add, version)
        except FileExistsError as error:
            msg = f"expected version {version.number} to be the next, found that it is taken"
            raise ConflictError(msg) from error
        except OSError as error:
            msg = f"expected to write {self._folder}, found: {error.strerror}"
            raise StateError(msg) from error

    async def next_number(self) -> int:
        """The number after the last one, whether that is whole or not."""
        files = await asyncio.to_thread(self._files)
        return int(files[-1].stem) + 1 if files else 1

    def newest_now(self) -> ConfigVersion | None:
        """The version in force, read while nothing else runs yet. Raises StateError."""
        broken: list[str] = []
        found = None
        for path in reversed(self._files()):
            found = self._read(path)
            if found is not None:
                break
            broken.append(path.name)
        self.broken = tuple(broken)
        return found

    def _last(self, count: int) -> list[ConfigVersion]:
        found: list[ConfigVersion] = []
        for path in reversed(self._files()):
            if len(found) == count:
                break
            version = self._read(path)
            if version is not None:
                found.append(version)
        return found

    def _files(self) -> list[Path]:
        try:
            names = [each for each in self._folder.iterdir() if each.suffix == _SUFFIX]
        except FileNotFoundError:
            return []
        except OSError as error:
            msg = f"expected to read {self._folder}, found: {error.strerror}"
            raise StateError(msg) from error
        return sorted(each for each in names if each.stem.isdecimal() and len(each.stem) == 6)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}{_SUFFIX}"

    def _read(self, path: Path) -> ConfigVersion | None:
        try:
            if path.stat().st_size > LARGEST_BYTES:
                return None
            filed = _decoder.decode(path.read_bytes())
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        version = filed.version
        fits = filed.check == version.check and path == self._path(version.number)
        return version if fits else None

    def _add(self, version: ConfigVersion) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = self._folder / f".{os.getpid()}.part"
        content = msgspec.json.encode(_Filed(version, version.check))
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(os.open(beside, flags, 0o600), "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            os.link(beside, self._path(version.number))
            # the name is on the disk too before anybody is told that it is saved
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        finally:
            beside.unlink(missing_ok=True)
        for old in self._files()[:-KEPT]:
            old.unlink(missing_ok=True)
