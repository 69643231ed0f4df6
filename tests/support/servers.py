"""Real memcached and Redis servers on free ports, and peers that only pretend to be one."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.processes import free_port

START_S = 10.0


@dataclass
class Server:
    """A server process that can be killed, frozen and started again on the same port."""

    name: str
    command: Sequence[str]
    port: int
    socket_path: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens on the loopback."""
        return ("127.0.0.1", self.port)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with suppress(OSError):
                self.say(b"ping\r\n")
                return
            assert self.process.poll() is None, f"{self.name} did not start: {self.command}"
            time.sleep(0.01)
        msg = f"expected {self.name} to answer within {START_S:g} s"
        raise AssertionError(msg)

    def say(self, words: bytes) -> bytes:
        """What it answers to bytes sent by hand, as far as the first piece goes."""
        with socket.create_connection(self.address, timeout=20) as link:
            link.sendall(words)
            return link.recv(1 << 20)

    def freeze(self) -> None:
        """Let it hang: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)


@contextmanager
def memcached(folder: Path, *options: str) -> Iterator[Server]:
    """A memcached on a free port of the loopback."""
    port = free_port()
    command = [_program("memcached"), "-l", "127.0.0.1", "-p", str(port), "-U", "0", *options]
    if os.geteuid() == 0:
        command += ["-u", "root"]
    yield from _running(Server("memcached", command, port, folder / "memcached.sock"))


@contextmanager
def memcached_socket(folder: Path) -> Iterator[Path]:
    """A memcached on a unix socket alone."""
    path = folder / "memcached.sock"
    command = [_program("memcached"), "-s", str(path), "-a", "0700"]
    if os.geteuid() == 0:
        command += ["-u", "root"]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + START_S
        while not path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait(10)


@contextmanager
def redis(folder: Path, *options: str) -> Iterator[Server]:
    """A Redis on a free port of the loopback and a unix socket, which writes nothing to disk."""
    port = free_port()
    path = folder / f"redis-{port}.sock"
    command = [_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    command += ["--dir", str(folder), *options]
    yield from _running(Server("redis", command, port, path))


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine: tools/install_test_servers.sh installs it")
    return found


@pytest.fixture(scope="session")
def memcached_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One memcached for all tests that leave it alive; they flush it themselves."""
    with memcached(tmp_path_factory.mktemp("memcached")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One Redis for all tests that leave it alive; they flush it themselves."""
    with redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextmanager
def babbling_peer(words: bytes) -> Iterator[tuple[str, int]]:
    """Something that answers every request with the same bytes, whatever was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    links: list[socket.socket] = []

    def talk(link: socket.socket) -> None:
        with suppress(OSError):
            while link.recv(65_536):
                link.sendall(words)

    def accept() -> None:
        with suppress(OSError):
            while True:
                link, _ = listener.accept()
                links.append(link)
                threading.Thread(target=talk, args=(link,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[:2]
    finally:
        for each in (listener, *links):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
