"""The simulator that `virtuoso run` and `virtuoso engine` keep beside them, as a child process."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

import structlog

from virtuoso.apps.crashes import MOST, Crashes
from virtuoso.apps.settings import Settings
from virtuoso.domain.errors import VenueUnavailableError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.simulator.settings import MOST_SYMBOLS, ExchangeSettings
from virtuoso.wire.processes import PartHealth

log = structlog.get_logger()

READY_S: Final = 30.0
STOP_S: Final = 1.5
"""It holds nothing that could be lost: whoever waits for it has five seconds in all."""
LOOK_S: Final = 0.25


class ExchangeBeside:
    """Started before anything else, since it needs a second of another processor to be there.

    It ends with this process, however that ends: then its standard input does.
    """

    def __init__(self, settings: ExchangeSettings) -> None:
        """Start it; nobody waits."""
        self._settings = settings
        self._port = settings.port
        self._crashes = Crashes()
        self._given_up = False
        self._child = self._start()

    @classmethod
    def of(cls, settings: Settings, symbols: int | None) -> Self:
        """Start the simulator of these settings, with as many symbols as shall be watched.

        `symbols`: how many a command line asks for, if it does, judged by who watches them; pinned
        ones are among the usual.
        """
        ours, wanted = settings.simulator, symbols
        if wanted is None or settings.universe.pinned:
            wanted = max(ours.symbols, symbols or 0)
        simulated = min(max(wanted, 1), MOST_SYMBOLS)
        return cls(ExchangeSettings(seed=ours.seed, symbols=simulated, port=0))

    def _start(self) -> "subprocess.Popen[bytes]":
        command = [
            sys.executable,
            "-c",
            "from virtuoso.apps.cli import main; main()",
            "exchange",
            f"--port={self._port}",
            f"--seed={self._settings.seed}",
            f"--symbols={self._settings.symbols}",
            "--with-parent",
        ]
        return subprocess.Popen(  # noqa: S603 (our own program, our own words)
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches this process only, which then ends the child
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Give its address; it is ended afterwards.

        Raises VenueUnavailableError when it does not come up.
        """
        try:
            address = await self._address()
            # whoever knows the address will look for it there again
            self._port = int(address.rpartition(":")[2])
            yield address
        finally:
            await self._end()

    async def watch(self, clock: Clock) -> None:
        """Start it again when it ends, but for the fifth time in a minute; ends by cancellation."""
        while True:
            await asyncio.sleep(LOOK_S)
            code = self._child.poll()
            if code is None or self._given_up:
                continue
            pause_ms = self._crashes.note(clock.monotonic_ms())
            if pause_ms is None:
                self._given_up = True
                log.error("exchange_given_up", ends=self._crashes.total, exit_code=code)
                continue
            log.warning("exchange_ended", exit_code=code, again_in_ms=pause_ms)
            await asyncio.sleep(pause_ms / SECOND)
            self._close_pipes()
            self._child = self._start()
            try:
                await self._address()
            except VenueUnavailableError as error:
                log.warning("exchange_not_started", error=str(error))

    def part(self) -> PartHealth:
        """Health of the process."""
        ends = self._crashes.total
        if self._given_up:
            text = f"the simulator ended {MOST} times within a minute and is not started again"
            return PartHealth("exchange", "fail", text)
        if self._child.poll() is not None:
            return PartHealth("exchange", "warn", f"the simulator ended {ends + 1} times")
        again = f", after {ends} ends" if ends else ""
        return PartHealth("exchange", "pass", f"the simulator runs as {self._child.pid}{again}")

    async def _address(self) -> str:
        """Read the one line that it says. Raises VenueUnavailableError."""
        out = self._child.stdout
        if out is None:
            msg = "the simulator was started without an output to read its address from"
            raise VenueUnavailableError(msg)
        try:
            line = await asyncio.wait_for(asyncio.to_thread(out.readline), READY_S)
            return str(json.loads(line)["exchange"])
        except (TimeoutError, ValueError, KeyError) as error:
            msg = "the simulator did not start: see the lines it logged above"
            raise VenueUnavailableError(msg) from error

    def abandon(self) -> None:
        """End it at once, where it was started for something that was then refused."""
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
        self._close_pipes()

    async def _end(self) -> None:
        if self._child.poll() is None:
            self._child.terminate()
            try:
                await asyncio.to_thread(self._child.wait, STOP_S)
            except subprocess.TimeoutExpired:
                log.warning("exchange_killed", pid=self._child.pid)
                self._child.kill()
                await asyncio.to_thread(self._child.wait)
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()
