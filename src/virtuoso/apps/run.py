"""The composition root of `virtuoso run`: engine, web and monitor in one process."""

from contextlib import closing
from importlib.metadata import version

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.compile import load_all
from virtuoso.apps.engine import (
    RunOptions,
    documents_in,
    open_engine,
    reload_at_signal,
    watch_cache,
)
from virtuoso.apps.history import open_archive
from virtuoso.apps.serving import Serving, say_address
from virtuoso.apps.settings import Settings
from virtuoso.apps.sharing import open_sharing
from virtuoso.apps.stopping import log, stop_at_signals, until_stopped
from virtuoso.apps.writing import writer_lease
from virtuoso.web.server import bind


async def run(settings: Settings, options: RunOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises SettingsError before anything has started."""
    host = settings.app.address
    clock = SystemClock()
    items = documents_in(settings, options)
    with (
        closing(bind(host, settings.app.port)) as pages,
        closing(bind(host, settings.app.monitoring_port)) as monitoring,
    ):
        reload = reload_at_signal(settings, options, clock)
        # loading a kernel holds the loop, and nobody is served yet
        load_all()
        stop = stop_at_signals()
        async with (
            open_sharing(
                settings, clock, alone=True, items=items, source=options.source
            ) as sharing,
            open_archive(settings) as archive,
        ):
            serving = Serving(settings, sharing, clock, version("virtuoso"), "run", archive)
            watch = watch_cache(sharing, clock, "run")
            lease = writer_lease(settings, sharing, clock)
            await lease.claim()
            try:
                async with open_engine(
                    settings, options, sharing, clock, lease, watch, reload
                ) as work:
                    say_address(pages)
                    await serving.restore()
                    await until_stopped(
                        stop,
                        *work,
                        serving.follow(),
                        *serving.pages(pages),
                        *serving.monitor(monitoring),
                    )
            finally:
                await lease.release()
    log.info("stopped")
