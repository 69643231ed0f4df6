"""CcxtFeed: any other venue, streamed by CCXT under our guard.

One task a market and kind of data asks the library again and again. When a connection ends, for
whatever reason, all of them are told so at once; each asks again, and the library subscribes anew.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
import structlog
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.ccxt.answers import TOPICS, Answers
from virtuoso.adapters.feed.ccxt.contracts import Contract
from virtuoso.adapters.feed.ccxt.guard import (
    ASKING,
    HANDLING_ERRORS,
    ClientGuard,
    GuardedLibrary,
    Request,
    describe,
    open_library,
)
from virtuoso.adapters.feed.ccxt.history import load_catalogue
from virtuoso.adapters.feed.ccxt.minutes import Minutes
from virtuoso.adapters.feed.ccxt.venues import capabilities_of, dialect_of, find_library, weight_of
from virtuoso.adapters.feed.ccxt_history import translate_errors
from virtuoso.adapters.feed.connection import (
    Backoff,
    Batch,
    Outbox,
    Strikes,
    Tape,
    drain,
    open_session,
)
from virtuoso.adapters.feed.governed import DEADLINE_SECONDS
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.errors import FeedError, SettingsError
from virtuoso.domain.instruments import Instrument, Symbol, Venue
from virtuoso.domain.market_data import (
    Candle,
    Connected,
    Disconnected,
    FeedEvent,
    FrameRefused,
    Topic,
    TopicRefused,
    TopicRestored,
    TopicSilent,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_BUSY: Final = frozenset({Symbol("BTCUSDT"), Symbol("ETHUSDT")})
"""A connection that carries one of these is never silent."""
_SILENCE_MS: Final = 3 * SECOND
_SILENCE_WITHOUT_BUSY_MS: Final = 15 * SECOND
_FIRST_DATA_MS: Final = 10 * SECOND
_WATCH_SECONDS: Final = 0.25
_NEVER_SILENT: Final = frozenset({Topic.BOOK, Topic.TICKER})
_SILENT_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 60.0
"""Deadline of topics on which nothing may happen for long."""
_RENEWAL_WINDOW_MS: Final = MINUTE
_LONGEST_PAUSE: Final = 5.0
_SET_ASIDE_SECONDS: Final = 600.0
_REPORTS_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CcxtSettings:
    """Which venue, and where it is."""

    venue: Venue
    """By CCXT's name, such as okx, gate or bitget."""
    base_url: str | None = None
    """Another host for everything, such as the simulator's `http://127.0.0.1:8090`."""


class CcxtFeed:
    """The public streams of a venue's USDT perpetuals; books whole, closed candles by REST."""

    def __init__(
        self,
        settings: CcxtSettings,
        budget: RequestBudget,
        clock: Clock,
        rng: random.Random,
        source: Source = Source.CCXT,
        tape: Tape | None = None,
    ) -> None:
        """Raises SettingsError for a venue that CCXT does not stream."""
        self._settings = settings
        self._kind = find_library(settings.venue)
        self._dialect = dialect_of(settings.venue)
        self._capabilities = capabilities_of(settings.venue)
        self._budget = budget
        self._clock = clock
        self._source = source
        self._outbox = Outbox(tape=tape)
        self._backoff = Backoff(rng)
        self._strikes = Strikes(clock)
        self._library: GuardedLibrary | None = None
        self._contracts: Mapping[Instrument, Contract] = {}
        self._wanted: frozenset[Instrument] = frozenset()
        self._changed = asyncio.Event()
        self._requests: dict[tuple[Instrument, Topic], Request] = {}
        self._reports: deque[FeedEvent] = deque(maxlen=_REPORTS_KEPT)
        self._reported = asyncio.Event()
        self._resume_ms = 0
        """Monotonic time before which no connection is opened."""
        self._renewed_ms: int | None = None
        self._answers = Answers(settings.venue, self._dialect)
        self._silent: set[tuple[Instrument, Topic]] = set()

    @property
    def venue(self) -> Venue:
        """The venue whose data these are."""
        return self._settings.venue

    @property
    def source(self) -> Source:
        """That they came through CCXT, or from the simulator."""
        return self._source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Connect, subscribe and yield batches, for ever. Raises SettingsError."""
        strangers = [each.symbol for each in instruments if each.venue != self.venue]
        if strangers or not instruments:
            msg = f"expected instruments of {self.venue}, found {strangers or 'none'}"
            raise SettingsError(msg)
        self.watch(instruments)
        async with open_session() as session:
            library = self._open(session)
            self._library = library
            batches = drain(self._outbox, [self._run(library)])
            try:
                async for batch in batches:
                    yield batch
            finally:
                await batches.aclose()
                self._library = None
                self._requests = {}
                for guard in library.guards.values():
                    guard.reason = guard.reason or "closed by us"
                with suppress(TimeoutError):
                    async with asyncio.timeout(DEADLINE_SECONDS):
                        await library.close()  # type: ignore[no-untyped-call]

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Stream these instruments from now on and no others."""
        self._wanted = frozenset(instruments)
        self._changed.set()

    async def insert(self, event: FeedEvent) -> None:
        """Put an event of ours in line behind what was received so far."""
        await self._put([event])

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Reopen the connection of a topic, for only that begins it anew at every venue.

        At most once a minute: one market's trouble must not take the data of the others away. A
        book is whole in every event, so it heals with the next one that is sound.
        """
        request = self._requests.get((instrument, topic))
        now = self._clock.monotonic_ms()
        if request is None or request.guard is None:
            return
        if self._renewed_ms is None or now - self._renewed_ms >= _RENEWAL_WINDOW_MS:
            self._renewed_ms = now
            request.guard.fail(f"{instrument.symbol} {topic} has to begin anew")

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connections that carry this instrument."""
        for (of, _), request in list(self._requests.items()):
            if of == instrument and request.guard is not None:
                request.guard.fail(reason)

    def connected(self, guard: ClientGuard, requests: frozenset[Request]) -> None:
        """A connection carries these requests from now on."""
        del guard
        instruments = frozenset(each.contract.instrument for each in requests)
        if instruments:
            self._report(Connected(self.venue, instruments, self._clock.now()))

    def refused(self, guard: ClientGuard, reason: str, sample: bytes, *, recycled: bool) -> None:
        """A frame could not be used."""
        del guard
        _log.warning("frame_refused", venue=self.venue, reason=reason, recycled=recycled)
        now = self._clock.now()
        self._report(FrameRefused(self.venue, reason, sample, recycled, now))

    def ended(self, guard: ClientGuard, reason: str) -> None:
        """A connection is gone: forget what it brought, and let some time pass."""
        now = self._clock.monotonic_ms()
        first = guard.first_data_ms
        good_ms = 0 if first is None else max(now - first, 1)
        delay = self._backoff.delay_seconds(good_ms=good_ms, now_ms=now)
        self._resume_ms = max(self._resume_ms, now + round(delay * SECOND))
        _log.warning("connection_ended", venue=self.venue, reason=reason, good_ms=good_ms)
        for request in guard.requests:
            self._forget(request)
        instruments = frozenset(each.contract.instrument for each in guard.requests)
        self._report(Disconnected(self.venue, instruments, reason, self._clock.now()))

    def _open(self, session: aiohttp.ClientSession) -> GuardedLibrary:
        return open_library(
            self._kind,
            session,
            self._budget,
            self._clock,
            weigh=partial(weight_of, self.venue),
            options=self._dialect.options,
            base_url=self._settings.base_url,
            watcher=self,
            sequence_rule=self._dialect.sequence,
        )

    def _forget(self, request: Request) -> None:
        """Drop what the library keeps of a request: it will be sent whole again."""
        library = self._library
        kept = {Topic.BOOK: "orderbooks", Topic.TICKER: "tickers"}.get(request.topic)
        if library is not None and kept is not None:
            (getattr(library, kept, None) or {}).pop(request.contract.symbol, None)

    def _report(self, event: FeedEvent) -> None:
        """Tell something that no data carry; it goes out before whatever is put next."""
        self._reports.append(event)
        self._reported.set()

    async def _put(self, batch: Batch) -> None:
        while self._reports:
            await self._outbox.put([self._reports.popleft()])
        if batch:
            await self._outbox.put(batch)

    async def _run(self, library: GuardedLibrary) -> None:
        """Do everything side by side, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._carry_reports())
            await self._load_contracts(library)
            tasks.create_task(self._watch_for_silence(library))
            if Candle in self._capabilities.polled:
                minutes = Minutes(library, self.venue, self._dialect, self._clock, self._put)
                tasks.create_task(minutes.run(self._watched))
            await self._keep_requests(library, tasks)

    async def _carry_reports(self) -> None:
        while True:
            await self._reported.wait()
            self._reported.clear()
            await self._put(())

    async def _load_contracts(self, library: GuardedLibrary) -> None:
        """Ask which markets there are until the venue tells it."""
        while not self._contracts:
            try:
                with translate_errors(self.venue):
                    found = await load_catalogue(library, self.venue, ranked=False)
                self._contracts = found.contracts
            except FeedError as error:
                at = self._clock.now()
                reason = f"no list of markets: {error}"[:200]
                await self._put([Disconnected(self.venue, self._wanted, reason, at)])
            if not self._contracts:
                now = self._clock.monotonic_ms()
                await asyncio.sleep(0.1 + self._backoff.delay_seconds(good_ms=0, now_ms=now))

    async def _keep_requests(self, library: GuardedLibrary, tasks: asyncio.TaskGroup) -> None:
        """Ask for what is wanted, each kind in a task of its own, and stop what is not."""
        running: dict[tuple[Instrument, Topic], asyncio.Task[None]] = {}
        while True:
            self._changed.clear()
            for key in [key for key in running if key[0] not in self._wanted]:
                running.pop(key).cancel()
                dropped = self._requests.pop(key)
                if dropped.guard is not None:
                    dropped.guard.requests.discard(dropped)
            for instrument in sorted(self._wanted):
                if (instrument, Topic.BOOK) in running:
                    continue
                contract = self._contracts.get(instrument)
                if contract is None:
                    await self._refuse_topics(instrument, "no perpetual of the venue")
                    continue
                for topic in self._topics():
                    request = Request(contract, topic)
                    self._requests[instrument, topic] = request
                    running[instrument, topic] = tasks.create_task(self._follow(library, request))
            await self._changed.wait()

    def _topics(self) -> list[Topic]:
        streamed = self._capabilities.streamed
        return [topic for kind, topic in TOPICS.items() if kind in streamed]

    def _watched(self) -> list[Contract]:
        return [self._contracts[each] for each in self._wanted if each in self._contracts]

    async def _refuse_topics(self, instrument: Instrument, reason: str) -> None:
        now = self._clock.now()
        await self._put([TopicRefused(instrument, topic, reason, now) for topic in self._topics()])

    async def _follow(self, library: GuardedLibrary, request: Request) -> None:
        """Ask for one kind of data of one market again and again."""
        ASKING.set(request)
        ask = self._answers.asker(library, request)
        failures = 0
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while True:
            wait_ms = self._resume_ms - self._clock.monotonic_ms()
            if wait_ms > 0:
                await asyncio.sleep(wait_ms / SECOND)
                heard = loop.time()
            quiet = _SILENT_SECONDS if request.topic in _NEVER_SILENT else _QUIET_SECONDS
            try:
                async with asyncio.timeout(quiet):
                    result = await ask()
            except TimeoutError:
                if request.topic in _NEVER_SILENT:
                    await self._note_silence(request, loop.time() - heard)
                continue
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                await asyncio.sleep(0.1)  # the library cancelled what it had us wait for
            except (FeedError, OSError, aiohttp.ClientError, *HANDLING_ERRORS) as error:
                guard = request.guard
                if guard is not None and guard.reason is not None:
                    failures = 0  # the connection ended, which was told and is waited for
                    continue
                failures += 1
                await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(failures, 10)))
                if isinstance(error, HANDLING_ERRORS) and not isinstance(
                    error, theirs.NetworkError
                ):
                    await self._strike(request, error)
            else:
                failures, heard = 0, loop.time()
                guard = request.guard
                if guard is None or guard.reason is None:  # else it is from one that is given up
                    await self._hand_on(request, result)

    async def _hand_on(self, request: Request, answer: Any) -> None:  # noqa: ANN401 - CCXT's
        """Put out what an answer holds."""
        now = self._clock.now()
        key = request.contract.instrument, request.topic
        batch: list[FeedEvent] = []
        if key in self._silent:
            self._silent.discard(key)
            batch.append(TopicRestored(*key, now))
        await self._put(batch + self._answers.read(request, answer, now))

    async def _note_silence(self, request: Request, seconds: float) -> None:
        """Tell that a topic which should speak does not, and begin it anew."""
        key = request.contract.instrument, request.topic
        if self._outbox.waiting_readers:
            return  # it is we who do not listen
        if key not in self._silent:
            self._silent.add(key)
            reason = f"nothing for {seconds:.0f} s"
            await self._put([TopicSilent(*key, reason, self._clock.now())])
        self.renew(*key)

    async def _strike(self, request: Request, error: BaseException) -> None:
        """Count a fault of a topic; with the third in a minute it is set aside for a while."""
        instrument, topic = request.contract.instrument, request.topic
        if not self._strikes.add(f"{topic} {instrument.symbol}"):
            return
        reason, now = describe(error), self._clock.now()
        _log.warning("topic_refused", venue=self.venue, topic=topic, reason=reason)
        await self._put([TopicRefused(instrument, topic, reason, now)])
        self._silent.add((instrument, topic))
        await asyncio.sleep(_SET_ASIDE_SECONDS)

    async def _watch_for_silence(self, library: GuardedLibrary) -> None:
        """End connections on which no data come although they should."""
        before = self._clock.monotonic_ms()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = self._clock.monotonic_ms()
            stood_still = now - before > SECOND or self._outbox.waiting_readers > 0
            before = now
            for url, guard in list(library.guards.items()):
                if guard.reason is not None:
                    del library.guards[url]
                elif stood_still:
                    # it was this process that stood still: what lies in the socket is not read yet
                    guard.last_data_ms = None if guard.last_data_ms is None else now
                    guard.connected_ms = None if guard.connected_ms is None else now
                else:
                    _end_if_silent(guard, now)


def _end_if_silent(guard: ClientGuard, now: int) -> None:
    is_busy = any(each.contract.instrument.symbol in _BUSY for each in guard.requests)
    limit = _SILENCE_MS if is_busy else _SILENCE_WITHOUT_BUSY_MS
    since = guard.last_data_ms
    if since is None:
        since, limit = guard.connected_ms, _FIRST_DATA_MS
    if since is not None and now - since > limit:
        guard.fail(f"no data for {(now - since) / SECOND:.1f} s")
