"""Signals, alerts, deliveries, settings and audit: committed when a call returns."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, func, insert, or_, select, text, update

from virtuoso.adapters.store import tables
from virtuoso.adapters.store.records import (
    alert_values,
    delivery_from,
    delivery_values,
    entry_from,
    entry_values,
    event_values,
    signal_from,
    signal_values,
)
from virtuoso.adapters.store.store import upsert
from virtuoso.adapters.store.thread import WriteThread
from virtuoso.domain.alerts import Acknowledgement, Alert, AlertState, Delivery, DeliveryState
from virtuoso.domain.deeds import FIRST_LINK, ChainedDeed, Deed, SettingsVersion, link
from virtuoso.domain.errors import StoreRefusedError
from virtuoso.domain.signals import Signal, SignalEvent, SignalState
from virtuoso.domain.time import Millis

T = TypeVar("T")


class SqlLedger:
    """Writes by the store's one thread, before any row of history that waits there."""

    def __init__(self, thread: WriteThread) -> None:
        self._thread = thread

    async def add_signal(self, signal: Signal, events: Sequence[SignalEvent] = ()) -> bool:
        """Keep a signal and its first steps, together; False when it is kept already."""
        values = _checked(signal_values, signal)
        steps = [event_values(each) for each in events]

        def add(link: Connection) -> bool:
            if not _add(link, tables.signals, values):
                return False
            if steps:
                link.execute(insert(tables.signal_events), steps)
            return True

        return await self._thread.call(add)

    async def change_signal(
        self, signal: Signal, before: SignalState, events: Sequence[SignalEvent] = ()
    ) -> bool:
        """Keep what became of a signal, if its state is still `before`; what was said stays."""
        _checked(signal_values, signal)
        table = tables.signals
        wanted = (
            select(table).where(table.c.id == signal.id, table.c.state == before).with_for_update()
        )
        steps = [event_values(each) for each in events]

        def change(link: Connection) -> bool:
            row = link.execute(wanted).first()
            if row is None:
                return False
            values = signal_values(signal_from(row).followed_like(signal))
            link.execute(update(table).where(table.c.number == row.number).values(values))
            if steps:
                link.execute(insert(tables.signal_events), steps)
            return True

        return await self._thread.call(change)

    async def add_alert(self, alert: Alert, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep an alert and what is to be sent of it, together; False when it is kept already."""
        values = _checked(alert_values, alert)
        rows = [delivery_values(each) for each in deliveries]

        def add(link: Connection) -> bool:
            if not _add(link, tables.alerts, values):
                return False
            if rows:
                link.execute(upsert(link, tables.deliveries, (), ("id",)), rows)
            return True

        return await self._thread.call(add)

    async def change_alert(self, said: Acknowledgement, before: Collection[AlertState]) -> bool:
        """Set an alert's state and keep who said so, if its state is one of `before`."""
        table = tables.alerts
        statement = (
            update(table)
            .where(table.c.id == said.alert, table.c.state.in_(sorted(before)))
            .values(state=said.state, changed_at=said.at)
        )

        def change(link: Connection) -> bool:
            if link.execute(statement).rowcount != 1:
                return False
            link.execute(insert(tables.acknowledgements), [asdict(said)])
            return True

        return await self._thread.call(change)

    async def claim_deliveries(
        self, channel: str, now: Millis, life_ms: int, limit: int
    ) -> Sequence[Delivery]:
        """Take what is to be sent to a channel next, oldest first, up to one that is retried later.

        What was not tried and is not due yet waits for the end of quiet hours: it is passed over.
        """
        table = tables.deliveries
        wanted = (
            select(table)
            .where(
                table.c.ended.is_(False),
                table.c.channel == channel,
                or_(table.c.state != DeliveryState.PENDING, table.c.due_at <= now),
            )
            .order_by(table.c.number)
            .limit(limit)
            .with_for_update()
        )

        def claim(link: Connection) -> Sequence[Delivery]:
            taken: list[Delivery] = []
            for row in link.execute(wanted):
                if row.due_at > now:
                    break
                found = delivery_from(row)
                taken.append(
                    Delivery(
                        id=found.id,
                        alert=found.alert,
                        channel=found.channel,
                        created_at=found.created_at,
                        state=DeliveryState.SENDING,
                        attempts=found.attempts + 1,
                        due_at=Millis(now + life_ms),
                        changed_at=now,
                        error=found.error,
                        remote=found.remote,
                    )
                )
            for each in taken:
                link.execute(
                    update(table).where(table.c.id == each.id).values(delivery_values(each))
                )
            return taken

        return await self._thread.call(claim)

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep how an attempt ended, if its claim is still the newest."""
        table = tables.deliveries
        statement = (
            update(table)
            .where(
                table.c.id == delivery.id,
                table.c.attempts == delivery.attempts,
                table.c.ended.is_(False),
            )
            .values(delivery_values(delivery))
        )
        return await self._thread.call(lambda link: link.execute(statement).rowcount == 1)

    async def add_settings(self, version: SettingsVersion) -> bool:
        """Keep a version; False when its number is taken. The numbers have no hole."""
        table = tables.settings_versions

        def add(link: Connection) -> bool:
            _alone(link, table)
            last = link.execute(select(func.max(table.c.number))).scalar() or 0
            if version.number <= last:
                return False
            if version.number != last + 1:
                msg = f"expected version {last + 1} of the settings, found {version.number}"
                raise StoreRefusedError(msg)
            link.execute(insert(table), [asdict(version)])
            return True

        return await self._thread.call(add)

    async def add_deed(self, deed: Deed) -> ChainedDeed:
        """Chain a deed to the audit."""
        table = tables.audit

        def chain(connection: Connection) -> ChainedDeed:
            _alone(connection, table)
            newest = connection.execute(
                select(table).order_by(table.c.number.desc()).limit(1)
            ).first()
            last = None if newest is None else entry_from(newest)
            number, previous = (0, FIRST_LINK) if last is None else (last.number, last.hash)
            entry = _checked(lambda each: link(number + 1, each, previous), deed)
            connection.execute(insert(table), [_checked(entry_values, entry)])
            return entry

        return await self._thread.call(chain)


def _add(link: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row; False when its id is there already."""
    statement = upsert(link, table, (), ("id",)).returning(table.c.id)
    return link.execute(statement, values).first() is not None


def _alone(link: Connection, table: Table) -> None:
    """Let nobody else write into a table until the end; in SQLite nobody can."""
    if link.dialect.name == "postgresql":
        link.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))


A = TypeVar("A")


def _checked(make: Callable[[A], T], given: A) -> T:
    """Refuse what JSON cannot say, before the writing thread sees it."""
    try:
        return make(given)
    except (TypeError, ValueError) as error:
        msg = f"expected details that JSON can say, found: {error}"
        raise StoreRefusedError(msg) from error
