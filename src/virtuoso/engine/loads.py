"""What is fetched beside the stream, the most needed first, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import TypeAlias

import structlog

from virtuoso.domain.errors import FeedError
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import FeedEvent

log = structlog.get_logger()

AT_ONCE = 6


class Need(IntEnum):
    """Kinds of fetches, in the order in which they are made."""

    CANDLES = 0
    TRADES = 1
    FUNDING = 2
    DERIVATIVES = 3
    NEWEST_SERIES = 4
    OPEN_INTEREST = 5


Fetch: TypeAlias = Callable[[Instrument, Need], Awaitable[FeedEvent | None]]


class Loads:
    """A queue of fetches whose answers are put into a venue's line; each waits there but once."""

    def __init__(self, fetch: Fetch, insert: Callable[[FeedEvent], Awaitable[None]]) -> None:
        """`fetch` gives the event to insert, or None when there is no need for it any more."""
        self._fetch = fetch
        self._insert = insert
        self._queue: asyncio.PriorityQueue[tuple[Need, int, Instrument]] = asyncio.PriorityQueue()
        self._waiting: set[tuple[Instrument, Need]] = set()
        self._numbers = 0

    def ask(self, instrument: Instrument, need: Need) -> None:
        """Fetch this as soon as its turn comes."""
        if (instrument, need) in self._waiting:
            return
        self._waiting.add((instrument, need))
        self._numbers += 1
        self._queue.put_nowait((need, self._numbers, instrument))

    @property
    def waiting(self) -> int:
        """How many fetches have not been answered."""
        return len(self._waiting)

    def is_waiting_for(self, need: Need) -> bool:
        """Whether a fetch of this kind has not been answered."""
        return any(each is need for _, each in self._waiting)

    async def run(self) -> None:
        """Work for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(self._work())

    async def _work(self) -> None:
        while True:
            need, _, instrument = await self._queue.get()
            try:
                event = await self._fetch(instrument, need)
            except FeedError as error:
                log.warning(
                    "fetch_failed", symbol=instrument.symbol, need=need.name, error=str(error)
                )
                event = None
            # only what is asked for after the answer came needs another one
            self._waiting.discard((instrument, need))
            if event is not None:
                await self._insert(event)
