"""Before the engine writes: a damaged file is set aside and replaced, the schema made current.

Nothing is ever deleted: what was set aside lies beside the new file, and the notice names it.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import structlog

from virtuoso.adapters.store.backup import newest_backup, restore_file, verify_file
from virtuoso.adapters.store.database import Place, make_private
from virtuoso.adapters.store.migrating import migrate
from virtuoso.domain.errors import StoreDamagedError
from virtuoso.domain.time import Millis

log = structlog.get_logger()

BESIDE = ("", "-wal", "-shm")
"""A database's file, its log and the index of that."""


def prepare(place: Place, now: Millis) -> str | None:
    """Make a place ready to be written; gives what a person must know of it. Raises StoreError."""
    path = place.path
    notice: str | None = None
    if path is not None:
        make_private(path)
        trouble = damage_of(path)
        if trouble is not None:
            notice = replace_damaged(path, trouble, now)
    try:
        migrate(place)
    except StoreDamagedError as error:
        if path is None or notice is not None:
            raise
        notice = replace_damaged(path, str(error), now)
        migrate(place)
    return notice


def damage_of(path: Path) -> str | None:
    """Say what is wrong with a file as a whole; None: every page of it holds together.

    Reading all of a gigabyte takes some seconds.
    """
    try:
        with closing(sqlite3.connect(path, timeout=10)) as link:
            found = [row[0] for row in link.execute("PRAGMA quick_check(3)")]
    except sqlite3.OperationalError:
        return None  # locked or full: no word about its pages
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == ["ok"] else "; ".join(map(str, found))[:200]


def replace_damaged(path: Path, trouble: str, now: Millis) -> str:
    """Set a damaged file aside and put the newest backup that holds in its place, if any."""
    aside = path.with_name(f"{path.name}.damaged-{now}")
    for end in BESIDE:
        part = path.with_name(path.name + end)
        if part.exists():
            part.rename(aside.with_name(aside.name + end))
    backup = newest_backup(path)
    if backup is None:
        make_private(path)
        text = f"the store was damaged ({trouble}) and lies at {aside}; there was no backup"
    else:
        restore_file(backup.path, path)
        rows = verify_file(path)
        text = (
            f"the store was damaged ({trouble}) and lies at {aside}; the backup of "
            f"{backup.taken_at} was restored ({rows:,} rows): what came after it is missing"
        )
    log.warning("store_replaced", text=text)
    return text[:500]
