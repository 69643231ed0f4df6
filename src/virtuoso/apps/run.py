"""The composition root of `virtuoso run`: engine, web and monitor in one process."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.capabilities import capabilities_known_of
from virtuoso.adapters.feed.limits import Budgets
from virtuoso.adapters.feed.recording.writer import RecorderSettings
from virtuoso.apps.compile import load_all
from virtuoso.apps.exchange import exchange_beside
from virtuoso.apps.recorders import Recorders
from virtuoso.apps.reload import Reload
from virtuoso.apps.rest_health import rest_parts
from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.sources import OpenSource, open_replay, open_venue, parse_source
from virtuoso.apps.tiers import open_broker, open_cache, open_codec
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.market_data import TickerField
from virtuoso.domain.time import SECOND
from virtuoso.engine.engine import Engine, EngineSettings
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.universe import Wanted
from virtuoso.engine.venue_watch import VenueWatch, WatchSettings
from virtuoso.engine.warmup import Warmup
from virtuoso.monitor.app import create_app as create_monitor
from virtuoso.ports import Clock
from virtuoso.simulator.settings import MOST_SYMBOLS, ExchangeSettings
from virtuoso.web.app import create_app
from virtuoso.web.options import WebOptions
from virtuoso.web.server import bind, serve_on
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import PartHealth

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
    secondary: str | None = None
    """The venue that stands in; `none`, or None for what the settings say."""
    record: RecorderSettings | None = None
    """Where to keep everything that is received; None: nowhere."""
    only: tuple[str, ...] = ()
    """Exactly these symbols; empty: the most traded and the pinned."""
    rescore: bool = False
    """A replay is scored by the settings of now."""
    config: Path | None = None
    """The file of the user's settings; None: config/local.toml, if it is there."""


@dataclass(frozen=True, slots=True)
class _Sources:
    """The venues that are listened to."""

    first: OpenSource
    second: OpenSource | None = None
    recorders: Recorders | None = None
    budgets: Budgets | None = None

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of what works beside the engine."""
        recordings = () if self.recorders is None else self.recorders.parts()
        return (
            recordings
            if self.budgets is None
            else (*recordings, *rest_parts(self.budgets.statuses()))
        )


@asynccontextmanager
async def open_sources(
    settings: Settings, options: RunOptions, clock: Clock, rng: random.Random
) -> AsyncIterator[_Sources]:
    """Open what the engine listens to; for the simulator, start it first."""
    kind, path = parse_source(options.source)
    secondary = secondary_of(kind, settings, options)
    if path is not None:
        if options.record is not None:
            msg = "expected to record a live source or the simulator, found a recording"
            raise SettingsError(msg)
        yield _Sources(open_replay(path, options.speed, options.candles, rescore=options.rescore))
        return
    if options.rescore:
        msg = "expected --rescore together with --source replay:PATH, found it without"
        raise SettingsError(msg)
    if options.candles is not None:
        msg = "expected --candles together with --source replay:PATH, found it without"
        raise SettingsError(msg)
    async with AsyncExitStack() as stack:
        address = options.exchange
        if kind == "simulator" and address is None:
            ours = settings.simulator
            symbols = max(ours.symbols, options.symbols or 0)
            exchange = ExchangeSettings(seed=ours.seed, symbols=min(symbols, MOST_SYMBOLS), port=0)
            address = await stack.enter_async_context(exchange_beside(exchange))
        recorders = Recorders(options.record, clock)
        budgets = Budgets(clock, settings.state.folder(os.environ))
        stack.push_async_callback(recorders.close)
        opened = [
            open_venue(
                each,
                settings,
                clock,
                rng,
                address if kind == "simulator" else None,
                recorders.tape,
                budgets,
            )
            for each in (kind, secondary)
            if each is not None
        ]
        for each in opened:
            stack.push_async_callback(each.history.close)
        yield _Sources(opened[0], opened[1] if len(opened) > 1 else None, recorders, budgets)


def secondary_of(kind: str, settings: Settings, options: RunOptions) -> str | None:
    """Say which venue stands in for `kind`, if any. Raises SettingsError for the same venue twice.

    A simulator or a recording has none unless it is asked for.
    """
    spoken = "bybit" if kind == "simulator" else kind
    asked = options.secondary
    if asked is None:
        usual = settings.feed.secondary
        return usual if kind in {"bybit", "binance"} and usual not in {"", spoken} else None
    if asked == "none":
        return None
    if asked == spoken or kind == "replay":
        msg = f"expected --secondary to name another venue than --source {kind}, found {asked}"
        raise SettingsError(msg)
    return asked


def _universe_size(settings: Settings, options: RunOptions) -> int:
    size = settings.universe.size if options.symbols is None else options.symbols
    if not 1 <= size <= LARGEST_UNIVERSE:
        msg = f"expected 1 to {LARGEST_UNIVERSE} symbols, found {size}"
        raise SettingsError(msg)
    return size


def watch_of(
    source: OpenSource,
    settings: Settings,
    options: RunOptions,
    clock: Clock,
    rng: random.Random,
    partner: VenueWatch | None = None,
) -> VenueWatch:
    """Put together what watches one venue."""
    definition = definition_of(settings.scoring)
    venue = source.feed.venue
    streamed = capabilities_known_of(venue).ticker_fields
    return VenueWatch(
        feed=source.feed,
        history=source.history,
        clock=clock,
        pipeline=Pipeline(
            sorted(source.instruments or ()), (), definition, lane_maker(definition, venue)
        ),
        warmup=Warmup(source.history, rng.random),
        jitter=rng.random,
        settings=WatchSettings(
            wanted=Wanted(0, options.only)
            if options.only
            else Wanted(_universe_size(settings, options), settings.universe.pinned),
            refresh_seconds=settings.universe.refresh_seconds,
            polls_open_interest=TickerField.OPEN_INTEREST not in streamed,
        ),
        instruments=source.instruments,
        partner=partner,
    )


def build_engine(
    settings: Settings,
    options: RunOptions,
    source: OpenSource,
    clock: Clock,
    publisher: Publisher,
    rng: random.Random,
    second: OpenSource | None = None,
    beside: Callable[[], tuple[PartHealth, ...]] = tuple,
) -> Engine:
    """Put the engine together."""
    first = watch_of(source, settings, options, clock, rng)
    return Engine(
        first=first,
        second=None if second is None else watch_of(second, settings, options, clock, rng, first),
        clock=clock,
        publisher=publisher,
        settings=EngineSettings(
            version=version("virtuoso"), epoch=source.epoch or f"{clock.now():x}"
        ),
        replay=source.replay,
        beside=beside,
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
        reload = Reload(options.config, os.environ, settings, clock)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.wake)
        # loading a kernel holds the loop, and nobody is served yet
        load_all()
        await _serve(settings, options, clock, rng, pages, watch, reload)


async def _serve(
    settings: Settings,
    options: RunOptions,
    clock: Clock,
    rng: random.Random,
    pages: socket.socket,
    watch: socket.socket,
    reload: Reload,
) -> None:
    """Run everything on two bound sockets until a signal comes."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    size = _universe_size(settings, options)
    # where memory is the only tier, it must have room for every document of every symbol
    room = size * DOCUMENTS_A_SYMBOL * 2 + 100
    codec = open_codec(settings.cache, os.environ)
    cache = open_cache(settings.cache, clock, codec, os.environ, room)
    broker = open_broker(settings.cache, os.environ)
    publisher = Publisher(cache, broker, settings.cache.ttl_seconds * SECOND, codec)
    follower = Follower(cache, broker, clock, codec=codec)
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
    async with open_sources(settings, options, clock, rng) as sources:
        engine = build_engine(
            settings,
            options,
            sources.first,
            clock,
            publisher,
            rng,
            sources.second,
            lambda: (*sources.parts(), *reload.parts()),
        )
        is_replay = sources.first.replay is not None
        log.info("started", source=options.source, version=version("virtuoso"))
        name, port = pages.getsockname()[:2]
        log.info("open_in_a_browser", address=f"http://{name}:{port}/")
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(engine.run()),
                tasks.create_task(follower.run()),
                tasks.create_task(serve_on(web, pages, closing=web.close)),
                tasks.create_task(serve_on(monitor, watch)),
                tasks.create_task(reload.run(None if is_replay else engine.redefine)),
            ]
            await stop.wait()
            log.info("stopping")
            for task in running:
                task.cancel()
    await broker.close()
    await cache.close()
    log.info("stopped")
