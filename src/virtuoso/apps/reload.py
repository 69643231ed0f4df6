"""Takes up a changed scoring section while the engine runs; all else waits for the next start.

A file that is wrong is refused as a whole, and what runs goes on. Which changes cost nothing and
which cannot be made while running is decided here, see docs/adr/0032.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings import Settings, differing_keys
from virtuoso.apps.settings_sources import load_settings, local_path
from virtuoso.domain.errors import SettingsError, StateError
from virtuoso.domain.time import Millis
from virtuoso.ports import Clock
from virtuoso.scoring.definition import Definition
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0
"""How long a change may wait for its place in the line; then it is tried again."""
RELOADED: Final = "scoring."
NOT_RELOADED: Final = "scoring.windows.stream"
"""The seconds of a stream are kept in its windows and nowhere else: others begin empty."""
KEYS_NAMED: Final = 20

Apply: TypeAlias = Callable[[Definition], Awaitable[None]]
Load: TypeAlias = Callable[[Path | None, Mapping[str, str]], Settings]
Mark: TypeAlias = tuple[int, int, int] | None


class Reload:
    """Looks at the file of the user's settings, and again when it changed or a signal came."""

    def __init__(
        self,
        file: Path | None,
        environment: Mapping[str, str],
        settings: Settings,
        clock: Clock,
        poll_seconds: float = POLL_SECONDS,
        load: Load = load_settings,
    ) -> None:
        """`settings` are those that the process was started with, from `file` and `environment`.

        `load` reads them again; the one of `config_saved` takes the saved version with them.
        """
        self._load = load
        self._file = file
        self._environment = environment
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._path = local_path(file)
        self._started_with = settings
        self._running = definition_of(settings.scoring)
        self._woken = asyncio.Event()
        self._since: Millis | None = None
        self._refused: str | None = None
        self._waiting: tuple[str, ...] = ()

    @property
    def running(self) -> Definition:
        """What scores are computed by, or will be as soon as the line comes to it."""
        return self._running

    @property
    def refused(self) -> str | None:
        """Why the settings are not taken up, if they are not."""
        return self._refused

    def wake(self) -> None:
        """Read the file now: somebody says that it changed."""
        self._woken.set()

    async def run(self, apply: Apply | None) -> None:
        """Look for ever. `apply` has scores computed by another definition.

        None: nobody can, because a recording is played, which has its own.
        """
        looked_at: Mark | object = object()
        read: Mark | object = looked_at
        # what changed between the first reading and now is found by the first look
        while True:
            mark = self._mark()
            # a file that is being written is left alone until it has come to rest
            if self._woken.is_set() or (mark != read and mark == looked_at):
                self._woken.clear()
                read = mark if await self.read(apply) else object()
            looked_at = mark
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()

    def _mark(self) -> Mark:
        """Tell one state of the file from another; None where there is none."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    async def read(self, apply: Apply | None) -> bool:
        """Read the file and take up what can be; False when it must be tried again."""
        try:
            settings = self._load(self._file, self._environment)
            wanted = definition_of(settings.scoring)
        except (SettingsError, StateError) as error:
            self._refuse(str(error))
            return True
        if self._refused is not None:
            self._refused, self._since = None, self._clock.now()
            log.info("settings_accepted", file=str(self._path))
        keys = differing_keys(self._started_with, settings)
        self._tell_waiting(tuple(each for each in keys if waits_for_start(each) or apply is None))
        definition = _with_streams_of(self._running, wanted)
        if apply is None or definition.hash == self._running.hash:
            return True
        log.info("definition_changes", before=self._running.hash, definition=definition.hash)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await apply(definition)
        except TimeoutError:
            log.warning("definition_not_taken", waited_s=LONGEST_SECONDS)
            return False
        self._running, self._since = definition, self._clock.now()
        return True

    def _refuse(self, reason: str) -> None:
        self._refused, self._since = reason, self._clock.now()
        log.warning("settings_refused", reason=reason, definition=self._running.hash)

    def _tell_waiting(self, keys: tuple[str, ...]) -> None:
        if keys and keys != self._waiting:
            log.warning(
                "settings_take_effect_at_the_next_start", keys=keys[:KEYS_NAMED], count=len(keys)
            )
        self._waiting = keys

    def parts(self) -> tuple[PartHealth, ...]:
        """Give the health of the settings: refused ones are a warning, the reason beside it."""
        running = f"definition {self._running.hash}"
        if self._refused is not None:
            text = f"the settings file is refused, {running} goes on: {self._refused}"
            return (PartHealth("settings", "warn", text, self._since),)
        text = f"{running} is in force"
        if self._waiting:
            few = ", ".join(self._waiting[:KEYS_NAMED])
            text += f"; changes that take effect at the next start: {few}"
        return (PartHealth("settings", "pass", text, self._since),)


def waits_for_start(key: str) -> bool:
    """Whether a change of this key is for the next start."""
    return not key.startswith(RELOADED) or key.startswith(NOT_RELOADED)


def _with_streams_of(running: Definition, wanted: Definition) -> Definition:
    """Give what is wanted, with the stream windows that run."""
    limits = running.stream_limits
    return replace(
        wanted,
        stream_limits=limits,
        symbols={
            symbol: replace(own, stream_limits=limits) for symbol, own in wanted.symbols.items()
        },
    )
