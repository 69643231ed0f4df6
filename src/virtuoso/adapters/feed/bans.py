"""Keeps the end of a ban over restarts, so that a restart does not prolong it."""

import os
import re
from pathlib import Path
from typing import Annotated, Final

import msgspec
import structlog

from virtuoso.domain.time import DAY, Millis

_log = structlog.get_logger(__name__)

LONGEST_BAN_MS: Final = 3 * DAY
"""The longest that a venue documents."""
_CLOCK_SLACK_MS: Final = 1_000
_LARGEST_FILE: Final = 4_096

_Stamp = Annotated[int, msgspec.Meta(ge=0, lt=10_000_000_000_000)]


class Ban(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Since and until when a venue wants to be left alone, in wall time."""

    since: _Stamp
    until: _Stamp
    reason: str

    def left_ms(self, now: Millis) -> int:
        """How much of it is left, 0 when it is over.

        A clock that was set back since then would make it longer than it ever was: then it is
        taken to begin now. Never longer than the longest that a venue documents.
        """
        length = self.until - self.since
        left = length if now < self.since - _CLOCK_SLACK_MS else self.until - now
        return max(0, min(left, length, LONGEST_BAN_MS))


class BanFile:
    """One small file for one venue at one address; readable by its owner only."""

    def __init__(self, folder: Path, name: str) -> None:
        """`name` is the venue, with the address when it is not the usual one."""
        self.path: Final = folder / f"ban-{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.json"

    def read(self) -> Ban | None:
        """The ban that was noted; None if there is none, or none that can be read."""
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST_FILE), type=Ban)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.warning("ban_file_unreadable", path=str(self.path), error=str(error))
            return None

    def write(self, ban: Ban) -> bool:
        """Put it on the disk, whole or not at all; False, with a line in the log, if it cannot.

        It blocks: a ban is rare, and must be kept before anything else happens.
        """
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(ban))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            _log.error("ban_not_kept", path=str(self.path), error=str(error))
            return False
        return True

    def remove(self) -> None:
        """Forget it, now that it is over."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("ban_file_not_removed", path=str(self.path), error=str(error))
