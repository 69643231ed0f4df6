"""`virtuoso record`: everything a venue sends, kept in files; no pages, no API.

What decides on the line runs as in `virtuoso run`: the choice of the universe, the warm-up, and the
door that asks for lost books and trades anew. So a recording is the same whoever makes it.
"""

import asyncio
import random
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.recording.writer import RecorderSettings
from virtuoso.apps.engine import RunOptions, open_sources, watch_of
from virtuoso.apps.recorders import MEGABYTE, Recorders
from virtuoso.apps.settings import Settings
from virtuoso.domain.errors import SettingsError

log = structlog.get_logger()

LOOK_SECONDS = 0.5
SAY_SECONDS = 30.0
STOPPED = 1
"""The recording ended by itself: the disk is full, say."""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What the command line says beside the settings."""

    source: str
    out: Path
    symbols: int | tuple[str, ...] | None
    """How many, or exactly which; None: what the settings say."""
    max_size_mb: int | None
    """Of one file; None: 256."""
    seconds: float | None
    """How long; None: until a signal comes."""
    exchange: str | None
    """Address of a simulator that already runs; None starts one."""


def recorder_settings(folder: Path, max_size_mb: int | None) -> RecorderSettings:
    """Say where a recording goes, and how long its files get."""
    usual = RecorderSettings(folder=folder)
    if max_size_mb is None:
        return usual
    return RecorderSettings(folder=folder, part_bytes=max_size_mb * MEGABYTE)


async def record(settings: Settings, options: RecordOptions) -> int:
    """Record until a signal comes, or the time is over: 0; until it cannot go on: 1.

    Raises SettingsError before anything has started.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    rng = random.Random()  # noqa: S311 - spreads retries in time, nothing secret
    run = RunOptions(
        source=options.source,
        speed=None,
        candles=None,
        exchange=options.exchange,
        symbols=options.symbols if isinstance(options.symbols, int) else None,
        secondary="none",
        record=recorder_settings(options.out, options.max_size_mb),
        only=options.symbols if isinstance(options.symbols, tuple) else (),
    )
    async with open_sources(settings, run, clock, rng) as sources:
        if sources.recorders is None:
            msg = f"expected a source that can be recorded, found {options.source[:80]!r}"
            raise SettingsError(msg)
        watch = watch_of(sources.first, settings, run, clock, rng)
        watching = asyncio.create_task(watch.run())
        try:
            outcome = await _until_over(stop, sources.recorders, watching, options.seconds)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
    log.info("stopped")
    return outcome


async def _until_over(
    stop: asyncio.Event,
    recorders: Recorders,
    watching: asyncio.Task[None],
    seconds: float | None,
) -> int:
    """Wait for a signal, the end of the time, or the end of what is watched or written."""
    loop = asyncio.get_running_loop()
    began = said = loop.time()
    while not stop.is_set():
        left = LOOK_SECONDS if seconds is None else min(LOOK_SECONDS, began + seconds - loop.time())
        if left <= 0:
            break
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await stop.wait()
        if watching.done():
            await watching  # raises what it died of
        parts = recorders.parts()
        if any(part.status == "fail" for part in parts):
            return STOPPED
        if loop.time() - said >= SAY_SECONDS:
            said = loop.time()
            log.info("recording", state=[part.text for part in parts])
    return 0
