"""Looks after the cache servers: how full they are, and whether one was emptied."""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from virtuoso.adapters.cache.server_memory import ServerMemory
from virtuoso.adapters.cache.shared import LONGEST_LIFE_MS, Lived, SharedCache
from virtuoso.adapters.cache.tiered import TieredCache
from virtuoso.domain.errors import CacheError
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock
from virtuoso.wire import keys
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

LOOK_S: Final = 5.0
ALARM_SHARE: Final = 0.8
"""Of its limit that a server may use before we say so."""
_MEGABYTE: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found the last time."""

    memory: ServerMemory
    at: Millis

    @property
    def alarm(self) -> bool:
        """Whether it is nearly full."""
        return (self.memory.share or 0.0) >= ALARM_SHARE

    @property
    def text(self) -> str:
        """For people."""
        memory = self.memory
        if memory.limit is None:
            return f"{memory.used / _MEGABYTE:.0f} MB used, no limit set"
        used, limit = memory.used / _MEGABYTE, memory.limit / _MEGABYTE
        return f"{used:.0f} of {limit:.0f} MB used ({100 * memory.used / memory.limit:.0f} %)"


class TierWatch:
    """Asks each server every five seconds.

    With `restores` a server that was emptied (flushed, or started anew) gets back what this process
    holds, before anybody asks for it: a mark lies on each server, and whoever empties one takes it
    away too.
    """

    def __init__(self, cache: TieredCache, clock: Clock, *, restores: bool) -> None:
        self._cache = cache
        self._clock = clock
        self._restores = restores
        self.looked: dict[str, Looked] = {}
        """By name of the server; those that answered."""
        self.emptied = 0
        """Servers found without the mark so far, the first look at an empty one included."""
        self.restored = 0
        """Values given back to them."""

    async def run(self) -> None:
        """Look for ever; ends only by cancellation."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask every server that is in use, once."""
        for server in self._cache.servers():
            try:
                found = Looked(await server.memory(), self._clock.now())
                was = self.looked.get(server.name)
                self.looked[server.name] = found
                if found.alarm and (was is None or not was.alarm):
                    log.warning("cache_nearly_full", tier=server.name, memory=found.text)
                if self._restores:
                    await self._restore(server)
            except CacheError as error:
                self.looked.pop(server.name, None)
                log.info("cache_not_looked_at", tier=server.name, error=str(error))

    async def _restore(self, server: SharedCache) -> None:
        if keys.MARK in await server.fetch((keys.MARK,)):
            return
        self.emptied += 1
        # first the values: whoever is interrupted between the two begins again
        given = self._cache.give_back(server.name)
        self.restored += given
        await server.store({keys.MARK: Lived(b"1", LONGEST_LIFE_MS)})
        log.info("cache_given_back", tier=server.name, values=given)

    def parts(self) -> tuple[PartHealth, ...]:
        """Health of the servers' memory: those that are nearly full."""
        return tuple(
            PartHealth(f"cache_{name}_memory", "warn", f"{name} is nearly full: {each.text}")
            for name, each in self.looked.items()
            if each.alarm
        )
