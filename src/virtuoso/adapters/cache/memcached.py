"""The tier between our processes on one machine: memcached. Christus Rex."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from virtuoso.adapters.cache.memcached_link import Link, connect
from virtuoso.adapters.cache.server_memory import ServerMemory, memcached_memory
from virtuoso.adapters.cache.shared import (
    LONGEST_LIFE_MS,
    Held,
    Lived,
    SharedCache,
    checked,
    with_life,
)
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

POOL: Final = 2
TIMEOUT_S: Final = 0.1
KEYS_A_COMMAND: Final = 100
_PROBE: Final = b"virtuoso:probe"


class MemcachedCache(SharedCache):
    """One memcached server, at an address of the loopback, another host or a unix socket.

    Commands are pipelined, so that few connections serve many callers: the last one of the pool
    writes, the others read in turn, and no read waits behind a batch of writes.
    """

    name = "memcached"

    def __init__(
        self,
        clock: Clock,
        address: tuple[str, int] | Path,
        pool: int = POOL,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`pool` is the number of connections, at least 2."""
        super().__init__(clock)
        if pool < 2:
            message = f"expected a pool of at least 2 connections, found {pool}"
            raise ValueError(message)
        self._address = address
        self._timeout_s = timeout_s
        self._links: list[Link | None] = [None] * pool
        self._connecting: dict[int, asyncio.Task[Link]] = {}
        self._turn = 0

    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """What is there of these keys, in one round trip."""
        names = self._names
        wanted = {
            name: key for key in keys if (name := names.get(key) or self._name(key)) is not None
        }
        if not wanted:
            return {}
        self._turn = (self._turn + 1) % (len(self._links) - 1)
        link = self._links[self._turn]
        if link is None or link.lost is not None:
            link = await self._connected(self._turn)
        if len(wanted) <= KEYS_A_COMMAND:
            found = await link.values(wanted)
        else:
            left = iter(wanted)
            asked = []
            while part := tuple(islice(left, KEYS_A_COMMAND)):
                asked.append(link.values(part))
            found = {}
            for answer in await asyncio.gather(*asked):
                found |= answer
        return self._opened(zip(map(wanted.__getitem__, found), found.values(), strict=True))

    async def store(self, values: Mapping[str, Lived]) -> None:
        """Store every value in one round trip; one without a life is removed."""
        await self._write(b"set", values)

    async def refill(self, values: Mapping[str, Lived]) -> None:
        """Store those of which there is nothing; what is there may be newer, and stays."""
        await self._write(b"add", {key: each for key, each in values.items() if each.life_ms > 0})

    async def probe(self) -> None:
        """Return when the server answers."""
        link = await self._connected(0)
        await link.values((_PROBE,))

    async def memory(self) -> ServerMemory:
        """Ask on a connection of its own: the others speak of values alone."""
        return await memcached_memory(self._address, self._timeout_s)

    async def close(self) -> None:
        """Release connections."""
        for task in self._connecting.values():
            task.cancel()
        for link in self._links:
            if link is not None:
                link.close()
        self._links = [None] * len(self._links)

    async def _write(self, command: bytes, values: Mapping[str, Lived]) -> None:
        if not values:
            return
        now = self._clock.now()
        parts: list[bytes] = []
        for key, (value, life_ms) in values.items():
            name = checked(key).encode()
            if life_ms <= 0:
                parts += (b"delete ", name, b"\r\n")
                continue
            stored = with_life(key, value, life_ms, now)
            head = b"%b %b 0 %d %d\r\n" % (command, name, _seconds(life_ms), len(stored))
            parts += (head, stored, b"\r\n")
        link = await self._connected(len(self._links) - 1)
        await link.lines(b"".join(parts), len(values))

    async def _connected(self, place: int) -> Link:
        """The connection of this place, opened by one caller for all that wait for it."""
        link = self._links[place]
        if link is not None and link.lost is None:
            return link
        task = self._connecting.get(place)
        if task is None:
            task = asyncio.create_task(connect(self._address, self._timeout_s))
            self._connecting[place] = task
            task.add_done_callback(lambda _: self._connecting.pop(place, None))
        link = await asyncio.shield(task)
        self._links[place] = link
        return link


def _seconds(life_ms: int) -> int:
    """Whole seconds that are surely not shorter: the server's clock ticks once a second."""
    return -(-min(life_ms, LONGEST_LIFE_MS) // SECOND) + 1
