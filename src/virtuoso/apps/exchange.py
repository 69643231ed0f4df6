"""The simulator as a process of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from virtuoso.domain.errors import SettingsError
from virtuoso.simulator.faults import FaultRequest, read_script
from virtuoso.simulator.recording import Recording
from virtuoso.simulator.server import serve
from virtuoso.simulator.settings import ExchangeSettings


def _announce(port: int) -> None:
    """Tell whoever started this process where to connect: one JSON line on standard output."""
    sys.stdout.write(json.dumps({"exchange": f"127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()


async def _watch_parent() -> None:
    """End when standard input ends: whoever started this process is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1_024):
        pass


def read_faults(path: Path) -> list[FaultRequest]:
    """Read a script of faults. Raises SettingsError saying what was expected."""
    try:
        return read_script(path.read_bytes())
    except OSError as error:
        msg = f"expected a script of faults at {path}, found none ({error.strerror})"
        raise SettingsError(msg) from error
    except ValueError as error:
        msg = f"{path}: {error}"
        raise SettingsError(msg) from error


def open_recording(path: str | None, speed: float) -> Recording | None:
    """Look at the recordings that are to be played, if any. Raises SettingsError."""
    if path is None:
        return None
    try:
        return Recording.open(path, speed)
    except ValueError as error:
        raise SettingsError(str(error)) from error


async def run_exchange(
    settings: ExchangeSettings,
    *,
    with_parent: bool,
    script: Sequence[FaultRequest] = (),
    recording: Recording | None = None,
) -> None:
    """Serve the simulated venues until stopped (or until the parent process is gone).

    Raises SettingsError when the port is taken or a fault makes no sense here.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    waiting = [
        asyncio.create_task(serve(settings, _announce, script, recording)),
        asyncio.create_task(stop.wait()),
    ]
    if with_parent:
        waiting.append(asyncio.create_task(_watch_parent()))
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        try:
            task.result()
        except OSError as error:
            msg = f"port {settings.port} of the simulator is in use: choose another ({error})"
            raise SettingsError(msg) from error
        except ValueError as error:
            raise SettingsError(str(error)) from error
