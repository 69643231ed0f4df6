"""Rules of a person in a JSON file of the state folder, written whole or not at all."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from virtuoso.domain.errors import StateError

LARGEST: Final = 4 * 1024 * 1024

Mark = tuple[int, int, int]


class FileRules:
    """`{"version": 3, "rules": [...]}`; a person may edit it, and is told what is wrong."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: Mark | None = None
        self._looked = False

    async def changed(self) -> bool:
        """Whether the file is another one than was read or written last."""
        mark = await asyncio.to_thread(self._mark)
        return not self._looked or mark != self._seen

    async def read(self) -> tuple[int, Sequence[object]]:
        """Version and rules. Raises StateError for a file that is broken."""
        return await asyncio.to_thread(self._read)

    async def write(self, version: int, rules: Sequence[object]) -> None:
        """Put a whole new file in the place of the old one."""
        await asyncio.to_thread(self._write, version, rules)

    def _mark(self) -> Mark | None:
        try:
            known = self.path.stat()
        except OSError:
            return None
        return known.st_mtime_ns, known.st_size, known.st_ino

    def _read(self) -> tuple[int, Sequence[object]]:
        # the mark first: what is written between it and the reading is seen as a change
        self._seen, self._looked = self._mark(), True
        try:
            with self.path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except FileNotFoundError:
            return 0, ()
        except OSError as error:
            msg = f"expected to read the rules in {self.path}, found: {error.strerror}"
            raise StateError(msg) from error
        try:
            if len(data) > LARGEST:
                msg = f"more than {LARGEST:,} bytes"
                raise ValueError(msg)  # noqa: TRY301 - worded with the others below
            found = json.loads(data)
            version, rules = found["version"], found["rules"]
            if not isinstance(version, int) or isinstance(version, bool) or version < 0:
                msg = "a version that is no number"
                raise ValueError(msg)  # noqa: TRY301
            if not isinstance(rules, list):
                msg = "rules that are no list"
                raise ValueError(msg)  # noqa: TRY301, TRY004
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            msg = f"expected rules as JSON in {self.path}, found: {error!s:.200}"
            raise StateError(msg) from error
        return version, rules

    def _write(self, version: int, rules: Sequence[object]) -> None:
        text = json.dumps({"version": version, "rules": list(rules)}, indent=1, ensure_ascii=False)
        whole = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(text.encode())
                out.flush()
                os.fsync(out.fileno())
            whole.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            msg = f"expected to write the rules to {self.path}, found: {error.strerror}"
            raise StateError(msg) from error
        self._seen, self._looked = self._mark(), True
