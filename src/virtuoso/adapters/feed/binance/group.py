"""Instruments that share a pair of connections, and the life of the pair.

An instrument's streams lie on two connections; when one of the two is lost, both begin anew, so
that an instrument is either connected or not.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import structlog

from virtuoso.adapters.feed.binance.conversation import (
    Conversation,
    GroupContext,
    SilentConnectionError,
)
from virtuoso.adapters.feed.binance.handover import Hold
from virtuoso.adapters.feed.binance.intake import Intake, Sink
from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.binance.silence import Silent
from virtuoso.adapters.feed.binance.subscriptions import Category, StreamName, streams_of
from virtuoso.adapters.feed.binance.topics import Topics
from virtuoso.adapters.feed.connection import (
    Backoff,
    ConnectPace,
    ConversationEndedError,
    Outbox,
    Socket,
    describe_failure,
    forget_address,
    open_socket,
    until_one_ends,
)
from virtuoso.adapters.feed.ladder import Ladder, Step
from virtuoso.domain.instruments import BINANCE, Instrument
from virtuoso.domain.market_data import Connected, Disconnected, Topic
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_SILENT_AGAIN_MS: Final = MINUTE
"""A connection that is silent so soon after another may have a dead address."""
_EARLIEST_LIFE: Final = 0.95
"""Connections are replaced within the last twentieth of their life, not all at once."""
_LOOK_SECONDS: Final = 0.05
_RETRY_SECONDS: Final = 60.0
"""After so long a replacement that failed is tried again, or after the life if that is shorter."""


class Pair:
    """The two connections of a group, from their opening to their end."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        pace: ConnectPace,
        context: GroupContext,
        sink: Sink,
    ) -> None:
        self._session = session
        self._pace = pace
        self._context = context
        self._sink = sink
        self.conversations: tuple[Conversation, ...] = ()
        self.opened: Final = asyncio.Event()
        """Set once both connections are open; the streams are asked for after `admitted`."""
        self.admitted: Final = asyncio.Event()

    async def run(self) -> None:
        """Hold both conversations until one of them ends; raises what it ended with."""
        base = self._context.settings.stream_url.rstrip("/")
        async with (
            self._open(f"{base}/{Category.PUBLIC}/stream") as public,
            self._open(f"{base}/{Category.MARKET}/stream") as market,
        ):
            self.conversations = (
                Conversation(self._context, Category.PUBLIC, public, self._sink),
                Conversation(self._context, Category.MARKET, market, self._sink),
            )
            self.opened.set()
            await self.admitted.wait()
            await until_one_ends(
                *(each.read() for each in self.conversations),
                *(each.keep_subscribed() for each in self.conversations),
                *(each.watch() for each in self.conversations),
            )

    @asynccontextmanager
    async def _open(self, url: str) -> AsyncIterator[Socket]:
        await self._pace.turn()
        async with open_socket(self._session, url) as ws:
            yield ws

    @property
    def is_settled(self) -> bool:
        """Whether everything that is wanted is subscribed to, and both connections gave data."""
        return bool(self.conversations) and all(
            each.settled.is_set() and each.first_data_ms is not None for each in self.conversations
        )

    async def retire(self) -> None:
        """Take no further frame; returns when the last one is handed on."""
        for each in self.conversations:
            each.retire()
        for each in self.conversations:
            await each.idle.wait()

    def take_over(self) -> None:
        """Speak for the group from now on."""
        for each in self.conversations:
            each.speaks_for_group = True


class Group:
    """Instruments that share a pair of connections."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: BinanceSettings,
        session: aiohttp.ClientSession,
        pace: ConnectPace,
        outbox: Outbox,
        clock: Clock,
        rng: random.Random,
        ask_for_book: Callable[[Intake, Instrument], None],
    ) -> None:
        self._settings = settings
        self._session = session
        self._pace = pace
        self._outbox = outbox
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(rng)
        self._ladder = Ladder()
        self._instruments: tuple[Instrument, ...] = ()
        self._told: frozenset[Instrument] = frozenset()
        self._intake = Intake(outbox, clock, ask_for_book)
        self._topics = Topics(outbox, clock)
        self._context = GroupContext(
            settings=settings,
            clock=clock,
            outbox=outbox,
            intake=self._intake,
            topics=self._topics,
            wanted=self._wanted,
            told=lambda: self._told,
            mend=self._mend,
        )
        self._pairs: list[Pair] = []
        """The one that speaks for the group first, then the one that will."""
        self._recycled: asyncio.Future[str] | None = None
        self._silent_ms: int | None = None
        """When a connection was last given up for its silence."""
        self._changed = asyncio.Event()
        self._renewals: dict[Instrument, None] = {}
        """Books that are to begin anew, in the order in which that was asked."""
        self.change(instruments)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What this group carries, the most needed first."""
        return self._instruments

    def change(self, instruments: Sequence[Instrument]) -> None:
        """Carry these instruments from now on and no others."""
        before, after = set(self._instruments), set(instruments)
        gone = before - after
        self._instruments = tuple(instruments)
        self._intake.drop(gone)
        self._intake.add(each for each in instruments if each not in before)
        for each in gone:
            self._topics.forget(each)
            self._ladder.forget(name.text for name in streams_of(each))
        if before != after:
            self._changed.set()

    def recycle(self, reason: str) -> None:
        """Close and reopen both connections."""
        if self._recycled is not None and not self._recycled.done():
            self._recycled.set_result(reason)

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Have a topic subscribed to anew; a book only needs another REST book."""
        if topic is Topic.BOOK:
            self._renewals[instrument] = None
            self._changed.set()
            return
        for name in streams_of(instrument):
            if name.topic is not topic or any(
                each.is_renewing(name.text) for each in self._speaking()
            ):
                continue
            step = self._ladder.climb(name.text, self._clock.monotonic_ms())
            self._carry_out(step, name, "cannot be trusted")

    async def run(self) -> None:
        """Keep the connections, for ever."""
        while True:
            reason = await self._until_it_ends()
            now = self._clock.monotonic_ms()
            first = [
                each.first_data_ms for each in self._speaking() if each.first_data_ms is not None
            ]
            good_ms = max(now - min(first), 1) if len(first) == len(Category) else 0
            self._pairs = []
            self._intake.is_open = False
            _log.warning("connection_ended", venue=BINANCE, reason=reason, good_ms=good_ms)
            await self.report_lost(reason)
            await asyncio.sleep(self._backoff.delay_seconds(good_ms=good_ms, now_ms=now))

    async def report_lost(self, reason: str) -> None:
        """Tell that nothing of what was connected is so any more."""
        lost, self._told = self._told or frozenset(self._instruments), frozenset()
        if lost:
            await self._outbox.put([Disconnected(BINANCE, lost, reason, self._clock.now())])

    def _wanted(self, category: Category) -> list[StreamName]:
        return [
            name
            for instrument in self._instruments
            if instrument in self._told
            for name in streams_of(instrument)
            if name.category is category
        ]

    def _speaking(self) -> tuple[Conversation, ...]:
        """The conversations that speak for the group."""
        return self._pairs[0].conversations if self._pairs else ()

    async def _until_it_ends(self) -> str:
        try:
            await self._converse()
        except SilentConnectionError as ended:
            before, self._silent_ms = self._silent_ms, self._clock.monotonic_ms()
            if before is not None and self._silent_ms - before <= _SILENT_AGAIN_MS:
                forget_address(self._session, self._settings.stream_url)
            return str(ended)
        except ConversationEndedError as ended:
            return str(ended)
        except TimeoutError:
            return "the venue did not answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return describe_failure(error)
        return "the venue closed the connection"

    async def _converse(self) -> None:
        """Open a pair, replace it by another in time, and so on; raises what the last ended of."""
        self._recycled = asyncio.get_running_loop().create_future()
        pair = Pair(self._session, self._pace, self._context, self._intake)
        self._pairs = [pair]
        await until_one_ends(self._keep_pair(pair), self._keep_told(pair), self._until_recycled())

    async def _until_recycled(self) -> None:
        if self._recycled is not None:
            raise ConversationEndedError(await self._recycled)

    async def _keep_told(self, pair: Pair) -> None:
        """Report what is connected, and begin books anew, whenever that changes."""
        await pair.opened.wait()
        self._intake.is_open = True
        while True:
            self._changed.clear()
            here = frozenset(self._instruments)
            gone, new = self._told - here, here - self._told
            self._told = here
            if gone:
                reason = "no longer watched"
                await self._outbox.put([Disconnected(BINANCE, gone, reason, self._clock.now())])
            if new:
                await self._outbox.put([Connected(BINANCE, new, self._clock.now())])
                await self._intake.begin(each for each in self._instruments if each in new)
            renewals, self._renewals = self._renewals, {}
            for each in renewals:
                bridge = self._intake.bridge(each)
                if bridge is not None and bridge.bridged:
                    await self._intake.restart_book(each)
            pair.admitted.set()
            for each_pair in self._pairs:
                for conversation in each_pair.conversations:
                    conversation.reconsider()
            await self._changed.wait()

    async def _keep_pair(self, pair: Pair) -> None:
        """Run a pair and replace it before the venue ends it. Raises what a pair ended with."""
        running = asyncio.ensure_future(pair.run())
        replacement: Replacement | None = None
        retire_at = self._end_of_life()
        try:
            while True:
                now = self._clock.monotonic_ms()
                if replacement is None:
                    pause = min(max(retire_at - now, 0) / SECOND, _RETRY_SECONDS)
                    await asyncio.wait([running], timeout=pause)
                else:
                    await asyncio.wait([running, replacement.running], timeout=_LOOK_SECONDS)
                if running.done():
                    running.result()
                    return
                if replacement is not None and replacement.running.done():
                    retire_at = self._clock.monotonic_ms() + self._retry_ms()
                    replacement.log_failure()
                    self._pairs = [pair]
                    replacement = None
                elif replacement is not None and replacement.is_ready(self._settings):
                    await replacement.take_over(pair)
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                    pair, running, replacement = replacement.pair, replacement.running, None
                    self._pairs = [pair]
                    retire_at = self._end_of_life()
                    _log.info("connection_replaced", venue=BINANCE)
                elif replacement is None and self._clock.monotonic_ms() >= retire_at:
                    replacement = Replacement(self._session, self._pace, self._context, self._clock)
                    self._pairs = [pair, replacement.pair]
        finally:
            ending = [running, *([replacement.running] if replacement else [])]
            for each in ending:
                each.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    def _end_of_life(self) -> int:
        share = self._rng.uniform(_EARLIEST_LIFE, 1)
        return self._clock.monotonic_ms() + int(self._settings.life_seconds * share * SECOND)

    def _retry_ms(self) -> int:
        return int(min(_RETRY_SECONDS, self._settings.life_seconds) * SECOND)

    async def _mend(self, silent: Silent) -> None:
        """Tell of a stream that fell silent, and take the next step against it."""
        name = silent.stream
        await self._topics.silence(name, silent.reason)
        step = Step.RENEW
        if silent.is_proven:
            step = self._ladder.climb(name.text, self._clock.monotonic_ms())
        if step is Step.RENEW and name.topic is Topic.BOOK:
            await self._intake.restart_book(name.instrument)
        self._carry_out(step, name, silent.reason)

    def _carry_out(self, step: Step, name: StreamName, reason: str) -> None:
        if step is Step.RENEW:
            for each in self._speaking():
                each.renew(name.text)
            return
        if step is Step.RESOLVE:
            forget_address(self._session, self._settings.stream_url)
        self.recycle(f"{name.text}: {reason}"[:200])


class Replacement:
    """A pair that is about to take over from an older one."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        pace: ConnectPace,
        context: GroupContext,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._hold = Hold(context.intake, clock)
        self.pair: Final = Pair(session, pace, context, self._hold)
        self.pair.admitted.set()
        self.running: Final = asyncio.ensure_future(self.pair.run())
        self._settled_ms: int | None = None

    def is_ready(self, settings: BinanceSettings) -> bool:
        """Whether it has all that the older one gave, or took too long to get there."""
        if not self.pair.is_settled:
            return False
        now = self._clock.monotonic_ms()
        if self._settled_ms is None:
            self._settled_ms = now
        late = now - self._settled_ms > settings.overlap_seconds * SECOND
        return self._hold.is_complete() or late

    async def take_over(self, older: Pair) -> None:
        """Go on where the older pair stops."""
        await older.retire()
        await self._hold.release()
        self.pair.take_over()

    def log_failure(self) -> None:
        """Note why it ended before it took over."""
        error = None if self.running.cancelled() else self.running.exception()
        _log.warning("replacement_failed", venue=BINANCE, reason=str(error)[:200])
