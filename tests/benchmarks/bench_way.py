"""What a message costs on its whole way in the loop: read, put in line, taken, judged, stored.

Frames of the simulator go through a connection's conversation, the line and the consumer of a
venue, as live; only the socket is none, and no grid second is closed. CPU time of the thread; a
machine shared with others still says up to twice as much, so compare two trees in turns.

Run: cd tests && python -m benchmarks.bench_way [--symbols 100] [--rate 4000] [--rounds 5]
"""

import argparse
import asyncio
import gc
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, Final

import aiohttp

from benchmarks.bench_loop import simulator
from support.markets import listing_of
from virtuoso.adapters.feed.bybit.conversation import Conversation
from virtuoso.adapters.feed.bybit.memory import Memory
from virtuoso.adapters.feed.bybit.settings import BybitSettings
from virtuoso.adapters.feed.bybit.topics import topics_of
from virtuoso.adapters.feed.bybit.troubles import Troubles
from virtuoso.adapters.feed.connection import BATCHES_AT_ONCE, Batch, Outbox
from virtuoso.apps.scoring import lane_maker
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.universe import Wanted
from virtuoso.engine.venue_watch import VenueWatch, WatchSettings
from virtuoso.scoring.definition import Definition

RECORD_SECONDS: Final = 8.0
SYMBOLS_A_CONNECTION: Final = 50


class FramesOnly:
    """A socket whose frames all lie ready; then it waits for ever."""

    def __init__(self, frames: Sequence[bytes | str]) -> None:
        self._frames = deque(frames)
        self.empty = asyncio.Event()

    async def receive(self) -> aiohttp.WSMessage:
        """Give the next frame."""
        if not self._frames:
            self.empty.set()
            await asyncio.Event().wait()
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, self._frames.popleft(), None)


class StoppedClock:
    """A clock that stands where the frames were received."""

    def __init__(self, at: int) -> None:
        self._at = at

    def now(self) -> Millis:
        """Milliseconds UTC."""
        return Millis(self._at)

    def monotonic_ms(self) -> int:
        """Milliseconds."""
        return self._at


async def record(address: str, symbols: Sequence[Instrument]) -> list[str]:
    """Take what the simulator says for some seconds."""
    texts = [name.text for each in symbols for name in topics_of(each, BybitSettings())]
    frames: list[str] = []
    url = f"ws://{address}/v5/public/linear"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as ws:
        for first in range(0, len(texts), 50):
            batch = texts[first : first + 50]
            await ws.send_json({"op": "subscribe", "req_id": str(first), "args": batch})
        until = time.monotonic() + RECORD_SECONDS
        while time.monotonic() < until:
            message = await ws.receive()
            if message.data.startswith('{"topic"'):
                frames.append(message.data)
    return frames


async def instruments_of(address: str) -> list[Instrument]:
    """Everybody whom the simulator lists."""
    url = f"http://{address}/v5/market/tickers?category=linear"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        found: dict[str, Any] = await answer.json()
    names = [each["symbol"] for each in found["result"]["list"]]
    return [Instrument(BYBIT, Symbol(name)) for name in names if name.endswith("USDT")]


class Way:
    """A conversation, its line, and the venue's consumer over a pipeline of new markets."""

    def __init__(self, instruments: Sequence[Instrument], frames: Sequence[str], at: int) -> None:
        self.venue = BYBIT
        self.clock = StoppedClock(at)
        self.outbox = Outbox(limit=len(frames) + 100)
        settings = BybitSettings()
        troubles = Troubles(settings.patience, self.outbox, self.clock)
        memory = Memory(settings, self.clock, self.outbox, troubles)
        self.socket = FramesOnly(frames)
        self.talk = Conversation(memory, self.socket, lambda *_: None)  # type: ignore[arg-type]
        names = [name for each in instruments for name in topics_of(each, settings)]
        self.talk._topics = {name.text: name for name in names}
        self.talk._expect([name.text for name in names])
        definition = Definition()
        listings = [listing_of(each) for each in instruments]
        make_lane = lane_maker(definition, BYBIT, Source.BYBIT)
        self.pipeline = Pipeline(instruments, listings, definition, make_lane)
        self.watch = VenueWatch(
            feed=self,  # type: ignore[arg-type] # asked for its venue only
            history=None,  # type: ignore[arg-type]
            clock=self.clock,
            pipeline=self.pipeline,
            warmup=None,  # type: ignore[arg-type]
            jitter=random.Random(1).random,  # noqa: S311 - spreads polls
            settings=WatchSettings(Wanted(len(instruments), ())),
        )

    def insert(self, _event: object) -> None:
        """Take nothing of ours."""

    async def read(self) -> float:
        """CPU seconds of reading all frames into the line."""
        began = time.thread_time()
        reader = asyncio.ensure_future(self.talk.read())
        await self.socket.empty.wait()
        spent = time.thread_time() - began
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        return spent

    async def take(self) -> float:
        """CPU seconds of taking all of them out of it."""
        self.outbox.fail(EOFError())

        async def line() -> AsyncIterator[Batch]:
            while True:
                yield await self.outbox.get(BATCHES_AT_ONCE)

        began = time.thread_time()
        with suppress(EOFError):
            await self.watch._consume(line())
        return time.thread_time() - began


def rounds(count: int, symbols: int, rate: float) -> Iterator[tuple[float, float]]:
    """CPU us a message of reading and of taking, round by round."""
    with simulator(symbols, rate) as address:
        instruments = asyncio.run(instruments_of(address))[:symbols]
        frames = asyncio.run(record(address, instruments))
    at = time.time_ns() // 1_000_000
    for _ in range(count):
        gc.collect()

        async def once() -> tuple[float, float]:
            way = Way(instruments, frames, at)
            gc.disable()
            try:
                return await way.read(), await way.take()
            finally:
                gc.enable()

        read, taken = asyncio.run(once())
        yield 1e6 * read / len(frames), 1e6 * taken / len(frames)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.bench_way", description=__doc__)
    parser.add_argument("--symbols", type=int, default=SYMBOLS_A_CONNECTION)
    parser.add_argument("--rate", type=float, default=3_000.0)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    found = list(rounds(arguments.rounds, arguments.symbols, arguments.rate))
    parts = (
        ("read and put in line", [each for each, _ in found]),
        (
            "taken and stored",
            [each for _, each in found],
        ),
    )
    for name, values in parts:
        print(  # noqa: T201 - a report
            f"{name:22} {median(values):6.1f} us a message ({min(values):.1f} to {max(values):.1f})"
        )


if __name__ == "__main__":
    main()
