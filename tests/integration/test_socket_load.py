"""Under load: those who never read, latency, the load test itself, and the end. Real sockets."""

import asyncio
import json
import socket as sockets
from statistics import median

import msgspec
import pytest

from support.slack import SLACK
from support.web_site import Site, a_site, eventually, hear
from virtuoso.apps.load_readers import DeafSockets
from virtuoso.apps.load_report import LoadResult
from virtuoso.apps.loadtest import LoadOptions, loadtest, local_host, quantile_ms
from virtuoso.domain.errors import SettingsError
from virtuoso.testing import wire_messages as make
from virtuoso.web.options import WebOptions

SYMBOLS = tuple(f"S{number}USDT" for number in range(100))


async def latencies(site: Site, reader: object, cycles: int) -> list[float]:
    """Seconds from the engine's publication to a client's receipt, for each of some cycles."""
    loop = asyncio.get_running_loop()
    found = []
    for cycle in range(cycles):
        rows = [make.a_row(row, score=cycle % 90 + 0.5) for row in range(len(SYMBOLS))]
        begun = loop.time()
        await site.engine.publish(*rows)
        await hear(reader, "update")  # type: ignore[arg-type]
        found.append(loop.time() - begun)
        await asyncio.sleep(0.055)
    return found


@pytest.mark.alone
async def test_fifty_clients_that_never_read_cost_the_others_nothing_that_shows() -> None:
    """F45: a reader's latency with them is that without them; they are cut off, it misses nothing.

    Medians of one run on one machine, with room for noise: were each of them waited for, an update
    took a send deadline, 15 times the bound.
    """
    options = WebOptions(heartbeat_s=0.2, send_deadline_s=1.5, max_clients_per_ip=60)
    async with a_site(options, symbols=SYMBOLS, details=False) as site:
        await site.start_engine()
        reader = await site.socket_of()
        await hear(reader, "snapshot")
        alone = await latencies(site, reader, 15)
        deaf = DeafSockets("127.0.0.1", site.port)
        assert await deaf.open(50) == 50
        await eventually(lambda: len(site.app.hub.clients) == 51)
        beside = await latencies(site, reader, 40)
        while site.app.hub.evicted < 50:
            beside += await latencies(site, reader, 5)
            assert len(beside) < 600, "nobody was cut off"
        deaf.close()
        assert median(beside) < 2 * median(alone) + 0.1
        await eventually(lambda: len(site.app.hub.clients) == 1)


async def test_a_push_is_on_its_way_at_once_and_how_long_that_took_is_counted() -> None:
    """W3: what the server takes of it is measured, and counted for the monitor."""
    async with a_site(WebOptions(max_clients_per_ip=60), symbols=SYMBOLS, details=False) as site:
        await site.start_engine()
        reader = await site.socket_of()
        await hear(reader, "snapshot")
        found = await latencies(site, reader, 20)
        for name in ("p50", "p95", "p99"):
            assert site.app.hub.counters()[f"delivery_us_{name}"] > 0
        assert median(found) < 0.25 * SLACK


async def test_an_end_with_slow_clients_attached_takes_less_than_five_seconds() -> None:
    """F42: those who read get 1001, those who do not are dropped."""
    async with a_site(WebOptions(max_clients_per_ip=60), symbols=SYMBOLS, details=False) as site:
        await site.start_engine()
        deaf = DeafSockets("127.0.0.1", site.port)
        await deaf.open(10)
        reader = await site.socket_of()
        await hear(reader, "snapshot")
        await latencies(site, reader, 3)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        site.serving.cancel()
        await asyncio.wait({site.serving}, timeout=10 * SLACK)
        assert site.serving.done()
        assert loop.time() - begun < 5 * SLACK
        await reader.wait_closed()
        assert reader.close_code == 1001
        deaf.close()


async def test_the_place_of_a_client_that_vanished_is_given_back() -> None:
    """A client that vanishes without a word does not hold its place for ever."""
    async with a_site() as site:
        gone = sockets.create_connection(("127.0.0.1", site.port))
        head = (
            f"GET /ws HTTP/1.1\r\nHost: {site.host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        gone.sendall(head.encode())
        await eventually(lambda: len(site.app.hub.clients) == 1)
        gone.close()
        await eventually(lambda: not site.app.hub.clients)


# --- virtuoso loadtest ------------------------------------------------------------------------


async def test_a_load_test_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure of a second of load, as JSON, with the note on shared cores."""
    async with a_site(symbols=SYMBOLS) as site:
        await site.start_engine()
        options = LoadOptions(
            f"http://{site.host}", seconds=1, connections=2, sockets=12, deaf=2, as_json=True
        )
        code = await loadtest(options)
        said = capsys.readouterr().out
        result = msgspec.convert(json.loads(said[said.index("{\n") :]), LoadResult)
    assert code in {0, 1}
    assert "same cores" in result.note
    assert result.requests > 0
    assert result.errors < result.requests / 10
    assert result.requests == sum(each.requests for each in result.paths)
    assert result.of_the_owners == pytest.approx(result.requests_per_second / 633.6)
    assert (result.sockets.opened, result.sockets.never_reading) == (12, 2)
    assert result.sockets.messages["Snapshot"] == 12
    verdicts = {(item.id, item.verdict) for item in result.items}
    assert {item.id for item in result.items} == {"N1", "N2", "N3", "N4", "N5", "N6"}
    assert ("N1", "not measured") in verdicts


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org:80",
        "http://10.0.0.1:8003",
        "https://127.0.0.1:8003",
        "http://127.0.0.1",
        "http://127.0.0.1.example.org:80",
        "nonsense",
    ],
)
def test_a_load_test_is_for_this_machine_only(address: str) -> None:
    """Anything but a loopback address is refused before a byte is sent."""
    with pytest.raises(SettingsError, match="of this machine"):
        local_host(address)


def test_a_load_test_knows_this_machine() -> None:
    """By its names."""
    assert local_host("http://localhost:1") == ("127.0.0.1", 1)
    assert local_host("http://[::1]:8003") == ("::1", 8003)


def test_a_quantile_is_a_value_that_was_measured() -> None:
    """None of nothing."""
    assert quantile_ms([], 0.5) is None
    assert quantile_ms([0.003, 0.001, 0.002], 0.5) == 2
    assert quantile_ms([0.003, 0.001, 0.002], 1.0) == 3
