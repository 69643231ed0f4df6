"""BybitFeed: the public stream, shared out over connections that come back for ever."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import aiohttp
import structlog

from virtuoso.adapters.feed.bybit.conversation import Conversation, SilentConnectionError
from virtuoso.adapters.feed.bybit.memory import Memory
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.topics import share_out
from virtuoso.adapters.feed.bybit.troubles import Troubles
from virtuoso.adapters.feed.connection import (
    Backoff,
    Batch,
    ConnectPace,
    ConversationEndedError,
    Outbox,
    Tape,
    describe_failure,
    drain,
    forget_address,
    open_session,
    open_socket,
    until_one_ends,
)
from virtuoso.adapters.feed.ladder import Ladder, Step
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BYBIT, Instrument, Venue
from virtuoso.domain.market_data import FeedEvent, Topic
from virtuoso.domain.scores import Source
from virtuoso.ports import Clock

__all__ = ["BybitFeed", "BybitSettings"]

_log = structlog.get_logger(__name__)

_CONNECTIONS: Final = 240.0
_CONNECTIONS_SECONDS: Final = 300.0
"""The venue allows 500 in this time, and a bucket lets through twice what it holds."""
_APART_SECONDS: Final = 0.1
_FAILURES_TO_DOUBT: Final = 3
"""After so many attempts in vain the venue may have moved."""
_CONNECTION: Final = "connection"
"""Stands on a ladder for the connection as a whole."""


class BybitFeed:
    """The public stream of Bybit's linear perpetuals, or of a simulator that speaks like it."""

    def __init__(
        self,
        settings: BybitSettings,
        clock: Clock,
        rng: random.Random,
        source: Source = Source.BYBIT,
        tape: Tape | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._source = source
        self._outbox = Outbox(tape=tape)
        self._wanted: tuple[Instrument, ...] = ()
        self._connections: list[BybitConnection] = []
        self._changed = asyncio.Event()

    @property
    def venue(self) -> Venue:
        """Bybit."""
        return BYBIT

    @property
    def source(self) -> Source:
        """Bybit, or the simulator."""
        return self._source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Connect, subscribe and yield a batch a frame, for ever. Raises SettingsError.

        The first instruments share the first connection: hand them over the most needed first.
        """
        if not instruments:
            msg = "expected instruments of bybit, found none"
            raise SettingsError(msg)
        self.watch(instruments)
        async with open_session() as session:
            batches = drain(self._outbox, [self._keep_connections(session)])
            try:
                async for batch in batches:
                    yield batch
            finally:
                await batches.aclose()

    async def insert(self, event: FeedEvent) -> None:
        """Put an event of ours in line behind what was received so far."""
        await self._outbox.put([event])

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Stream these instruments from now on and no others. Raises SettingsError.

        Who is watched already stays on its connection and is not subscribed to again.
        """
        strangers = [each.symbol for each in instruments if each.venue != BYBIT]
        if strangers:
            msg = f"expected instruments of bybit, found {', '.join(strangers)}"
            raise SettingsError(msg)
        self._wanted = tuple(dict.fromkeys(instruments))
        for connection, share in zip(self._connections, self._share_out(), strict=False):
            connection.change(share)
        self._changed.set()

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Unsubscribe and subscribe one topic alone; again within a minute: recycle."""
        connection = self._connection_of(instrument)
        if connection is not None:
            connection.renew(instrument, topic)

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connection that carries this instrument."""
        connection = self._connection_of(instrument)
        if connection is not None:
            connection.recycle(reason)

    def _connection_of(self, instrument: Instrument) -> "BybitConnection | None":
        return next((each for each in self._connections if instrument in each.instruments), None)

    def _share_out(self) -> Sequence[Sequence[Instrument]]:
        carried = [connection.instruments for connection in self._connections]
        return share_out(carried, self._wanted, self._settings)

    async def _keep_connections(self, session: aiohttp.ClientSession) -> None:
        """Run as many connections as it takes, for ever. Raises what one of them died of."""
        pace = ConnectPace(_CONNECTIONS, _CONNECTIONS_SECONDS, _APART_SECONDS)
        running: dict[BybitConnection, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                for share in self._share_out()[len(self._connections) :]:
                    connection = BybitConnection(
                        share, self._settings, session, pace, self._outbox, self._clock, self._rng
                    )
                    self._connections.append(connection)
                    running[connection] = asyncio.create_task(connection.run())
                for connection in [each for each in self._connections if not each.instruments]:
                    self._connections.remove(connection)
                    task = running.pop(connection)
                    task.cancel()
                    await asyncio.wait([task])
                    await connection.report_lost("no longer watched")
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    await asyncio.wait(
                        [changed, *running.values()], return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    changed.cancel()
                for task in running.values():
                    if task.done():
                        task.result()
        finally:
            self._connections = []
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)


class BybitConnection:
    """Holds one conversation after the other, for ever, and reports each end."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        settings: BybitSettings,
        session: aiohttp.ClientSession,
        pace: ConnectPace,
        outbox: Outbox,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._url = settings.url
        self._session = session
        self._pace = pace
        self._clock = clock
        self._rng = rng
        self._backoff = Backoff(rng)
        self._ladder = Ladder()
        self._memory = Memory(settings, clock, outbox, Troubles(settings.patience, outbox, clock))
        self._conversation: Conversation | None = None
        self._recycled: asyncio.Future[str] | None = None
        self._failures = 0
        """Attempts to connect that failed, one after the other."""
        self._memory.change(instruments)

    @property
    def instruments(self) -> Collection[Instrument]:
        """What this connection carries."""
        return self._memory.admitted.keys()

    def change(self, instruments: Sequence[Instrument]) -> None:
        """Carry these instruments from now on and no others."""
        if self._memory.change(instruments) and self._conversation is not None:
            self._conversation.reconsider()

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Renew the topics of this kind, or take a rougher step."""
        if self._conversation is not None:  # else everything will be subscribed anew anyway
            self._conversation.renew(instrument, topic)

    def recycle(self, reason: str, step: Step = Step.RECYCLE) -> None:
        """Close and reopen the connection."""
        if step is Step.RESOLVE:
            forget_address(self._session, self._url)
        if self._recycled is not None and not self._recycled.done():
            self._recycled.set_result(reason)

    async def report_lost(self, reason: str) -> None:
        """Tell that nothing of what was connected, or should have been, is so."""
        await self._memory.report_lost(reason)

    async def run(self) -> None:
        """Keep the connection, for ever."""
        memory = self._memory
        while True:
            memory.first_data_ms = None
            reason = await self._until_it_ends()
            now = self._clock.monotonic_ms()
            good_ms = 0 if memory.first_data_ms is None else max(now - memory.first_data_ms, 1)
            _log.warning("connection_ended", venue=BYBIT, reason=reason, good_ms=good_ms)
            await memory.report_lost(reason)
            await asyncio.sleep(self._backoff.delay_seconds(good_ms=good_ms, now_ms=now))

    async def _until_it_ends(self) -> str:
        try:
            await self._converse()
        except SilentConnectionError as ended:
            if self._ladder.climb(_CONNECTION, self._clock.monotonic_ms()) is not Step.RENEW:
                forget_address(self._session, self._url)
            return str(ended)
        except ConversationEndedError as ended:
            return str(ended)
        except TimeoutError:
            return "the venue did not answer in time"
        except (aiohttp.ClientError, OSError) as error:
            return describe_failure(error)
        return "the venue closed the connection"

    async def _converse(self) -> None:
        await self._pace.turn()
        self._failures += 1
        if self._failures % _FAILURES_TO_DOUBT == 0:
            forget_address(self._session, self._url)
        async with open_socket(self._session, self._url) as ws:
            self._failures = 0
            self._recycled = asyncio.get_running_loop().create_future()
            conversation = Conversation(self._memory, ws, self.recycle)
            self._conversation = conversation
            try:
                await until_one_ends(
                    conversation.read(),
                    conversation.keep_subscribed(),
                    conversation.ping(),
                    conversation.watch(),
                    self._until_recycled(self._recycled),
                )
            finally:
                self._conversation = None
                self._recycled = None

    async def _until_recycled(self, recycled: asyncio.Future[str]) -> None:
        raise ConversationEndedError(await recycled)
