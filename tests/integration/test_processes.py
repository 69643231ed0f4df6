"""Engine, two web processes and the monitor as processes, over real memcached and Redis."""

import signal
import socket
import time
from collections.abc import Iterator

import msgspec
import pytest

from support.cluster import HEALS_S, Cluster, cluster, whole
from support.processes import VIRTUOSO, free_port, wait_for
from support.servers import Server
from support.slack import SLACK

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("processes")]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One of each, and a second web process, with scores."""
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        whole(found)
        yield found


def test_every_process_serves_the_same_bytes(running: Cluster) -> None:
    """One engine, one truth: the same sequence is the same body and ETag, whoever answers."""
    for path in ("/api/symbols", "/api/dashboard/data", "/api/dashboard/mobile-data"):

        def same(path: str = path) -> bool:
            first, second = running.ask(0, path), running.ask(1, path)
            if first.headers.get("etag") != second.headers.get("etag"):
                return False
            assert first.content == second.content
            return True

        wait_for(f"both to hold one {path}", same, 10 * SLACK)
    monitor = f"http://127.0.0.1:{running.monitor_port}/api/symbols"

    def monitored() -> bool:
        return running.client.get(monitor).content == running.ask(0).content

    wait_for("the monitor to hold the same", monitored, 10 * SLACK)


def test_a_symbol_comes_apart_in_every_process(running: Cluster) -> None:
    """What is not held ready is read through the tiers, and promoted to memory."""
    symbol = str(running.document(0)["symbols"][0]["symbol"])
    for number in (0, 1):
        for path in ("", "/candles?timeframe=5m", "/scores"):
            found = running.document(number, f"/api/symbols/{symbol}{path}")
            assert found["status"] in {"success", "degraded"}, found
    again = running.document(0, f"/api/symbols/{symbol}/candles?timeframe=5m")
    assert len(again["candles"]) >= 900


def test_a_book_is_made_for_who_looks_at_it_in_any_process(running: Cluster) -> None:
    """The web process says so through Redis, the engine answers through memcached, and goes on."""
    for number, symbol in ((0, "BTCUSDT"), (1, "ETHUSDT")):

        def book(number: int = number, symbol: str = symbol) -> tuple[int, int] | None:
            found = running.ask(number, f"/api/symbols/{symbol}/orderbook")
            said = found.json()
            if found.status_code != 200 or said["state"] == "absent":
                return None
            return said["seq"], len(said["bids"])

        first = wait_for("a book", book, 10 * SLACK)
        assert first[1] == 50

        def later(before: int = first[0]) -> bool:
            found = book()
            return found is not None and found[0] > before

        wait_for("the next one", later, 10 * SLACK)
    trades = running.document(1, "/api/symbols/BTCUSDT/trades")
    assert trades["source"] == "simulator"
    assert trades["trades"]


def test_the_plain_key_is_read_by_hand(running: Cluster) -> None:
    """`get virtuoso:symbols` prints JSON that anybody can read."""
    with socket.create_connection(running.memcached.address, timeout=20) as link:
        link.sendall(b"get virtuoso:symbols\r\n")
        text = b""
        while not text.endswith(b"END\r\n"):
            text += link.recv(1 << 20)
    document = msgspec.json.decode(text.split(b"\r\n")[1])
    assert document["status"] in {"success", "degraded"}
    assert {each["symbol"] for each in document["symbols"]} == {
        each["symbol"] for each in running.document(0)["symbols"]
    }


def test_the_cache_metrics_count_from_the_cold_start(running: Cluster) -> None:
    """Tiers in their order, misses with reasons, and the same for Prometheus."""
    found = running.document(0, "/cache-metrics")
    assert [each["name"] for each in found["tiers"]] == ["memory", "memcached", "redis"]
    assert found["backend"] == "memcached"
    memory, near, _ = found["tiers"]
    assert near["documents"]["engine"]["hits"] > 0
    assert sum(memory["documents"]["board"]["misses"].values()) > 0
    assert 0 < found["hit_rate"] < 1
    assert found["warming"]["profile"] in {
        "market_hours",
        "pre_market",
        "after_hours",
        "overnight",
    }
    text = running.ask(0, "/metrics").text
    assert 'virtuoso_cache_tier_up{tier="memcached"} 1' in text
    assert (
        "virtuoso_engine_up 1"
        in running.client.get(f"http://127.0.0.1:{running.monitor_port}/metrics").text
    )


def test_a_second_engine_is_refused_and_names_the_first(running: Cluster) -> None:
    """Exit code 78, and one line that says who writes and what can be done."""
    first = running.members["engine"].process.pid
    second = running.engine("second")
    assert second.ends(60) == 78
    assert f"another: process {first} on " in second.text()
    assert "--standby" in second.text()
    assert "Traceback" not in second.text()
    assert wait_for("the first to go on", lambda: running.live(0), HEALS_S * SLACK)


def test_an_engine_without_a_shared_cache_is_refused(running: Cluster) -> None:
    """CACHE_TYPE=memory cannot be seen by another process: the message says what to set."""
    import os  # noqa: PLC0415 - here alone
    import subprocess  # noqa: PLC0415

    done = subprocess.run(
        [*VIRTUOSO, "engine"],
        capture_output=True,
        text=True,
        env=os.environ | {"CACHE_TYPE": "memory"},
        cwd=running.folder,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "CACHE_TYPE=memcached" in done.stderr


def test_the_configured_servers_prove_what_the_cache_promises(running: Cluster) -> None:
    """`virtuoso validate` gives a verdict for each promise, `virtuoso warm` what it brought."""
    proof = running.start("validate", "validate", "--json")
    assert proof.ends(60) == 0, proof.text()
    verdicts = msgspec.json.decode(proof.text().splitlines()[-1])
    assert len(verdicts) == 13
    assert {each["verdict"] for each in verdicts} == {"pass"}
    running.memcached.say(b"flush_all\r\n")
    warming = running.start("warm", "warm", "--json")
    warming.ends(60)
    said = msgspec.json.decode(warming.text().splitlines()[-1])
    assert said["attempted"] > 0
    assert said["failed"] == 0
    assert said["held"] + said["warmed"] + said["missing"] == said["attempted"]


def heals(running: Cluster, server: Server) -> None:
    """Kill a server; nobody lies; start it again; all is well within five seconds."""
    server.kill()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert running.truthful(0)
        assert running.truthful(1)
        time.sleep(0.1)
    server.start()
    started = time.monotonic()
    wait_for(
        f"web processes to be well after {server.name} came back",
        lambda: running.live(0) and running.document(0, "/health")["status"] != "error",
        (HEALS_S + 2) * SLACK,
    )
    assert time.monotonic() - started < (HEALS_S + 2) * SLACK


def test_memcached_may_die(running: Cluster) -> None:
    """Redis serves meanwhile, and memcached is filled again."""
    heals(running, running.memcached)
    wait_for(
        "the plain key",
        lambda: b"VALUE" in running.memcached.say(b"get virtuoso:symbols\r\n"),
        HEALS_S * SLACK,
    )


def test_redis_may_die_and_pushes_with_it(running: Cluster) -> None:
    """After three seconds without a push a web process says so, and reads the cache."""
    running.redis.kill()
    wait_for(
        "the web process to read the cache",
        lambda: running.part(0, "pushes") == "warn",
        (3 + 2) * SLACK,
    )
    wait_for("numbers to be live by the cache alone", lambda: running.live(0), HEALS_S * SLACK)
    running.redis.start()
    wait_for("pushes again", lambda: running.part(0, "pushes") == "pass", HEALS_S * SLACK)


def test_both_servers_may_die(running: Cluster) -> None:
    """Pages keep what they hold and mark it; the engine publishes when it is named again."""
    running.memcached.kill()
    running.redis.kill()
    wait_for(
        "the page to say that it is old",
        lambda: any("silent" in each for each in running.document(0)["reasons"]),
        (3 + 3) * SLACK,
    )
    document = running.document(0)
    assert document["status"] == "degraded"
    assert document["symbols"]
    assert {each["state"] for each in document["symbols"]} <= {"stale", "absent"}
    running.redis.start()
    running.memcached.start()
    wait_for("life again", lambda: running.live(0), (HEALS_S + 2) * SLACK)


def test_a_web_process_may_be_killed(running: Cluster) -> None:
    """The other serves on, the monitor says which one is gone, a new one serves the same."""
    port = running.web_ports[1]
    running.members["web1"].kill()
    assert running.truthful(0)
    wait_for(
        "the monitor to miss it",
        lambda: running.watched_part(f"web_{port}") == "fail",
        HEALS_S * SLACK,
    )
    running.web(1)
    wait_for("the new one to serve", lambda: running.live(1), 20 * SLACK)
    wait_for(
        "the monitor to know it",
        lambda: running.watched_part(f"web_{port}") == "pass",
        HEALS_S * SLACK,
    )


def test_the_monitor_may_be_killed(running: Cluster) -> None:
    """Nobody else notices, and a new one knows everybody."""
    running.members["monitor"].kill()
    assert running.truthful(0)
    running.monitor()
    ports = running.web_ports
    wait_for(
        "the new one to know both",
        lambda: all(running.watched_part(f"web_{each}") == "pass" for each in ports),
        20 * SLACK,
    )


def test_the_engine_may_be_killed_and_the_next_one_writes_at_once(running: Cluster) -> None:
    """Pages turn stale by themselves, and the next engine waits for no lease of a dead process.

    Its first board has rows: readers never see the one they had emptied.
    """
    shown = running.document(0)
    before, symbols = shown["epoch"], {each["symbol"] for each in shown["symbols"]}
    running.members["engine"].kill()
    wait_for(
        "the page to say that it is old",
        lambda: any("silent" in each for each in running.document(0)["reasons"]),
        (3 + 2) * SLACK,
    )
    running.engine()

    def next_epoch() -> bool:
        found = running.document(0)
        assert symbols <= {each["symbol"] for each in found["symbols"]}, found["reasons"]
        return bool(found["epoch"] != before)

    wait_for("the next epoch", next_epoch, 45 * SLACK)
    wait_for("scores again", lambda: running.live(0), 20 * SLACK)


def test_a_web_process_that_starts_after_everything_died_shows_the_last_good(
    running: Cluster,
) -> None:
    """From Redis, marked with its age: nothing of it is live."""
    port = running.web_ports[1]
    running.members["web1"].kill()
    running.members["engine"].signal(signal.SIGTERM)
    assert running.members["engine"].ends(5 * SLACK) == 0
    running.memcached.say(b"flush_all\r\n")
    running.redis.say(
        b"eval \"for _,k in ipairs(redis.call('keys','virtuoso:*')) do if k ~= 'virtuoso:last:v1'"
        b" then redis.call('del',k) end end return 1\" 0\r\n"
    )
    running.web(1)

    def shown() -> bool:
        found = running.client.get(f"http://127.0.0.1:{port}/api/symbols")
        return found.status_code == 200

    wait_for("the last good snapshot", shown, 20 * SLACK)
    document = running.document(1)
    assert document["status"] == "degraded"
    assert any("silent since" in each for each in document["reasons"])
    assert any(each["confluence_score"] is not None for each in document["symbols"])
    assert {each["state"] for each in document["symbols"]} <= {"stale", "absent"}


def test_all_end_at_a_signal(running: Cluster) -> None:
    """SIGTERM under load: exit code 0 within five seconds, and the monitor forgets who left."""
    port = running.web_ports[1]
    running.members["web1"].signal(signal.SIGTERM)
    assert running.members["web1"].ends(5 * SLACK) == 0
    wait_for(
        "the monitor to forget it",
        lambda: running.watched_part(f"web_{port}") == "absent",
        HEALS_S * SLACK,
    )
    for name in ("web0", "monitor"):
        member = running.members[name]
        member.signal(signal.SIGTERM)
        assert member.ends(5 * SLACK) == 0, member.text()
        assert "Traceback" not in member.text()


def test_a_taken_port_is_refused(running: Cluster) -> None:
    """Exit code 78 and one line; nothing was started."""
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        web = running.start("taken", "web", "--port", str(taken.getsockname()[1]))
        assert web.ends(30) == 78
        assert "it is in use" in web.text()
