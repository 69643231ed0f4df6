"""The REST API of a real process on the simulator: every payload, and both OpenAPI documents.

# contract: C10 E3 E4 E5 E6 E7 E8 E10 E12 E14 E15 E16 E17 E19 M1 M2 M3 B1
"""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from support.processes import Running, running, wait_for
from virtuoso.web.app import HOT_PATHS
from virtuoso.wire.dashboards import MobileDocument
from virtuoso.wire.records import iso

pytestmark = pytest.mark.process

WEB = Path(__file__).parents[2] / "web" / "src"
GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana" / "virtuoso.json"
NOT_YET = {
    "virtuoso_alerts_oldest_waiting_seconds",
    "virtuoso_websocket_delivery_p99_seconds",
}
"""Without a sample while nothing waits, and before the first client."""
ST = Path(sys.executable).with_name("st")
EXAMPLES = 2
"""Of each operation in the fuzzing phase; the coverage phase goes through every parameter."""
CHECKS = """
[checks.positive_data_acceptance]
# from after to, more rows than are given at once, and too many wrong tokens
expected-statuses = [200, 400, 401, 403, 404, 422, 429, 503]
[checks.negative_data_rejection]
# and an address too long to be read at all
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 415, 422, 428, 429, 431, "5xx"]
"""

RECORD = {
    "symbol",
    "confluence_score",
    "confidence",
    "direction",
    "change_24h",
    "price",
    "volume",
    "components",
}
COMPONENTS = ["orderbook", "orderflow", "technical", "volume", "sentiment", "price_structure"]
HEAD = {"status", "timestamp", "as_of", "source", "data_source"}
"""What every document begins with."""

OVERVIEW = ("market_regime", "trend_strength", "volatility", "btc_dominance", "total_volume_24h")
ALIASES = {
    "regime": "market_regime",
    "trend_score": "trend_strength",
    "top_gainers": "gainers",
    "top_symbols": "symbols",
}
SYMBOL_TAILS = ("/orderbook", "/trades", "/liquidations", "/derivatives")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Virtuoso on the simulator, warm enough that betas and trades are there."""
    # a channel, to which nothing simulated is sent
    env = {"ALERT_WEBHOOK_URL": "http://127.0.0.1:9/hook"}
    with running(tmp_path_factory.mktemp("api"), env=env) as process:

        def warm() -> bool:
            scored = [each for each in process.symbols() if each["confluence_score"] is not None]
            betas: Any = process.get("/api/bitcoin-beta").get("symbols") or []
            trades: Any = process.get("/api/symbols/BTCUSDT/trades").get("trades") or []
            return len(scored) >= 15 and bool(betas) and len(trades) > 20

        wait_for("scores, betas and trades", warm, 150)
        yield process


@pytest.fixture(scope="module")
def openapi(live: Running) -> dict[str, Any]:
    """The OpenAPI document of the web process."""
    return live.get("/openapi.json")


# --- schemathesis -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "methods", "phases"),
    [
        ("web", ("GET",), "examples,coverage,fuzzing"),
        ("monitor", ("GET",), "examples,coverage,fuzzing"),
        # without a token; with one in test_api_changes.py
        ("web", ("PUT", "POST", "DELETE"), "examples"),
    ],
    ids=["web", "monitor", "changes"],
)
def test_no_answer_differs_from_what_openapi_says(
    live: Running, tmp_path: Path, api: str, methods: tuple[str, ...], phases: str
) -> None:
    """Schemathesis with all its checks: status, type, schema, methods, bad and good input."""
    port = live.port if api == "web" else live.monitoring_port
    (tmp_path / "checks.toml").write_text(CHECKS, "utf-8")
    command = [str(ST), "--config-file", "checks.toml", "run"]
    command += [f"http://127.0.0.1:{port}/openapi.json", "--checks", "all", "--phases", phases]
    for method in methods:
        command += ["--include-method", method]
    # one worker: in CPython 3.11 two threads in `ast.parse` may end in a SystemError
    command += ["--max-examples", str(EXAMPLES), "--workers", "1"]
    command += ["--generation-database", "none", "--no-color", "--request-timeout", "10"]
    found = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=580, check=False
    )
    assert found.returncode == 0, found.stdout[-4_000:]
    assert "Test cases:" in found.stdout


# --- what the pages use -----------------------------------------------------------------------


def addresses_of_pages() -> set[str]:
    """Every address of ours in the pages' sources, with `{}` where something is put in."""
    found = set()
    for file in (*WEB.rglob("*.ts"), *WEB.rglob("*.svelte")):
        if file.name == "types.ts":
            continue
        for text in re.findall(
            r"""["'`](/(?:api|health|cache-metrics)[^"'`?\s]*)""", file.read_text()
        ):
            found.add(re.sub(r"\$\{[^}]*\}", "{}", text))
    return found


def test_every_address_a_page_calls_is_in_the_schema(openapi: dict[str, Any]) -> None:
    """E17: nineteen paths nobody served must not come back."""
    offered = {re.sub(r"\{[^}]*\}", "{}", path) for path in openapi["paths"]}
    called = addresses_of_pages()
    assert "/health" in called
    assert "/api/market/overview" in called
    starts = {path for path in called if path.endswith("/")}
    # the guard answers for sessions, before the application that the document describes
    known = offered | {"/api/session"}
    assert {
        each for each in called - starts if not any(_fits(each, path) for path in known)
    } == set()
    assert all(any(path.startswith(start) for path in offered) for start in starts)


def _fits(called: str, offered: str) -> bool:
    """Whether a page's address is this one: what it puts in may stand for any part of it."""
    ours, theirs = called.split("/"), offered.split("/")
    return len(ours) == len(theirs) and all(
        "{}" in (a, b) or a == b for a, b in zip(ours, theirs, strict=True)
    )


def test_every_field_a_page_reads_is_in_the_schema(openapi: dict[str, Any]) -> None:
    """E17: the pages' types are generated, and say of each document what OpenAPI says."""
    types = (WEB / "wire" / "types.ts").read_text("utf-8")
    schemas = openapi["components"]["schemas"]
    compared = 0
    for name, body in re.findall(
        r"^export interface (\w+) \{\n(.*?)^\}", types, re.MULTILINE | re.DOTALL
    ):
        schema = schemas.get(name)
        if schema is None or "properties" not in schema:
            continue
        fields = re.findall(r"^  (\w+)\??: ", body, re.MULTILINE)
        assert fields == list(schema["properties"]), name
        compared += 1
    assert compared >= 35
    for document in ("SymbolDetail", "CandlesDocument", "OverviewDocument", "HealthDocument"):
        assert document in schemas


def test_every_number_says_its_unit_and_every_operation_its_refusals(
    openapi: dict[str, Any],
) -> None:
    """Each operation has a sentence and names its refusals; each parameter is described."""
    operations = [
        (f"{method} {path}", said)
        for path, methods in openapi["paths"].items()
        for method, said in methods.items()
    ]
    assert {"put /api/config", "get /api/history/board", "get /api/alerts"} <= {
        name for name, _ in operations
    }
    for path, said in operations:
        assert said["description"], path
        assert {"200", "400", "401", "403", "500"} <= set(said["responses"]), path
        for code, response in said["responses"].items():
            assert response["description"] or code == "200", (path, code)
        for parameter in said.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])
    notes = openapi["components"]["schemas"]["MarketOverview"]["properties"]
    assert notes["trend_strength"]["description"].startswith("0..100")
    assert (
        "taker"
        in openapi["components"]["schemas"]["TradeRecord"]["properties"]["side"]["description"]
    )


# --- one cycle, three views -------------------------------------------------------------------


def of_one_cycle(live: Running) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The desktop's document, its cut and the phone's, all of one sequence."""

    def asked() -> tuple[dict[str, Any], ...] | None:
        paths = ("/api/dashboard/data", "/api/dashboard/mobile", "/api/dashboard/mobile-data")
        found = tuple(live.client.get(path).json() for path in paths)
        same = len({(each["epoch"], each["seq"]) for each in found}) == 1
        return found if same else None

    data, cut, phone = wait_for("three documents of one cycle", asked)
    return data, cut, phone


def test_desktop_and_phone_agree_number_for_number_in_one_cycle(live: Running) -> None:
    """E4, E5 and E6 are views of one document: no number is computed twice."""
    data, cut, phone = of_one_cycle(live)
    by_symbol = {each["symbol"]: each for each in data["symbols"]}
    assert len(by_symbol) >= 25
    for view in (cut, phone):
        assert view["market_overview"] == data["market_overview"]
        assert (view["timestamp"], view["as_of"]) == (data["timestamp"], data["as_of"])
        for record in view["symbols"]:
            assert record == by_symbol[record["symbol"]]
    assert [each["symbol"] for each in cut["symbols"]] == [
        each["symbol"] for each in phone["symbols"][:20]
    ]
    assert cut["truncated"] is (len(by_symbol) > 20)
    assert cut["confluence"]["top_signals"] == data["top_signals"]
    assert cut["beta"] == data["bitcoin_beta"]
    assert phone["top_movers"] == data["top_movers"]


def test_every_alias_of_the_phone_is_what_it_stands_for(live: Running) -> None:
    """M1: the owner's names all lead to one number each."""
    _, _, phone = of_one_cycle(live)
    assert set(phone) == set(MobileDocument.__struct_fields__)
    for alias, name in ALIASES.items():
        assert phone[alias] == phone[name], alias
    overview = phone["market_overview"]
    for name in ("market_regime", "trend_strength", "btc_dominance", "total_volume_24h"):
        assert phone[name] == overview[name], name
    assert phone["current_volatility"] == overview["volatility"]
    assert phone["symbols"] == phone["confluence_scores"]
    assert phone["gainers"] == phone["top_movers"]["gainers"]
    assert phone["losers"] == phone["top_movers"]["losers"]
    assert len(phone["confluence_scores"]) >= 10
    up = [each for each in phone["symbols"] if (each["change_24h"] or 0) > 0]
    down = [each for each in phone["symbols"] if (each["change_24h"] or 0) < 0]
    assert len(phone["gainers"]) == min(5, len(up))
    assert len(phone["losers"]) == min(5, len(down))


# --- payloads ---------------------------------------------------------------------------------


def test_every_document_begins_as_the_contract_says(live: Running) -> None:
    """Section 4: status, timestamp, as_of, source, data_source; and SIMULATED is no secret."""
    paths = (
        *HOT_PATHS,
        "/api/dashboard/mobile",
        "/api/market/overview",
        "/api/dashboard/market-overview",
        "/market-overview",
        "/api/market/movers",
        "/api/bitcoin-beta",
        "/api/bitcoin-beta/matrix",
        "/api/symbols/BTCUSDT",
        *(f"/api/symbols/BTCUSDT{tail}" for tail in SYMBOL_TAILS),
    )
    for path in paths:
        answer = live.client.get(path)
        said = answer.json()
        assert answer.status_code == 200, path
        assert set(said) >= HEAD, path
        assert said["status"] in {"success", "degraded"}, path
        assert said["status"] == "success" or said["reasons"], path
        assert said["source"] == "simulator", path
        assert said["timestamp"].endswith("Z"), path


def test_a_symbol_record_has_the_owners_fields_and_why_one_is_missing(live: Running) -> None:
    """C10 and E8: the very names of S0; the monitor answers the same document."""
    whole = live.get("/api/symbols")
    for record in live.symbols():
        assert set(record) >= RECORD
        components: Any = record["components"]
        assert list(components) == COMPONENTS
        assert record["direction"] in {"Bullish", "Bearish", "Neutral", None}
        quality: Any = record["quality"]
        for field in ("confluence_score", "price", "change_24h", "volume"):
            assert record[field] is not None or quality[field]["reason"]
    theirs = live.monitor("/api/symbols")
    assert set(theirs) == set(whole)


def test_the_overview_gives_value_source_and_age_of_each_number(live: Running) -> None:
    """M2, M3, E7: dominance is of turnover and says so; nothing is zero for lack of knowledge."""
    said: Any = live.get("/api/market/overview")
    overview = said["market_overview"]
    for name in OVERVIEW:
        quality = overview["quality"][name]
        assert (overview[name] is None) == (quality["state"] == "absent"), name
        assert quality["as_of"] if overview[name] is not None else quality["reason"], name
    assert overview["quality"]["btc_dominance"]["basis"] == "turnover_24h"
    assert 0 <= overview["breadth"] <= 1


def test_the_betas_have_the_figures_of_the_contract(live: Running) -> None:
    """B1 and E10: each symbol against Bitcoin, or why not."""
    said: Any = live.get("/api/bitcoin-beta")
    wanted = {
        "beta",
        "correlation",
        "r_squared",
        "standard_error",
        "residual_z",
        "lead_lag",
        "samples",
    }
    for record in said["symbols"]:
        assert set(record) >= wanted
        assert record["reason"] or record["beta"] is not None


def test_a_book_is_whole_ordered_and_adds_up(live: Running) -> None:
    """Fifty levels best first, sums that rise, a spread above zero, depth that only grows."""
    book: Any = live.get("/api/symbols/BTCUSDT/orderbook")
    assert book["state"] in {"live", "delayed", "stale"}
    bids, asks = book["bids"], book["asks"]
    assert 1 <= len(bids) <= 50
    assert 1 <= len(asks) <= 50
    assert [each[0] for each in bids] == sorted((each[0] for each in bids), reverse=True)
    assert [each[0] for each in asks] == sorted(each[0] for each in asks)
    assert bids[0][0] <= book["mid"] <= asks[0][0]
    for side in (bids, asks):
        total = 0.0
        for _, quantity, cumulative in side:
            total += quantity
            assert cumulative == pytest.approx(total)
    assert -1 <= book["imbalance"] <= 1
    known = [each["bid_quantity"] for each in book["depth"] if each["bid_quantity"] is not None]
    assert known == sorted(known)
    costs = [each["buy_bps"] for each in book["impact"] if each["buy_bps"] is not None]
    assert costs == sorted(costs)
    assert book["sequence"] > 0
    assert book["synced_since"] <= book["as_of"]


def test_trades_liquidations_and_derivatives_say_what_they_are(live: Running) -> None:
    """Newest first, sides named, coverage labelled, every figure with its unit and state."""
    trades: Any = live.get("/api/symbols/BTCUSDT/trades")
    times = [each["at"] for each in trades["trades"]]
    assert times == sorted(times, reverse=True)
    assert {each["side"] for each in trades["trades"]} <= {"buy", "sell"}
    forced: Any = live.get("/api/symbols/BTCUSDT/liquidations")
    assert forced["coverage"] == "synthetic"
    assert {each["side"] for each in forced["liquidations"]} <= {"long", "short"}
    more: Any = live.get("/api/symbols/BTCUSDT/derivatives")
    figures = {name: each for name, each in more.items() if isinstance(each, dict)}
    assert {"mark_price", "index_price", "basis_bps", "open_interest", "funding_rate"} <= set(
        figures
    )
    for name, each in figures.items():
        assert each["unit"], name
        assert (each["value"] is None) == (each["state"] == "absent"), name
        assert each["value"] is not None or each["reason"], name
    assert more["funding_interval_hours"] > 0
    assert more["next_funding_time"] > more["now"]


def test_the_list_is_filtered_sorted_and_paged_without_changing_a_record(live: Running) -> None:
    """What comes back is a part of the document, in the order asked for, null last."""
    first: Any = live.get("/api/symbols?sort=-score&per_page=7")
    second: Any = live.get("/api/symbols?sort=-score&per_page=7&page=2")
    scores = [each["confluence_score"] for each in first["symbols"]]
    assert scores == sorted(scores, reverse=True)
    assert first["page"]["total"] >= 25
    assert first["page"]["pages"] == -(-first["page"]["matched"] // 7)
    names = {each["symbol"] for each in first["symbols"]}
    assert len(second["symbols"]) == 7
    assert first["seq"] != second["seq"] or not names & {e["symbol"] for e in second["symbols"]}
    bulls: Any = live.get("/api/symbols?direction=Bullish&fields=direction,price")
    for record in bulls["symbols"]:
        assert record["direction"] == "Bullish"
        assert set(record) == {"symbol", "direction", "price"}
    rich: Any = live.get("/api/symbols?min_volume=100000000&q=usd")
    assert all(each["volume"] >= 100_000_000 for each in rich["symbols"])
    assert rich["page"]["matched"] < rich["page"]["total"]


def test_movers_have_a_window_and_a_floor(live: Running) -> None:
    """Gainers rise, losers fall, largest first; a floor leaves symbols out and says how many."""
    said: Any = live.get("/api/market/movers?window=24h&limit=4")
    rises = [each["change"] for each in said["gainers"]]
    falls = [each["change"] for each in said["losers"]]
    assert rises == sorted(rises, reverse=True)
    assert falls == sorted(falls)
    assert all(each > 0 for each in rises)
    assert all(each < 0 for each in falls)
    assert said["score_reason"] == "not_applicable"
    floor: Any = live.get("/api/market/movers?window=1h&min_volume=1e9")
    assert floor["below_volume"] > 0
    assert all(each["volume"] >= 1e9 for each in floor["gainers"] + floor["losers"])
    assert floor["compared"] or floor["price_reason"]


@pytest.mark.parametrize("tail", ["candles?timeframe=1m&", "scores?", "trades?", "derivatives?"])
def test_a_series_is_the_same_as_json_csv_and_parquet(live: Running, tail: str) -> None:
    """Files name the source, SIMULATED, and how old they are, in every row."""
    path = f"/api/symbols/BTCUSDT/{tail}"
    text = live.client.get(f"{path}format=csv")
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert "SIMULATED" in text.headers["content-disposition"]
    head, *rows = text.text.splitlines()
    columns = head.split(",")
    assert columns[0] == "time"
    assert columns[-3:] == ["source", "label", "as_of"]
    packed = live.client.get(path, headers={"accept": "application/vnd.apache.parquet"})
    table = pq.read_table(io.BytesIO(packed.content))
    assert table.column_names == columns
    assert table.schema.metadata[b"label"] == b"SIMULATED"
    assert abs(table.num_rows - len(rows)) <= 2
    for row in rows:
        assert ",simulator,SIMULATED,20" in row


def test_a_range_of_time_cuts_a_series(live: Running) -> None:
    """From is inclusive, to exclusive; nothing in a range is said and is no error."""
    path = "/api/symbols/BTCUSDT/candles?timeframe=1m"
    whole: Any = live.get(path)
    times = [each[0] for each in whole["candles"]]
    start, end = times[-10], times[-5]
    part: Any = live.client.get(path + "&from=" + iso(start) + "&to=" + iso(end)).json()
    assert [each[0] for each in part["candles"]] == times[-10:-5]
    none: Any = live.get(path + "&to=1970-01-01T00:00:00Z")
    assert none["candles"] == []
    assert "nothing is kept of this range" in none["reasons"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/symbols?per_page=0", 422, "invalid"),
        ("/api/symbols?sort=luck", 422, "invalid"),
        ("/api/symbols?fileds=price", 422, "unknown_parameter"),
        ("/api/symbols/BTCUSDT/scores?from=yesterday%3Cscript%3E", 422, "invalid"),
        (
            "/api/symbols/BTCUSDT/candles?from=2026-07-19T13:00:00Z&to=2026-07-19T12:00:00Z",
            400,
            "impossible_span",
        ),
        ("/api/alerts?before=nobody", 422, "unknown_place"),
        ("/api/symbols/NONEUSDT/orderbook", 404, "unknown_symbol"),
        ("/api/market/movers?window=2h", 422, "invalid"),
    ],
)
def test_a_refusal_has_a_code_and_a_sentence_and_repeats_nothing(
    live: Running, path: str, status: int, code: str
) -> None:
    """Problem documents, whoever finds the fault."""
    answer = live.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    for word in ("luck", "fileds", "yesterday", "script", "2h"):
        assert word not in answer.text


def test_what_is_not_offered_is_406_and_reading_changes_nothing(live: Running) -> None:
    """E19: GET and HEAD only; a form nobody makes is refused with those that are."""
    refused = live.client.get("/api/symbols/BTCUSDT/trades", headers={"accept": "image/png"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    for path in ("/api/symbols/BTCUSDT/orderbook", "/api/market/movers"):
        answer = live.client.post(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_monitor_answers_what_the_contract_names(live: Running) -> None:
    """E14 to E16, on the other port."""
    status = live.monitor("/api/monitoring/status")
    assert {each["name"] for each in status["parts"]} >= {"engine", "feed", "cache"}
    metrics = live.monitor("/api/monitoring/metrics")
    assert metrics["symbols"] >= 25
    symbols = live.monitor("/api/monitoring/symbols")
    assert {"symbol", "score", "reason", "age_ms", "missing"} <= set(symbols["symbols"][0])


def test_the_last_day_is_kept_and_the_same_on_both_ports(live: Running) -> None:
    """Item by item: fixed steps, nulls where nobody looked, names that can be asked for."""
    path = "/api/monitoring/history?minutes=5&series=loop_lag_seconds,feed_input_age_seconds"
    ours: Any = wait_for("two looks", lambda: _looked(live.get(path)))
    theirs = live.monitor(path)
    assert [each["name"] for each in ours["series"]] == [each["name"] for each in theirs["series"]]
    assert {"loop_lag_seconds/engine", "feed_input_age_seconds/bybit/book"} <= {
        each["name"] for each in ours["series"]
    }
    for each in ours["series"]:
        assert len(each["values"]) == 30
        assert each["unit"] == "seconds"
    assert {"process_memory_bytes/engine", "alerts_waiting/webhook"} <= set(ours["known"])
    wrong = live.client.get("/api/monitoring/history?minutes=0")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")


def _looked(document: dict[str, Any]) -> dict[str, Any] | None:
    """The document once there are two looks in it."""
    series = document.get("series") or [{"values": []}]
    return document if sum(each is not None for each in series[0]["values"]) >= 2 else None


def test_the_dashboard_of_grafana_asks_for_what_there_is(live: Running) -> None:
    """Every metric of every panel is in a real scrape, with the labels that it is shown by."""
    board = msgspec.json.decode(GRAFANA.read_bytes())
    asked = [
        (target["expr"], target["legendFormat"])
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    text = live.client.get(f"http://127.0.0.1:{live.monitoring_port}/metrics").text
    samples = set(re.findall(r"^(virtuoso_\w+)", text, re.MULTILINE))
    named = set(re.findall(r"^# TYPE (virtuoso_\w+) ", text, re.MULTILINE))
    assert len(asked) > 40
    for expression, legend in asked:
        metrics = re.findall(r"virtuoso_\w+", expression)
        assert metrics
        for metric in metrics:
            assert metric in samples or metric in named & NOT_YET, metric
            for label in set(re.findall(r"{{(\w+)}}", legend)) if metric in samples else ():
                assert re.search(rf'^{metric}{{[^}}]*\b{label}="', text, re.MULTILINE), metric
    helped = re.findall(r"^# HELP (virtuoso_\w+) \S", text, re.MULTILINE)
    assert len(helped) == len(set(helped)) == len(named)


def test_health_is_there_in_three_depths(live: Running) -> None:
    """E3 and E12: of all parts, of what can be shown, of this process alone."""
    health: Any = live.get("/health")
    assert {"state", "last_good", "age_ms"} <= set(health["parts"][0])
    assert live.client.get("/health/ready").status_code == 200
    assert live.get("/health/live") == {"status": "success"}
    metrics: Any = live.get("/cache-metrics")
    assert metrics["tiers"][0]["name"] == "memory"
    assert metrics["warming"]["profile"]
