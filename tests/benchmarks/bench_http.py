"""P11: requests per second of the ready bytes through the whole app, against a bare ASGI app."""

import asyncio
import statistics
import sys
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.report import Row
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.testing.own_memory import own_memory
from virtuoso.web.answers import Headers
from virtuoso.web.app import create_app
from virtuoso.web.server import bind, serve_on
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower

LOAD = Path(__file__).with_name("http_load.py")
SYMBOLS = 30
TURNS = 60
REQUESTS = 500
CONNECTIONS = 8


def bare_app(body: bytes, headers: Headers) -> Any:  # noqa: ANN401
    """The least an ASGI app can do to send these bytes."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def load(path: str, *ports: int) -> list[list[float]]:
    """Load the ports in turns from another process; for each turn the seconds of each port."""
    numbers = (CONNECTIONS, REQUESTS, TURNS, *ports)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(LOAD), path, *map(str, numbers), stdout=asyncio.subprocess.PIPE
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
    engine = FakeEngine(cache, broker, clock, symbols, ttl_ms=600_000, details=False)
    listeners = {"bare": bind("127.0.0.1", 0), "app": bind("127.0.0.1", 0)}
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
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
    body = follower.hot(keys.SYMBOLS).body
    _, headers, _ = Snapshot(follower).hot(keys.SYMBOLS).choose(b"", b"")
    tasks.append(asyncio.create_task(serve_on(bare_app(body, headers), listeners["bare"])))
    tasks.append(asyncio.create_task(serve_on(app, listeners["app"], closing=app.close)))
    try:
        turns = await load("/api/symbols", ports["bare"], ports["app"])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    ratios = sorted(bare / whole for bare, whole in turns)
    low, _, high = statistics.quantiles(ratios, n=4)
    speed = REQUESTS / statistics.median(whole for _, whole in turns)
    return [
        Row(
            name="P11",
            what=f"/api/symbols, {len(body)} bytes: {speed:,.0f} requests/s through the whole app",
            reference="bare ASGI app, same headers and body",
            ratio=statistics.median(ratios),
            target=">= 0.9",
            spread=f"{low:.2f}..{high:.2f} (middle half of {len(ratios)} turns)",
        )
    ]


def rows() -> list[Row]:
    """Measure on the loop that production uses."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure())


if __name__ == "__main__":
    for row in rows():
        print(row)  # noqa: T201
