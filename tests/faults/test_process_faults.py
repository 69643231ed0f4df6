"""F30 to F34, F38 to F42: cache servers that lie or hang, and processes that die or sleep."""

import asyncio
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from faults.conftest import FaultTable
from support.cluster import HEALS_S, SYMBOLS, Cluster, cluster, whole
from support.processes import wait_for
from support.servers import Server
from support.slack import SLACK

pytestmark = [pytest.mark.process, pytest.mark.fault]

CLIENTS = 500
POISON = (
    b"\x80\x04\x95K\x01.",
    b'{"status":"success","symbols":[]}',
    b"\xc1V\x00garbage",
    b"",
    b"\xc1V\x00" + b"\x97" + b"\x00" * 20,
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of each, and a second web process, with scores."""
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        whole(found)
        yield found


@pytest.fixture(autouse=True)
def _well(running: Cluster) -> None:
    """Every test begins with everything alive."""
    wait_for("both to be live", lambda: running.live(0) and running.live(1), 60 * SLACK)


def slowest(running: Cluster, seconds: float, path: str = "/api/symbols") -> float:
    """Ask both for a while; nobody lies. The longest answer in seconds."""
    worst, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        for number in (0, 1):
            started = time.monotonic()
            assert running.truthful(number)
            running.ask(number, path)
            worst = max(worst, time.monotonic() - started)
        time.sleep(0.05)
    return worst


def healed(running: Cluster) -> float:
    """Seconds until both are live."""
    started = time.monotonic()
    wait_for(
        "both to be live",
        lambda: running.live(0) and running.live(1),
        (HEALS_S + 5) * SLACK,
    )
    return time.monotonic() - started


@pytest.mark.parametrize(("fault", "name"), [("F30", "memcached"), ("F31", "redis")])
def test_f30_f31_a_server_that_hangs_holds_up_nobody(
    fault: str, name: str, running: Cluster, table: FaultTable
) -> None:
    """Connections stay open and nothing answers: the next tier serves, and all heals."""
    server: Server = getattr(running, name)
    symbol = str(running.document(0)["symbols"][0]["symbol"])
    server.freeze()
    try:
        worst = slowest(running, 4, f"/api/symbols/{symbol}/scores")
    finally:
        server.thaw()
    after = healed(running)
    assert worst < 1.5 * SLACK
    table.add(fault, f"{name} hangs 4 s: slowest answer {1e3 * worst:.0f} ms", 0.0, after)


def test_f31_redis_that_takes_no_writes_is_done_without(
    running: Cluster, table: FaultTable
) -> None:
    """READONLY: memcached serves, and nothing false is shown."""
    running.redis.say(b"config set min-replicas-to-write 3\r\n")
    try:
        worst = slowest(running, 4)
        assert running.live(0)
    finally:
        running.redis.say(b"config set min-replicas-to-write 0\r\n")
    table.add(
        "F31", f"Redis refuses writes 4 s: slowest {1e3 * worst:.0f} ms", 0.0, healed(running)
    )


def test_f32_both_flushed_under_five_hundred_clients(running: Cluster, table: FaultTable) -> None:
    """Everybody is answered, with the truth, and each key is read once for all."""
    before = running.document(0, "/cache-metrics")
    symbols = [str(each["symbol"]) for each in running.document(0)["symbols"]]
    running.memcached.say(b"flush_all\r\n")
    running.redis.say(b"flushall\r\n")

    async def all_at_once() -> list[int]:
        limits = httpx.Limits(max_connections=CLIENTS)
        base = f"http://127.0.0.1:{running.web_ports[0]}"
        async with httpx.AsyncClient(
            base_url=base, limits=limits, timeout=30, trust_env=False
        ) as client:
            paths = [
                f"/api/symbols/{symbols[number % SYMBOLS]}/scores" for number in range(CLIENTS)
            ]
            answers = await asyncio.gather(*(client.get(each) for each in paths))
        return [each.status_code for each in answers]

    started = time.monotonic()
    codes = asyncio.run(all_at_once())
    took = time.monotonic() - started
    assert set(codes) <= {200, 503}
    after = running.document(0, "/cache-metrics")

    def reads(metrics: dict[str, object]) -> int:
        tiers = metrics["tiers"]
        assert isinstance(tiers, list)
        found = tiers[-1]["documents"].get("scores", {"hits": 0, "misses": {}})
        return int(found["hits"] + sum(found["misses"].values()))

    rebuilt = reads(after) - reads(before)
    shared = after["shared_flights"] - before["shared_flights"]
    table.add(
        "F32",
        f"{CLIENTS} clients after both were flushed: {took:.1f} s, {rebuilt} reads of the last "
        f"tier, {shared} waited for another's",
        0.0,
        healed(running),
    )
    assert rebuilt <= CLIENTS / 4


def test_f33_poisoned_values_are_misses_and_counted(running: Cluster, table: FaultTable) -> None:
    """Bytes of others under every hot key, in both servers: nobody shows them."""
    names = [b"virtuoso:%s:v1" % each for each in (b"symbols", b"dashboard", b"board", b"engine")]
    engine = running.members["engine"]
    # while it writes nothing the readers look each second, and find what was put there
    engine.signal(signal.SIGSTOP)
    try:
        until = time.monotonic() + 6
        while time.monotonic() < until:
            for value in POISON:
                for name in names:
                    _poison(running, name, value)
                assert running.truthful(0)
                assert running.truthful(1)
                time.sleep(0.3)
    finally:
        engine.signal(signal.SIGCONT)
    tiers = running.document(0, "/cache-metrics")["tiers"]
    reasons = {
        reason
        for tier in tiers
        for document in tier["documents"].values()
        for reason in document["misses"]
    }
    assert "foreign" in reasons
    table.add(
        "F33", f"poison refused; misses by {', '.join(sorted(reasons))}", 0.0, healed(running)
    )


def _poison(running: Cluster, name: bytes, value: bytes) -> None:
    """Put bytes of somebody else's under a key, in both servers."""
    running.memcached.say(b"set %s 0 30 %d\r\n%s\r\n" % (name, len(value), value))
    parts = b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in (b"SET", name, value))
    running.redis.say(b"*3\r\n" + parts)


def test_f34_older_values_are_never_shown_again(running: Cluster, table: FaultTable) -> None:
    """What memcached held minutes ago is put back there: no sequence goes back."""
    key = b"virtuoso:symbols:v1"
    raw = b""
    while not raw.endswith(b"END\r\n"):
        raw = _whole(running.memcached, b"get " + key + b"\r\n")
    head, rest = raw.split(b"\r\n", 1)
    old = rest[: int(head.split(b" ")[3])]
    seen = {number: running.document(number)["seq"] for number in (0, 1)}
    until = time.monotonic() + 3
    while time.monotonic() < until:
        running.memcached.say(b"set %s 0 60 %d\r\n%s\r\n" % (key, len(old), old))
        for number in (0, 1):
            found = running.document(number)["seq"]
            assert found >= seen[number]
            seen[number] = found
        time.sleep(0.05)
    table.add("F34", "an older value was put back for 3 s, and never shown", 0.0, healed(running))


def _whole(server: Server, words: bytes) -> bytes:
    import socket  # noqa: PLC0415 - here alone

    with socket.create_connection(server.address, timeout=5) as link:
        link.sendall(words)
        text = b""
        while not text.endswith(b"END\r\n"):
            text += link.recv(1 << 20)
        return text


def test_f38_a_stand_by_goes_on_within_five_seconds(running: Cluster, table: FaultTable) -> None:
    """Kill -9 of the writer: on the same machine nobody waits for the lease of a dead process."""
    before = running.document(0)["epoch"]
    second = running.engine("second", "--standby")
    wait_for("the stand-by to stand by", lambda: "standing_by" in second.text(), 60 * SLACK)
    started = time.monotonic()
    running.members["engine"].kill()
    wait_for(
        "the stand-by to take over", lambda: running.document(0)["epoch"] != before, 60 * SLACK
    )
    taken = time.monotonic() - started
    running.members["engine"] = running.members.pop("second")
    assert taken < HEALS_S * SLACK
    table.add("F38", "kill -9 of the engine beside a stand-by: published again", None, taken)


def test_f41_an_engine_that_slept_through_its_lease_writes_nothing_more(
    running: Cluster, table: FaultTable
) -> None:
    """A stand-by takes over after the lease; the sleeper wakes, finds it, and ends with 78.

    One that was a stand-by itself becomes one again.
    """
    first = running.members["engine"]
    before = running.document(0)["epoch"]
    second = running.engine("second", "--standby")
    wait_for("the stand-by to stand by", lambda: "standing_by" in second.text(), 60 * SLACK)
    first.signal(signal.SIGSTOP)
    started = time.monotonic()
    wait_for(
        "the stand-by to take over", lambda: running.document(0)["epoch"] != before, 60 * SLACK
    )
    taken = time.monotonic() - started
    after = running.document(0)["epoch"]
    first.signal(signal.SIGCONT)
    if "standing_by" in first.text():
        wait_for("the sleeper to stand by", lambda: "back_to_standby" in first.text(), 20 * SLACK)
        first.kill()
    else:
        assert first.ends(20 * SLACK) == 78, first.text()[-2_000:]
    assert "expected to be the one engine that writes" in first.text()
    until = time.monotonic() + 3
    while time.monotonic() < until:
        for number in (0, 1):
            assert running.document(number)["epoch"] == after
        time.sleep(0.05)
    running.members["engine"] = running.members.pop("second")
    table.add("F41", f"a stand-by wrote {taken:.1f} s after the first fell asleep", taken, taken)


def test_f42_sigterm_under_load(running: Cluster, table: FaultTable) -> None:
    """A web process that serves is gone within five seconds, with exit code 0."""
    member = running.members["web1"]
    base = f"http://127.0.0.1:{running.web_ports[1]}"

    async def load() -> float:
        async with httpx.AsyncClient(base_url=base, timeout=10, trust_env=False) as client:

            async def ask() -> None:
                while True:
                    try:
                        await client.get("/api/dashboard/data")
                    except httpx.TransportError:
                        return

            asking = [asyncio.create_task(ask()) for _ in range(20)]
            await asyncio.sleep(1)
            started = time.monotonic()
            member.signal(signal.SIGTERM)
            await asyncio.to_thread(member.ends, 10 * SLACK)
            took = time.monotonic() - started
            await asyncio.gather(*asking)
            return took

    took = asyncio.run(load())
    assert member.process.returncode == 0
    assert took < 5 * SLACK
    running.web(1)
    table.add("F42", "SIGTERM with 20 clients asking", took, healed(running) + took)
