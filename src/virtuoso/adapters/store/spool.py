"""Alerts while the server is away: kept in a file of this machine, sent from there, drained later.

Whoever writes an alert does not notice; it is committed, in one place or the other. What was
spooled goes to the server in its order once it answers, with how far it was sent.
"""

import asyncio
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection, delete

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.ledger import SqlLedger
from virtuoso.adapters.store.store import SqlStore
from virtuoso.domain.alerts import Acknowledgement, Alert, AlertFilter, AlertState, Delivery
from virtuoso.domain.deeds import ChainedDeed, Deed, SettingsVersion
from virtuoso.domain.errors import StoreUnavailableError
from virtuoso.domain.signals import Signal, SignalEvent, SignalState
from virtuoso.domain.time import Millis

log = structlog.get_logger()

AT_ONCE: Final = 500
"""Alerts drained in one turn."""


class SpoolingLedger:
    """A ledger on a server, and a file that stands in for it where alerts are concerned."""

    def __init__(self, server: SqlLedger, store: SqlStore, archive: SqlArchive) -> None:
        """`store` and `archive` are those of the file."""
        self._server = server
        self._store = store
        self._archive = archive
        self._file = SqlLedger(store.thread)
        self._turn = asyncio.Lock()
        self._ours: set[str] = set()
        """Deliveries that were claimed from the file."""
        self._is_empty = False
        """Whether the file is known to hold nothing; another run may have left something."""

    async def add_signal(self, signal: Signal, events: Sequence[SignalEvent] = ()) -> bool:
        """Keep a signal; while the server is away its desk holds it."""
        return await self._server.add_signal(signal, events)

    async def change_signal(
        self, signal: Signal, before: SignalState, events: Sequence[SignalEvent] = ()
    ) -> bool:
        """Keep what became of a signal."""
        return await self._server.change_signal(signal, before, events)

    async def add_alert(self, alert: Alert, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep an alert, in the file while the server is away."""
        try:
            if not await self._drained():
                # the order of a channel: what waits in the file goes first
                return await self._spool(alert, deliveries)
            return await self._server.add_alert(alert, deliveries)
        except StoreUnavailableError as error:
            log.warning("alert_spooled", alert=alert.id, error=str(error))
            return await self._spool(alert, deliveries)

    async def _spool(self, alert: Alert, deliveries: Sequence[Delivery]) -> bool:
        async with self._turn:
            self._is_empty = False
            return await self._file.add_alert(alert, deliveries)

    async def change_alert(self, said: Acknowledgement, before: Collection[AlertState]) -> bool:
        """Set an alert's state, wherever it is kept now."""
        async with self._turn:
            if not self._is_empty and await self._file.change_alert(said, before):
                return True
        return await self._server.change_alert(said, before)

    async def claim_deliveries(
        self, channel: str, now: Millis, life_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Take what is to be sent next; from the file while the server is away."""
        try:
            if await self._drained():
                return await self._server.claim_deliveries(channel, now, life_ms, limit)
        except StoreUnavailableError as error:
            log.warning("outbox_not_read", error=str(error))
        async with self._turn:
            taken = await self._file.claim_deliveries(channel, now, life_ms, limit)
            self._ours.update(each.id for each in taken)
            return taken

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep how an attempt ended, wherever it is kept now."""
        async with self._turn:
            if delivery.id in self._ours:
                self._ours.discard(delivery.id)
                if await self._file.settle_delivery(delivery):
                    return True
        return await self._server.settle_delivery(delivery)

    async def add_settings(self, version: SettingsVersion) -> bool:
        """Keep a version."""
        return await self._server.add_settings(version)

    async def add_deed(self, deed: Deed) -> ChainedDeed:
        """Chain a deed."""
        return await self._server.add_deed(deed)

    async def drain(self) -> int:
        """Hand what is in the file over to the server, oldest first; gives how many went.

        Raises StoreUnavailableError while the server is away; what went is in both places then at
        most, and handing it over again changes nothing.
        """
        async with self._turn:
            # newest first is how they are listed; few of them are ever here
            waiting: list[Alert] = []
            before: str | None = None
            while page := await self._archive.alerts(AlertFilter(), AT_ONCE, before):
                waiting += page
                before = page[-1].id
            for alert in reversed(waiting):
                sent = await self._archive.deliveries([alert.id])
                said = await self._archive.acknowledgements(alert.id)
                await self._server.add_alert(alert, sent)
                for each in said:
                    await self._server.change_alert(each, list(AlertState))
                await self._store.thread.call(partial(_forget, alert.id))
            self._is_empty = True
            if waiting:
                log.info("spool_drained", alerts=len(waiting))
            return len(waiting)

    async def _drained(self) -> bool:
        """Whether nothing waits in the file, after trying to hand it over."""
        if not self._is_empty:
            await self.drain()
        return self._is_empty


def _forget(alert: str, link: Connection) -> None:
    for table in (tables.acknowledgements, tables.deliveries):
        link.execute(delete(table).where(table.c.alert == alert))
    link.execute(delete(tables.alerts).where(tables.alerts.c.id == alert))
