"""A feed that gives what a test puts in."""

from collections.abc import AsyncIterator, Collection, Sequence

from virtuoso.domain.instruments import BYBIT, Instrument, Venue
from virtuoso.domain.market_data import FeedEvent, Topic
from virtuoso.domain.scores import Source


class FakeFeed:
    """Yields the given batches in order and ends. Notes what was asked of it."""

    def __init__(
        self,
        *batches: Sequence[FeedEvent],
        venue: Venue = BYBIT,
        source: Source = Source.SIMULATOR,
    ) -> None:
        self._batches = batches
        self._venue = venue
        self._source = source
        self.asked_for: tuple[Instrument, ...] = ()
        self.renewed: list[tuple[Instrument, Topic]] = []
        self.recycled: list[tuple[Instrument, str]] = []
        self.watched: list[tuple[Instrument, ...]] = []
        self.inserted: list[FeedEvent] = []

    @property
    def venue(self) -> Venue:
        """The venue."""
        return self._venue

    @property
    def source(self) -> Source:
        """What a reader is told."""
        return self._source

    async def events(
        self, instruments: Collection[Instrument]
    ) -> AsyncIterator[Sequence[FeedEvent]]:
        """The batches."""
        self.asked_for = tuple(instruments)
        for batch in self._batches:
            yield batch

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Note it."""
        self.watched.append(tuple(instruments))

    async def insert(self, event: FeedEvent) -> None:
        """Note it."""
        self.inserted.append(event)

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Note it."""
        self.renewed.append((instrument, topic))

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Note it."""
        self.recycled.append((instrument, reason))
