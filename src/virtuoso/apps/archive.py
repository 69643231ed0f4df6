"""Opens the store for what only reads: without anything that computes a score."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import Place, place_of
from virtuoso.apps.settings import Settings
from virtuoso.ports import Archive


def place_in(settings: Settings) -> Place:
    """Say which database is meant. Raises SettingsError."""
    return place_of(settings.store.url, settings.state.folder(os.environ))


@asynccontextmanager
async def open_archive(settings: Settings) -> AsyncIterator[Archive | None]:
    """Open the store to read; None where it is off."""
    if not settings.store.enabled:
        yield None
        return
    archive = SqlArchive(place_in(settings))
    try:
        yield archive
    finally:
        await archive.close()
