"""Real Virtuoso processes on free ports, ended with real signals."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

VIRTUOSO = [sys.executable, "-c", "from virtuoso.apps.cli import main; main()"]

T = TypeVar("T")


PORTS = range(12_000, 32_000)
"""Below those that systems give to connections: what is free stays free until a server is up."""


def free_port() -> int:
    """Give a port nobody listens on right now."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    msg = f"expected a free port from {PORTS.start} to {PORTS.stop}, found none of a hundred"
    raise RuntimeError(msg)


def wait_for(what: str, ask: Callable[[], T | None], seconds: float = 120.0) -> T:
    """Ask again and again until the answer is neither None nor False; fail after the deadline."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except httpx.TransportError as error:
            last = error
        else:
            if answer is not None and answer is not False:
                return answer
            last = answer
        time.sleep(0.1)
    msg = f"waited {seconds:g} s for {what}; the last answer was {last!r}"
    raise AssertionError(msg)


@dataclass
class Running:
    """A running `virtuoso run`."""

    process: subprocess.Popen[bytes]
    port: int
    monitoring_port: int
    log: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    @property
    def url(self) -> str:
        """Address of the pages and the API."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> dict[str, object]:
        """GET a JSON answer, whatever its status."""
        answer: dict[str, object] = self.client.get(path).json()
        return answer

    def monitor(self, path: str) -> dict[str, Any]:
        """GET a JSON answer of the monitoring API, whatever its status."""
        address = f"http://127.0.0.1:{self.monitoring_port}{path}"
        answer: dict[str, Any] = self.client.get(address).json()
        return answer

    def symbols(self) -> list[dict[str, object]]:
        """Give the records of `/api/symbols`."""
        found = self.get("/api/symbols").get("symbols")
        return found if isinstance(found, list) else []

    def stop(self, number: int = signal.SIGINT, seconds: float = 60.0) -> float:
        """Send a signal and give the seconds until the process was gone."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(seconds)
        return time.monotonic() - started

    def text(self) -> str:
        """Give everything logged so far."""
        return self.log.read_text("utf-8", "replace")


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    env: dict[str, str] | None = None,
    program: Sequence[str] = VIRTUOSO,
) -> Iterator[Running]:
    """Run `virtuoso run ARGUMENTS` on free ports; killed at the end if it still runs."""
    port, monitoring_port = free_port(), free_port()
    log = folder / f"run-{port}.log"
    ports = {
        "APP_PORT": str(port),
        "MONITORING_PORT": str(monitoring_port),
        # what another run left behind is shown until the engine speaks
        "VIRTUOSO_STATE_DIR": str(folder / "state"),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*program, "run", *arguments],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | ports | (env or {}),
        )
    started = Running(process, port, monitoring_port, log)
    try:
        yield started
    finally:
        started.client.close()
        if process.poll() is None:
            process.kill()
            process.wait(10)


@contextmanager
def background(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `virtuoso ARGUMENTS` until the end of the block, then kill it."""
    with (folder / f"{arguments[0]}.log").open("wb") as out:
        process = subprocess.Popen(
            [*VIRTUOSO, *arguments], stdout=out, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def command(
    *arguments: str, folder: Path, seconds: float = 120.0, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a `virtuoso` command to its end."""
    words: Sequence[str] = [*VIRTUOSO, *arguments]
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=seconds,
        check=False,
        env=os.environ | (env or {}),
    )


def scored(process: Running) -> list[dict[str, Any]]:
    """Give the records that have a score."""
    return [each for each in process.symbols() if each["confluence_score"] is not None]


def exchange_of(process: Running) -> psutil.Process:
    """Wait for the simulator that belongs to a running process."""

    def find() -> psutil.Process | None:
        for child in psutil.Process(process.process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "exchange" in child.cmdline():
                    return child
        return None

    return wait_for("the simulator", find)
