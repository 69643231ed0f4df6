"""Stands where the engine stands: takes what a feed gives, judges it, asks the feed to mend."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from support.slack import SLACK
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import (
    Connected,
    Disconnected,
    FeedEvent,
    MarketEvent,
    Topic,
    TopicSilent,
)
from virtuoso.domain.scores import Reason
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action
from virtuoso.ports import Feed

E = TypeVar("E")


class FeedListener:
    """Keeps a door, books, and what the feed said of itself."""

    def __init__(self, feed: Feed, instruments: Sequence[Instrument]) -> None:
        self.feed = feed
        self.instruments = tuple(instruments)
        self.door = Door(instruments)
        self.books = {instrument: OrderBook() for instrument in instruments}
        self.words: list[FeedEvent] = []
        """Everything that is no market data, in order."""
        self.resyncs: list[tuple[Instrument, str]] = []
        self.kinds: Counter[str] = Counter()
        self.heard: Counter[tuple[Instrument, str]] = Counter()
        self.connected: set[Instrument] = set()
        self.mends = True
        self.recycles = False
        """Whether a connection is opened anew where the door wants it."""
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Take everything that comes."""
        async for batch in self.feed.events(self.instruments):
            for event in batch:
                self.take(event)
            async with self._changed:
                self._changed.notify_all()

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Change the universe."""
        for instrument in instruments:
            self.books.setdefault(instrument, OrderBook())
        self.door.watch(instruments)
        self.feed.watch(instruments)

    def take(self, event: FeedEvent) -> None:
        """Do with an event what the engine does."""
        self.kinds[type(event).__name__] += 1
        match event:
            case MarketEvent(instrument=instrument, data=data):
                self.kinds[type(data).__name__] += 1
                self.heard[instrument, type(data).__name__] += 1
                verdict = self.door.judge(event, self.books[instrument])
                if verdict.action is Action.RESYNC:
                    self.resyncs.append((instrument, verdict.reason))
                    if self.mends:
                        self.feed.renew(instrument, Topic.BOOK)
                elif verdict.action is Action.RECYCLE and self.recycles:
                    self.feed.recycle(instrument, verdict.reason)
                return
            case Connected(instruments=instruments):
                assert not self.connected & instruments, "told twice"
                self.connected |= instruments
            case Disconnected(instruments=instruments):
                self.connected -= instruments
                self.door.forget(instruments)
                for instrument in instruments:
                    self.books[instrument].forget(Reason.NO_FEED)
            case TopicSilent(instrument=instrument, topic=Topic.BOOK):
                self.books[instrument].forget(Reason.GAP)
            case _:
                pass
        self.words.append(event)

    async def until(self, condition: Callable[[], object], seconds: float = 30.0 * SLACK) -> float:
        """Wait for something to become true; how long it took."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: bool(condition()))
        return loop.time() - begin

    def are_synced(self, instruments: Collection[Instrument] | None = None) -> bool:
        """Whether all of these have a book."""
        chosen = self.books if instruments is None else instruments
        return all(self.books[instrument].synced for instrument in chosen)

    def of(self, kind: type[E]) -> list[E]:
        """What the feed said of a kind, in order."""
        return [word for word in self.words if isinstance(word, kind)]


@asynccontextmanager
async def listening_to(
    feed: Feed, instruments: Sequence[Instrument]
) -> AsyncIterator[FeedListener]:
    """A listener that listens; what it dies of is raised."""
    listener = FeedListener(feed, instruments)
    task = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
