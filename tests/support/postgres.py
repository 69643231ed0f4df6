"""A real PostgreSQL on a free port and a unix socket, in a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from support.processes import free_port

START_S = 20.0
ROOM = 2_000_000_000
USERS = ("postgres", "nobody")
"""Who runs it where we are root, because it refuses to run as root."""


def _programs() -> Path:
    found = shutil.which("postgres")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").is_file():
            return folder
    pytest.skip("no postgresql on this machine: tools/install_test_servers.sh installs it")


@dataclass
class Postgres:
    """A server that can be killed, frozen and started again."""

    folder: Path
    port: int
    programs: Path
    user: str | None
    """Who it runs as; None: as we are."""
    process: subprocess.Popen[bytes] | None = None
    databases: int = field(default=0)

    def url(self, database: str = "postgres") -> str:
        """Address of a database, as the settings take it."""
        return f"postgresql://virtuoso@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and give its address."""
        self.databases += 1
        name = f"test_{self.databases}"
        with psycopg.connect(self.url(), autocommit=True) as link:
            link.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def run(self, *command: str) -> None:
        """Run one of its programs to the end."""
        subprocess.run(self._as_user(command), check=True, capture_output=True, cwd=self.folder)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        command += ["-p", str(self.port), "-k", str(self.folder), "-h", "127.0.0.1"]
        # what a test needs to know is whether a transaction is whole, not whether a disk is
        command += ["-F", "-c", "max_connections=60", "-c", "shared_buffers=64MB"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._as_user(command), stdout=log, stderr=log, cwd=self.folder
            )
        deadline = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=1).close()
            except psycopg.OperationalError:
                said = (self.folder / "log").read_text("utf-8", "replace")
                assert self.process.poll() is None, f"postgres did not start: {said}"
                assert time.monotonic() < deadline, f"postgres does not answer: {said}"
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it as a crash does: `pg_ctl stop -m immediate`."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)

    def freeze(self) -> None:
        """Let every process of it hang: connections stay open and nothing answers."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        assert self.process is not None
        main = self.process.pid
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(main)], capture_output=True, text=True, check=False
        )
        return [main, *map(int, found.stdout.split())]

    def _as_user(self, command: tuple[str, ...] | list[str]) -> list[str]:
        if self.user is None:
            return list(command)
        known = pwd.getpwnam(self.user)
        return [
            "setpriv",
            f"--reuid={known.pw_uid}",
            f"--regid={known.pw_gid}",
            "--clear-groups",
            *command,
        ]


def _quick_folder() -> str | None:
    """A folder in memory with room for some dozens of databases, where there is one.

    Each has 300 files; making and removing them takes most of the time on a disk.
    """
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
    try:
        roomy = shutil.disk_usage(memory).free > ROOM
    except OSError:
        return None
    return str(memory) if roomy and os.access(memory, os.W_OK) else None


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with one role, `virtuoso`, that is let in without a password."""
    programs = _programs()
    user = None
    if os.geteuid() == 0:
        known = {each.pw_name for each in pwd.getpwall()}
        user = next((each for each in USERS if each in known), None)
        assert user is not None, f"expected one of the users {USERS} to run postgres as"
    # not pytest's folder: nobody else may enter that
    folder = Path(tempfile.mkdtemp(prefix="virtuoso-postgres-", dir=_quick_folder()))
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Postgres(folder, free_port(), programs, user)
        server.run(
            str(programs / "initdb"),
            "-D",
            str(folder / "data"),
            "-U",
            "virtuoso",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        )
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """One PostgreSQL for all tests that leave it alive; each makes a database of its own."""
    with postgres() as server:
        yield server
