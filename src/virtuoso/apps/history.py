"""Opens the store as the settings say: for the engine, and for what only reads."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from virtuoso.adapters.sink.influx import InfluxSink
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.backup import backup_file, backup_name, backups, prune
from virtuoso.adapters.store.database import Place, place_of
from virtuoso.adapters.store.keepsake import StoreKeepsake
from virtuoso.adapters.store.ledger import SqlLedger
from virtuoso.adapters.store.opening import prepare
from virtuoso.adapters.store.spool import SpoolingLedger
from virtuoso.adapters.store.store import SqlStore
from virtuoso.apps.archive import place_in
from virtuoso.apps.settings import Settings, StoreSettings
from virtuoso.domain.errors import SettingsError, StoreError, StoreUnavailableError
from virtuoso.domain.history import Retention
from virtuoso.domain.time import HOUR
from virtuoso.engine.recorder import RecordSettings
from virtuoso.ports import Archive, Clock, Keepsake, Ledger, Sink, Store

log = structlog.get_logger()

BACKUP_LOOK_S = 300.0
"""How often it is looked whether a backup is due."""


@dataclass(frozen=True, slots=True)
class History:
    """What an engine holds of the store."""

    store: Store
    ledger: Ledger
    archive: Archive
    keepsake: Keepsake
    sink: Sink | None


def retention_of(ours: StoreSettings) -> Retention:
    """How long what is kept."""
    return Retention(
        fine_days=ours.fine_days,
        middle_days=ours.middle_days,
        coarse_days=ours.coarse_days or None,
        minute_candle_days=ours.minute_candle_days,
        five_minute_candle_days=ours.five_minute_candle_days,
        delivery_days=ours.delivery_days,
    )


def record_settings(ours: StoreSettings) -> RecordSettings:
    """How densely what is written."""
    return RecordSettings(ours.score_seconds, ours.derivatives_seconds)


def sink_in(environment: Mapping[str, str]) -> Sink | None:
    """Where copies of rows go, as `INFLUXDB_URL` and `INFLUXDB_TOKEN` say; None: nowhere."""
    url = environment.get("INFLUXDB_URL", "").strip()
    if not url:
        return None
    if not url.startswith(("http://", "https://")):
        msg = f"expected INFLUXDB_URL as http://HOST:PORT, found {url[:60]!r}"
        raise SettingsError(msg)
    return InfluxSink(url, environment.get("INFLUXDB_TOKEN", "").strip())


@asynccontextmanager
async def open_history(
    settings: Settings, clock: Clock, source: str
) -> AsyncIterator[History | None]:
    """Open the store for the engine that writes; None where it is off, or a recording plays.

    The schema is brought up to date first. A database that cannot be reached does not keep the
    engine from its scores: rows wait for it, and health says so.
    """
    if not settings.store.enabled or source.startswith("replay"):
        yield None
        return
    place = place_in(settings)
    sink = sink_in(os.environ)
    archive = SqlArchive(place)
    notice: str | None = None
    late: asyncio.Task[None] | None = None
    try:
        notice = await asyncio.to_thread(prepare, place, clock.now())
    except StoreUnavailableError as error:
        log.warning("store_not_ready", error=str(error))
        late = asyncio.create_task(_prepare_later(place, clock))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(archive.close)
        store = SqlStore(place, clock, retention_of(settings.store), notice=notice)
        stack.push_async_callback(store.close)
        if late is not None:
            stack.callback(late.cancel)
        ours = settings.store
        if place.path is not None and ours.backup_hours:
            copying = asyncio.create_task(_back_up(place.path, ours, clock))
            stack.callback(copying.cancel)
        ledger: Ledger = SqlLedger(store.thread)
        if place.path is None:
            ledger = await _spooling(SqlLedger(store.thread), settings, clock, stack)
        yield History(
            store, ledger, archive, StoreKeepsake(archive, store, source, clock.now), sink
        )


async def _spooling(
    server: SqlLedger, settings: Settings, clock: Clock, stack: AsyncExitStack
) -> SpoolingLedger:
    """Let a file of the state folder stand in for a server that is away."""
    spool = place_of("", settings.state.folder(os.environ) / "spool")
    await asyncio.to_thread(prepare, spool, clock.now())
    store, archive = SqlStore(spool, clock), SqlArchive(spool, threads=1)
    stack.push_async_callback(store.close)
    stack.push_async_callback(archive.close)
    return SpoolingLedger(server, store, archive)


async def _back_up(path: Path, ours: StoreSettings, clock: Clock) -> None:
    """Copy the store while it is written, as often as the settings say; the newest ones stay."""
    while True:
        await asyncio.sleep(BACKUP_LOOK_S)
        newest = backups(path)
        due = clock.now() - round(ours.backup_hours * HOUR)
        if newest and newest[0].path.stat().st_mtime * 1_000 > due:
            continue
        try:
            rows = await asyncio.to_thread(backup_file, path, backup_name(path, clock.now()))
        except (StoreError, OSError) as error:
            log.warning("store_not_backed_up", error=str(error))
        else:
            await asyncio.to_thread(prune, path, ours.backups)
            log.info("store_backed_up", rows=rows)


async def _prepare_later(place: Place, clock: Clock) -> None:
    """Bring the schema up to date once the database answers."""
    pause = 1.0
    while True:
        await asyncio.sleep(pause)
        try:
            await asyncio.to_thread(prepare, place, clock.now())
        except StoreUnavailableError:
            pause = min(2 * pause, 10.0)
        except StoreError as error:
            log.warning("store_not_ready", error=str(error))
            return
        else:
            log.info("store_ready", place=str(place))
            return
