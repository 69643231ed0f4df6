"""Engine, web processes and monitor as their users start them, around real cache servers."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from support.processes import VIRTUOSO, free_port, wait_for
from support.servers import Server, memcached, redis
from support.slack import SLACK

SYMBOLS = 4
HEALS_S = 5.0


@dataclass
class Member:
    """One process of ours."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def text(self) -> str:
        """Everything logged so far."""
        return self.log.read_text("utf-8", "replace")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def ends(self, seconds: float) -> int:
        """Wait for its end and give the exit code."""
        return self.process.wait(seconds)


@dataclass
class Cluster:
    """Everything that runs together, and how to ask it."""

    folder: Path
    memcached: Server
    redis: Server
    exchange: str
    symbols: int = SYMBOLS
    members: dict[str, Member] = field(default_factory=dict)
    web_ports: tuple[int, int] = field(default_factory=lambda: (free_port(), free_port()))
    monitor_port: int = field(default_factory=free_port)
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=5.0, trust_env=False))

    @property
    def environment(self) -> dict[str, str]:
        """What every process is told."""
        return os.environ | {
            "CACHE_TYPE": "memcached",
            "MEMCACHED_PORT": str(self.memcached.port),
            "REDIS_PORT": str(self.redis.port),
            "MONITORING_PORT": str(self.monitor_port),
            "VIRTUOSO_STATE_DIR": str(self.folder / "state"),
        }

    def start(self, name: str, *arguments: str, env: dict[str, str] | None = None) -> Member:
        """Start a process under a name; one that had it must have ended."""
        log = self.folder / f"{name}-{time.monotonic_ns()}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*VIRTUOSO, *arguments],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment | (env or {}),
            )
        member = self.members[name] = Member(name, process, log)
        return member

    def engine(
        self, name: str = "engine", *arguments: str, env: dict[str, str] | None = None
    ) -> Member:
        """Start an engine on the shared simulator."""
        chosen = ("--exchange", self.exchange, "--symbols", str(self.symbols), *arguments)
        return self.start(name, "engine", *chosen, env=env)

    def web(self, number: int) -> Member:
        """Start a web process on its port."""
        return self.start(f"web{number}", "web", "--port", str(self.web_ports[number]))

    def monitor(self) -> Member:
        """Start the monitor."""
        return self.start("monitor", "monitor")

    def ask(self, number: int, path: str = "/api/symbols", **headers: str) -> httpx.Response:
        """GET from a web process."""
        return self.client.get(f"http://127.0.0.1:{self.web_ports[number]}{path}", headers=headers)

    def document(self, number: int, path: str = "/api/symbols") -> dict[str, Any]:
        """A JSON answer of a web process, whatever its status."""
        found: dict[str, Any] = self.ask(number, path).json()
        return found

    def part(self, number: int, name: str) -> str:
        """Status of one part at a web process's `/health`; `absent` when it is not there."""
        parts = self.document(number, "/health")["parts"]
        return next((str(each["status"]) for each in parts if each["name"] == name), "absent")

    def watched(self, path: str = "/api/monitoring/status") -> dict[str, Any]:
        """A JSON answer of the monitor."""
        found: dict[str, Any] = self.client.get(
            f"http://127.0.0.1:{self.monitor_port}{path}"
        ).json()
        return found

    def watched_part(self, name: str) -> str:
        """Status of a part as the monitor tells it."""
        parts = self.watched()["parts"]
        return next((str(each["status"]) for each in parts if each["name"] == name), "absent")

    def live(self, number: int) -> bool:
        """Whether a web process shows the present: scores that advance, from a living engine."""
        before = self.document(number)
        if not any(each["confluence_score"] is not None for each in before.get("symbols", [])):
            return False
        if any("silent" in each or "restarted" in each for each in before["reasons"]):
            return False
        time.sleep(1.1)
        after = self.document(number)
        return bool(after["epoch"] != before["epoch"] or after["seq"] > before["seq"])

    def truthful(self, number: int) -> bool:
        """Whether what a web process says now is the present, or says that it is not."""
        answer = self.ask(number)
        document = answer.json()
        if answer.status_code == 503:
            return document["status"] == "error" and bool(document["reasons"])
        old = document["status"] != "success" and bool(document["reasons"])
        as_old = time.time() - _seconds(document["timestamp"])
        return old or as_old < HEALS_S

    def close(self) -> None:
        """End everything."""
        self.client.close()
        for member in self.members.values():
            if member.process.poll() is None:
                member.signal(signal.SIGCONT)
                member.kill()


def _seconds(timestamp: str) -> float:
    from datetime import datetime  # noqa: PLC0415 - here alone

    return datetime.fromisoformat(timestamp).timestamp()


@contextmanager
def cluster(folder: Path, symbols: int = SYMBOLS) -> Iterator[Cluster]:
    """Two cache servers and a simulator; the processes are the test's to start."""
    (folder / "servers").mkdir()
    with memcached(folder / "servers") as near, redis(folder / "servers") as far:
        log = folder / "exchange.log"
        with log.open("wb") as out:
            venue = subprocess.Popen(
                [*VIRTUOSO, "exchange", "--port", "0", "--symbols", str(symbols)],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )

        def address() -> str | None:
            said = re.search(r'"exchange": "([^"]+)"', log.read_text("utf-8", "replace"))
            return said.group(1) if said else None

        running: Cluster | None = None
        try:
            running = Cluster(folder, near, far, wait_for("the simulator", address, 30), symbols)
            yield running
        finally:
            if running is not None:
                running.close()
            venue.kill()
            venue.wait(10)


def whole(running: Cluster) -> None:
    """Start one of each, and a second web process; wait until both show scores."""
    running.engine()
    running.web(0)
    running.web(1)
    running.monitor()
    for number in (0, 1):
        wait_for(f"scores at web process {number}", lambda: running.live(number), 60 * SLACK)  # noqa: B023
    wait_for("the monitor to know both", lambda: _both(running), 10 * SLACK)


def _both(running: Cluster) -> bool:
    return all(running.watched_part(f"web_{port}") == "pass" for port in running.web_ports)
