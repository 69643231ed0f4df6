"""Counts stored signals for whoever asks: the API and the command line."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from virtuoso.domain.fees import NO_FEES, Fees
from virtuoso.domain.signals import SignalFilter
from virtuoso.domain.time import MINUTE
from virtuoso.ports import Archive, Clock
from virtuoso.signals.record import Cell, Interval, record
from virtuoso.wire.signals import CountedMean, CountedRate, SignalCell

REMEMBERED: Final = 32
LIFE_MS: Final = 5 * MINUTE
"""Signals end a few times a day; a year of fifty symbols takes seconds to count."""


class SignalRecords:
    """Counts, one question at a time, and gives the same answer again for a while."""

    def __init__(self, archive: Archive, clock: Clock, fees: Fees = NO_FEES) -> None:
        self._fees = fees
        self._archive = archive
        self._clock = clock
        self._alone = asyncio.Lock()
        self._known: OrderedDict[SignalFilter, tuple[int, Sequence[SignalCell]]] = OrderedDict()

    async def count(self, wanted: SignalFilter) -> Sequence[SignalCell]:
        """Count the signals that are wanted. Raises StoreError."""
        async with self._alone:
            now = self._clock.monotonic_ms()
            known = self._known.get(wanted)
            if known is not None and now - known[0] < LIFE_MS:
                return known[1]
            cells = await count_signals(self._archive, wanted, self._fees)
            self._known[wanted] = (now, cells)
            self._known.move_to_end(wanted)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return cells


async def count_signals(
    archive: Archive, wanted: SignalFilter, fees: Fees = NO_FEES
) -> Sequence[SignalCell]:
    """Count the signals that are wanted. Raises StoreError."""
    results = await archive.signal_results(wanted)
    cells = await asyncio.to_thread(record, results, fees)
    return [cell_of(each) for each in cells]


def cell_of(cell: Cell) -> SignalCell:
    """Give a cell as the API has it."""
    return SignalCell(
        symbol=cell.symbol,
        direction=cell.direction,
        horizon_ms=cell.horizon_ms,
        method=cell.method,
        standing=cell.standing.value,
        n=cell.n,
        open=cell.open,
        days=cell.days,
        outcomes=dict(cell.outcomes),
        without_stop=cell.without_stop,
        lost=cell.lost,
        first_target=_rate(cell.first_target),
        mean_r=_mean(cell.mean_r),
        mean_r_after_fees=_mean(cell.mean_r_after_fees),
        median_r=cell.median_r,
        best_excursion=cell.best_excursion,
        worst_excursion=cell.worst_excursion,
    )


def _mean(found: Interval) -> CountedMean:
    return CountedMean(found.n, found.value, found.low, found.high, found.reason)


def _rate(found: Interval) -> CountedRate:
    return CountedRate(
        found.n, found.hits or 0, found.value, found.low, found.high, found.n_eff, found.reason
    )
