"""F38, F39, F41: processes killed at random, and two engines that cannot see each other.

`VIRTUOSO_KILLS=200 VIRTUOSO_SEED=7 make faults ARGS=tests/faults/test_kills.py` is the full count.
"""

import os
import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest

from faults.conftest import FaultTable
from support.cluster import HEALS_S, Cluster, cluster, whole
from support.fault_proxy import Weather, fault_proxy
from support.processes import running as running_alone
from support.processes import wait_for
from support.slack import SLACK
from virtuoso.apps.crashes import MOST

pytestmark = [pytest.mark.process, pytest.mark.fault]

KILLS = int(os.environ.get("VIRTUOSO_KILLS") or 12)
SEED = int(os.environ.get("VIRTUOSO_SEED") or 7)
SPLIT_S = 4.0
REFUSED = 78


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of each, and a second web process, with scores."""
    with cluster(tmp_path_factory.mktemp("kills")) as found:
        whole(found)
        yield found


class Reader(threading.Thread):
    """Somebody who looks at one web process all the time, and notes what may not be."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._address = f"http://127.0.0.1:{port}/api/symbols"
        self._ended = threading.Event()
        self.epochs: list[str] = []
        """In the order in which they were shown."""
        self.wrong: list[str] = []
        self.seen = 0
        self._seq = -1
        self._symbols: frozenset[str] = frozenset()

    def run(self) -> None:
        """Look ten times a second."""
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            while not self._ended.wait(0.1):
                with suppress(httpx.TransportError):
                    self._take(client.get(self._address))

    def _take(self, answer: httpx.Response) -> None:
        if answer.status_code != 200:
            return
        document = answer.json()
        epoch, seq = str(document["epoch"]), int(document["seq"])
        symbols = frozenset(str(each["symbol"]) for each in document["symbols"])
        self.seen += 1
        if not self.epochs or self.epochs[-1] != epoch:
            if epoch in self.epochs:
                self.wrong.append(f"epoch {epoch} came back after {self.epochs[-1]}")
            self.epochs.append(epoch)
        elif seq < self._seq:
            self.wrong.append(f"{epoch}: {seq} was shown after {self._seq}")
        if lost := self._symbols - symbols:
            self.wrong.append(f"{epoch}: {seq} lost {', '.join(sorted(lost))}")
        self._seq, self._symbols = seq, symbols

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join(10)


@contextmanager
def readers(running: Cluster) -> Iterator[tuple[Reader, ...]]:
    """One at each web process."""
    found = tuple(Reader(port) for port in running.web_ports)
    for each in found:
        each.start()
    try:
        yield found
    finally:
        for each in found:
            each.end()


def _ready(running: Cluster, name: str, before: str) -> float:
    """Start again what was killed; seconds until it does its work."""
    started = time.monotonic()
    limit = 4 * HEALS_S * SLACK
    if name == "engine":
        running.engine()
        wait_for(
            "a new epoch", lambda: running.document(0).get("epoch", "") not in {"", before}, limit
        )
    elif name == "monitor":
        running.monitor()
        wait_for("the monitor", lambda: bool(running.watched()["parts"]), limit)
    else:
        number = int(name[-1])
        running.web(number)
        wait_for(
            f"web process {number}",
            lambda: running.ask(number, "/health/ready").status_code == 200,
            limit,
        )
    return time.monotonic() - started


@pytest.mark.timeout(120 + 40 * KILLS)
def test_f38_f39_killed_at_random(running: Cluster, table: FaultTable) -> None:
    """Nothing that a reader was shown is taken back, and each is ready again within 5 s."""
    rng = random.Random(SEED)  # noqa: S311 - which one dies, and when
    took: dict[str, list[float]] = {"engine": [], "monitor": [], "web0": [], "web1": []}
    with readers(running) as looking:
        for _ in range(KILLS):
            name = rng.choice(sorted(took))
            before = str(running.document(0).get("epoch", ""))
            running.members[name].kill()
            for number in (0, 1):
                if name != f"web{number}":
                    assert running.truthful(number)
            took[name].append(_ready(running, name, before))
            time.sleep(rng.random())
        wait_for("both to be live", lambda: running.live(0) and running.live(1), 60 * SLACK)
    assert [each.wrong for each in looking] == [[], []]
    slowest = max(max(each, default=0.0) for each in took.values())
    for name, each in took.items():
        if each:
            middle = statistics.median(each)
            what = f"{len(each)} kill -9 of {name}, seed {SEED}: median {middle:.1f} s"
            table.add("F39" if name.startswith("web") else "F38", what, 0.0, max(each))
    shown = sum(each.seen for each in looking)
    table.add("F38", f"{KILLS} kills, {shown} answers read, none went back", None, slowest)
    assert slowest < HEALS_S * SLACK


@pytest.mark.timeout(400)
def test_f41_two_engines_that_cannot_see_each_other(running: Cluster, table: FaultTable) -> None:
    """One has lost Redis, the other memcached, so that both are named; then all is mended.

    Readers follow the later claim and never return; the earlier one ends by itself.
    """
    running.members.pop("engine").kill()
    with fault_proxy(running.redis.port) as far, fault_proxy(running.memcached.port) as near:
        first = running.engine("engine", env={"REDIS_PORT": str(far.port)})
        wait_for("the first to write", lambda: "writing_claimed" in first.text(), 60 * SLACK)
        second = running.engine("second", "--standby", env={"MEMCACHED_PORT": str(near.port)})
        wait_for("the second to stand by", lambda: "standing_by" in second.text(), 60 * SLACK)
        with readers(running) as looking:
            wait_for("both to be live", lambda: running.live(0) and running.live(1), 60 * SLACK)
            before = str(running.document(0)["epoch"])
            for each in (far, near):
                each.begin(Weather("half_open"))
            wait_for("the second to claim", lambda: "writing_claimed" in second.text(), 60 * SLACK)
            until = time.monotonic() + SPLIT_S
            while time.monotonic() < until:
                assert all(running.truthful(number) for number in (0, 1))
                assert second.process.poll() is None
                time.sleep(0.1)
            mended = time.monotonic()
            for each in (far, near):
                each.begin(Weather())
            assert first.ends(60 * SLACK) == REFUSED
            wait_for(
                "the second's epoch",
                lambda: all(running.document(number)["epoch"] != before for number in (0, 1)),
                60 * SLACK,
            )
            wait_for("both to be live", lambda: running.live(0) and running.live(1), 60 * SLACK)
            took = time.monotonic() - mended
        assert [each.wrong for each in looking] == [[], []]
        assert looking[0].epochs[-1] == looking[1].epochs[-1]
        assert second.process.poll() is None
        table.add("F41", f"two named engines for {SPLIT_S:g} s, then one", None, took)
        # it speaks through a proxy that is about to go
        running.members.pop("second").kill()
    running.engine()


@pytest.mark.timeout(400)
def test_f40_a_simulator_that_always_ends_is_given_up(
    tmp_path_factory: pytest.TempPathFactory, table: FaultTable
) -> None:
    """Started again with growing pauses, but for the fifth time in a minute; health fails."""
    with running_alone(
        tmp_path_factory.mktemp("crash_loop"), "--source", "simulator", "--symbols", "2"
    ) as alone:

        def exchange() -> dict[str, object] | None:
            parts = alone.get("/health")["parts"]
            assert isinstance(parts, list)
            return next((each for each in parts if each["name"] == "exchange"), None)

        wait_for("the simulator", exchange, 60 * SLACK)
        started = time.monotonic()
        gone: set[int] = set()

        def given_up() -> bool:
            for child in psutil.Process(alone.process.pid).children():
                if child.pid not in gone:
                    gone.add(child.pid)
                    child.kill()
            part = exchange()
            return part is not None and part["status"] == "fail"

        wait_for("it to be given up", given_up, 60 * SLACK)
        took = time.monotonic() - started
        assert alone.process.poll() is None
        assert alone.text().count('"exchange_ended"') == MOST - 1
        assert "exchange_given_up" in alone.text()
    table.add("F40", f"{len(gone)} ends of the simulator, then no more", took, None)
