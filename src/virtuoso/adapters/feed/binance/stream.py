"""BinanceFeed: the public streams, shared out over groups of connections."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

import aiohttp

from virtuoso.adapters.feed.binance.group import Group
from virtuoso.adapters.feed.binance.rest_books import RestBooks
from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.binance.subscriptions import share_out
from virtuoso.adapters.feed.connection import Batch, ConnectPace, Outbox, Tape, drain, open_session
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, Instrument, Venue
from virtuoso.domain.market_data import FeedEvent, Topic
from virtuoso.domain.scores import Source
from virtuoso.ports import Clock

__all__ = ["BinanceFeed", "BinanceSettings"]

_CONNECTIONS: Final = 75
_CONNECTIONS_SECONDS: Final = 300.0
"""Half of the 300 new connections in 5 minutes that the venue allows an address, at the worst."""
_APART_SECONDS: Final = 0.02
_LAST: Final = 1_000_000
"""The rank of an instrument that is not in the universe."""


class BinanceFeed:
    """The public streams of Binance's USD-M perpetuals, or of a simulator that speaks like it."""

    def __init__(
        self,
        settings: BinanceSettings,
        budget: RequestBudget,
        clock: Clock,
        rng: random.Random,
        source: Source = Source.BINANCE,
        tape: Tape | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._clock = clock
        self._rng = rng
        self._source = source
        self._outbox = Outbox(tape=tape)
        self._wanted: tuple[Instrument, ...] = ()
        self._ranks: dict[Instrument, int] = {}
        self._groups: list[Group] = []
        self._changed = asyncio.Event()

    @property
    def venue(self) -> Venue:
        """Binance."""
        return BINANCE

    @property
    def source(self) -> Source:
        """Binance, or the simulator."""
        return self._source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Connect, subscribe and yield a batch a frame, for ever. Raises SettingsError.

        The order of the instruments is the order in which they are served.
        """
        if not instruments:
            msg = "expected instruments of binance, found none"
            raise SettingsError(msg)
        self.watch(instruments)
        async with open_session() as session:
            books = RestBooks(
                self._settings.rest_url,
                self._budget,
                session,
                self._clock,
                lambda instrument: self._ranks.get(instrument, _LAST),
            )
            batches = drain(self._outbox, [self._keep_groups(session, books), books.run()])
            try:
                async for batch in batches:
                    yield batch
            finally:
                await batches.aclose()

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Stream these instruments from now on and no others. Raises SettingsError.

        Who is watched already stays on its connections; nothing of the others comes any more.
        """
        strangers = [each.symbol for each in instruments if each.venue != BINANCE]
        if strangers:
            msg = f"expected instruments of binance, found {', '.join(strangers)}"
            raise SettingsError(msg)
        self._wanted = tuple(dict.fromkeys(instruments))
        self._ranks = {each: rank for rank, each in enumerate(self._wanted)}
        shared = self._share_out()
        for group, share in zip(self._groups, shared, strict=False):
            group.change(share)
        self._changed.set()

    async def insert(self, event: FeedEvent) -> None:
        """Put an event of ours in line behind what was received so far."""
        await self._outbox.put([event])

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Begin a book anew with a REST book; subscribe to the streams of another topic anew.

        Again within a minute: recycle, except for books.
        """
        group = self._group_of(instrument)
        if group is not None:
            group.renew(instrument, topic)

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connections that carry this instrument."""
        group = self._group_of(instrument)
        if group is not None:
            group.recycle(reason)

    def _group_of(self, instrument: Instrument) -> Group | None:
        return next((each for each in self._groups if instrument in each.instruments), None)

    def _share_out(self) -> Sequence[Sequence[Instrument]]:
        return share_out([group.instruments for group in self._groups], self._wanted)

    async def _keep_groups(self, session: aiohttp.ClientSession, books: RestBooks) -> None:
        """Run as many groups as it takes, for ever. Raises what one of them died of."""
        pace = ConnectPace(_CONNECTIONS, _CONNECTIONS_SECONDS, _APART_SECONDS)
        running: dict[Group, asyncio.Task[None]] = {}
        try:
            while True:
                self._changed.clear()
                for share in self._share_out()[len(self._groups) :]:
                    group = Group(
                        share,
                        self._settings,
                        session,
                        pace,
                        self._outbox,
                        self._clock,
                        self._rng,
                        books.ask,
                    )
                    self._groups.append(group)
                    running[group] = asyncio.create_task(group.run())
                for group in [group for group in self._groups if not group.instruments]:
                    self._groups.remove(group)
                    await _end(running.pop(group))
                    await group.report_lost("no longer watched")
                changed = asyncio.ensure_future(self._changed.wait())
                try:
                    done, _ = await asyncio.wait(
                        [changed, *running.values()], return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    changed.cancel()
                for task in done - {changed}:
                    task.result()
        finally:
            self._groups = []
            for task in running.values():
                task.cancel()
            await asyncio.gather(*running.values(), return_exceptions=True)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
