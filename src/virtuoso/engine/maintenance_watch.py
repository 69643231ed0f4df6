"""Asks a venue again and again whether it announces maintenance, and keeps what it said last."""

import asyncio

import structlog

from virtuoso.domain.errors import FeedError, NotOfferedError
from virtuoso.domain.instruments import Venue
from virtuoso.domain.maintenance import Maintenance
from virtuoso.domain.time import HOUR, Millis
from virtuoso.ports import History
from virtuoso.wire.board import Notice
from virtuoso.wire.records import iso

log = structlog.get_logger()

ASK_SECONDS = 8.0
AHEAD_MS = 24 * HOUR
"""How long before its beginning a reader is told."""


class MaintenanceWatch:
    """What one venue announces."""

    def __init__(self, venue: Venue, history: History, every_seconds: float) -> None:
        self._venue = venue
        self._history = history
        self._every_seconds = every_seconds
        self._announced: tuple[Maintenance, ...] = ()

    async def run(self) -> None:
        """Ask until cancelled, or until the venue turns out to announce nothing."""
        while True:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    announced = tuple(await self._history.maintenance())
            except NotOfferedError:
                return
            except (FeedError, TimeoutError) as error:
                # what was announced before still stands: an end is known by its time
                log.warning("maintenance_not_asked", venue=self._venue, error=str(error))
            else:
                if announced != self._announced:
                    log.info("maintenance_announced", venue=self._venue, times=len(announced))
                self._announced = announced
            await asyncio.sleep(self._every_seconds)

    def notices(self, now: Millis) -> tuple[Notice, ...]:
        """Say what is announced and near, `now` on the venue's clock."""
        found = []
        for each in self._announced:
            over = each.end is not None and now >= each.end
            if over or each.begin > now + AHEAD_MS:
                continue
            until = "" if each.end is None else f" to {iso(each.end)}"
            is_on = each.ongoing or now >= each.begin
            verb = "is under maintenance" if is_on else "announces maintenance"
            text = f"{self._venue} {verb} from {iso(each.begin)}{until}: {each.title}"
            found.append(Notice("maintenance", text, each.begin))
        return tuple(found)
