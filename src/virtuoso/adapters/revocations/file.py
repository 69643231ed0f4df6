"""Ended sessions in a file of the state folder, so that every process of the machine knows them."""

import os
from pathlib import Path
from typing import Final

import structlog

from virtuoso.domain.errors import StateError
from virtuoso.domain.time import SECOND, Millis
from virtuoso.ports import Clock

log = structlog.get_logger()

LOOK_MS: Final = SECOND
LARGEST_BYTES: Final = 1024 * 1024
"""Some 20,000 ended sessions; those that are over are left out when the file is written anew."""


class FileRevocations:
    """A line for each ended session: its id, and until when it would have lasted."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._until: dict[str, Millis] = {}
        self._seen: tuple[int, int] | None = None
        self._looked_ms: int | None = None

    def contains(self, session: str) -> bool:
        """Whether it was ended here, or by another process a second ago at the latest."""
        now = self._clock.monotonic_ms()
        if self._looked_ms is None or now - self._looked_ms >= LOOK_MS:
            self._looked_ms = now
            self._look()
        return session in self._until

    def add(self, session: str, until: Millis) -> None:
        """End it: here at once, elsewhere as soon as they look. Raises StateError."""
        self._until[session] = until
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            if self._seen is not None and self._seen[1] > LARGEST_BYTES:
                self._write_anew()
                return
            with os.fdopen(os.open(self._path, flags, 0o600), "wb") as out:
                out.write(f"{session} {until}\n".encode())
        except OSError as error:
            msg = f"expected to write {self._path}, found: {error.strerror}"
            raise StateError(msg) from error

    def _write_anew(self) -> None:
        now = self._clock.now()
        self._until = {each: until for each, until in self._until.items() if until > now}
        beside = self._path.with_suffix(f".{os.getpid()}.part")
        text = "".join(f"{each} {until}\n" for each, until in self._until.items())
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as out:
            out.write(text.encode())
        beside.replace(self._path)

    def _look(self) -> None:
        try:
            found = self._path.stat()
            mark = (found.st_mtime_ns, found.st_size)
            if mark == self._seen:
                return
            lines = self._path.read_text("ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("revocations_unreadable", error=str(error))
            return
        self._seen = mark
        for line in lines:
            session, _, until = line.partition(" ")
            if until.isdecimal():
                self._until[session] = Millis(int(until))
