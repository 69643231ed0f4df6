"""The monitoring API, asked in process."""

from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from virtuoso.monitor.app import create_app
from virtuoso.monitor.metrics import exposition
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.cycles import CycleTotals
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import Document


class Monitor:
    """A monitor and the engine it watches."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.broker = FakeBroker()
        self.cache = cache = FakeCache(self.clock)
        self.engine = FakeEngine(cache, self.broker, self.clock)
        self.follower = Follower(cache, self.broker, self.clock, hot=(keys.SYMBOLS,))
        app = create_app(
            self.follower, self.clock, version="0.1.0", websocket_counters=lambda: {"clients": 3}
        )
        transport = httpx.ASGITransport(app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001")

    async def deliver(self) -> None:
        """Hand over the last push and look at the cache."""
        await self.follower.receive(self.broker.published[-1][1])
        await self.follower.tick()


@pytest.fixture
async def monitor() -> AsyncIterator[Monitor]:
    """A monitor whose engine has published."""
    made = Monitor()
    await made.engine.start()
    await made.deliver()
    async with made.http:
        yield made


async def test_status_names_every_part_while_the_engine_lives(monitor: Monitor) -> None:
    """200, with the engine's own word and the ages."""
    answer = await monitor.http.get("/api/monitoring/status")
    said = answer.json()
    assert (answer.status_code, said["status"], said["engine_ms"]) == (200, "success", 0)
    assert {part["name"] for part in said["parts"]} == {"engine", "feed bybit", "pushes", "cache"}
    assert said["engine"]["symbols"] == 3


async def test_status_is_503_when_the_engine_is_gone(monitor: Monitor) -> None:
    """With the reasons, and nothing of what it said counted as the present."""
    monitor.clock.advance(3_001)
    answer = await monitor.http.get("/api/monitoring/status")
    said = answer.json()
    assert (answer.status_code, said["status"], said["engine_ms"]) == (503, "error", 3_001)
    parts = {part["name"]: part for part in said["parts"]}
    assert parts["engine"]["status"] == parts["feed bybit"]["status"] == "fail"
    assert parts["engine"]["age_ms"] == 3_001
    assert said["reasons"]


async def test_metrics_give_the_counters_and_null_for_what_nobody_measured(
    monitor: Monitor,
) -> None:
    """Engine, this reader, the sockets of this process."""
    said = (await monitor.http.get("/api/monitoring/metrics")).json()
    assert (said["cycle_ms"], said["engine"], said["websocket"]) == (
        1.5,
        {"events": 1},
        {"clients": 3},
    )
    async with Monitor().http as nothing_yet:
        said = (await nothing_yet.get("/api/monitoring/metrics")).json()
    assert said["cycle_ms"] is said["symbols"] is said["as_of"] is None


async def test_symbols_have_score_reason_and_ages(monitor: Monitor) -> None:
    """Ages grow with the clock; a silent engine's rows are stale."""
    await monitor.engine.publish(make.a_row(1, score=None))
    await monitor.deliver()
    monitor.clock.advance(2_000)
    said = (await monitor.http.get("/api/monitoring/symbols")).json()
    first, second, _ = said["symbols"]
    assert (first["symbol"], first["score"], first["age_ms"]) == ("BTCUSDT", 62.5, 2_000)
    assert first["missing"] == {"sentiment": "no_feed"}
    assert (second["score"], second["reason"], second["age_ms"]) == (None, "warming_up", None)
    monitor.clock.advance(1_001)
    said = (await monitor.http.get("/api/monitoring/symbols")).json()
    assert said["status"] == "degraded"
    assert [each["state"] for each in said["symbols"]] == ["stale", "absent", "stale"]


async def test_the_symbols_document_is_the_same_as_on_the_web(monitor: Monitor) -> None:
    """The same bytes and validator, from the cache."""
    document = make.published(monitor.engine.board, make.symbols_document(monitor.engine.board))
    answer = await monitor.http.get("/api/symbols")
    assert (answer.content, answer.headers["etag"]) == (document.body, document.etag)


async def test_before_the_engine_it_says_so() -> None:
    """503 with reasons, and alive all the same."""
    async with Monitor().http as http:
        for path in ("/api/monitoring/status", "/api/monitoring/symbols", "/api/symbols"):
            answer = await http.get(path)
            assert answer.status_code == 503, path
            assert answer.json()["reasons"], path
        assert (await http.get("/health/live")).status_code == 200


async def test_refusals_have_the_form_of_the_web(monitor: Monitor) -> None:
    """404, 405, a wrong Host."""
    for method, path, host, status in (
        ("GET", "/nothing", "127.0.0.1:8001", 404),
        ("POST", "/api/monitoring/status", "127.0.0.1:8001", 405),
        ("GET", "/api/monitoring/status", "evil.example", 400),
        ("GET", "/docs", "localhost", 404),
    ):
        answer = await monitor.http.request(method, path, headers={"host": host})
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_the_last_cycles_are_served(monitor: Monitor) -> None:
    """As the engine published them; 503 before it has."""
    answer = await monitor.http.get("/api/monitoring/cycles")
    assert answer.status_code == 503
    body = b'{"status":"success","cycles":[]}'
    document = Document(1, "one", 1, monitor.clock.now(), None, "tag", body)
    await monitor.cache.multi_set({keys.CYCLES: Codec().encode(keys.CYCLES, document)}, 30_000)
    answer = await monitor.http.get("/api/monitoring/cycles")
    assert answer.status_code == 200
    assert answer.json()["cycles"] == []


TOTALS = CycleTotals(
    venue="bybit",
    count=4,
    wall_seconds=3.5,
    cpu_seconds=0.25,
    wall_buckets=(0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 3),
    cpu_buckets=(0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 4),
    slices=9,
    scored=7,
    absent={"no_feed": 2},
    components_absent={"orderflow": {"gap": 1, "warming_up": 3}},
)


def test_the_metrics_are_in_the_format_of_prometheus() -> None:
    """Histograms are cumulative and end with +Inf, counters have their labels."""
    status = replace(make.engine_status(make.a_board()), definition='a"b\\', cycles=(TOTALS,))
    lines = exposition(status, 1_500).splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    name = "virtuoso_cycle_wall_seconds"
    assert samples[f'{name}_bucket{{venue="bybit",le="0.005"}}'] == "1"
    assert samples[f'{name}_bucket{{venue="bybit",le="2.5"}}'] == "3"
    assert samples[f'{name}_bucket{{venue="bybit",le="+Inf"}}'] == "4"
    assert samples[f'{name}_count{{venue="bybit"}}'] == "4"
    assert samples[f'{name}_sum{{venue="bybit"}}'] == "3.500000"
    absent = "virtuoso_components_absent_total"
    assert samples[f'{absent}{{venue="bybit",component="orderflow",reason="warming_up"}}'] == "3"
    assert samples['virtuoso_scores_absent_total{venue="bybit",reason="no_feed"}'] == "2"
    assert samples['virtuoso_definition_info{definition="a\\"b\\\\"}'] == "1"
    assert samples["virtuoso_engine_age_seconds"] == "1.5"
    families = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(families) == len(set(families))
    for sample in samples:
        base = sample.partition("{")[0]
        assert any(base in {f, f + "_bucket", f + "_sum", f + "_count"} for f in families)


async def test_an_engine_that_was_never_heard_of_has_no_figures() -> None:
    """Not even zeros."""
    async with Monitor().http as http:
        answer = await http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert [line for line in answer.text.splitlines() if not line.startswith("#")] == [
        "virtuoso_engine_heard 0"
    ]
