"""`make soak`: a recording played in a loop, its times shifted, so that days pass in minutes.

All of the engine works as in `virtuoso run`: pipeline, scores, documents, publisher, cache. Printed
for each simulated hour: memory, Python's blocks, tasks, descriptors and threads; at the end the
slope of the memory in MB a simulated day (Theil-Sen: the median of the slopes of all pairs).
"""

import argparse
import asyncio
import ctypes
import gc
import random
import sys
import threading
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.recording.replay import ReplayFeed
from virtuoso.apps.engine import RunOptions, build_engine
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.sources import OpenSource, open_replay
from virtuoso.domain.instruments import Instrument, Venue
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    CandlesLoaded,
    Connected,
    DerivativesLoaded,
    Disconnected,
    FeedEnded,
    FeedEvent,
    FormingCandle,
    MarketEvent,
    Ticker,
    TickerField,
    Topic,
    Trade,
    UniverseChosen,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis
from virtuoso.engine.publisher import Publisher
from virtuoso.testing.own_memory import own_memory

Batch = Sequence[FeedEvent]
LEAST_HOURS = 4
RECONNECT_EVERY = 10
"""Loops after which the connection is lost and comes back."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the process holds after a simulated hour."""

    hour: float
    memory_mb: float
    blocks: int
    tasks: int
    descriptors: int
    threads: int


def read_process(hour: float) -> Reading:
    """Measure, after everything that can be freed was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    process = psutil.Process()
    return Reading(
        hour,
        process.memory_info().rss / 1_000_000,
        sys.getallocatedblocks(),
        len(asyncio.all_tasks()),
        process.num_fds(),
        threading.active_count(),
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968)."""
    return median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2))


@dataclass(frozen=True, slots=True)
class Loop:
    """A recording cut at whole minutes, so that its end joins its beginning."""

    venue: Venue
    source: Source
    instruments: tuple[Instrument, ...]
    before: tuple[Batch, ...]
    """What comes before the loop begins: history, first snapshots."""
    begin: Millis
    end: Millis
    batches: tuple[Batch, ...]
    opening: Batch
    """The books and tickers as they stand where the loop begins."""


class _Standing:
    """Books and tickers as the line has made them so far."""

    def __init__(self) -> None:
        self._books: dict[Instrument, tuple[dict[float, float], dict[float, float], BookDelta]] = {}
        self._tickers: dict[Instrument, dict[TickerField, float | None]] = {}

    def take(self, event: FeedEvent) -> None:
        """Follow one event."""
        if not isinstance(event, MarketEvent):
            return
        data = event.data
        if isinstance(data, BookSnapshot):
            last = BookDelta((), (), 0, data.sequence, data.cross_sequence)
            self._books[event.instrument] = (dict(data.bids), dict(data.asks), last)
        elif isinstance(data, BookDelta) and event.instrument in self._books:
            bids, asks, _ = self._books[event.instrument]
            for side, levels in ((bids, data.bids), (asks, data.asks)):
                for price, quantity in levels:
                    if quantity:
                        side[price] = quantity
                    else:
                        side.pop(price, None)
            self._books[event.instrument] = (bids, asks, data)
        elif isinstance(data, Ticker):
            self._tickers.setdefault(event.instrument, {}).update(data.values)

    def events(self, at: Millis) -> Iterator[FeedEvent]:
        """Say all of it anew."""
        for instrument, (bids, asks, last) in self._books.items():
            levels = sorted(bids.items(), reverse=True), sorted(asks.items())
            book = BookSnapshot(*levels, last.sequence, last.cross_sequence)
            yield MarketEvent(instrument, book, at, at)
        for instrument, values in self._tickers.items():
            yield MarketEvent(instrument, Ticker(dict(values), whole=True), at, at)


async def read_loop(feed: ReplayFeed) -> Loop:
    """Read a recording into memory. Raises ValueError for one of less than two whole minutes."""
    begin = Millis(-(-feed.recorded_from // MINUTE) * MINUTE)
    end = Millis(feed.recorded_to // MINUTE * MINUTE)
    if end - begin < MINUTE:
        msg = f"expected a recording of two whole minutes, found {end - begin} ms between them"
        raise ValueError(msg)
    standing, opening = _Standing(), list[FeedEvent]()
    before: list[Batch] = []
    batches: list[Batch] = []
    async for batch in feed.events(() if feed.chooses_universe else feed.instruments):
        at = batch[0].receive_time
        if at < begin and not opening:
            before.append(batch)
            for event in batch:
                standing.take(event)
        elif at <= end:
            opening = opening or list(standing.events(begin))
            kept = [each for each in batch if not isinstance(each, _ONCE)]
            if kept:
                batches.append(kept)
    return Loop(
        feed.venue,
        feed.source,
        feed.instruments,
        tuple(before),
        begin,
        end,
        tuple(batches),
        tuple(opening),
    )


_ONCE = (UniverseChosen, CandlesLoaded, DerivativesLoaded, FeedEnded, Connected, Disconnected)


def shifted(event: FeedEvent, by: int, number: int) -> FeedEvent:
    """The same event later, as if it were another one."""
    if not isinstance(event, MarketEvent):
        return replace(event, receive_time=Millis(event.receive_time + by))
    data = event.data
    match data:
        case Trade():
            data = data._replace(
                id=str(int(data.id) + by) if data.id.isdecimal() else f"{data.id}-{number}"
            )
        case Candle() | FormingCandle():
            data = replace(data, open_time=Millis(data.open_time + by))
        case Ticker(values=values) if values.get(TickerField.NEXT_FUNDING_TIME):
            due = values[TickerField.NEXT_FUNDING_TIME] or 0.0
            data = replace(data, values={**values, TickerField.NEXT_FUNDING_TIME: due + by})
        case _:
            pass
    return MarketEvent(
        event.instrument, data, Millis(event.event_time + by), Millis(event.receive_time + by)
    )


class LoopedFeed:
    """The loop as a feed, for so many simulated hours; a reading each `every` of an hour."""

    def __init__(self, loop: Loop, hours: float, every: float) -> None:
        self._loop = loop
        self._hours = hours
        self._every = every
        self.readings: list[Reading] = []
        self.done = asyncio.Event()

    @property
    def venue(self) -> Venue:
        """Of the recording."""
        return self._loop.venue

    @property
    def source(self) -> Source:
        """Of the recording."""
        return self._loop.source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """The beginning once, then the loop again and again."""
        loop = self._loop
        chosen = frozenset(instruments or loop.instruments)
        for batch in loop.before:
            yield batch
        length, number = loop.end - loop.begin, 0
        while not self.readings or self.readings[-1].hour < self._hours:
            by = number * length
            at = Millis(loop.begin + by)
            if number and number % RECONNECT_EVERY == 0:
                yield [Disconnected(loop.venue, chosen, "a loop of the soak", at)]
                yield [Connected(loop.venue, chosen, at)]
            if number:
                yield [shifted(each, by, number) for each in loop.opening]
            for batch in loop.batches:
                yield [shifted(each, by, number) for each in batch]
            number += 1
            if number * length >= (len(self.readings) + 1) * self._every * HOUR:
                await asyncio.sleep(0.3)  # the publisher is through with what it has
                self.readings.append(read_process(number * length / HOUR))
        self.done.set()
        await asyncio.Event().wait()

    async def insert(self, event: FeedEvent) -> None:
        """Nothing is put into it."""

    def watch(self, instruments: Collection[Instrument]) -> None:
        """Nothing can be asked of it."""

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Nothing can be asked of it."""

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Nothing can be asked of it."""


async def soak(path: str, candles: Path | None, hours: float, every: float = 1.0) -> list[Reading]:
    """Run the engine on a looped recording; a reading for each simulated hour, or part of one."""
    source = open_replay(path, None, candles)
    if not isinstance(source.feed, ReplayFeed):
        msg = f"expected a recording at {path}"
        raise TypeError(msg)
    feed = LoopedFeed(await read_loop(source.feed), hours, every)
    clock, settings = SystemClock(), load_settings(None, {})
    rng = random.Random(1)  # noqa: S311 - spreads retries
    publisher = Publisher(own_memory(clock, 5_000), MemoryBroker(), 30 * SECOND)
    engine = build_engine(
        settings,
        RunOptions(f"replay:{path}", None, candles, None, symbols=None),
        OpenSource(feed, source.history, source.instruments, source.replay, source.epoch),
        clock,
        publisher,
        rng,
    )
    running = asyncio.create_task(engine.run())
    done = asyncio.create_task(feed.done.wait())
    await asyncio.wait({running, done}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running  # raises what it died of
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return feed.readings


def settled(readings: Sequence[Reading]) -> Sequence[Reading]:
    """The second half: by then the windows of a day's length are as full as they will be."""
    return readings[len(readings) // 2 :]


def memory_slope(readings: Sequence[Reading]) -> float:
    """MB a simulated day, over the second half."""
    return 24 * slope([(each.hour, each.memory_mb) for each in settled(readings)])


def main() -> None:
    """Soak and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__)
    parser.add_argument("path", help="a recording of two minutes or more, files or a folder")
    parser.add_argument("--candles", type=Path, help="candle history of a recording without one")
    parser.add_argument("--hours", type=int, default=48, help="simulated hours (default: 48)")
    arguments = parser.parse_args()
    if arguments.hours < LEAST_HOURS:
        parser.error(f"expected at least {LEAST_HOURS} hours, found {arguments.hours}")
    readings = asyncio.run(soak(arguments.path, arguments.candles, arguments.hours))
    console = Console(width=100)
    for each in readings:
        console.print(
            f"hour {each.hour:>6.2f}  {each.memory_mb:8.2f} MB  {each.blocks:>9,} blocks  "
            f"{each.tasks} tasks  {each.descriptors} descriptors  {each.threads} threads"
        )
    last = settled(readings)
    console.print(
        f"{memory_slope(readings):+.3f} MB a simulated day over the last {len(last)} hours; "
        f"tasks {last[0].tasks} to {last[-1].tasks}, "
        f"descriptors {last[0].descriptors} to {last[-1].descriptors}"
    )


if __name__ == "__main__":
    main()
