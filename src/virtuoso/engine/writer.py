"""The right to be the one writer: claimed before anything is published, proven all the time.

The lease lies on the very servers that are written to. Whoever cannot reach any of them cannot
write either; whoever reaches one finds there who writes.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from virtuoso.domain.errors import CacheError, LeaseError
from virtuoso.ports import Clock, Lease
from virtuoso.wire.messages import to_json
from virtuoso.wire.processes import PartHealth, Writer, writer_of
from virtuoso.wire.records import iso

log = structlog.get_logger()

LIFE_MS: Final = 5_000
RENEW_S: Final = 1.0
DISPUTES: Final = 2
"""Renewals for which two names may stand on two servers; a claim withdrawn takes less."""


class WriterLease:
    """Claims and renews; `proven` says whether this process may write at this moment.

    Without a place nobody else can be there: then it is always proven.
    """

    def __init__(
        self,
        places: Sequence[Lease],
        clock: Clock,
        ours: Writer,
        is_gone: Callable[[Writer], bool] = lambda _: False,
        life_ms: int = LIFE_MS,
    ) -> None:
        """`is_gone` knows whether a process of this machine has ended without a word."""
        self._places = tuple(places)
        self._clock = clock
        self._is_gone = is_gone
        self._life_ms = life_ms
        self._proven_ms: int | None = None
        self._disputes = 0
        self._renewing = asyncio.Lock()
        self.ours = ours
        self._name = to_json(ours)
        self.lost: LeaseError | None = None
        """Why this process must never write again, once that is so."""
        self.error: str | None = None
        """What a place said last that did not renew."""

    @property
    def proven(self) -> bool:
        """Whether nobody else can have been named since our name was seen last."""
        if self.lost is not None:
            return False
        if not self._places:
            return True
        at_ms = self._clock.monotonic_ms()
        return self._proven_ms is not None and at_ms - self._proven_ms < self._life_ms

    async def claim(self) -> None:
        """Be named where nobody is. Raises LeaseError, which names whoever is."""
        self.lost = None
        await self.look()
        await self._renew()
        if self.lost is not None:
            raise self.lost

    async def look(self) -> None:
        """Make sure that nobody else is named, without a claim. Raises LeaseError."""
        for place in self._places:
            try:
                held = await place.holder()
                if held is None or held == self._name:
                    continue
                if (found := writer_of(held)) is None or not self._is_gone(found):
                    raise LeaseError(self._refusal(held))
                log.warning("writer_is_gone", pid=found.pid)
                await place.release(held)
            except CacheError as error:
                self.error = f"{place.name}: {error}"

    async def run(self) -> None:
        """Renew until another is named. Raises LeaseError then."""
        while True:
            await asyncio.sleep(RENEW_S)
            await self._renew()
            if self.lost is not None:
                raise self.lost

    async def may_write(self) -> bool:
        """Whether to write now; after a pause of this process that must be found out anew."""
        if not self.proven and self.lost is None:
            await self._renew()
        return self.proven

    async def release(self) -> None:
        """Make room at once for whoever comes next."""
        self._proven_ms = None
        for place in self._places:
            try:
                await place.release(self._name)
            except CacheError as error:
                self.error = f"{place.name}: {error}"

    async def _renew(self) -> None:
        async with self._renewing:
            if self._places and self.lost is None:
                await self._ask()

    async def _ask(self) -> None:
        """Ask every place; one that names us is enough, as long as none names a later one."""
        asked_ms = self._clock.monotonic_ms()
        ours = 0
        others: list[bytes] = []
        self.error = None
        for place in self._places:
            try:
                held = await place.keep(self._name, self._life_ms)
            except CacheError as error:
                self.error = f"{place.name}: {error}"
                continue
            if held == self._name:
                ours += 1
            else:
                others.append(held)
        later = [each for each in others if self._is_later(each)]
        self._disputes = self._disputes + 1 if ours and later else 0
        if others and (not ours or self._disputes > DISPUTES):
            self._proven_ms = None
            self.lost = LeaseError(self._refusal(others[0]))
            log.error("writing_refused", holder=others[0].decode("utf-8", "replace")[:200])
            await self.release()
        elif ours:
            # the life counts from before it was asked for
            self._proven_ms = asked_ms

    def _is_later(self, held: bytes) -> bool:
        found = writer_of(held)
        return found is not None and found.since > self.ours.since

    def _refusal(self, held: bytes) -> str:
        found = writer_of(held)
        if found is None:
            who = f"somebody unreadable ({held[:60]!r})"
        else:
            who = f"process {found.pid} on {found.host}, since {iso(found.since)}"
        return (
            f"expected to be the one engine that writes, found another: {who}. Stop that one, "
            "or start this one with --standby to take over when it ends"
        )

    def part(self) -> PartHealth:
        """Health of the lease."""
        if not self._places:
            return PartHealth("writer", "pass", "no other process shares this cache")
        if self.proven:
            names = ", ".join(place.name for place in self._places)
            text = f"the one writer, as named by {names}"
            if self.error is None:
                return PartHealth("writer", "pass", text)
            return PartHealth("writer", "warn", f"{text}; {self.error}"[:300])
        why = self.error or "not claimed yet"
        return PartHealth("writer", "fail", f"nothing is published: {why}"[:300])
