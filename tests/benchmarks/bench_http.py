"""P11 to P13: the whole app against a bare ASGI app that sends the same bytes.

Run: cd tests && python -m benchmarks.bench_http
"""

import asyncio
import statistics
import sys
from pathlib import Path
from time import process_time
from typing import Any

import uvloop

from benchmarks.report import Row
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.time import Timeframe
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.testing.own_memory import own_memory
from virtuoso.web.answers import Headers
from virtuoso.web.app import WebApp, create_app
from virtuoso.web.server import bind, serve_on
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower

LOAD = Path(__file__).with_name("http_load.py")
SYMBOLS = 30
TURNS = 60
REQUESTS = 500
CONNECTIONS = 8
CPU_ROUNDS = 8
CPU_REQUESTS = 500
LIST = "/api/symbols"
OTHERS = (
    ("/api/symbols/S1USDT", keys.symbol_detail(Symbol("S1USDT"))),
    ("/api/symbols/S1USDT/candles?timeframe=5m", keys.candles(Symbol("S1USDT"), Timeframe.M5)),
)
"""Routes through FastAPI, and the documents they send."""


def bare_app(body: bytes, headers: Headers, status: int = 200) -> Any:  # noqa: ANN401
    """The least an ASGI app can do to send these bytes."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def load(
    path: str, *ports: int, match: str = "", requests: int = REQUESTS, turns: int = TURNS
) -> list[list[float]]:
    """Load the ports in turns from another process; for each turn the seconds of each port."""
    words = ["--match", match, path] if match else [path]
    numbers = (CONNECTIONS, requests, turns, *ports)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOAD), *words, *map(str, numbers), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(120):
        printed, _ = await process.communicate()
    return [[float(word) for word in line.split()] for line in printed.splitlines()]


async def measure() -> list[Row]:
    """Serve the same body both ways, in turns, both on this loop."""
    clock = SystemClock()
    cache, broker = own_memory(clock), MemoryBroker()
    follower = Follower(cache, broker, clock)
    app = create_app(follower, clock)
    symbols = [f"S{number}USDT" for number in range(SYMBOLS)]
    engine = FakeEngine(cache, broker, clock, symbols, ttl_ms=600_000)
    listener = bind("127.0.0.1", 0)
    tasks = [asyncio.create_task(follower.run())]
    await asyncio.sleep(0)
    await engine.start()

    async def beats() -> None:
        while True:
            await engine.beat()
            await asyncio.sleep(1)

    tasks.append(asyncio.create_task(beats()))
    async with asyncio.timeout(10):
        while follower.hot(keys.SYMBOLS).reason is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    site = _Site(app, Snapshot(follower), listener.getsockname()[1])
    tasks.append(asyncio.create_task(serve_on(app, listener, closing=app.close)))
    try:
        ready = await site.compare_speed("P11", f"{LIST}, ready bytes")
        unchanged = await site.compare_speed("P12", f"{LIST}, 304", unchanged=True)
        others = [await site.compare_cpu(path, key) for path, key in OTHERS]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [ready, unchanged, *others]


class _Site:
    """The app on a port, and bare apps that are put beside it."""

    def __init__(self, app: WebApp, snapshot: Snapshot, port: int) -> None:
        self._app = app
        self._snapshot = snapshot
        self._port = port

    async def _beside(self, app: Any) -> tuple[int, asyncio.Task[None]]:  # noqa: ANN401
        listener = bind("127.0.0.1", 0)
        started = asyncio.Event()
        task = asyncio.create_task(serve_on(app, listener, started=started))
        await started.wait()
        return listener.getsockname()[1], task

    async def compare_speed(self, name: str, what: str, *, unchanged: bool = False) -> Row:
        """Requests per second in turns with a bare app that sends the very same answer."""
        ready = self._snapshot.hot(keys.SYMBOLS)
        match = ready.etag if unchanged else b""
        status, headers, body = ready.choose(b"", match)
        bare, task = await self._beside(bare_app(body, headers, status))
        try:
            turns = await load(LIST, bare, self._port, match=match.decode())
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        ratios = sorted(bare_s / app_s for bare_s, app_s in turns)
        low, _, high = statistics.quantiles(ratios, n=4)
        speed = REQUESTS / statistics.median(app_s for _, app_s in turns)
        return Row(
            name=name,
            what=f"{what}, {len(body)} bytes: {speed:,.0f} requests/s through the whole app",
            reference="bare ASGI app, same headers and body",
            ratio=statistics.median(ratios),
            target=">= 0.9",
            spread=f"{low:.2f}..{high:.2f} (middle half of {len(ratios)} turns)",
        )

    async def compare_cpu(self, path: str, key: str) -> Row:
        """CPU time of this process for requests to each of both, one after the other."""
        answer = await self._snapshot.document(key)
        _, headers, body = answer.choose(b"", b"")
        bare, task = await self._beside(bare_app(body, headers))
        spent: dict[int, list[float]] = {bare: [], self._port: []}
        try:
            for _ in range(CPU_ROUNDS):
                for port, found in spent.items():
                    begun = process_time()
                    await load(path, port, requests=CPU_REQUESTS, turns=1)
                    found.append(process_time() - begun)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        ratios = sorted(ours / bare_s for bare_s, ours in zip(*spent.values(), strict=True))
        each = 1e6 * statistics.median(spent[self._port]) / (2 * CPU_REQUESTS)
        return Row(
            name="P13",
            what=f"{path}, {len(body)} bytes: {each:,.0f} us of CPU a request",
            reference="bare ASGI app, same headers and body",
            ratio=statistics.median(ratios),
            target="<= 4.5",
            spread=f"{ratios[0]:.2f}..{ratios[-1]:.2f}",
        )


def rows() -> list[Row]:
    """Measure on the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201
