"""Stores on both databases, migrated, with what writes and what reads them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import Place
from virtuoso.adapters.store.ledger import SqlLedger
from virtuoso.adapters.store.migrating import migrate
from virtuoso.adapters.store.store import ROOM, SqlStore
from virtuoso.domain.history import Retention
from virtuoso.ports import Clock


@dataclass
class Opened:
    """One database from all its sides."""

    store: SqlStore
    ledger: SqlLedger
    archive: SqlArchive


@asynccontextmanager
async def opened(
    place: Place, clock: Clock, retention: Retention | None = None, room: int = ROOM
) -> AsyncIterator[Opened]:
    """Open a database, the schema made."""
    migrate(place)
    store = SqlStore(place, clock, retention, room)
    archive = SqlArchive(place)
    try:
        yield Opened(store, SqlLedger(store.thread), archive)
    finally:
        await archive.close()
        await store.close()
