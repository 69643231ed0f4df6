"""The engine of one venue: feed to pipeline, pipeline to publisher, history beside them.

Time is the grid second of the receive clock. Live, a timer closes each second; in a replay the
recorded receive times do, so that the same recording gives the same cycles at any speed.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from virtuoso.domain.errors import FeedError, VenueRefusedError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import Connected, Disconnected, FeedEnded, FeedEvent
from virtuoso.domain.scores import Source
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.edition import Editor
from virtuoso.engine.grid import Grid, end_of_second
from virtuoso.engine.pipeline import Backfill, Pipeline, Recycle, Renew, Request
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.warmup import Warmup
from virtuoso.ports import Clock, Feed, History
from virtuoso.wire.messages import Notice, PartHealth, ReplayInfo

log = structlog.get_logger()

GRACE_MS = 40
"""How long after a full second its cycle is computed, so that what is on its way still counts."""
CATCH_UP_SECONDS = 10
"""After a pause longer than this (sleep, a stopped process) the missed seconds are skipped."""
WARMUPS_AT_ONCE = 6
CATALOGUE_SECONDS = 8.0
POLL_EVERY_MS = 5 * MINUTE
PUBLISH_EVERY_SECONDS = 0.1
"""The least pause between two publications; only a replay at high speed is held back by it."""
REPEAT_BACKFILL_MS = 15 * SECOND


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What the engine needs to know at start."""

    universe_size: int
    pinned: Sequence[str]
    version: str
    epoch: str


@dataclass(slots=True)
class FeedHealth:
    """What the feed last said of itself."""

    connected: set[Instrument] = field(default_factory=set)
    reason: str | None = None
    since: Millis | None = None
    last_good: Millis | None = None
    disconnects: int = 0


class Engine:
    """Runs one pipeline for ever, or to the end of a recording and on as a stopped clock."""

    def __init__(
        self,
        *,
        feed: Feed,
        history: History,
        clock: Clock,
        publisher: Publisher,
        make_pipeline: Callable[[Sequence[Instrument], Sequence[Listing]], Pipeline],
        settings: EngineSettings,
        warmup: Warmup,
        jitter: Callable[[], float],
        instruments: Collection[Instrument] | None = None,
        replay: ReplayInfo | None = None,
    ) -> None:
        """`instruments` fixes the universe (a recording); None asks the venue's catalogue."""
        self._feed = feed
        self._history = history
        self._clock = clock
        self._publisher = publisher
        self._make_pipeline = make_pipeline
        self._settings = settings
        self._warmup = warmup
        self._jitter = jitter
        self._fixed = None if instruments is None else sorted(instruments)
        self._replay = replay
        self._pipeline = make_pipeline((), ())
        self._started = clock.now()
        self._health = FeedHealth()
        self._editor = Editor(settings.epoch, feed.source, settings.version)
        self._dirty = asyncio.Event()
        self._grid = Grid()
        self._ended_at: tuple[Millis, int] | None = None
        self._warmed: set[Instrument] = set()
        self._catalogue_error: str | None = None
        self._refused: tuple[str, ...] = ()
        self._backfills: dict[Instrument, int] = {}
        self._cycle_ms: float | None = None
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._publish())
            tasks.create_task(self._tick())
            listings = await self._choose()
            instruments = [each.instrument for each in listings]
            if self._fixed is not None:
                instruments = list(self._fixed)
            self._pipeline = self._make_pipeline(instruments, listings)
            self._dirty.set()
            log.info("universe", venue=self._feed.venue, symbols=len(instruments))
            if self._live:
                tasks.create_task(self._warm_all(instruments))
                tasks.create_task(self._poll(instruments))
            else:
                # a recording must not start before the history it continues is in place
                await self._warm_all(instruments)
            tasks.create_task(self._consume(instruments))

    @property
    def _live(self) -> bool:
        return self._feed.source != Source.REPLAY

    def _now(self) -> Millis:
        """Give the receive clock: the machine's, or the recording's."""
        if self._live:
            return self._clock.now()
        if self._ended_at is not None:
            end, monotonic = self._ended_at
            return Millis(end + self._clock.monotonic_ms() - monotonic)
        return self._started if self._grid.next is None else Millis(self._grid.next - SECOND)

    async def _choose(self) -> Sequence[Listing]:
        """Ask the catalogue until it answers, then take the most traded and the pinned."""
        if self._fixed is not None:
            return ()
        pause = 0.5
        while True:
            try:
                async with asyncio.timeout(CATALOGUE_SECONDS):
                    listings = await self._history.listings()
                break
            except (FeedError, TimeoutError) as error:
                what = str(error).removeprefix(f"{self._feed.venue}: ") or "no answer in time"
                self._catalogue_error = f"{self._feed.venue} cannot be reached: {what}"
                self._health.since = self._health.since or self._now()
                log.warning("venue_unreachable", venue=self._feed.venue, error=what, retry_s=pause)
                self._dirty.set()
                await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
                pause = min(2 * pause, 30.0 if isinstance(error, VenueRefusedError) else 10.0)
        self._catalogue_error = None
        self._health.since = None
        ranked = sorted(listings, key=lambda each: -(each.turnover_24h or 0.0))
        chosen = {each.instrument.symbol: each for each in ranked[: self._settings.universe_size]}
        known = {str(each.instrument.symbol): each for each in listings}
        for symbol in self._settings.pinned:
            if symbol in known:
                chosen[known[symbol].instrument.symbol] = known[symbol]
        self._refused = tuple(each for each in self._settings.pinned if each not in known)
        if self._refused:
            log.warning("pinned_symbols_unknown", venue=self._feed.venue, symbols=self._refused)
        return list(chosen.values())

    async def _consume(self, instruments: Sequence[Instrument]) -> None:
        """Take the feed's events, closing grid seconds as they pass."""
        async for batch in self._feed.events(instruments):
            for event in batch:
                self._handle(event)

    def _handle(self, event: FeedEvent) -> None:
        self._catch_up(event.receive_time)
        self._close(self._grid.closed_before(event.receive_time))
        match event:
            case Connected(instruments=instruments, receive_time=at):
                self._health.connected |= instruments
                self._health.reason = None
                self._health.since = at
                log.info("feed_connected", venue=event.venue, symbols=len(instruments))
            case Disconnected(instruments=instruments, reason=reason, receive_time=at):
                self._health.connected -= instruments
                if self._health.reason is None:
                    self._health.since = at
                self._health.reason = reason
                self._health.disconnects += 1
                log.warning("feed_disconnected", venue=event.venue, reason=reason)
                self._dirty.set()
            case FeedEnded(receive_time=at):
                self._end(at)
            case _:
                pass
        for request in self._pipeline.handle(event):
            self._carry_out(request)

    def _end(self, at: Millis) -> None:
        """Close the last second of the recording; from here its clock runs on by itself."""
        self._close(self._grid.closed_by_end(at))
        self._ended_at = (end_of_second(at), self._clock.monotonic_ms())
        if self._replay is not None:
            self._replay = ReplayInfo(self._replay.recorded_from, self._replay.speed, ended=True)
        log.info("recording_ended", at=at)

    def _carry_out(self, request: Request) -> None:
        match request:
            case Renew(instrument=instrument, topic=topic):
                self._feed.renew(instrument, topic)
            case Recycle(instrument=instrument, reason=reason):
                self._feed.recycle(instrument, reason)
            case Backfill(instrument=instrument):
                self._backfill(instrument)

    def _backfill(self, instrument: Instrument) -> None:
        """Fetch the candles again after a hole; at most once in a while for one market."""
        now = self._clock.monotonic_ms()
        last = self._backfills.get(instrument)
        if instrument not in self._warmed or self._tasks is None:
            return
        if last is not None and now - last < REPEAT_BACKFILL_MS:
            return
        self._backfills[instrument] = now
        self._tasks.create_task(self._fetch_candles(instrument))

    def _close(self, seconds: Iterator[Millis]) -> None:
        """Compute these grid seconds."""
        for second in seconds:
            before = self._clock.monotonic_ms()
            self._pipeline.second(second)
            self._cycle_ms = float(self._clock.monotonic_ms() - before)
            self._dirty.set()
            if second % MINUTE == 0:
                for request in self._pipeline.outgrown_books():
                    self._carry_out(request)

    def _catch_up(self, now: Millis) -> None:
        """After a long pause, go on from now rather than compute what nobody saw."""
        behind = self._grid.behind(now)
        if self._live and behind > CATCH_UP_SECONDS:
            log.warning("seconds_skipped", seconds=behind)
            self._pipeline.skipped()
            self._grid.skip_to(now)

    async def _tick(self) -> None:
        """Close grid seconds by the clock; in a replay only once the recording has ended."""
        while True:
            wait = SECOND - (self._now() - GRACE_MS) % SECOND
            await asyncio.sleep(wait / 1_000)
            if self._live or self._ended_at is not None:
                now = Millis(self._now() - GRACE_MS)
                self._catch_up(now)
                self._close(self._grid.closed_at(now))
                self._dirty.set()

    async def _publish(self) -> None:
        """Publish the newest cycle; when cycles come faster than readers need, the newest wins."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._dirty.wait()
            self._dirty.clear()
            board, documents, status = self._editor.edit(
                self._pipeline,
                now=self._now(),
                notices=self.notices(),
                parts=self.parts(),
                counters=self._pipeline.counters | {"disconnects": self._health.disconnects},
                cycle_ms=self._cycle_ms,
                started=self._started,
                replay=self._replay,
            )
            await self._publisher.publish(board, documents, status)
            await asyncio.sleep(PUBLISH_EVERY_SECONDS)

    async def _warm_all(self, instruments: Sequence[Instrument]) -> None:
        """Load every market's past, the most traded first, a few at a time."""
        places = asyncio.Semaphore(WARMUPS_AT_ONCE)

        async def warm(instrument: Instrument) -> None:
            async with places:
                await self._fetch_candles(instrument)
                found = await self._warmup.derivatives(instrument)
                self._pipeline.load_derivatives(instrument, found)

        async with asyncio.TaskGroup() as tasks:
            for instrument in instruments:
                tasks.create_task(warm(instrument))
        log.info("warmed_up", venue=self._feed.venue, symbols=len(instruments))

    async def _fetch_candles(self, instrument: Instrument) -> None:
        found = await self._warmup.candles(instrument)
        self._pipeline.load_candles(instrument, found)
        self._warmed.add(instrument)
        self._dirty.set()

    async def _poll(self, instruments: Sequence[Instrument]) -> None:
        """Fetch what no stream carries: funding, open interest by the hour, account ratio."""
        while True:
            now = self._clock.now()
            boundary = POLL_EVERY_MS - now % POLL_EVERY_MS
            await asyncio.sleep(boundary / 1_000 + 20.0 + 10.0 * self._jitter())
            for instrument in instruments:
                found = await self._warmup.derivatives(instrument)
                self._pipeline.load_derivatives(instrument, found)

    def notices(self) -> tuple[Notice, ...]:
        """Say what a reader must know about the whole."""
        notices = []
        venue = self._feed.venue
        if self._catalogue_error is not None:
            notices.append(Notice("venue_unreachable", self._catalogue_error, self._health.since))
        elif self._health.reason is not None:
            text = f"{venue} is not connected: {self._health.reason}"
            notices.append(Notice("feed_disconnected", text, self._health.since))
        total = len(self._pipeline.instruments)
        if len(self._warmed) < total:
            text = f"warming up: candle history of {len(self._warmed)} of {total} symbols is here"
            notices.append(Notice("warming_up", text))
        if self._refused:
            text = f"{venue} does not list: {', '.join(self._refused)}"
            notices.append(Notice("unknown_symbols", text))
        if self._ended_at is not None:
            notices.append(Notice("recording_ended", "the recording has ended", self._ended_at[0]))
        return tuple(notices)

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of the engine's parts."""
        venue, health = self._feed.venue, self._health
        last_good = self._pipeline.last_event
        total = len(self._pipeline.instruments)
        if self._catalogue_error is not None:
            feed = PartHealth(
                "feed", "fail", self._catalogue_error, since=health.since, last_good=last_good
            )
        elif health.reason is not None:
            text = f"{venue} is not connected: {health.reason}"
            feed = PartHealth("feed", "fail", text, since=health.since, last_good=last_good)
        elif self._ended_at is not None:
            feed = PartHealth("feed", "warn", "the recording has ended", since=self._ended_at[0])
        elif not health.connected:
            feed = PartHealth("feed", "warn", f"connecting to {venue}", since=self._started)
        else:
            text = f"{venue}: {len(health.connected)} symbols connected"
            feed = PartHealth("feed", "pass", text, since=health.since, last_good=last_good)
        warm = len(self._warmed)
        warming = PartHealth(
            "warm_up",
            "pass" if total and warm == total else "warn",
            f"candle history of {warm} of {total} symbols is here",
        )
        failures = self._publisher.failures
        publisher = PartHealth(
            "publisher",
            "warn" if failures else "pass",
            f"{failures} cache writes failed" if failures else "publishing",
        )
        return feed, warming, publisher
