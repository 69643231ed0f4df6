"""The composition root of `virtuoso engine`: feeds, scores, publication; no port of its own."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.capabilities import capabilities_known_of
from virtuoso.adapters.feed.limits import Budgets
from virtuoso.adapters.feed.recording.writer import RecorderSettings
from virtuoso.apps.alert_service import AlertService
from virtuoso.apps.alerting import Alerting, open_alerting
from virtuoso.apps.answering import Answering
from virtuoso.apps.cache_metrics import CacheWatch
from virtuoso.apps.compile import load_all
from virtuoso.apps.config_editor import ConfigEditor
from virtuoso.apps.config_keys import RISK_LIMITS
from virtuoso.apps.config_saved import load_with_saved, versions_of
from virtuoso.apps.engine_measures import EngineMeasures
from virtuoso.apps.exchange_beside import ExchangeBeside
from virtuoso.apps.history import History, open_history, record_settings
from virtuoso.apps.recorders import Recorders
from virtuoso.apps.reload import Reload
from virtuoso.apps.rest_health import rest_parts
from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.self_watch import SelfWatch
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import Sharing, open_sharing
from virtuoso.apps.signal_fees import taker_fees
from virtuoso.apps.sources import OpenSource, open_replay, open_venue, parse_source
from virtuoso.apps.stopping import stop_at_signals, until_stopped
from virtuoso.apps.tier_watch import TierWatch
from virtuoso.apps.writing import become_writer, writer_lease
from virtuoso.domain.errors import LeaseError, SettingsError
from virtuoso.domain.market_data import TickerField
from virtuoso.domain.scores import Source
from virtuoso.domain.time import SECOND
from virtuoso.engine.engine import Engine, EngineSettings
from virtuoso.engine.last_good import LastGoodKeeper
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.publisher import Publisher
from virtuoso.engine.recorder import Recorder
from virtuoso.engine.signals import SignalDesk
from virtuoso.engine.universe import Wanted
from virtuoso.engine.venue_watch import VenueWatch, WatchSettings
from virtuoso.engine.warmup import Warmup
from virtuoso.engine.writer import WriterLease
from virtuoso.ports import Clock
from virtuoso.wire.alerts import ALERTS
from virtuoso.wire.config import SETTINGS
from virtuoso.wire.measures import Measure
from virtuoso.wire.processes import PartHealth

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
    beside: ExchangeBeside | None = None
    """A simulator that was started already, without its address; None starts one."""
    config: Path | None = None
    """The file of the user's settings; None: config/local.toml, if it is there."""


@dataclass(frozen=True, slots=True)
class _Sources:
    """The venues that are listened to."""

    first: OpenSource
    second: OpenSource | None = None
    recorders: Recorders | None = None
    budgets: Budgets | None = None
    beside: ExchangeBeside | None = None

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of what works beside the engine."""
        recordings = () if self.recorders is None else self.recorders.parts()
        asked = () if self.budgets is None else rest_parts(self.budgets.statuses())
        exchange = () if self.beside is None else (self.beside.part(),)
        return (*recordings, *asked, *exchange)


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
        beside = None
        if kind == "simulator" and address is None:
            beside = options.beside or ExchangeBeside.of(settings, options.symbols)
            address = await stack.enter_async_context(beside.running())
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
        second = opened[1] if len(opened) > 1 else None
        yield _Sources(opened[0], second, recorders, budgets, beside)


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
            sorted(source.instruments or ()),
            (),
            definition,
            lane_maker(definition, venue, source.feed.source),
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
    epoch: str | None = None,
    history: History | None = None,
    alerting: Alerting | None = None,
    measures: Callable[[], Iterable[Measure]] = tuple,
) -> Engine:
    """Put the engine together. Without an `epoch` of its own it takes the source's."""
    first = watch_of(source, settings, options, clock, rng)
    return Engine(
        first=first,
        second=None if second is None else watch_of(second, settings, options, clock, rng, first),
        clock=clock,
        publisher=publisher,
        settings=EngineSettings(
            version=version("virtuoso"),
            epoch=epoch or source.epoch or f"{clock.now():x}",
            fees=taker_fees(settings.signals),
        ),
        replay=source.replay,
        beside=beside,
        recorder=None
        if history is None
        else Recorder(
            history.store,
            clock,
            source.feed.source,
            record_settings(settings.store),
            history.sink,
        ),
        archive=None if history is None else history.archive,
        alerts=None if alerting is None else alerting.desk,
        outbox=None if alerting is None else alerting.outbox,
        signals=SignalDesk(
            clock,
            tuple(each.feed.source for each in (source, second) if each is not None),
            None if history is None else history.ledger,
            None if history is None else history.archive,
        ),
        measures=measures,
    )


def documents_in(settings: Settings, options: RunOptions) -> int:
    """How many documents there are at most; this process's memory must have room for them."""
    return _universe_size(settings, options) * DOCUMENTS_A_SYMBOL * 2 + 100


def reload_at_signal(settings: Settings, options: RunOptions, clock: Clock) -> Reload:
    """Take up changed settings at SIGHUP, or when their file is saved, once it runs."""
    reload = Reload(options.config, os.environ, settings, clock, load=load_with_saved)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload.wake)
    return reload


@asynccontextmanager
async def open_engine(
    settings: Settings,
    options: RunOptions,
    sharing: Sharing,
    clock: Clock,
    lease: WriterLease,
    watch: CacheWatch,
    reload: Reload,
) -> AsyncIterator[tuple[Coroutine[Any, Any, None], ...]]:
    """Open the sources, and give what must run for the engine to work."""
    rng = random.Random()  # noqa: S311 - spreads retries in time, nothing secret
    kept = sharing.keepsake
    last_good = None
    if kept is not None and not options.source.startswith("replay"):
        last_good = LastGoodKeeper(kept, sharing.codec)
    async with (
        open_sources(settings, options, clock, rng) as sources,
        open_history(settings, clock, options.source) as history,
        open_alerting(settings, history, clock, sources.first.feed.source, rng.random) as alerting,
    ):
        mirror = None if history is None else LastGoodKeeper(history.keepsake, sharing.codec)
        publisher = Publisher(
            sharing.cache,
            sharing.broker,
            settings.cache.ttl_seconds * SECOND,
            sharing.codec,
            lease.may_write,
            last_good,
            mirror,
        )

        def beside() -> tuple[PartHealth, ...]:
            kept_part = () if last_good is None else (last_good.part(),)
            writer = (lease.part(),) if sharing.leases else ()
            ours = (*watch.parts(), *_push_part(sharing), *writer, *kept_part)
            return (*sources.parts(), *reload.parts(), *ours)

        # what other processes know of an epoch must not be mistaken for this run of a recording
        again = sources.first.epoch
        epoch = f"{again}-{lease.ours.epoch}" if again and sharing.leases else None
        own = SelfWatch(clock, version("virtuoso"), settings.state.folder(os.environ), clock.now())
        measures = EngineMeasures(clock, own, sources.budgets, history, alerting)
        engine = build_engine(
            settings,
            options,
            sources.first,
            clock,
            publisher,
            rng,
            sources.second,
            beside,
            epoch,
            history,
            alerting,
            measures.measures,
        )
        log.info("started", source=options.source, version=version("virtuoso"))
        is_replay = sources.first.replay is not None
        redefine = None if is_replay else engine.redefine
        editor = ConfigEditor(
            started_with=settings,
            file=options.config,
            environment=os.environ,
            versions=versions_of(settings),
            running=reload,
            try_definition=engine.try_definition,
            clock=clock,
            why_read_only=lambda: _why_read_only(settings, sharing, is_replay=is_replay),
            limits=RISK_LIMITS,
        )
        over = (sharing.broker, sharing.codec, clock, lease.ours.epoch)
        service = Answering(SETTINGS, editor.answer, *over)
        work = [engine.run(), lease.run(), reload.run(redefine), service.run(), measures.run()]
        if sources.beside is not None:
            work.append(sources.beside.watch(clock))
        if watch.tier_watch is not None:
            work.append(watch.tier_watch.run())
        work += [keeper.run() for keeper in (last_good, mirror) if keeper is not None]
        if alerting is not None and history is not None:
            alerts = AlertService(
                alerting.desk,
                history.archive,
                clock,
                _sources_of(sources),
                alerting.channels,
                lambda: _why_not_from_outside(sharing),
            )
            work.append(Answering(ALERTS, alerts.answer, *over).run())
        yield tuple(work)


def watch_cache(sharing: Sharing, clock: Clock, role: str) -> CacheWatch:
    """Count what a writer's cache does, and give servers back what they lost."""
    looking = TierWatch(sharing.cache, clock, restores=True)
    return CacheWatch(sharing.cache, clock, role, sharing.backend, clock.now(), tier_watch=looking)


def _sources_of(sources: _Sources) -> tuple[Source, ...]:
    """Whose rows there are: of every venue that is listened to."""
    opened = (sources.first, sources.second)
    return tuple(dict.fromkeys(each.feed.source for each in opened if each is not None))


def _why_not_from_outside(sharing: Sharing) -> str | None:
    """Why nothing is changed that was asked for over servers; None when it may be."""
    if sharing.asked_from_outside and not sharing.codec.signs:
        return (
            "Anybody who reaches the cache servers could ask for a change: set "
            "VIRTUOSO_CACHE_SECRET for the engine and for what serves."
        )
    return None


def _why_read_only(settings: Settings, sharing: Sharing, *, is_replay: bool) -> str | None:
    """Why the settings cannot be changed over the API; None when they can."""
    if not settings.security.config_writes:
        return "Changing settings over the API is switched off: security.config_writes."
    if is_replay:
        return "A recording is played, which has a definition of its own."
    return _why_not_from_outside(sharing)


def _push_part(sharing: Sharing) -> tuple[PartHealth, ...]:
    push = sharing.push
    if push is None:
        return ()
    if push.error is None:
        return (PartHealth("broker", "pass", "pushes go through Redis"),)
    return (PartHealth("broker", "warn", f"pushes do not reach Redis: {push.error}"[:300]),)


async def run_engine(settings: Settings, options: RunOptions, *, standby: bool) -> None:
    """Work until SIGINT or SIGTERM; with `standby` wait for the other engine's end first.

    Raises SettingsError before anything has started, LeaseError when another engine is the writer.
    """
    clock = SystemClock()
    stop = stop_at_signals()
    reload = reload_at_signal(settings, options, clock)
    async with open_sharing(
        settings, clock, alone=False, items=documents_in(settings, options)
    ) as sharing:
        watch = watch_cache(sharing, clock, "engine")
        if standby:
            # nothing is waited for then but the other's end
            load_all()
        while not stop.is_set():
            lease = writer_lease(settings, sharing, clock)
            if not await become_writer(lease, stop, standby=standby):
                break
            load_all()
            try:
                async with open_engine(
                    settings, options, sharing, clock, lease, watch, reload
                ) as work:
                    await until_stopped(stop, *work)
            except LeaseError as error:
                if not standby:
                    raise
                log.warning("back_to_standby", reason=str(error))
            finally:
                await lease.release()
    log.info("stopped")
