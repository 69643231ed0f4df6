"""Measures of what works beside the engine: venues' budgets, the store, what waits to be told."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from virtuoso.adapters.feed.limits import Budgets, BudgetStatus
from virtuoso.apps.alerting import Alerting
from virtuoso.apps.history import History
from virtuoso.apps.self_watch import SelfWatch
from virtuoso.domain.alerts import Waiting
from virtuoso.domain.errors import StoreError
from virtuoso.domain.history import StoreState
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock
from virtuoso.wire.measures import Measure

log = structlog.get_logger()

LOOK_S: Final = 10.0


class EngineMeasures:
    """`run` must run: it asks the store what waits."""

    def __init__(
        self,
        clock: Clock,
        own: SelfWatch,
        budgets: Budgets | None,
        history: History | None,
        alerting: Alerting | None,
    ) -> None:
        self._clock = clock
        self._own = own
        self._budgets = budgets
        self._history = history
        self._alerting = alerting
        self._waiting: Sequence[Waiting] | None = None

    async def run(self) -> None:
        """Look for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._own.run())
            while True:
                await self._look()
                await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        if self._history is None or self._alerting is None:
            return
        try:
            self._waiting = await self._history.archive.waiting()
        except StoreError as error:
            # not known is not nothing
            self._waiting = None
            log.debug("waiting_not_known", error=str(error))

    def measures(self) -> tuple[Measure, ...]:
        """What is known now."""
        return tuple(self._all())

    def _all(self) -> Iterator[Measure]:
        yield from self._own.measures()
        for status in () if self._budgets is None else self._budgets.statuses():
            yield from budget_measures(status)
        if self._history is not None:
            yield from store_measures(self._history.store.state, self._clock.now())
        if self._alerting is not None and self._waiting is not None:
            yield from waiting_measures(self._alerting.channels, self._waiting, self._clock.now())


def budget_measures(status: BudgetStatus) -> Iterator[Measure]:
    """What is left of the requests that a venue may be asked."""
    of = {"venue": str(status.venue)}
    most = status.amount * status.share
    left = max(0.0, 1.0 - status.used / most) if most > 0 else None
    yield Measure("feed_budget_left_ratio", left, of)
    yield Measure("feed_requests_waiting", float(status.waiting), of)
    yield Measure("feed_banned", float(status.banned_until is not None), of)


def store_measures(state: StoreState, now: int) -> Iterator[Measure]:
    """What waits to be written, and what was."""
    of = {"queue": "store"}
    yield Measure("queue_length", float(state.waiting), of)
    yield Measure("queue_full_ratio", state.waiting / state.room if state.room else None, of)
    yield Measure("store_written_total", float(state.written))
    yield Measure("store_lost_total", float(state.lost))
    written = state.last_written
    age = None if written is None else max(0, now - written) / 1e3
    yield Measure("store_last_write_age_seconds", age)
    yield Measure("store_failing", float(state.error is not None))


def waiting_measures(
    channels: Sequence[str], waiting: Sequence[Waiting], now: Millis
) -> Iterator[Measure]:
    """What has not been told, by channel: those that are set up, and those that were."""
    known = {each.channel: each for each in waiting}
    for channel in dict.fromkeys((*channels, *known)):
        found = known.get(channel)
        of = {"channel": channel}
        yield Measure("alerts_waiting", 0.0 if found is None else float(found.count), of)
        age = None if found is None else max(0, now - found.oldest) / 1e3
        yield Measure("alerts_oldest_waiting_seconds", age, of)
