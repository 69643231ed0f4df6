"""A live feed whose line a test writes, in which everything inserted stands in its place."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence

from virtuoso.domain.instruments import BYBIT, Instrument, Venue
from virtuoso.domain.market_data import FeedEvent
from virtuoso.domain.scores import Source
from virtuoso.testing.fake_feed import FakeFeed


class FakeLine(FakeFeed):
    """Yields what is put or inserted, in that order, for ever; `taken` keeps all of it."""

    def __init__(self, venue: Venue = BYBIT, source: Source = Source.SIMULATOR) -> None:
        super().__init__(venue=venue, source=source)
        self._queue: asyncio.Queue[Sequence[FeedEvent]] = asyncio.Queue()
        self.taken: list[FeedEvent] = []

    def put(self, *events: FeedEvent) -> None:
        """Receive these in one batch."""
        self.taken.extend(events)
        self._queue.put_nowait(events)

    async def insert(self, event: FeedEvent) -> None:
        """Put it behind what was received."""
        await super().insert(event)
        self.put(event)

    async def events(
        self, instruments: Collection[Instrument]
    ) -> AsyncIterator[Sequence[FeedEvent]]:
        """The line."""
        self.asked_for = tuple(instruments)
        while True:
            yield await self._queue.get()
