"""Says each second that a process lives, and a last word when it ends on purpose."""

import asyncio
from contextlib import suppress
from typing import Final, Protocol

import structlog

from virtuoso.domain.errors import CacheError
from virtuoso.wire.processes import ProcessReport
from virtuoso.wire.roll import Roll

log = structlog.get_logger()

EVERY_S: Final = 1.0
LAST_WORD_S: Final = 0.5


class Report(Protocol):
    """Makes what is said."""

    def __call__(self, *, leaving: bool) -> ProcessReport:
        """What holds at this moment."""
        ...


class Presence:
    """One process's entry in the roll."""

    def __init__(self, roll: Roll, report: Report) -> None:
        self._roll = roll
        self._report = report

    async def run(self) -> None:
        """Say so for ever; ends only by cancellation."""
        try:
            while True:
                with suppress(CacheError):
                    await self._roll.answer(self._report(leaving=False))
                await asyncio.sleep(EVERY_S)
        finally:
            with suppress(CacheError, TimeoutError):
                async with asyncio.timeout(LAST_WORD_S):
                    await self._roll.answer(self._report(leaving=True))
