"""One venue watched: its line of events with our ticks and loads in it, taken by its pipeline.

Time is the grid second of the receive clock, and only what stands in the line moves it on: live a
timer puts ticks there, in a replay the recorded ones or the receive times do it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import (
    CandlesLoaded,
    Connected,
    DefinitionChosen,
    Disconnected,
    FeedEnded,
    FeedEvent,
    MarketEvent,
    PriceConfirmed,
    Tick,
    TickerField,
    UniverseChosen,
)
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.engine.breath import Breath
from virtuoso.engine.cycles import CycleLog
from virtuoso.engine.feed_health import FeedHealth
from virtuoso.engine.grid import end_of_second
from virtuoso.engine.lane import Lane
from virtuoso.engine.loads import Loads, Need
from virtuoso.engine.maintenance_watch import MaintenanceWatch
from virtuoso.engine.news import News
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.polls import Polls
from virtuoso.engine.requests import (
    AskOtherVenue,
    Backfill,
    BackfillTrades,
    PollBook,
    Recover,
    Recycle,
    Renew,
    Request,
)
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.universe import Wanted
from virtuoso.engine.universe_watch import UniverseWatch
from virtuoso.engine.warmth import Warmth
from virtuoso.engine.warmup import CANDLES, Warmup
from virtuoso.ports import Clock, Feed, History
from virtuoso.scoring.definition import Definition
from virtuoso.wire.board import Notice
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

GRACE_MS = 15
"""How long after a full second its tick is put in line, so that what was received stands there."""
REPEAT_BACKFILL_MS = 15 * SECOND
MINUTES_TO_SPARE = 3


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What a venue's watch needs to know at start."""

    wanted: Wanted
    refresh_seconds: float = 600.0
    """How often the catalogue is asked."""
    maintenance_seconds: float = 300.0
    """How often the venue is asked whether it announces maintenance."""
    polls_open_interest: bool = False
    """Whether the venue's ticker has no open interest, so that it is asked for each minute."""


class VenueWatch:
    """Runs one pipeline for ever, or to the end of a recording and on as a stopped clock."""

    def __init__(
        self,
        *,
        feed: Feed,
        history: History,
        clock: Clock,
        pipeline: Pipeline,
        warmup: Warmup,
        jitter: Callable[[], float],
        settings: WatchSettings,
        instruments: Collection[Instrument] | None = None,
        partner: "VenueWatch | None" = None,
    ) -> None:
        """`instruments` fixes the universe (a recording); None asks the venue's catalogue.

        `partner`: the first venue, whose coins are watched here too.
        """
        self.feed = feed
        self.pipeline = pipeline
        self.health = FeedHealth(feed.venue)
        self.changed: Callable[[], None] = lambda: None
        """Called when there is something new to publish."""
        self.ask_other: Callable[[Instrument, float], float | None] = lambda _instrument, _price: (
            None
        )
        """Gives the other venue's fresh price for an instrument of this one, if it has one."""
        self.remembered: Callable[[Instrument], Awaitable[CandlesLoaded | None]] | None = None
        """Gives a market's candles as they were kept, where that spares fetching them."""
        self._asked_memory: set[Instrument] = set()
        self._from_memory: set[Instrument] = set()
        """Those whose remembered candles stand in the line: the last minutes are missing."""
        self._history = history
        self._clock = clock
        self._warmup = warmup
        self._fixed = None if instruments is None else sorted(instruments)
        self._timeline = Timeline(pipeline)
        self._breath = Breath()
        self._loads = Loads(self._fetch, feed.insert)
        self._polls = Polls(
            feed=feed,
            history=history,
            clock=clock,
            pipeline=pipeline,
            warmup=warmup,
            jitter=jitter,
            ask=self._loads.ask,
            has_open_interest=settings.polls_open_interest,
        )
        self._maintenance = MaintenanceWatch(feed.venue, history, settings.maintenance_seconds)
        self.universe: UniverseWatch = UniverseWatch(
            feed=feed,
            history=history,
            clock=clock,
            pipeline=pipeline,
            jitter=jitter,
            wanted=settings.wanted,
            refresh_seconds=settings.refresh_seconds,
            partner=None if partner is None else partner.universe,
            changed=lambda: self.changed(),  # noqa: PLW0108 - it is replaced after this
        )
        self._started = clock.now()
        self._warmth = Warmth(feed.venue, pipeline, warmup, self._started)
        self._news = News(feed.venue)
        self._listings: tuple[Listing, ...] = ()
        self._ended_at: tuple[Millis, int] | None = None
        self._backfills: dict[tuple[Instrument, Need], int] = {}
        self._inserting: set[asyncio.Future[None]] = set()
        self._work_ms = 0.0
        self._told_seq = 0
        self._definition = pipeline.next_definition
        self._begun = False
        self._told_definition = pipeline.definition
        self.cycles = CycleLog(feed.venue)
        """What the last seconds took and found."""
        self.cycle_ms: float | None = None
        """How long the last second took to compute, pauses left out."""

    @property
    def live(self) -> bool:
        """Whether this is a venue rather than a recording."""
        return self._fixed is None

    @property
    def is_out_of_reach(self) -> bool:
        """Whether its catalogue does not answer, so that nothing is watched."""
        return self.universe.error is not None

    @property
    def ended_at(self) -> Millis | None:
        """When a recording ended, by its clock."""
        return None if self._ended_at is None else self._ended_at[0]

    @property
    def listings(self) -> Sequence[Listing]:
        """What is listed of the instruments that are watched."""
        return self._listings

    @property
    def is_loading(self) -> bool:
        """Whether history is on its way: candles, or the series that are fetched after them."""
        return not self._warmth.is_whole or self._loads.is_waiting_for(Need.DERIVATIVES)

    def lanes(self) -> Sequence[Lane]:
        """Give the markets that are watched."""
        found = [self.pipeline.lane(each) for each in self.pipeline.instruments]
        return [each for each in found if each is not None]

    def now(self) -> Millis:
        """Give the receive clock: the machine's, or the recording's."""
        if self.live:
            return self._clock.now()
        if self._ended_at is not None:
            end, monotonic = self._ended_at
            return Millis(end + self._clock.monotonic_ms() - monotonic)
        due = self._timeline.grid.next
        return self._started if due is None else Millis(due - SECOND)

    async def run(self) -> None:
        """Work until cancelled."""
        if not self.live:
            await self._consume(self._recorded())
            return
        async with asyncio.TaskGroup() as tasks:
            instruments = [each.instrument for each in await self.universe.begin()]
            self._begun = True
            await self._define()
            tasks.create_task(self._consume(self.feed.events(instruments)))
            tasks.create_task(self._tick())
            tasks.create_task(self._loads.run())
            tasks.create_task(self._polls.run())
            tasks.create_task(self.universe.refresh())
            tasks.create_task(self._maintenance.run())

    async def _recorded(self) -> AsyncIterator[Sequence[FeedEvent]]:
        """Give the line of a recording, then the ticks of a clock that runs on."""
        async for batch in with_history(self.feed, self._fixed or [], self._warmup):
            yield batch
        while True:
            await asyncio.sleep(1.0 - (self.now() - GRACE_MS) % SECOND / 1_000)
            yield [Tick(self.now())]

    async def _consume(self, batches: AsyncIterator[Sequence[FeedEvent]]) -> None:
        """Take the line's events in order; long work lets the loop have its turn in between."""
        breath, timeline, pipeline = self._breath, self._timeline, self.pipeline
        breath.begin()
        async for batch in batches:
            for event in batch:
                if isinstance(event, MarketEvent) and timeline.is_within_second(event.receive_time):
                    requests = pipeline.handle(event)
                    if requests:
                        self._carry_out(requests)
                else:
                    await self._take_in_parts(event)
                if breath.due:
                    await breath.take()
            if pipeline.seq != self._told_seq:
                self._told_seq = pipeline.seq
                self.changed()

    async def _take_in_parts(self, event: FeedEvent) -> None:
        """Take an event that may be long work, or that closes seconds before or after it."""
        began, cpu_began = time.perf_counter(), time.thread_time()
        for second in self._timeline.steps(event):
            if second is not None:
                self.cycles.work(began, time.thread_time() - cpu_began)
                self._work_ms += 1_000 * (time.perf_counter() - began)
                self.cycle_ms, self._work_ms = round(self._work_ms, 3), 0.0
                self._second_closed(second)
                began, cpu_began = time.perf_counter(), time.thread_time()
            if self._breath.due:
                self.cycles.work(began, time.thread_time() - cpu_began)
                self._work_ms += 1_000 * (time.perf_counter() - began)
                await self._breath.take()
                began, cpu_began = time.perf_counter(), time.thread_time()
        self.cycles.drop()
        self._note(event)
        self._carry_out(self.pipeline.requests())

    def _second_closed(self, second: Millis) -> None:
        cycle, definition = self.pipeline.view(), self.pipeline.definition
        if cycle is not None:
            self.cycles.close(cycle, time.perf_counter(), definition)
        if definition != self._told_definition:
            before, self._told_definition = self._told_definition, definition
            venue = self.feed.venue
            log.info("definition_in_force", venue=venue, definition=definition, before=before)
        self.changed()
        if second % MINUTE == 0:
            self._carry_out(self.pipeline.outgrown_books())

    def _note(self, event: FeedEvent) -> None:
        """Keep what an event says of the feed as a whole."""
        match event:
            case Connected():
                self.health.note(event)
            case Disconnected():
                self.health.note(event)
                self.changed()
            case UniverseChosen(listings=listings, receive_time=at):
                self._take_universe(listings, at)
            case CandlesLoaded(instrument=instrument):
                self._warmup.taken(instrument)
                if instrument in self._from_memory:
                    self._from_memory.discard(instrument)
                    self._loads.ask(instrument, Need.CANDLES)
                if self.live:
                    self._warmth.tell(self._clock.now())
            case FeedEnded(receive_time=at):
                self._ended_at = (end_of_second(at), self._clock.monotonic_ms())
                log.info("recording_ended", at=at)
                self.changed()
            case _:
                pass

    def _take_universe(self, listings: Sequence[Listing], at: Millis) -> None:
        """Have the newcomers' past fetched, and tell of who came and who went."""
        before = {each.instrument for each in self._listings}
        self._listings = tuple(listings)
        self.health.connected &= {each.instrument for each in listings}
        if before:
            self._news.universe_changed(before, listings, self.universe.listed, at)
        log.info("universe", venue=self.feed.venue, symbols=len(listings))
        if self.live:
            for listing in listings:
                lane = self.pipeline.lane(listing.instrument)
                if lane is not None and not lane.loaded:
                    self._loads.ask(listing.instrument, Need.CANDLES)
                    self._loads.ask(listing.instrument, Need.DERIVATIVES)
        self.changed()

    async def _tick(self) -> None:
        """Put a tick in line after each full second, whatever the feed does."""
        while True:
            wait = SECOND - (self._clock.now() - GRACE_MS) % SECOND
            await asyncio.sleep(wait / 1_000)
            await self.feed.insert(Tick(self._clock.now()))

    def _carry_out(self, requests: Iterable[Request]) -> None:
        if not self.live:
            return
        for request in requests:
            match request:
                case Renew(instrument=instrument, topic=topic):
                    self.feed.renew(instrument, topic)
                case Recycle(instrument=instrument, reason=reason):
                    self.feed.recycle(instrument, reason)
                case Backfill(instrument=instrument):
                    self._backfill(instrument, Need.CANDLES)
                case BackfillTrades(instrument=instrument):
                    self._backfill(instrument, Need.TRADES)
                case Recover(instrument=instrument):
                    for need in (Need.CANDLES, Need.TRADES, Need.NEWEST_SERIES, Need.FUNDING):
                        self._loads.ask(instrument, need)
                case PollBook(instrument=instrument, wanted=wanted):
                    self._polls.want_book(instrument, wanted=wanted)
                case AskOtherVenue(instrument=instrument, price=price):
                    self._compare(instrument, price)

    def _backfill(self, instrument: Instrument, need: Need) -> None:
        """Fetch what a hole took; at most once in a while for one market."""
        lane = self.pipeline.lane(instrument)
        now = self._clock.monotonic_ms()
        last = self._backfills.get((instrument, need))
        if lane is None or not lane.loaded or (last and now - last < REPEAT_BACKFILL_MS):
            return
        self._backfills[instrument, need] = now
        self._loads.ask(instrument, need)

    def _compare(self, instrument: Instrument, price: float) -> None:
        """Put the other venue's price in line, where it is near one that jumped."""
        other = self.ask_other(instrument, price)
        if other is not None:
            self._insert_soon(PriceConfirmed(instrument, other, self._clock.now()))

    def _insert_soon(self, event: FeedEvent) -> None:
        task = asyncio.ensure_future(self.feed.insert(event))
        self._inserting.add(task)
        task.add_done_callback(self._inserting.discard)

    async def _fetch(self, instrument: Instrument, need: Need) -> FeedEvent | None:
        """Fetch one thing, if the market is still watched."""
        lane = self.pipeline.lane(instrument)
        if lane is None:
            return None
        warmup, now = self._warmup, self._clock.now
        match need:
            case Need.CANDLES:
                last = lane.market.candles[Timeframe.M1].last_close
                venue_now = self.pipeline.venue_now(now())
                missing = CANDLES if last is None else (venue_now - last) // MINUTE
                if not lane.loaded and self.remembered and instrument not in self._asked_memory:
                    self._asked_memory.add(instrument)
                    kept = await self.remembered(instrument)
                    if kept is not None:
                        self._from_memory.add(instrument)
                        return kept
                if not lane.loaded or missing + MINUTES_TO_SPARE >= CANDLES:
                    return await warmup.candles(instrument, now)
                return await warmup.minutes(instrument, missing + MINUTES_TO_SPARE, now)
            case Need.TRADES:
                return await warmup.trades(instrument, now)
            case Need.FUNDING:
                return await warmup.newest_funding(instrument, now)
            case Need.DERIVATIVES:
                return await warmup.derivatives(instrument, now)
            case Need.NEWEST_SERIES:
                return await warmup.newest_series(instrument, now)
            case Need.OPEN_INTEREST:
                return await warmup.open_interest_now(instrument, now)

    async def redefine(self, definition: Definition) -> None:
        """Have scores computed by another definition: it stands in the line, as all that counts.

        A recording has its own, and nothing can be put into its line.
        """
        self._definition = definition
        if self._begun:
            await self._define()

    async def _define(self) -> None:
        """Say in the line how scores are computed from here on."""
        await self.feed.insert(DefinitionChosen(self._definition.text, self._clock.now()))

    def notices(self) -> tuple[Notice, ...]:
        """Say what a reader must know about this venue."""
        now = self.now()
        found = list(self.health.notices())
        if self.universe.error is not None:
            found = [Notice("venue_unreachable", self.universe.error, self.universe.error_since)]
        if self.live:
            found += self._warmth.notices()
        found += self.universe.notices()
        found += self._maintenance.notices(self.pipeline.venue_now(now))
        found += self._news.notices(self._listings, now)
        if self._ended_at is not None:
            found.append(Notice("recording_ended", "the recording has ended", self._ended_at[0]))
        return tuple(found)

    def feed_part(self) -> PartHealth:
        """Give the health of the feed."""
        universe, good = self.universe, self.pipeline.last_event
        if universe.error is not None:
            return PartHealth("feed", "fail", universe.error, universe.error_since, good)
        if self._ended_at is not None and self.health.reason is None:
            return PartHealth("feed", "warn", "the recording has ended", self._ended_at[0])
        return self.health.part(self._started, good)

    def warm_part(self) -> PartHealth:
        """Give the health of the warm-up."""
        return self._warmth.part()

    def books_part(self) -> PartHealth:
        """Give the integrity of the order books."""
        cycle = self.pipeline.view()
        books = [] if cycle is None else [each.book for each in cycle.markets]
        synced = sum(each.synced_since is not None for each in books)
        distrusted = sum(each.distrusted_since is not None for each in books)
        text = (
            f"{synced} of {len(books)} order books are whole; "
            f"{sum(each.gaps for each in books)} gaps, {sum(each.resyncs for each in books)} mended"
        )
        if distrusted:
            text += f"; {distrusted} are polled because their stream has too many gaps"
        return PartHealth("order_books", "pass" if books and synced == len(books) else "warn", text)

    @property
    def counters(self) -> dict[str, int]:
        """What was counted of feed and pipeline."""
        return self.pipeline.counters | {
            "disconnects": self.health.disconnects,
            "fetches_waiting": self._loads.waiting,
            "books_polled": self._polls.books,
        }


async def with_history(
    feed: Feed, instruments: Sequence[Instrument], warmup: Warmup
) -> AsyncIterator[Sequence[FeedEvent]]:
    """Give the line of a recording; the history it continues comes first, unless it has its own."""
    begun = False
    async for batch in feed.events(instruments):
        if not begun and batch:
            begun = True
            if not isinstance(batch[0], UniverseChosen):
                now = partial(Millis, batch[0].receive_time)
                for instrument in instruments:
                    yield [await warmup.candles(instrument, now)]
                    yield [await warmup.derivatives(instrument, now)]
        yield batch


def last_price(pipeline: Pipeline, instrument: Instrument) -> float | None:
    """Give the newest price that a market's trades or ticker say."""
    lane = pipeline.lane(instrument)
    if lane is None:
        return None
    price = lane.market.trades.last_price
    return price or lane.market.derivatives.value(TickerField.LAST_PRICE)
