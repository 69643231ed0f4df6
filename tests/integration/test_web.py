"""The web process as browsers and programs meet it: a real server, real requests, real sockets."""

import asyncio
import gzip
import socket as sockets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.web_site import DEADLINE_S, Site, a_site, eventually, hear, say
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import Reason, State
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_clock import START
from virtuoso.web.app import HOT_PATHS
from virtuoso.web.options import WebOptions
from virtuoso.web.server import bind
from virtuoso.wire import keys
from virtuoso.wire.beta import BetaMatrixDocument
from virtuoso.wire.board import COMPONENT_ORDER, BoardState, ScoreRow
from virtuoso.wire.codec import Codec
from virtuoso.wire.dashboards import MobileDocument
from virtuoso.wire.messages import to_json

SCORE = ScoreRow.__struct_fields__.index("score")
HOT = tuple(HOT_PATHS)
JSON_PATHS = (
    *HOT,
    "/api/market/overview",
    "/api/dashboard/market-overview",
    "/market-overview",
    "/api/symbols/BTCUSDT",
    "/api/symbols/BTCUSDT/candles",
    "/api/symbols/BTCUSDT/scores",
    "/health",
    "/health/live",
    "/health/ready",
)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A web server whose engine has published once."""
    async with a_site() as running:
        await running.start_engine()
        yield running


# --- documents --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOT)
async def test_a_hot_document_is_served_as_the_very_bytes_that_were_published(
    site: Site, path: str
) -> None:
    """The web process computes nothing: same bytes, the engine's validator."""
    document = make.published(site.engine.board, _body(site, path))
    answer = await site.http.get(path, headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    assert answer.content == document.body
    assert answer.headers["etag"] == document.etag
    assert answer.headers["cache-control"] == "private, max-age=0, stale-if-error=30"
    assert answer.headers["content-type"] == "application/json"


def _body(site: Site, path: str) -> msgspec.Struct:
    builders: dict[str, Callable[[BoardState], msgspec.Struct]] = {
        "/api/symbols": make.symbols_document,
        "/api/dashboard/data": make.dashboard_document,
        "/api/dashboard/mobile-data": make.mobile_document,
    }
    return builders[path](site.engine.board)


@pytest.mark.parametrize("path", [*HOT, "/api/symbols/BTCUSDT", "/api/market/overview"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_a_known_validator_gets_304_and_a_new_body_a_new_one(
    site: Site, path: str, encoding: str
) -> None:
    """Whoever holds the newest bytes gets none; a change makes the old validator worthless."""
    first = await site.http.get(path, headers={"accept-encoding": encoding})
    asked = {"accept-encoding": encoding, "if-none-match": f'"other", {first.headers["etag"]}'}
    second = await site.http.get(path, headers=asked)
    assert (second.status_code, second.content) == (304, b"")
    assert second.headers["etag"] == first.headers["etag"]
    site.clock.advance(1_000)
    seq = site.engine.board.seq
    await site.engine.publish(make.a_row(0, score=70.0))
    await eventually(lambda: site.follower.hot("virtuoso:mobile:v1").body.count(b"70.0"))
    assert site.engine.board.seq == seq + 1
    third = await site.http.get(path, headers=asked)
    assert third.status_code == 200
    assert third.headers["etag"] != first.headers["etag"]


async def test_gzip_is_sent_to_those_who_take_it_and_is_made_once_a_body(site: Site) -> None:
    """The compressed bytes are the same document under a validator of their own."""
    plain = await site.http.get("/api/symbols", headers={"accept-encoding": "identity"})
    packed = await site.http.get("/api/symbols", headers={"accept-encoding": "br;q=0, gzip;q=1"})
    refused = await site.http.get("/api/symbols", headers={"accept-encoding": "gzip;q=0"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content == refused.content
    assert "content-encoding" not in refused.headers
    assert packed.headers["etag"] != plain.headers["etag"]
    assert plain.headers["vary"] == packed.headers["vary"]
    assert set(plain.headers["vary"].split(", ")) == {
        "accept-encoding",
        "sec-ch-ua-mobile",
        "user-agent",
    }
    assert int(packed.headers["content-length"]) < len(plain.content) / 2


async def test_head_says_what_get_would_and_sends_no_body(site: Site) -> None:
    """HEAD has the headers of GET, length included."""
    for path in JSON_PATHS:
        get = await site.http.get(path)
        head = await site.http.head(path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == get.headers.get(name), (path, name)


async def test_every_answer_carries_the_security_headers_and_names_no_server(site: Site) -> None:
    """Pages, data, refusals: the same policy everywhere, and no CORS."""
    for path in (*JSON_PATHS, "/", "/mobile", "/mobile/", "/nothing"):
        headers = (await site.http.get(path)).headers
        policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        assert headers["content-security-policy"].startswith(policy), path
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        assert headers["cross-origin-opener-policy"] == "same-origin", path
        assert headers["cross-origin-resource-policy"] == "same-origin", path
        assert "server" not in headers, path
        assert not [name for name in headers if name.startswith("access-control")], path


async def test_the_documents_of_one_symbol_are_found_under_its_name(site: Site) -> None:
    """Detail, candles, scores: each from the cache, each with its symbol."""
    detail = (await site.http.get("/api/symbols/ETHUSDT")).json()
    candles = (await site.http.get("/api/symbols/ETHUSDT/candles?timeframe=5m")).json()
    scores = (await site.http.get("/api/symbols/ETHUSDT/scores")).json()
    assert detail["record"]["symbol"] == candles["symbol"] == scores["symbol"] == "ETHUSDT"
    assert scores["points"][-1][1] is None


async def test_the_overview_is_the_part_of_the_dashboard_document(site: Site) -> None:
    """Cut from the same document, under all three of its addresses."""
    whole = (await site.http.get("/api/dashboard/data")).json()
    for path in ("/api/market/overview", "/api/dashboard/market-overview", "/market-overview"):
        part = (await site.http.get(path)).json()
        assert part["market_overview"] == whole["market_overview"]
        assert (part["status"], part["timestamp"]) == ("success", whole["timestamp"])


async def test_the_matrix_is_served_whole_or_cut_to_the_symbols_asked_for(site: Site) -> None:
    """Rows and columns in the order asked for; nothing is computed, only left out."""
    assert (await site.http.get("/api/bitcoin-beta/matrix")).status_code == 503
    board = site.engine.board
    names = tuple(each.symbol for each in board.symbols)[:3]
    body = BetaMatrixDocument(
        status="success",
        timestamp="2026-07-19T12:00:00.000Z",
        as_of=board.now,
        state=State.LIVE,
        source=board.source,
        data_source="cache",
        timeframe="5m",
        window=1_000,
        half_life=288.0,
        minimum_pairs=250,
        symbols=names[:2],
        monitored=3,
        correlations=((1.0, 0.5), (0.5, Reason.TOO_FEW)),
        samples=((999, 900), (900, 900)),
        epoch=board.epoch,
        seq=board.seq,
    )
    key = keys.BITCOIN_BETA_MATRIX
    await site.cache.set(key, Codec().encode(key, make.published(board, body)), 60_000)
    whole = await site.http.get("/api/bitcoin-beta/matrix")
    assert whole.content == to_json(body)
    asked = f"/api/bitcoin-beta/matrix?symbols={names[1]},{names[0]}"
    cut = (await site.http.get(asked)).json()
    assert cut["symbols"] == [names[1], names[0]]
    assert cut["correlations"] == [["too_few", 0.5], [0.5, 1.0]]
    assert cut["samples"] == [[900, 900], [900, 999]]
    assert cut["monitored"] == 3
    alone = (await site.http.get(f"/api/bitcoin-beta/matrix?symbols={names[0]}")).json()
    assert alone["correlations"] == [[1.0]]
    outside = await site.http.get(f"/api/bitcoin-beta/matrix?symbols={names[2]}")
    assert (outside.status_code, outside.json()["code"]) == (404, "not_in_matrix")
    wrong = await site.http.get("/api/bitcoin-beta/matrix?symbols=NONEUSDT")
    assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown_symbol")
    odd = await site.http.get("/api/bitcoin-beta/matrix?symbols=%3Cscript%3E")
    assert (odd.status_code, odd.json()["code"]) == (400, "impossible_symbol")


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nothing", 404, "not_found"),
        ("/api/symbols/", 404, "not_found"),
        ("/docs", 404, "not_found"),
        ("/assets/none.js", 404, "not_found"),
        ("/assets/../app.py", 404, "not_found"),
        ("/api/symbols/NONEUSDT", 404, "unknown_symbol"),
        ("/api/symbols/NONEUSDT/scores", 404, "unknown_symbol"),
        ("/api/symbols/btc%3Cscript%3E", 400, "impossible_symbol"),
        ("/api/symbols/%FF%FE", 400, "impossible_symbol"),
        ("/api/symbols/BTCUSDT/candles?timeframe=7m", 400, "unknown_timeframe"),
    ],
)
async def test_a_refusal_is_a_problem_document_with_a_code_and_a_sentence(
    site: Site, path: str, status: int, code: str
) -> None:
    """Nothing of the request is repeated in it."""
    answer = await site.http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["code"]) == (status, code)
    assert said["detail"].endswith(".")
    assert "script" not in answer.text


@pytest.mark.parametrize("path", ["/", "/api/symbols", "/health", "/api/symbols/BTCUSDT"])
async def test_only_reading_is_allowed(site: Site, path: str) -> None:
    """Another method gets 405 and learns what is allowed."""
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = await site.http.request(method, path)
        assert answer.status_code == 405, method
        assert answer.json()["code"] == "method_not_allowed", method
        assert {name.strip() for name in answer.headers["allow"].split(",")} == {"GET", "HEAD"}


async def test_a_large_body_and_one_of_unknown_length_are_refused(site: Site) -> None:
    """64 KB is the limit; a chunked body has no length to judge."""

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"

    large = await site.http.post("/api/symbols", content=b"x" * 70_000)
    chunked = await site.http.post("/api/symbols", content=endless())
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    assert (chunked.status_code, chunked.json()["code"]) == (411, "length_required")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:{port}", 200),
        ("localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("[::1]:{port}", 200),
        ("board.example", 200),
        ("board.example:8443", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("evil.example:{port}", 400),
        ("localhost.", 400),
        ("", 400),
        ("[::1", 400),
        ("127.0.0.1@evil.example", 400),
    ],
)
async def test_only_known_names_of_this_server_are_answered(host: str, status: int) -> None:
    """A page that rebinds its own name to this address learns nothing."""
    async with a_site(WebOptions(hosts=("board.example",))) as site:
        await site.start_engine()
        named = {"host": host.format(port=site.port)}
        for path in ("/api/symbols", "/health/live", "/api/symbols/BTCUSDT"):
            assert (await site.http.get(path, headers=named)).status_code == status
        assert (await site.http.get("/", headers=named)).status_code == {200: 503}.get(status, 400)


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, "127.0.0.1:{port}", 101),
        ("http://127.0.0.1:{port}", "127.0.0.1:{port}", 101),
        ("https://127.0.0.1:{port}", "127.0.0.1:{port}", 101),
        ("http://localhost:{port}", "localhost:{port}", 101),
        ("http://localhost:{port}", "127.0.0.1:{port}", 403),
        ("http://127.0.0.1:1", "127.0.0.1:{port}", 403),
        ("http://127.0.0.1", "127.0.0.1:{port}", 403),
        ("http://evil.example", "127.0.0.1:{port}", 403),
        ("http://evil.example", "evil.example", 400),
        ("null", "127.0.0.1:{port}", 403),
        ("file://", "127.0.0.1:{port}", 403),
        ("http://127.0.0.1:{port}.evil.example", "127.0.0.1:{port}", 403),
        (None, "evil.example", 400),
    ],
)
async def test_a_socket_is_opened_for_our_own_pages_and_for_local_programs_only(
    site: Site, origin: str | None, host: str, status: int
) -> None:
    """Origin must be the very host and port that was called, on loopback too."""
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {host.format(port=site.port)}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    if origin is not None:
        lines.append(f"Origin: {origin.format(port=site.port)}")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write("\r\n".join([*lines, "", ""]).encode())
    async with asyncio.timeout(DEADLINE_S):
        first = await reader.readline()
    writer.close()
    assert int(first.split()[1]) == status


async def test_a_socket_anywhere_else_is_not_found(site: Site) -> None:
    """There is one socket address."""
    with pytest.raises(InvalidStatus) as refused:
        await _connect(site, "/other")
    assert refused.value.response.status_code == 404


async def _connect(site: Site, path: str) -> None:
    async with connect(f"ws://{site.host}{path}"):
        pass


# --- pages ------------------------------------------------------------------------------------


async def test_pages_that_are_not_built_say_so_while_the_rest_works(site: Site) -> None:
    """503 with what to do; data flow, and health names it."""
    for path in ("/", "/mobile", "/mobile/"):
        page = await site.http.get(path)
        assert page.status_code == 503
        assert "make web" in page.text
        assert page.headers["content-type"].startswith("text/html")
    health = await site.http.get("/health")
    assert health.status_code == 200
    parts = {part["name"]: part for part in health.json()["parts"]}
    assert (parts["pages"]["status"], parts["pages"]["state"]) == ("warn", "absent")
    assert health.json()["status"] == "degraded"


async def test_built_pages_are_served_with_the_right_life_and_encoding(tmp_path: Path) -> None:
    """Shells are asked for each time, assets never again; the precompressed sibling is chosen."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "mobile").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>desktop</title>")
    (tmp_path / "mobile" / "index.html").write_text("<!doctype html><title>phone</title>")
    (tmp_path / "sw.js").write_text("self")
    (tmp_path / "manifest.webmanifest").write_text("{}")
    (tmp_path / ".build.json").write_text("{}")
    script = b"console.log(1)" * 100
    (tmp_path / "assets" / "main-abc123.js").write_bytes(script)
    (tmp_path / "assets" / "main-abc123.js.gz").write_bytes(gzip.compress(script, mtime=0))
    (tmp_path / "assets" / "main-abc123.js.br").write_bytes(b"brotli")
    async with a_site(static=tmp_path) as site:
        for path, title in (("/", "desktop"), ("/mobile", "phone"), ("/mobile/", "phone")):
            page = await site.http.get(path)
            assert page.status_code == 200
            assert title in page.text
            assert page.headers["cache-control"] == "no-cache"
            again = await site.http.get(path, headers={"if-none-match": page.headers["etag"]})
            assert again.status_code == 304
        asset = "/assets/main-abc123.js"
        packed = await site.http.get(asset, headers={"accept-encoding": "gzip"})
        assert packed.content == script
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert packed.headers["vary"] == "accept-encoding"
        async with site.http.stream("GET", asset, headers={"accept-encoding": "gzip, br"}) as best:
            assert best.headers["content-encoding"] == "br"
            assert b"".join([chunk async for chunk in best.aiter_raw()]) == b"brotli"
        plain = await site.http.get(asset, headers={"accept-encoding": "identity"})
        assert plain.content == script
        assert (await site.http.get("/sw.js")).headers["content-type"].startswith("text/javascript")
        manifest = await site.http.get("/manifest.webmanifest")
        assert manifest.headers["content-type"] == "application/manifest+json"
        assert (await site.http.get("/.build.json")).status_code == 404
        parts = {part["name"]: part for part in (await site.http.get("/health")).json()["parts"]}
        assert parts["pages"]["status"] == "pass"


# --- life and death of the engine -------------------------------------------------------------


async def test_before_the_engine_every_document_is_503_and_then_200() -> None:
    """There is no 200 full of zeros: an error with its reason, and for the phone every key."""
    async with a_site() as site:
        for path in (*HOT, "/api/market/overview", "/api/symbols/BTCUSDT"):
            answer = await site.http.get(path)
            assert answer.status_code == 503, path
            assert answer.headers["cache-control"] == "no-store"
            said = answer.json()
            assert said["status"] == "error"
            assert said["error"]
            assert said["reasons"]
            assert said["timestamp"].endswith("Z")
        phone = (await site.http.get("/api/dashboard/mobile-data")).json()
        assert set(MobileDocument.__struct_fields__) <= set(phone)
        assert phone["gainers"] == phone["symbols"] == phone["confluence_scores"] == []
        assert phone["trend_strength"] is None
        assert phone["market_overview"]["btc_dominance"] is None
        assert (await site.http.get("/health")).status_code == 503
        assert (await site.http.get("/health/ready")).status_code == 503
        assert (await site.http.get("/health/live")).status_code == 200
        await site.start_engine()
        for path in JSON_PATHS:
            assert (await site.http.get(path)).status_code == 200, path


async def test_silence_of_the_engine_turns_documents_stale_within_three_seconds(
    site: Site,
) -> None:
    """At the limit all is well; past it nothing is live, and the reason says since when."""
    site.clock.advance(3_000)
    fresh = (await site.http.get("/api/symbols")).json()
    assert fresh["status"] == "success"
    site.clock.advance(1)
    for path in (*HOT, "/api/symbols/BTCUSDT", "/api/market/overview"):
        first = await site.http.get(path)
        said = first.json()
        assert first.status_code == 200
        assert said["status"] == "degraded", path
        assert any("silent since 2026-07-19T12:00:00.000Z" in why for why in said["reasons"])
        assert '"live"' not in first.text
        assert '"delayed"' not in first.text
        site.clock.advance(500)
        later = await site.http.get(path)
        assert later.content == first.content
        assert later.headers["etag"] == first.headers["etag"]
    stale = (await site.http.get("/api/symbols")).json()["symbols"][0]
    assert stale["state"] == "stale"
    assert stale["confluence_score"] == fresh["symbols"][0]["confluence_score"]
    assert stale["as_of"] == fresh["symbols"][0]["as_of"]
    health = await site.http.get("/health")
    assert health.status_code == 503
    parts = {part["name"]: part for part in health.json()["parts"]}
    assert parts["engine"]["state"] == parts["feed bybit"]["state"] == "stale"
    assert (await site.http.get("/health/ready")).status_code == 200
    await site.engine.beat()
    await eventually(lambda: not site.follower.engine_silent())
    # it lives, but made nothing for longer than a price may be old
    late = await site.http.get("/api/symbols")
    assert "has not renewed this document since" in late.json()["reasons"][0]
    assert '"live"' not in late.text
    await site.engine.publish(*site.engine.board.rows)
    await eventually(lambda: site.follower.hot(keys.SYMBOLS).reason is None)
    renewed = (await site.http.get("/api/symbols")).json()
    assert renewed["status"] == "success"
    assert renewed["symbols"][0]["state"] == fresh["symbols"][0]["state"] == "live"


async def test_a_dead_cache_leaves_the_last_documents_and_is_named(site: Site) -> None:
    """Pushes still prove the engine alive; what can no longer be read is marked."""
    assert (await site.http.get("/api/symbols/BTCUSDT")).json()["status"] == "success"
    site.cache.dead = True
    await eventually(lambda: site.follower.cache_error)
    assert (await site.http.get("/api/symbols")).status_code == 200
    detail = (await site.http.get("/api/symbols/BTCUSDT")).json()
    assert detail["status"] == "degraded"
    assert detail["record"]["state"] == "stale"
    health = await site.http.get("/health")
    parts = {part["name"]: part for part in health.json()["parts"]}
    assert (health.status_code, parts["cache"]["status"]) == (200, "fail")
    site.cache.dead = False
    await eventually(lambda: site.follower.cache_error is None)
    assert (await site.http.get("/api/symbols/BTCUSDT")).json()["status"] == "success"


# --- the socket -------------------------------------------------------------------------------


async def test_a_subscriber_gets_a_snapshot_then_updates_then_heartbeats(site: Site) -> None:
    """The sequence is unbroken: each update names the message before it."""
    socket = await site.socket_of()
    snapshot = await hear(socket, "snapshot")
    assert [each["symbol"] for each in snapshot["symbols"]] == list(make.SYMBOLS)
    assert [row[SCORE] for row in snapshot["rows"]] == [62.5, 62.5, 62.5]
    assert (snapshot["epoch"], snapshot["seq"], snapshot["unknown"]) == ("one", 1, [])
    await site.engine.publish(make.a_row(1, score=70.0))
    update = await hear(socket, "update")
    assert (update["seq"], update["previous"]) == (2, 1)
    assert [(row[0], row[SCORE]) for row in update["rows"]] == [(1, 70.0)]
    await site.engine.publish(make.a_row(2, score=None))
    second = await hear(socket, "update")
    assert (second["seq"], second["previous"]) == (3, 2)
    assert second["rows"][0][SCORE : SCORE + 2] == [None, "warming_up"]
    beat = await hear(socket, "heartbeat")
    assert (beat["epoch"], beat["seq"], beat["engine_ms"]) == ("one", 3, 0)


async def test_two_clients_get_only_their_symbols(site: Site) -> None:
    """What one asked for never reaches the other; an unknown symbol is named, not invented."""
    first = await site.socket_of("BTCUSDT", "NONEUSDT")
    second = await site.socket_of("ETHUSDT")
    assert (await hear(first, "snapshot"))["unknown"] == ["NONEUSDT"]
    assert [row[0] for row in (await hear(second, "snapshot"))["rows"]] == [1]
    await site.engine.publish(make.a_row(0, score=10.0))
    await site.engine.publish(make.a_row(1, score=20.0))
    assert [row[0] for row in (await hear(first, "update"))["rows"]] == [0]
    update = await hear(second, "update")
    assert [(row[0], row[SCORE]) for row in update["rows"]] == [(1, 20.0)]
    await site.engine.publish(make.a_row(0, score=11.0))
    await say(second, type="ping", id=7)
    assert (await hear(second, "update", "pong")) == {"type": "pong", "id": 7}


async def test_the_records_form_gives_one_object_per_changed_symbol(site: Site) -> None:
    """The owner's form: symbol, data, timestamp, with our sequence, age and source."""
    socket = await site.socket_of("BTCUSDT", form="records")
    await hear(socket, "snapshot")
    first = await hear(socket, "market_update")
    assert (first["symbol"], first["data"]["confluence_score"]) == ("BTCUSDT", 62.5)
    await site.engine.publish(make.a_row(0, score=71.0), make.a_row(1, score=72.0))
    update = await hear(socket, "market_update")
    assert (update["symbol"], update["data"]["confluence_score"]) == ("BTCUSDT", 71.0)
    assert (update["seq"], update["source"], update["as_of"]) == (2, "simulator", START)
    assert set(update["data"]["components"]) == set(COMPONENT_ORDER)
    assert update["data"]["quality"]["components.sentiment"]["reason"] == "no_feed"


async def test_a_changed_row_is_encoded_once_however_many_clients_read_it(site: Site) -> None:
    """P15: one encoding a changed row, with one reader and with nine."""
    clients = [await site.socket_of(hz=20) for _ in range(9)]
    for client in clients:
        await hear(client, "snapshot")
    before = site.app.hub.encodings
    await site.engine.publish(make.a_row(0, score=1.0), make.a_row(2, score=2.0))
    for client in clients:
        assert len((await hear(client, "update"))["rows"]) == 2
    assert site.app.hub.encodings - before == 2


async def test_a_slow_rhythm_gets_the_newest_value_only(site: Site) -> None:
    """Between two frames of a client a hundred changes are one."""
    socket = await site.socket_of("BTCUSDT", hz=1)
    await hear(socket, "snapshot")
    for score in range(100):
        await site.engine.publish(make.a_row(0, score=float(score)))
    update = await hear(socket, "update")
    assert update["rows"][0][SCORE] == 99.0
    assert (update["seq"], update["previous"]) == (101, 1)


async def test_resync_unsubscribe_and_a_new_subscription_do_what_they_say(site: Site) -> None:
    """A new snapshot on demand; silence on what was given up."""
    socket = await site.socket_of("BTCUSDT", "ETHUSDT")
    await hear(socket, "snapshot")
    await say(socket, type="unsubscribe", symbols=["BTCUSDT"])
    await say(socket, type="resync")
    assert [row[0] for row in (await hear(socket, "snapshot"))["rows"]] == [1]
    await site.engine.publish(make.a_row(0, score=5.0), make.a_row(1, score=6.0))
    assert [row[0] for row in (await hear(socket, "update"))["rows"]] == [1]
    await say(socket, type="unsubscribe")
    await say(socket, type="subscribe", symbols=["SOLUSDT"], form="rows")
    assert [row[0] for row in (await hear(socket, "snapshot"))["rows"]] == [2]


async def test_what_is_not_understood_is_refused_and_the_socket_stays(site: Site) -> None:
    """Broken JSON, an unknown type, a field too many, a binary frame: each gets an answer."""
    socket = await site.socket()
    for sent in ("{", '{"type":"buy"}', '{"type":"ping","id":1,"x":2}', "[" * 5_000, b"\x00"):
        await socket.send(sent)
        assert (await hear(socket, "error"))["code"] in {"not_understood", "not_text"}
    await say(socket, type="ping", id=3)
    assert (await hear(socket, "pong"))["id"] == 3


async def test_too_many_and_too_large_messages_close_the_socket(site: Site) -> None:
    """4429 for more than 20 a second, 1009 for more than 16 KB."""
    chatty = await site.socket()
    for _ in range(21):
        await say(chatty, type="ping")
    with pytest.raises(ConnectionClosed) as closed:
        await hear(chatty, "never")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4429
    large = await site.socket()
    await large.send("x" * 17_000)
    with pytest.raises(ConnectionClosed) as closed:
        await hear(large, "never")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_places_are_bounded_and_given_back() -> None:
    """One more than the limit of an address is refused with 503; a place left is free again."""
    async with a_site(WebOptions(max_clients_per_ip=2)) as site:
        first = await site.socket()
        await site.socket()
        with pytest.raises(InvalidStatus) as refused:
            await site.socket()
        assert refused.value.response.status_code == 503
        await first.close()
        await eventually(lambda: len(site.app.hub.clients) == 1)
        await site.socket()


async def test_a_new_epoch_and_a_new_board_bring_a_new_snapshot(site: Site) -> None:
    """After a restart everything is replaced, the sequence may start again."""
    socket = await site.socket_of()
    await hear(socket, "snapshot")
    await site.engine.publish(make.a_row(0, score=5.0))
    await hear(socket, "update")
    await site.engine.start("two", rows=[make.a_row(row, score=40.0) for row in range(3)])
    snapshot = await hear(socket, "snapshot")
    assert (snapshot["epoch"], snapshot["seq"]) == ("two", 1)
    assert [row[SCORE] for row in snapshot["rows"]] == [40.0, 40.0, 40.0]


async def test_a_socket_opened_before_the_engine_is_told_why_and_then_served() -> None:
    """No snapshot is invented; the first board brings one."""
    async with a_site() as site:
        socket = await site.socket_of()
        refused = await hear(socket, "error", "snapshot")
        assert (refused["code"], "not published" in refused["text"]) == ("no_board", True)
        await site.start_engine()
        assert len((await hear(socket, "snapshot"))["rows"]) == 3


async def test_the_heartbeat_says_when_the_engine_is_silent_and_its_clock_stands_still(
    site: Site,
) -> None:
    """`engine_ms` passes the limit right after it; `now` goes on up to the limit and no further."""
    socket = await site.socket_of()
    await hear(socket, "snapshot")
    site.clock.advance(2_999)
    beat = await _beat_of(site, 2_999)
    assert beat["now"] == START + 2_999
    site.clock.advance(2)
    beat = await _beat_of(site, 3_001)
    assert beat["now"] == START + 3_000
    site.clock.advance(60_000)
    beat = await _beat_of(site, 63_001)
    assert beat["now"] == START + 3_000


async def _beat_of(site: Site, engine_ms: int) -> dict[str, int]:
    """The first heartbeat that was made after the clock was moved."""
    while True:
        beat = await hear(site.sockets[0], "heartbeat")
        if beat["engine_ms"] == engine_ms:
            return beat


async def test_pushes_that_stop_are_replaced_by_the_cache_and_that_is_said(site: Site) -> None:
    """A dead broker costs speed, not truth: rows come from the cache, and a notice says so."""
    socket = await site.socket_of()
    await hear(socket, "snapshot")
    site.broker.losing = True
    site.clock.advance(3_000)
    await site.engine.publish(make.a_row(0, score=33.0))
    seen: dict[int, float] = {}
    notices: list[str] = []
    while 33.0 not in seen.values() or not notices:
        update = await hear(socket, "update")
        seen |= {row[0]: row[SCORE] for row in update["rows"]}
        notices += [notice["code"] for notice in update["notices"] or ()]
    assert notices == ["reading_cache"]
    assert not site.follower.engine_silent()
    assert (await site.http.get("/api/symbols")).json()["symbols"][0]["confluence_score"] == 33.0
    site.broker.losing = False
    await site.engine.publish(make.a_row(0, score=34.0))
    # where the cache is read before this push, the next one shows that they come again
    await site.engine.beat()
    while (update := await hear(socket, "update"))["notices"] is None:
        pass
    assert update["notices"] == []


async def test_a_client_that_never_reads_is_cut_off_while_others_go_on() -> None:
    """F45: eviction within the deadline, its place is free, and the reader misses nothing."""
    symbols = tuple(f"S{number}USDT" for number in range(300))
    options = WebOptions(send_deadline_s=0.3, heartbeat_s=0.05)
    async with a_site(options, symbols=symbols, details=False) as site:
        await site.start_engine()
        deaf = await _deaf_client(site)
        reader = await site.socket_of()
        await hear(reader, "snapshot")
        with structlog.testing.capture_logs() as logs:
            scores = 0
            while site.app.hub.evicted == 0:
                scores += 1
                rows = [make.a_row(row, score=scores % 100 + 0.5) for row in range(300)]
                await site.engine.publish(*rows)
                update = await hear(reader, "update")
                assert update["rows"][0][SCORE] == scores % 100 + 0.5
                assert scores < 2_000, "nobody was evicted"
        assert [entry["event"] for entry in logs].count("client_evicted") == 1
        await eventually(lambda: len(site.app.hub.clients) == 1)
        await eventually(lambda: len(_accepted(site)) == 1, "the end of the deaf connection")
        deaf.close()
        await site.engine.publish(make.a_row(0, score=77.0))
        assert (await hear(reader, "update"))["rows"][0][SCORE] == 77.0


def _accepted(site: Site) -> list[int]:
    """The server's ends of its socket connections, by file number."""
    mine = psutil.Process().net_connections("tcp")
    return [each.fd for each in mine if each.raddr and each.laddr.port == site.port]


async def _deaf_client(site: Site) -> sockets.socket:
    """Open a socket that subscribes to everything and then never reads again."""
    client = sockets.socket()
    client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    client.settimeout(DEADLINE_S)
    await asyncio.to_thread(client.connect, ("127.0.0.1", site.port))
    request = (
        f"GET /ws HTTP/1.1\r\nHost: {site.host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    client.sendall(request.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += await asyncio.to_thread(client.recv, 1)
    text = b'{"type":"subscribe","form":"rows","hz":20}'
    client.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    await eventually(lambda: any(each.view is not None for each in site.app.hub.clients))
    return client


# --- the end ----------------------------------------------------------------------------------


async def test_shutting_down_closes_sockets_with_1001_and_does_not_wait_for_the_deaf() -> None:
    """F42: gone within the deadline although one client takes nothing."""
    symbols = tuple(f"S{number}USDT" for number in range(300))
    options = WebOptions(send_deadline_s=0.3)
    async with a_site(options, symbols=symbols, details=False) as site:
        await site.start_engine()
        polite = await site.socket_of("S0USDT")
        await hear(polite, "snapshot")
        deaf = await _deaf_client(site)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        site.serving.cancel()
        with pytest.raises(ConnectionClosed) as closed:
            await hear(polite, "never")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        await asyncio.wait({site.serving}, timeout=DEADLINE_S)
        assert site.serving.done()
        assert loop.time() - begun < 5
        deaf.close()
        with pytest.raises(httpx.ConnectError):
            await site.http.get("/health/live")


async def test_a_port_in_use_is_said_before_anything_is_started(site: Site) -> None:
    """One sentence that names the port."""
    with pytest.raises(SettingsError, match=f"port {site.port} of 127.0.0.1 to be free.*in use"):
        bind("127.0.0.1", site.port)


async def test_pages_report_their_own_start_and_nonsense_is_not_kept(site: Site) -> None:
    """The owner's desktop_load_time and mobile_load_time come from the pages themselves."""
    socket = await site.socket()
    await say(socket, type="timing", page="mobile", first_paint_ms=700, first_row_ms=900)
    await say(socket, type="timing", page="mobile", first_paint_ms=-1, first_row_ms=900)
    await say(socket, type="ping", id=1)
    await hear(socket, "pong")
    [timing] = site.app.hub.timings("mobile")
    assert (timing.first_paint_ms, timing.first_row_ms) == (700, 900)
    assert site.app.hub.timings("desktop") == ()
