"""A web server on a free port of this computer, with an engine that a test drives by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from support.slack import SLACK
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.testing.wire_messages import SYMBOLS
from virtuoso.web.app import WebApp, create_app
from virtuoso.web.options import WebOptions
from virtuoso.web.server import bind, serve_on
from virtuoso.wire.follower import Follower

DEADLINE_S = 10.0 * SLACK


async def eventually(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until something holds; fail with its name when it does not within the deadline."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 (any condition, not only one that announces itself)
                await asyncio.sleep(0.005)
    except TimeoutError:
        message = f"{what} did not come true within {DEADLINE_S:g} s"
        raise AssertionError(message) from None


@dataclass
class Site:
    """Everything of one running web server."""

    clock: FakeClock
    cache: FakeCache
    broker: FakeBroker
    engine: FakeEngine
    follower: Follower
    app: WebApp
    port: int
    http: httpx.AsyncClient
    serving: asyncio.Task[None]
    sockets: list[ClientConnection] = field(default_factory=list)

    @property
    def host(self) -> str:
        """What a browser would put into Host."""
        return f"127.0.0.1:{self.port}"

    async def start_engine(self, epoch: str = "one") -> None:
        """Start the engine and wait until the web process has seen it."""
        await self.engine.start(epoch)
        await eventually(lambda: self.follower.reader.epoch == epoch, f"epoch {epoch}")
        await eventually(
            lambda: self.follower.hot("virtuoso:mobile:v1").reason is None, "the documents"
        )

    async def socket(self, **options: Any) -> ClientConnection:  # noqa: ANN401
        """Open a socket."""
        opened = await connect(f"ws://{self.host}/ws", **options)
        self.sockets.append(opened)
        return opened

    async def socket_of(
        self, *symbols: str, form: str = "rows", hz: float = 20
    ) -> ClientConnection:
        """Open a socket, subscribe, and leave its snapshot to be read."""
        opened = await self.socket()
        await say(opened, type="subscribe", symbols=symbols or None, form=form, hz=hz)
        return opened


async def say(socket: ClientConnection, **message: Any) -> None:  # noqa: ANN401
    """Send a message."""
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next message of one of these kinds; others are passed over."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] in kinds:
                return message


@asynccontextmanager
async def a_site(
    options: WebOptions | None = None,
    static: Path = Path("/nonexistent"),
    symbols: tuple[str, ...] = SYMBOLS,
    tick_s: float = 0.02,
    *,
    details: bool = True,
) -> AsyncIterator[Site]:
    """Run a web server until the block ends."""
    clock = FakeClock()
    cache, broker = FakeCache(clock), FakeBroker()
    follower = Follower(cache, broker, clock, tick_s=tick_s)
    app = create_app(
        follower,
        clock,
        options=options or WebOptions(heartbeat_s=0.05),
        static=static,
        version="0.1.0",
    )
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    started = asyncio.Event()
    serving = asyncio.create_task(
        serve_on(app, listener, closing=app.close, started=started), name="serving"
    )
    following = asyncio.create_task(follower.run(), name="following")
    async with asyncio.timeout(DEADLINE_S):
        await started.wait()
    engine = FakeEngine(cache, broker, clock, symbols, details=details)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        site = Site(clock, cache, broker, engine, follower, app, port, http, serving)
        await eventually(lambda: broker._queues, "the subscription")
        try:
            yield site
        finally:
            for socket in site.sockets:
                await socket.close()
            for task in (following, serving):
                task.cancel()
            await asyncio.gather(following, serving, return_exceptions=True)
