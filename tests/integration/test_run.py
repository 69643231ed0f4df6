"""`virtuoso run` as a user starts it: a real process, with the simulator beside it.

How it starts and ends is in `test_starts_and_ends.py`: nothing else runs while it is measured here.
"""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect

from support.processes import Running, command, exchange_of, running, scored, wait_for

pytestmark = pytest.mark.process

COMPONENTS = {"orderbook", "orderflow", "technical", "volume", "sentiment", "price_structure"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on sixteen simulated symbols, with scores."""
    with running(tmp_path_factory.mktemp("run"), "--symbols", "16") as process:
        wait_for("fifteen scores", lambda: len(scored(process)) >= 15)
        yield process


def test_fifteen_symbols_have_scores_within_a_minute(live: Running) -> None:
    """Each says SIMULATED, has six components and a reason for each one that is missing."""
    records: list[dict[str, Any]] = scored(live)
    assert len(records) >= 15
    for record in records:
        assert record["source"] == "simulator"
        assert 0 <= record["confluence_score"] <= 100
        assert set(record["components"]) == COMPONENTS
        for name, value in record["components"].items():
            assert value is not None or record["quality"][f"components.{name}"]["reason"]
    assert len({record["confluence_score"] for record in records}) > len(records) // 2


def test_no_score_stands_where_too_little_was_seen(live: Running) -> None:
    """A null score has a reason and a coverage under the floor; 50 is never a stand-in."""
    for record in live.symbols():
        if record["confluence_score"] is None:
            assert record["reason"]
            assert float(str(record["coverage"])) < 0.5
        assert record["confluence_score"] != 50


def test_a_score_comes_apart_to_its_inputs(live: Running) -> None:
    """The shown contributions add up to the shown score, the exact ones to the exact score."""
    symbol = str(scored(live)[0]["symbol"])
    detail: dict[str, Any] = live.get(f"/api/symbols/{symbol}")
    present = [each for each in detail["components"] if each["score"] is not None]
    score = detail["record"]["confluence_score"]
    assert round(50 + sum(each["shown"] for each in present), 2) == score
    for component in present:
        parts = [m["contribution"] for m in component["members"] if m["contribution"] is not None]
        assert sum(parts) == pytest.approx(component["contribution"], abs=0.01)
    assert detail["explanation"]
    assert detail["confidence"]["record"] is None
    assert detail["confidence"]["record_reason"] == "unproven"


LENSES = ["order_flow", "sentiment", "liquidity", "bitcoin_beta", "smart_money", "machine_learning"]


def test_a_symbol_has_six_lenses_beside_its_score(live: Running) -> None:
    """Each with state, age and source, or with its reason; the record says the same in short."""

    def betas() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = live.get("/api/bitcoin-beta")["symbols"]  # type: ignore[assignment]
        return found

    def lens_value() -> bool:
        detail: dict[str, Any] = live.get("/api/symbols/ETHUSDT")
        return detail["dimensions"][LENSES.index("bitcoin_beta")]["value"] is not None

    wait_for("betas", lambda: len(betas()) >= 15)
    wait_for("a beta among the lenses", lens_value)
    known = {each["symbol"]: each for each in betas()}
    for record in scored(live)[:5]:
        detail: dict[str, Any] = live.get(f"/api/symbols/{record['symbol']}")
        lenses = {each["name"]: each for each in detail["dimensions"]}
        assert list(lenses) == LENSES
        assert set(detail["record"]["dimensions"]) == set(LENSES)
        for name, lens in lenses.items():
            assert lens["source"] == "simulator"
            assert lens["label"]
            if lens["value"] is None:
                assert lens["reason"]
                assert lens["state"] == "absent"
                assert detail["record"]["dimensions"][name] is None
                assert detail["record"]["quality"][f"dimensions.{name}"]["reason"]
            else:
                assert 0 <= lens["value"] <= 100
                assert lens["as_of"] <= detail["now"]
                assert lens["state"] in {"live", "delayed", "stale"}
        assert lenses["machine_learning"]["reason"] == "unproven"
        beta = known[record["symbol"]]
        if beta["r_squared"] is not None:
            assert lenses["bitcoin_beta"]["value"] == pytest.approx(
                100 * beta["r_squared"], abs=0.01
            )
    bitcoin: dict[str, Any] = live.get("/api/symbols/BTCUSDT")
    assert bitcoin["dimensions"][LENSES.index("bitcoin_beta")]["reason"] == "not_applicable"


def test_explain_prints_the_lenses(live: Running, tmp_path: Path) -> None:
    """All six by name, and why a value is missing."""
    said = command("explain", "ETHUSDT", "--address", live.url, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    for name in LENSES:
        assert name.replace("_", " ") in said.stdout
    assert "absent (unproven)" in said.stdout


def test_the_two_dashboards_agree_number_for_number(live: Running) -> None:
    """Desktop and phone documents of one cycle hold the same records."""

    def same_cycle() -> tuple[dict[str, Any], dict[str, Any]] | None:
        desktop: dict[str, Any] = live.get("/api/dashboard/data")
        phone: dict[str, Any] = live.get("/api/dashboard/mobile-data")
        return (desktop, phone) if desktop["seq"] == phone["seq"] else None

    desktop, phone = wait_for("both documents of one cycle", same_cycle)
    by_symbol = {each["symbol"]: each for each in desktop["symbols"]}
    assert {each["symbol"]: each for each in phone["confluence_scores"]} == by_symbol
    assert phone["market_overview"] == desktop["market_overview"]
    assert phone["gainers"] == phone["top_gainers"] == desktop["top_movers"]["gainers"]
    assert phone["symbols"] == phone["top_symbols"] == phone["confluence_scores"]
    assert phone["regime"] == phone["market_regime"]
    assert phone["trend_score"] == phone["trend_strength"]


def test_candles_of_all_timeframes_are_served(live: Running) -> None:
    """A thousand closed candles each, contiguous, none of them forming."""
    symbol = str(scored(live)[0]["symbol"])
    for timeframe, length in {
        "1m": 60_000,
        "5m": 300_000,
        "30m": 1_800_000,
        "4h": 14_400_000,
    }.items():
        document: dict[str, Any] = live.get(f"/api/symbols/{symbol}/candles?timeframe={timeframe}")
        opens = [each[0] for each in document["candles"]]
        assert len(opens) >= 900
        assert all(b - a == length for a, b in pairwise(opens))


def test_the_socket_pushes_changes_in_sequence(live: Running) -> None:
    """A snapshot, then updates whose `previous` is what came before; prices move."""

    async def listen() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(30), connect(f"ws://127.0.0.1:{live.port}/ws") as client:
            await client.send(b'{"type":"subscribe","form":"rows"}'.decode())
            async for text in client:
                found.append(msgspec.json.decode(text))
                if sum(each["type"] == "update" for each in found) >= 5:
                    return found
        return found

    hello, *messages = asyncio.run(listen())
    assert hello["type"] == "hello"
    assert messages[0]["type"] == "snapshot"
    assert messages[0]["source"] == "simulator"
    assert len(messages[0]["rows"]) >= 15
    before = messages[0]["seq"]
    for message in messages[1:]:
        if message["type"] == "update":
            assert message["previous"] == before
            assert message["seq"] > before
            before = message["seq"]


def test_the_monitor_answers_on_its_own_port(live: Running) -> None:
    """Status, counters and the symbols document are on MONITORING_PORT."""
    base = f"http://127.0.0.1:{live.monitoring_port}"
    status = live.client.get(f"{base}/api/monitoring/status")
    assert status.status_code == 200
    wait_for(
        "fifteen scores in the status",
        lambda: live.monitor("/api/monitoring/status")["engine"]["symbols_scored"] >= 15,
    )
    assert live.client.get(f"{base}/api/symbols").json()["symbols"]


def test_the_log_has_the_lines_for_checking_by_hand(live: Running) -> None:
    """The owner greps for these two."""
    wait_for("both lines", lambda: "Cache SET for key: virtuoso:symbols" in live.text())
    assert "Computed confluence scores for" in live.text()


def test_a_frozen_feed_turns_the_numbers_stale(live: Running) -> None:
    """Within seconds of the venue's silence no number is live, and it heals by itself."""
    exchange = exchange_url(live)

    def states() -> set[str]:
        return {str(each["state"]) for each in live.symbols()} | {
            str(each["quality"]["price"]["state"])  # type: ignore[index]
            for each in live.symbols()
        }

    live.client.post(f"{exchange}/simulator/faults", json={"fault": "freeze"}).raise_for_status()
    wait_for("nothing live", lambda: "live" not in states())
    assert live.get("/api/symbols")["status"] == "degraded"
    live.client.post(f"{exchange}/simulator/faults", json={"fault": "clear"}).raise_for_status()
    wait_for("live again", lambda: "live" in states())


def test_a_malformed_frame_is_survived(live: Running) -> None:
    """It is counted, the connection is recycled, data come again."""
    exchange = exchange_url(live)
    live.client.post(f"{exchange}/simulator/faults", json={"fault": "garbage"}).raise_for_status()
    metrics = f"http://127.0.0.1:{live.monitoring_port}/api/monitoring/metrics"

    def refused() -> bool:
        return "frame_refused" in live.client.get(metrics).text

    def price_is_live() -> bool:
        records: list[dict[str, Any]] = live.symbols()
        return all(each["quality"]["price"]["state"] == "live" for each in records)

    wait_for("the refused frame in the counters", refused)
    wait_for("live prices", price_is_live)


def exchange_url(process: Running) -> str:
    """Give the address of its simulator."""
    child = exchange_of(process)
    ports = [each.laddr.port for each in child.net_connections("tcp") if each.status == "LISTEN"]
    return f"http://127.0.0.1:{ports[0]}"
