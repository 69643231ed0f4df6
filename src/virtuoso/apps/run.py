"""The composition root of `virtuoso run`: engine, web and monitor in one process."""

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import structlog

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.cache.memory import MemoryCache
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.exchange import exchange_beside
from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay, open_venue, parse_source
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.time import SECOND
from virtuoso.engine.engine import Engine, EngineSettings
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.warmup import Warmup
from virtuoso.monitor.app import create_app as create_monitor
from virtuoso.ports import Clock
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.web.app import create_app
from virtuoso.web.options import WebOptions
from virtuoso.web.server import bind, serve_on
from virtuoso.wire.follower import Follower

log = structlog.get_logger()

LARGEST_UNIVERSE = 500
DOCUMENTS_A_SYMBOL = 8


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says beside the settings."""

    source: str
    speed: float | None
    """Of a replay; None as fast as it goes."""
    candles: Path | None
    exchange: str | None
    """Address of a simulator that already runs; None starts one."""
    symbols: int | None


@asynccontextmanager
async def _source(
    settings: Settings, options: RunOptions, clock: Clock, rng: random.Random
) -> AsyncIterator[OpenSource]:
    """Open what the engine listens to; for the simulator, start it first."""
    kind, path = parse_source(options.source)
    if path is not None:
        yield open_replay(path, options.speed, options.candles)
        return
    if options.candles is not None:
        msg = "expected --candles together with --source replay:PATH, found it without"
        raise SettingsError(msg)
    if kind != "simulator":
        source = open_venue(kind, settings, clock, rng)
    elif options.exchange is not None:
        source = open_venue(kind, settings, clock, rng, options.exchange)
    else:
        ours = settings.simulator
        exchange = ExchangeSettings(seed=ours.seed, symbols=ours.symbols, port=0)
        async with exchange_beside(exchange) as address:
            source = open_venue(kind, settings, clock, rng, address)
            try:
                yield source
            finally:
                await source.history.close()
        return
    try:
        yield source
    finally:
        await source.history.close()


def _universe_size(settings: Settings, options: RunOptions) -> int:
    size = settings.universe.size if options.symbols is None else options.symbols
    if not 1 <= size <= LARGEST_UNIVERSE:
        msg = f"expected 1 to {LARGEST_UNIVERSE} symbols, found {size}"
        raise SettingsError(msg)
    return size


def build_engine(
    settings: Settings,
    options: RunOptions,
    source: OpenSource,
    clock: Clock,
    publisher: Publisher,
    rng: random.Random,
) -> Engine:
    """Put the engine together."""
    definition = definition_of(settings.scoring)
    make_lane = lane_maker(definition, source.feed.venue)

    def make_pipeline(instruments: Sequence[Instrument], listings: Sequence[Listing]) -> Pipeline:
        return Pipeline(instruments, listings, definition, make_lane)

    return Engine(
        feed=source.feed,
        history=source.history,
        clock=clock,
        publisher=publisher,
        make_pipeline=make_pipeline,
        settings=EngineSettings(
            universe_size=_universe_size(settings, options),
            pinned=settings.universe.pinned,
            version=version("virtuoso"),
            epoch=source.epoch or f"{clock.now():x}",
        ),
        warmup=Warmup(source.history, rng.random),
        jitter=rng.random,
        instruments=source.instruments,
        replay=source.replay,
    )


async def run(settings: Settings, options: RunOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises SettingsError before anything has started."""
    host = settings.app.address
    clock = SystemClock()
    rng = random.Random()  # noqa: S311 - spreads retries in time, nothing secret
    with (
        closing(bind(host, settings.app.port)) as pages,
        closing(bind(host, settings.app.monitoring_port)) as watch,
    ):
        await _serve(settings, options, clock, rng, pages, watch)


async def _serve(
    settings: Settings,
    options: RunOptions,
    clock: Clock,
    rng: random.Random,
    pages: socket.socket,
    watch: socket.socket,
) -> None:
    """Run everything on two bound sockets until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    size = _universe_size(settings, options)
    # this tier is the only one here, so it must have room for every document of every symbol
    cache = MemoryCache(clock, max(settings.cache.items, size * DOCUMENTS_A_SYMBOL + 100))
    broker = MemoryBroker()
    publisher = Publisher(cache, broker, settings.cache.ttl_seconds * SECOND)
    follower = Follower(cache, broker, clock)
    web = create_app(
        follower,
        clock,
        options=WebOptions(
            max_clients=settings.web.max_clients,
            max_clients_per_ip=settings.web.max_clients_per_ip,
        ),
        version=version("virtuoso"),
    )
    monitor = create_monitor(
        follower, clock, version=version("virtuoso"), websocket_counters=web.hub.counters
    )
    async with _source(settings, options, clock, rng) as source:
        engine = build_engine(settings, options, source, clock, publisher, rng)
        log.info("started", source=options.source, version=version("virtuoso"))
        name, port = pages.getsockname()[:2]
        log.info("open_in_a_browser", address=f"http://{name}:{port}/")
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(engine.run()),
                tasks.create_task(follower.run()),
                tasks.create_task(serve_on(web, pages, closing=web.close)),
                tasks.create_task(serve_on(monitor, watch)),
            ]
            await stop.wait()
            log.info("stopping")
            for task in running:
                task.cancel()
    log.info("stopped")
