"""The last good snapshot in the store, so that pages answer with every cache dead."""

from collections.abc import Callable

from virtuoso.adapters.store.store import SqlStore
from virtuoso.domain.errors import CacheUnavailableError, StoreError
from virtuoso.domain.time import Millis
from virtuoso.ports import Archive


class StoreKeepsake:
    """Written by the engine's store, read by anybody's archive."""

    def __init__(
        self,
        archive: Archive,
        store: SqlStore | None = None,
        source: str | None = None,
        now: Callable[[], Millis] = lambda: Millis(0),
    ) -> None:
        """Without a `store` it can only be recalled; `source` None: the newest of all."""
        self._archive = archive
        self._store = store
        self._source = source
        self._now = now

    async def keep(self, value: bytes) -> None:
        """Put it in the place of the one before."""
        if self._store is None or self._source is None:
            msg = "expected to keep a snapshot where the engine's store is open, found it closed"
            raise CacheUnavailableError(msg)
        try:
            await self._store.keep_snapshot(self._source, self._now(), value)
        except StoreError as error:
            raise CacheUnavailableError(str(error)) from error

    async def recall(self) -> bytes | None:
        """What was kept last, if it is there."""
        try:
            found = await self._archive.snapshot(self._source)
        except StoreError as error:
            raise CacheUnavailableError(str(error)) from error
        return None if found is None else found.value

    async def close(self) -> None:
        """Nothing of its own is open."""
