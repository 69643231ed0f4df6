"""Who may write: claimed before what takes seconds is loaded, so that a refusal is quick."""

import asyncio
import os
from contextlib import suppress

import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.service_manager import tell
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import Sharing, host_name, open_sharing
from virtuoso.domain.errors import LeaseError
from virtuoso.domain.time import SECOND
from virtuoso.engine.writer import WriterLease
from virtuoso.ports import Clock
from virtuoso.wire.processes import Writer

log = structlog.get_logger()

STANDBY_LOOK_S = 0.5


async def refuse_second(settings: Settings) -> None:
    """Ask whether another engine writes; nothing is claimed. Raises LeaseError or SettingsError."""
    clock = SystemClock()
    async with open_sharing(settings, clock, alone=False) as sharing:
        await writer_lease(settings, sharing, clock).look()


def writer_lease(settings: Settings, sharing: Sharing, clock: Clock) -> WriterLease:
    """Make this process's claim to be the one writer; nobody was asked yet."""
    now = clock.now()
    ours = Writer(f"{now:x}-{os.getpid():x}", host_name(), os.getpid(), now)
    life_ms = settings.engine.lease_seconds * SECOND
    return WriterLease(sharing.leases, clock, ours, _is_gone, life_ms)


def _is_gone(writer: Writer) -> bool:
    """Whether it was a process of this machine and has ended."""
    if writer.host != host_name():
        return False
    try:
        os.kill(writer.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


async def become_writer(lease: WriterLease, stop: asyncio.Event, *, standby: bool) -> bool:
    """Claim the lease, or wait for it; False when a signal came first. Raises LeaseError."""
    said = False
    while not stop.is_set():
        try:
            await lease.claim()
        except LeaseError as error:
            if not standby:
                raise
            if not said:
                log.info("standing_by", reason=str(error))
                tell("READY=1")
                said = True
            tell("WATCHDOG=1")
        else:
            log.info("writing_claimed", epoch=lease.ours.epoch)
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(STANDBY_LOOK_S):
                await stop.wait()
    return False
