"""Copies of SQLite's file, made while it is written, verified before they count as backups."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from virtuoso.adapters.store.database import make_private
from virtuoso.domain.errors import StoreDamagedError, StoreRefusedError, StoreUnavailableError
from virtuoso.domain.time import Millis

PAGES_AT_ONCE: Final = 2_000
"""Eight megabytes; between them the writer may write."""
COUNTED: Final = ("scores", "candles", "signals", "alerts", "audit")


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup of a store's file."""

    path: Path
    taken_at: str
    """As its name says: UTC, ISO 8601."""
    size: int


def folder_of(path: Path) -> Path:
    """Say where the backups of a file lie."""
    return path.with_name("backups")


def backup_name(path: Path, now: Millis) -> Path:
    """Name a backup that is taken now."""
    stamp = _stamp(now)
    return folder_of(path) / f"{path.stem}-{stamp}.sqlite"


def _stamp(now: Millis) -> str:
    return datetime.fromtimestamp(now / 1_000, UTC).strftime("%Y%m%dT%H%M%SZ")


def backups(path: Path) -> Sequence[Backup]:
    """List the backups of a file, newest first."""
    found = sorted(folder_of(path).glob(f"{path.stem}-*.sqlite"), reverse=True)
    return [
        Backup(each, each.stem.removeprefix(f"{path.stem}-"), each.stat().st_size) for each in found
    ]


def newest_backup(path: Path) -> Backup | None:
    """Find the newest backup that holds together."""
    for each in backups(path):
        with suppress(StoreDamagedError):
            verify_file(each.path)
            return each
    return None


def backup_file(source: Path, target: Path) -> int:
    """Copy a file while others write it; gives its rows once every page was checked.

    Raises StoreUnavailableError, or StoreDamagedError when what was copied does not hold together.
    """
    part = target.with_name(target.name + ".part")
    make_private(part)
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as here,
            closing(sqlite3.connect(part)) as there,
        ):
            here.backup(there, pages=PAGES_AT_ONCE, sleep=0.001)
            there.execute("PRAGMA journal_mode = DELETE")
        rows = verify_file(part)
        descriptor = os.open(part, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(target)
    except sqlite3.DatabaseError as error:
        msg = f"expected to copy {source} to {target}, found: {error}"
        raise StoreUnavailableError(msg) from error
    finally:
        part.unlink(missing_ok=True)
    return rows


def verify_file(path: Path) -> int:
    """Read every page and index of a file; gives its rows. Raises StoreDamagedError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as link:
            found = [row[0] for row in link.execute("PRAGMA integrity_check(5)")]
            if found != ["ok"]:
                msg = f"{path} is damaged: {'; '.join(map(str, found))[:300]}"
                raise StoreDamagedError(msg)
            return sum(
                int(link.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - names of ours
                for table in COUNTED
            )
    except sqlite3.DatabaseError as error:
        msg = f"{path} is damaged or no store: {error}"
        raise StoreDamagedError(msg) from error


def restore_file(backup: Path, path: Path, *, force: bool = False) -> None:
    """Put a backup in the place of a file. Raises StoreRefusedError where there is one already."""
    if path.exists() and path.stat().st_size and not force:
        msg = f"expected no store at {path}, found one: give --force to replace it"
        raise StoreRefusedError(msg)
    part = path.with_name(path.name + ".part")
    make_private(part)
    try:
        with (
            closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as here,
            closing(sqlite3.connect(part)) as there,
        ):
            here.backup(there)
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink(missing_ok=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def prune(path: Path, keep: int) -> None:
    """Remove all backups but the newest."""
    for each in backups(path)[keep:]:
        each.path.unlink(missing_ok=True)
