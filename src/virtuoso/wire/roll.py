"""Who is there: each serving process says so in a slot of the cache, and others read all slots.

No server of ours can list its keys, so the slots are numbered. A process takes the first that is
free; where two took the same, the one that started later moves on.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog

from virtuoso.domain.errors import ValueRefusedError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Cache, Clock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.processes import ProcessReport

log = structlog.get_logger()

OVER_MS: Final = 10 * SECOND
"""A word older than this is of one that died: its slot can be had."""
SLOTS: Final = tuple(keys.process(slot) for slot in range(keys.PROCESS_SLOTS))


class Roll:
    """The slots, for a process that takes one, and for one that only looks."""

    def __init__(self, cache: Cache, codec: Codec, clock: Clock) -> None:
        self._cache = cache
        self._codec = codec
        self._clock = clock
        self._slot: str | None = None
        self._seq = 0

    async def read(self) -> tuple[ProcessReport, ...]:
        """Everybody who said so lately. Raises CacheError."""
        return tuple((await self._reports(SLOTS)).values())

    async def answer(self, report: ProcessReport) -> None:
        """Say that we live, in our slot. Raises CacheError.

        The report's `epoch` names us; its `seq` is counted here.
        """
        if self._slot is not None:
            there = await self._reports((self._slot,))
            if self._yields(report, there.get(self._slot)):
                self._slot = None
        if self._slot is None:
            self._slot = await self._free_slot(report)
        if self._slot is None:
            log.warning("no_free_slot", slots=keys.PROCESS_SLOTS)
            return
        self._seq += 1
        said = msgspec.structs.replace(report, seq=self._seq, now=self._clock.now())
        # the last word of one that leaves makes room soon
        life_ms = SECOND if report.leaving else keys.life_ms(self._slot)
        await self._cache.set(self._slot, self._codec.encode(self._slot, said), life_ms)

    def _yields(self, report: ProcessReport, found: ProcessReport | None) -> bool:
        """Whether somebody who was there before us has our slot."""
        return (
            found is not None
            and not self._is_over(found)
            and found.epoch != report.epoch
            and (found.started, found.epoch) < (report.started, report.epoch)
        )

    async def _free_slot(self, report: ProcessReport) -> str | None:
        reports = await self._reports(SLOTS)
        for key in SLOTS:
            found = reports.get(key)
            if found is None or found.epoch == report.epoch or self._is_over(found):
                return key
        return None

    def _is_over(self, found: ProcessReport) -> bool:
        """Whether this was said so long ago that its slot can be had; some tiers keep it longer."""
        return found.leaving or self._clock.now() - found.now > OVER_MS

    async def _reports(self, slots: Sequence[str]) -> Mapping[str, ProcessReport]:
        # our own last word must not stand for what others see
        self._cache.forget(slots)
        values = await self._cache.multi_get(slots)
        found: dict[str, ProcessReport] = {}
        for key, value in values.items():
            if value is None:
                continue
            try:
                found[key] = self._codec.decode(key, value, ProcessReport)
            except ValueRefusedError as error:
                log.warning("process_report_refused", error=str(error))
        return found
