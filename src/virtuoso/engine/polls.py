"""What a venue is asked for again and again beside its stream, each thing at its own time."""

import asyncio
from collections.abc import Callable, Sequence
from heapq import heappop, heappush

import structlog

from virtuoso.domain.errors import FeedError
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Topic
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.engine.loads import Need
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.warmup import Warmup
from virtuoso.ports import Clock, Feed, History

log = structlog.get_logger()

EVERY_MS = 5 * MINUTE
AFTER_SECONDS = 5.0
OVER_SECONDS = 55.0
"""Polls begin so long after their boundary and are spread over so long a time."""
FUNDING_AFTER_MS = 30 * SECOND
BOOK_EVERY_SECONDS = 2.0
BOOKS_AT_ONCE = 20
TICKERS_EVERY_SECONDS = 4.0


class Polls:
    """The polls of one venue."""

    def __init__(
        self,
        *,
        feed: Feed,
        history: History,
        clock: Clock,
        pipeline: Pipeline,
        warmup: Warmup,
        jitter: Callable[[], float],
        ask: Callable[[Instrument, Need], None],
        has_open_interest: bool,
    ) -> None:
        """`ask` has one thing of one market fetched; `jitter` gives 0..1.

        `has_open_interest`: whether open interest is asked for, because no ticker carries it.
        """
        self._feed = feed
        self._history = history
        self._clock = clock
        self._pipeline = pipeline
        self._warmup = warmup
        self._jitter = jitter
        self._ask = ask
        self._has_open_interest = has_open_interest
        self._wanted_books: dict[Instrument, None] = {}

    @property
    def books(self) -> int:
        """How many books are polled."""
        return len(self._wanted_books)

    def want_book(self, instrument: Instrument, *, wanted: bool) -> None:
        """Fetch a whole book again and again from now on, or no longer."""
        if wanted:
            self._wanted_books[instrument] = None
        else:
            self._wanted_books.pop(instrument, None)

    async def run(self) -> None:
        """Ask until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._series())
            tasks.create_task(self._minutely())
            tasks.create_task(self._books())
            tasks.create_task(self._tickers())

    async def _series(self) -> None:
        """Ask for the rows of open interest and account ratio that are due each five minutes."""
        while True:
            wait = EVERY_MS - self._clock.now() % EVERY_MS
            await asyncio.sleep(wait / 1_000 + AFTER_SECONDS)
            await self._spread(self._pipeline.instruments, Need.NEWEST_SERIES)

    async def _minutely(self) -> None:
        """Ask for the settled funding that is due, and for open interest no ticker carries."""
        while True:
            wait = MINUTE - self._clock.now() % MINUTE
            await asyncio.sleep(wait / 1_000)
            if self._has_open_interest:
                await self._spread(self._pipeline.instruments, Need.OPEN_INTEREST)
            now = self._pipeline.venue_now(self._clock.now())
            due = [each for each in self._pipeline.instruments if self._is_funding_due(each, now)]
            await self._spread(due, Need.FUNDING, 0.5)

    def _is_funding_due(self, instrument: Instrument, now: Millis) -> bool:
        """Whether a settlement has passed whose rate is not here."""
        lane = self._pipeline.lane(instrument)
        settled = None if lane is None else lane.market.derivatives.funding.last
        if settled is None or not settled.interval_hours:
            return False
        return now >= settled.settled_at + settled.interval_hours * HOUR + FUNDING_AFTER_MS

    async def _spread(
        self, instruments: Sequence[Instrument], need: Need, share: float = 1.0
    ) -> None:
        """Ask for something of many markets, each at its own moment of the time there is."""
        moments: list[tuple[float, Instrument]] = []
        over = (OVER_SECONDS - AFTER_SECONDS) * share
        for instrument in instruments:
            heappush(moments, (self._jitter() * over, instrument))
        began = asyncio.get_running_loop().time()
        while moments:
            moment, instrument = heappop(moments)
            ahead = began + moment - asyncio.get_running_loop().time()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._ask(instrument, need)

    async def _books(self) -> None:
        """Fetch the books that the stream cannot be trusted with, a bounded number at once."""
        while True:
            await asyncio.sleep(BOOK_EVERY_SECONDS)
            for instrument in list(self._wanted_books)[:BOOKS_AT_ONCE]:
                try:
                    await self._feed.insert(await self._warmup.book(instrument, self._clock.now))
                except FeedError as error:
                    log.warning("book_not_polled", symbol=instrument.symbol, error=str(error))

    async def _tickers(self) -> None:
        """Fetch the tickers while their stream is silent; they are shown as delayed."""
        while True:
            await asyncio.sleep(TICKERS_EVERY_SECONDS)
            wanted = {each for each in self._pipeline.instruments if self._ticker_is_silent(each)}
            if not wanted:
                continue
            try:
                found = await self._history.tickers()
            except FeedError as error:
                log.warning("tickers_not_polled", venue=self._feed.venue, error=str(error))
                continue
            now = self._clock.now()
            for event in found:
                if event.instrument in wanted:
                    await self._feed.insert(event._replace(receive_time=now))

    def _ticker_is_silent(self, instrument: Instrument) -> bool:
        lane = self._pipeline.lane(instrument)
        return lane is not None and (not lane.streaming or Topic.TICKER in lane.market.silent)
