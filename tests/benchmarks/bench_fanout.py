"""P14 and P15: pushing to 1,000 clients, each with 10 of 50 symbols, against picows.

Reference: picows writes each message to each subscriber, its text made once; nothing is decided, no
sequence is kept. Ours goes the whole way: push decoded, rows encoded, frames written. One process
serves both by turns on one loop, another one only reads. Counted is the CPU time of the server
process. Heartbeats are left out on both sides. Run: python -m benchmarks.bench_fanout (in tests/)
"""

import asyncio
import gc
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

import picows
import uvloop

from benchmarks.report import Row
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.scores import Source
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.web.app import WebApp, create_app
from virtuoso.web.options import WebOptions
from virtuoso.web.server import bind, serve_on
from virtuoso.wire import keys
from virtuoso.wire.board import ScoreRow
from virtuoso.wire.client import MarketUpdate
from virtuoso.wire.codec import Codec
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json
from virtuoso.wire.pushes import BoardReplaced, RowsChanged
from virtuoso.wire.records import iso, record_of

READERS: Final = Path(__file__).with_name("socket_readers.py")
CLIENTS: Final = 1_000
SYMBOLS: Final = tuple(f"S{number}USDT" for number in range(50))
CHANGED: Final = 10
"""Symbols that change in a tick: each of them four times a second."""
TICK_S: Final = 0.05
TICKS: Final = 40
ROUNDS: Final = 5
AT_ONCE: Final = 1_000.0
FOUR_HZ: Final = 4.0


class Limit:
    """The reference: who wants what, and a loop that writes."""

    def __init__(self) -> None:
        self.wanting: dict[str, list[picows.WSTransport]] = {each: [] for each in SYMBOLS}
        self.clients = 0
        self.texts = 0

    def listener(self, _request: picows.WSUpgradeRequest) -> picows.WSListener:
        """One connection."""
        limit = self

        class Listener(picows.WSListener):
            def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
                if frame.msg_type == picows.WSMsgType.TEXT:
                    said = json.loads(frame.get_payload_as_utf8_text())
                    limit.clients += 1
                    for each in said["symbols"]:
                        limit.wanting[each].append(transport)

        return Listener()

    async def tick(self, number: int) -> None:
        """Write what a tick changed to whoever wants it."""
        board = make.a_board(symbols=SYMBOLS)
        for row in changed(number):
            named = board.symbols[row.row]
            record = record_of(row, named)
            message = MarketUpdate(
                named.symbol, record, iso(board.now), "one", number, row.as_of, named.source
            )
            text = to_json(message)
            for transport in self.wanting[named.symbol]:
                transport.send(picows.WSMsgType.TEXT, text)


def changed(number: int) -> tuple[ScoreRow, ...]:
    """The rows of one tick."""
    first = number * CHANGED % len(SYMBOLS)
    return tuple(
        make.a_row(row, score=50 + number % 400 / 10, price=90_000.5 + number)
        for row in range(first, first + CHANGED)
    )


class Ours:
    """A web process without an engine: pushes are handed to it as they come from the broker."""

    def __init__(self, hz: float) -> None:
        clock = SystemClock()
        self.follower = Follower(FakeCache(clock), FakeBroker(), clock)
        options = WebOptions(
            max_clients=CLIENTS,
            max_clients_per_ip=CLIENTS,
            heartbeat_s=3_600,
            send_deadline_s=60,
            rhythms=(AT_ONCE, FOUR_HZ),
        )
        self.app: WebApp = create_app(self.follower, clock, options=options)
        self.hz = hz
        self._codec = Codec()
        self._seq = 1

    async def begin(self) -> None:
        """Publish a board."""
        board = make.a_board(symbols=SYMBOLS)
        push = self._codec.encode(keys.PUSH, BoardReplaced(board))
        await self.follower.receive(push)

    async def tick(self, number: int) -> None:
        """Take a push."""
        self._seq += 1
        push = RowsChanged(
            "one", self._seq, self._seq - 1, self._seq, Source.SIMULATOR, changed(number), ()
        )
        await self.follower.receive(self._codec.encode(keys.PUSH, push))


async def readers(port: int, hz: float) -> asyncio.subprocess.Process:
    """Start a process with 1,000 sockets that read and throw away; returns when all are open."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(READERS),
        str(port),
        str(CLIENTS),
        str(hz),
        ",".join(SYMBOLS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def cpu_of(tick: Callable[[int], Awaitable[None]], first: int) -> float:
    """CPU seconds of this process over a run of ticks at their pace."""
    loop = asyncio.get_running_loop()
    gc.collect()
    begun, due = time.process_time(), loop.time()
    for number in range(first, first + TICKS):
        await tick(number)
        due += TICK_S
        await asyncio.sleep(max(0.0, due - loop.time()))
    await asyncio.sleep(0.3)
    return time.process_time() - begun


async def measure() -> list[Row]:
    """Serve all three by turns."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8 * CLIENTS)), hard))
    limit, at_once, coalesced = Limit(), Ours(AT_ONCE), Ours(FOUR_HZ)
    listener = await picows.ws_create_server(limit.listener, "127.0.0.1", 0)
    processes = [await readers(listener.sockets[0].getsockname()[1], 0)]
    tasks = []
    for each in (at_once, coalesced):
        await each.begin()
        taken = bind("127.0.0.1", 0)
        port = taken.getsockname()[1]
        tasks.append(
            asyncio.create_task(serve_on(each.app, taken, closing=each.app.close, ping_s=3_600))
        )
        processes.append(await readers(port, each.hz))
    while limit.clients < CLIENTS:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    ticks: Sequence[Callable[[int], Awaitable[None]]] = (
        limit.tick,
        at_once.tick,
        coalesced.tick,
    )
    costs: list[list[float]] = [[], [], []]
    before = at_once.app.hub.counters()
    try:
        for turn in range(ROUNDS + 1):
            order = range(3) if turn % 2 else reversed(range(3))
            found = {place: await cpu_of(ticks[place], turn * TICKS) for place in order}
            if turn:
                for place, cost in found.items():
                    costs[place].append(cost)
    finally:
        after = at_once.app.hub.counters()
        for process in processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()
    encoded = after["encodings"] - before["encodings"]
    changes = after["changes"] - before["changes"]
    sent = (after["sent"] - before["sent"]) / (ROUNDS + 1)
    expected = TICKS * CHANGED * CLIENTS * 10 // len(SYMBOLS)
    return [
        _row(
            "P14",
            f"{sent:,.0f} of {expected:,} messages, at every change",
            "<= 1.8",
            costs[0],
            costs[1],
        ),
        _row("P14", "the same changes, every 250 ms", "<= 0.4", costs[0], costs[2]),
        Row(
            name="P15",
            what=f"{encoded:,} encodings of {changes:,} changes, {CLIENTS:,} clients",
            reference="one a changed symbol and tick",
            ratio=encoded / changes,
            target="1",
            spread="counted",
        ),
    ]


def _row(name: str, what: str, target: str, theirs: list[float], ours: list[float]) -> Row:
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return Row(
        name=name,
        what=f"{what}: {1e3 * median(ours) / TICKS:.1f} ms CPU a tick, {CLIENTS:,} clients",
        reference=f"picows, text made once: {1e3 * median(theirs) / TICKS:.1f} ms",
        ratio=median(ratios),
        target=target,
        spread=f"{min(ratios):.2f} to {max(ratios):.2f}",
    )


def rows() -> list[Row]:
    """Measure on the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201
