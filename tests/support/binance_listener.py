"""Stands where the engine stands, behind a Binance feed: judges, applies, asks the feed to mend."""

import asyncio
import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.binance.stream import BinanceFeed, BinanceSettings
from virtuoso.adapters.feed.connection import Tape
from virtuoso.adapters.feed.limits import RequestBudget
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    Disconnected,
    FeedEvent,
    MarketData,
    MarketEvent,
    Topic,
    Trade,
)
from virtuoso.domain.scores import Reason
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.verdict import Action

E = TypeVar("E", bound=FeedEvent)


def instrument(symbol: str) -> Instrument:
    """An instrument of Binance."""
    return Instrument(BINANCE, Symbol(symbol))


class BinanceListener:
    """Takes everything that comes, and keeps what a test asks about."""

    def __init__(
        self,
        address: str,
        *,
        tape: Tape | None = None,
        life_seconds: float = 82_800.0,
        silence_seconds: float = 3.0,
    ) -> None:
        """`address` is host and port of streams and REST alike."""
        self.settings = BinanceSettings(
            stream_url=f"ws://{address}",
            rest_url=f"http://{address}",
            life_seconds=life_seconds,
            silence_seconds=silence_seconds,
        )
        clock = SystemClock()
        rng = random.Random(3)  # noqa: S311 - not for secrets
        self.budget = RequestBudget(BINANCE, clock)
        self.feed = BinanceFeed(self.settings, self.budget, clock, rng, tape=tape)
        self.door = Door([])
        self.books: defaultdict[Instrument, OrderBook] = defaultdict(OrderBook)
        self.kinds: Counter[str] = Counter()
        self.of_instrument: Counter[Instrument] = Counter()
        self.events: list[FeedEvent] = []
        """All but the market's own."""
        self.market: list[MarketEvent[MarketData]] = []
        self.resyncs: list[str] = []
        self._changed = asyncio.Condition()

    async def run(self, instruments: Sequence[Instrument]) -> None:
        """Take everything that comes."""
        self.door.watch(instruments)
        async for batch in self.feed.events(instruments):
            for event in batch:
                self._take(event)
            async with self._changed:
                self._changed.notify_all()

    def watch(self, instruments: Sequence[Instrument]) -> None:
        """Watch others from now on."""
        self.door.watch(instruments)
        self.feed.watch(instruments)

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0 * SLACK) -> float:
        """Wait for something to become true; how long it took."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)
        return loop.time() - begin

    def are_synced(self, instruments: Sequence[Instrument]) -> bool:
        """Whether there is a book of each of them."""
        return all(self.books[each].synced for each in instruments)

    def told(self, kind: type[E]) -> list[E]:
        """The events of a kind that the feed told, in their order."""
        return [event for event in self.events if isinstance(event, kind)]

    def trade_ids(self, instrument: Instrument) -> list[int]:
        """The numbers of the trades as they came."""
        return [
            int(event.data.id)
            for event in self.market
            if event.instrument == instrument and isinstance(event.data, Trade)
        ]

    def _take(self, event: FeedEvent) -> None:
        self.kinds[type(event).__name__] += 1
        if not isinstance(event, MarketEvent):
            if isinstance(event, Disconnected):
                self.door.forget(event.instruments)
                for each in event.instruments:
                    self.books[each].forget(Reason.NO_FEED)
            self.events.append(event)
            return
        self.kinds[type(event.data).__name__] += 1
        self.of_instrument[event.instrument] += 1
        self.market.append(event)
        verdict = self.door.judge(event, self.books[event.instrument])
        if verdict.action is Action.RESYNC:
            self.resyncs.append(verdict.reason)
            self.feed.renew(event.instrument, Topic.BOOK)


@asynccontextmanager
async def binance_listening(
    address: str,
    instruments: Sequence[Instrument],
    *,
    tape: Tape | None = None,
    life_seconds: float = 82_800.0,
    silence_seconds: float = 3.0,
) -> AsyncIterator[BinanceListener]:
    """A listener that listens; what it dies of is raised."""
    listener = BinanceListener(
        address, tape=tape, life_seconds=life_seconds, silence_seconds=silence_seconds
    )
    task = asyncio.create_task(listener.run(instruments))
    try:
        yield listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
