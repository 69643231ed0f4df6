"""What serves: the follower of the engine, pages and API, the monitor; in one process or apart."""

import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Literal

import msgspec
import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.store.keepsake import StoreKeepsake
from virtuoso.apps.answering import Answering
from virtuoso.apps.archive import open_archive
from virtuoso.apps.cache_metrics import CacheWatch
from virtuoso.apps.guarding import Guarding, bind_guarded
from virtuoso.apps.presence import Presence
from virtuoso.apps.self_watch import SelfWatch
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import Sharing, host_name, open_sharing
from virtuoso.apps.signal_fees import taker_fees
from virtuoso.apps.signal_record import SignalRecords
from virtuoso.apps.stopping import stop_at_signals, until_stopped
from virtuoso.apps.tier_watch import TierWatch
from virtuoso.domain.errors import CacheError
from virtuoso.monitor.app import create_app as create_monitor
from virtuoso.monitor.judging import Limits
from virtuoso.monitor.readings import Readings
from virtuoso.monitor.roster import Roster
from virtuoso.ports import Archive, Clock
from virtuoso.web.alert_routes import add_alerts
from virtuoso.web.app import WebApp, create_app
from virtuoso.web.asking import Asking
from virtuoso.web.config_routes import add_config
from virtuoso.web.options import WebOptions
from virtuoso.web.routes.monitoring import add_monitoring
from virtuoso.web.security.guard import Guard
from virtuoso.web.security.routes import session_router
from virtuoso.web.server import serve_on
from virtuoso.web.warming import Warmer
from virtuoso.wire.alerts import ALERTS
from virtuoso.wire.checks import own_part
from virtuoso.wire.config import SETTINGS
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import HealthPart
from virtuoso.wire.measures import Measure
from virtuoso.wire.monitoring import MONITORING
from virtuoso.wire.processes import ProcessReport
from virtuoso.wire.roll import Roll

log = structlog.get_logger()

Work = tuple[Coroutine[Any, Any, None], ...]


class Serving:
    """Builds what serves in one process, over what it shares with the others."""

    def __init__(
        self,
        settings: Settings,
        sharing: Sharing,
        clock: Clock,
        version: str,
        role: Literal["run", "web", "monitor"],
        archive: Archive | None = None,
    ) -> None:
        """`archive`: where history is read; None: nowhere."""
        self._settings = settings
        self._sharing = sharing
        self._clock = clock
        self._version = version
        self._role = role
        self._archive = archive
        self._started = clock.now()
        self._guarding = Guarding.of(settings, clock)
        self._follower = Follower(sharing.cache, sharing.broker, clock, codec=sharing.codec)
        self._warmer = Warmer(self._follower, sharing.cache, clock)
        warming = None if role == "monitor" else self._warmer.metrics
        self._tier_watch = TierWatch(sharing.cache, clock, restores=False)
        self._watch = CacheWatch(
            sharing.cache,
            clock,
            role,
            sharing.backend,
            self._started,
            warming,
            self._tier_watch,
            self._follower,
        )
        self._roll = Roll(sharing.cache, sharing.codec, clock)
        self._web: WebApp | None = None
        folder = settings.state.folder(os.environ)
        self._own = SelfWatch(clock, version, folder, self._started)

    async def restore(self) -> None:
        """Show the last good snapshot until the engine says something."""
        await self._follower.tick()
        stored = None if self._archive is None else StoreKeepsake(self._archive)
        for kept in (self._sharing.keepsake, stored):
            if kept is None or self._follower.reader.board is not None:
                continue
            try:
                value = await kept.recall()
            except CacheError as error:
                log.warning("last_good_not_there", error=str(error))
                continue
            if value is not None:
                self._follower.restore(value)

    def follow(self) -> Coroutine[Any, Any, None]:
        """Hear of the engine."""
        return self._follower.run()

    def pages(self, listener: socket.socket) -> Work:
        """Serve the dashboards, the API and the socket, and say so to the monitor."""
        ours = self._settings.web
        over = (self._sharing.broker, self._sharing.codec, self._clock)
        config = Asking(SETTINGS, *over)
        alerts = Asking(ALERTS, *over)
        monitor = Asking(MONITORING, *over)
        fees = taker_fees(self._settings.signals)
        app = self._web = create_app(
            self._follower,
            self._clock,
            options=WebOptions(
                max_clients=ours.max_clients,
                max_clients_per_ip=ours.max_clients_per_ip,
                hosts=self._guarding.hosts,
            ),
            version=self._version,
            cache_metrics=self._watch.metrics,
            own_parts=self._own_parts,
            asked=self._warmer.note,
            archive=self._archive,
            count_signals=None
            if self._archive is None
            else SignalRecords(self._archive, self._clock, fees).count,
            fees=fees,
            routers=(session_router(self._guarding.gate),),
            more=(
                lambda api: add_config(api, config),
                lambda api: add_alerts(api, alerts, self._archive, self._follower, self._clock),
                lambda api: add_monitoring(api, monitor),
            ),
        )
        presence = Presence(self._roll, partial(self._report, "web", listener))
        return (
            self._serve(self._guarding.before(app, app.routes, "web"), listener, app.close),
            presence.run(),
            self._warmer.run(),
            self._tier_watch.run(),
            config.run(),
            alerts.run(),
            monitor.run(),
            *self._looking_at_itself(),
        )

    def monitor(self, listener: socket.socket) -> Work:
        """Serve the monitoring API."""
        roster = Roster(self._roll, self._clock)
        web = self._web
        own = self._own.measures if self._role == "monitor" else tuple
        readings = Readings(self._follower, self._clock, roster, own, limits_of(self._settings))
        answering = Answering(
            MONITORING,
            readings.answer,
            self._sharing.broker,
            self._sharing.codec,
            self._clock,
            f"monitor-{os.getpid()}",
        )
        app = create_monitor(
            self._follower,
            self._clock,
            version=self._version,
            websocket_counters=None if web is None else web.hub.counters,
            cache_metrics=self._watch.metrics,
            own_parts=self._own_parts,
            roster=roster,
            readings=readings,
            hosts=self._guarding.hosts,
            routers=(session_router(self._guarding.gate),),
        )
        guarded = self._guarding.before(app, app.routes, "monitor")
        looking = () if self._role == "run" else (self._tier_watch.run(),)
        keeping = (roster.run(), readings.run(), answering.run())
        return (self._serve(guarded, listener), *keeping, *looking, *self._looking_at_itself())

    def _looking_at_itself(self) -> Work:
        """In `run` the engine does so for the process."""
        return () if self._role == "run" else (self._own.run(),)

    def _serve(
        self,
        app: Guard,
        listener: socket.socket,
        closing: Callable[[], Awaitable[None]] | None = None,
    ) -> Coroutine[Any, Any, None]:
        guarding = self._guarding
        return serve_on(
            app, listener, closing=closing, connections=guarding.connections, tls=guarding.tls
        )

    def _own_parts(self) -> tuple[HealthPart, ...]:
        """Health of what only this process sees; in `run` the engine tells it of all."""
        if self._role == "run":
            return ()
        now = self._clock.now()
        return tuple(own_part(each, self._role, now) for each in self._watch.parts())

    def _report(
        self, role: Literal["web", "monitor"], listener: socket.socket, *, leaving: bool
    ) -> ProcessReport:
        port = int(listener.getsockname()[1])
        web = self._web
        return ProcessReport(
            epoch=f"{role}-{port}-{os.getpid()}-{self._started:x}",
            seq=0,
            now=self._clock.now(),
            role=role,
            host=host_name(),
            port=port,
            pid=os.getpid(),
            version=self._version,
            started=self._started,
            leaving=leaving,
            engine_ms=self._follower.engine_ms(),
            reading=self._follower.reading,
            clients=0 if web is None else web.hub.counters().get("clients", 0),
            tiers=self._watch.reports(),
            measures=self._report_measures(),
        )

    def _report_measures(self) -> tuple[Measure, ...]:
        """What this process measures, where the engine does not do it for it."""
        own = () if self._role == "run" else self._own.measures()
        if self._web is None:
            return own
        of_sockets = socket_measures(self._web.hub.counters(), self._settings.web.max_clients)
        return (*own, *of_sockets)


def socket_measures(counters: Mapping[str, int], most: int) -> Iterator[Measure]:
    """What the socket counted."""
    yield Measure("websocket_full_ratio", counters.get("clients", 0) / most)
    yield Measure("websocket_evicted_total", float(counters.get("evicted", 0)))
    yield Measure("websocket_refused_total", float(counters.get("refused", 0)))
    yield Measure("websocket_sent_bytes_total", float(counters.get("bytes", 0)))
    waited = counters.get("delivery_us_p99", 0)
    yield Measure("websocket_delivery_p99_seconds", waited / 1e6 if waited else None)


def limits_of(settings: Settings) -> Limits:
    """From where on the monitor warns and fails."""
    return Limits(**msgspec.structs.asdict(settings.monitoring))


def say_address(listener: socket.socket) -> None:
    """Tell a person what to open."""
    name, port = listener.getsockname()[:2]
    log.info("open_in_a_browser", address=f"http://{name}:{port}/")


async def serve_web(settings: Settings, version: str) -> None:
    """Serve pages and API until SIGINT or SIGTERM. Raises SettingsError before anything started."""
    clock = SystemClock()
    with closing(bind_guarded(settings, settings.app.port)) as listener:
        stop = stop_at_signals()
        async with (
            open_sharing(settings, clock, alone=False) as sharing,
            open_archive(settings) as archive,
        ):
            serving = Serving(settings, sharing, clock, version, "web", archive)
            await serving.restore()
            say_address(listener)
            await until_stopped(stop, serving.follow(), *serving.pages(listener))
    log.info("stopped")


async def serve_monitor(settings: Settings, version: str) -> None:
    """Serve the monitoring API until SIGINT or SIGTERM. Raises SettingsError as above."""
    clock = SystemClock()
    with closing(bind_guarded(settings, settings.app.monitoring_port)) as listener:
        stop = stop_at_signals()
        async with open_sharing(settings, clock, alone=False) as sharing:
            serving = Serving(settings, sharing, clock, version, "monitor")
            await serving.restore()
            log.info("monitoring", address=f"http://127.0.0.1:{listener.getsockname()[1]}/")
            await until_stopped(stop, serving.follow(), *serving.monitor(listener))
    log.info("stopped")
