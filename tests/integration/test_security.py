"""A real `virtuoso run` with planted secrets: asked in every way, edited, attacked, searched."""

import base64
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support.guarded import JSON, READ_TOKEN, WRITE_TOKEN, bearer
from support.processes import Running, command, running, wait_for
from virtuoso.domain.audit import AuditRow, first_broken

pytestmark = pytest.mark.process

CANARIES = {
    "BYBIT_API_KEY": "canary-bybit-key-7Kq2+/x",
    "BYBIT_API_SECRET": "canary-bybit-secret-9Zp4?&y",
    "BINANCE_API_KEY": "canary-binance-key-3Lm8",
    "BINANCE_SECRET": "canary-binance-secret-5Tr1",
    "DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/123456/canary-hook-2Wd6",
    "REDIS_PASSWORD": "canary-redis-password-8Xe3",
    "VIRTUOSO_CACHE_SECRET": "canary-cache-secret-4Vb7-0123456789",
    "VIRTUOSO_READ_TOKEN": READ_TOKEN,
    "VIRTUOSO_WRITE_TOKEN": WRITE_TOKEN,
}
READ, WRITE = bearer(READ_TOKEN), {**bearer(WRITE_TOKEN), **JSON}
OPEN = "0.0.0.0"  # noqa: S104 (that is what must be refused)
SENT = "canary-sent-by-a-client-6Hs9"
"""What clients send where it does not belong."""


@pytest.fixture(scope="module")
def answers() -> list[bytes]:
    """Everything that any test here was answered."""
    return []


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, answers: list[bytes]) -> Iterator[Running]:
    """Virtuoso on six simulated symbols, with every secret there is."""
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "mine.toml"
    file.write_text("[security]\nconfig_writes = true\n", "utf-8")
    words = ("--config", str(file), "--symbols", "6")
    with running(folder, *words, env=CANARIES | {"DEBUG": "1"}) as process:
        process.client.headers.update(READ)

        def keep(response: httpx.Response) -> None:
            heads = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
            answers.append(heads.encode() + b"\n" + response.read())

        process.client.event_hooks["response"].append(keep)
        wait_for("six scores", lambda: len(scored(process)) == 6, 90)
        yield process


def scored(process: Running) -> dict[str, Any]:
    """Give the records with a score, by symbol."""
    found: list[dict[str, Any]] = process.symbols()
    return {str(each["symbol"]): each for each in found if each["confluence_score"] is not None}


def talk(port: int, attack: bytes) -> bytes:
    """Send bytes as they are, and give all that comes back until the server closes."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        try:
            raw.sendall(attack)
            while chunk := raw.recv(65_536):
                heard += chunk
        except (ConnectionError, TimeoutError):
            pass
    return heard


def save(process: Running, path: str, version: int, body: dict[str, Any]) -> httpx.Response:
    """Ask for a change."""
    method = "PUT" if path == "/api/config" else "POST"
    headers = {**WRITE, "if-match": f'"config-{version}"'}
    return process.client.request(method, path, json=body, headers=headers)


def test_a_dry_run_says_what_saving_then_does(live: Running) -> None:
    """G1: five scores before and after, by the engine; the saved definition is the tried one."""
    change = {"changes": {"scoring.timeframes.1m": 4.0, "scoring.coverage_floor": 0.4}}
    tried = live.client.post("/api/config/dry-run", json=change, headers=WRITE).json()
    assert [each["key"] for each in tried["differences"]] == [
        "scoring.coverage_floor",
        "scoring.timeframes.1m",
    ]
    assert len(tried["scores"]) == 5
    assert all(each["before"] is not None for each in tried["scores"])
    assert any(each["before"] != each["after"] for each in tried["scores"])
    assert live.get("/api/config")["version"] == 0
    saved = save(live, "/api/config", 0, {**change, "reason": "more of the minutes"})
    assert saved.status_code == 200
    assert saved.headers["etag"] == '"config-1"'
    assert saved.json()["definition"] == tried["definition_after"]
    wait_for(
        "the new definition",
        lambda: live.get("/api/symbols").get("definition") == tried["definition_after"],
    )
    entries: Any = live.get("/api/config")["settings"]
    [entry] = [each for each in entries if each["key"] == "scoring.coverage_floor"]
    assert (entry["value"], entry["default"], entry["source"]) == (0.4, 0.5, "version")


def test_who_has_seen_an_older_version_saves_nothing(live: Running) -> None:
    """The optimistic lock, and its absence."""
    change = {"changes": {"scoring.coverage_floor": 0.7}, "reason": "late"}
    assert save(live, "/api/config", 0, change).status_code == 412
    missing = live.client.put("/api/config", json=change, headers=WRITE)
    assert (missing.status_code, missing.json()["code"]) == (428, "version_needed")
    assert live.get("/api/config")["version"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"security.write_token": SENT}, "not_editable"),
        ({"app.host": OPEN}, "not_editable"),
        ({"feed.bybit_rest": f"https://{SENT}.example"}, "not_editable"),
        ({"scoring.profile": SENT}, "wrong_value"),
        ({"scoring.coverage_floor": 7}, "wrong_value"),
        ({"scoring.symbols": {SENT: {"coverage_floor": 0.5}}}, "wrong_value"),
        ({"scoring.direction.enter": 5.0}, "wrong_value"),
        ({}, "invalid"),
    ],
)
def test_what_may_not_be_changed_is_refused_without_an_echo(
    live: Running, changes: dict[str, Any], code: str
) -> None:
    """S4, S15: nothing of it is saved, nothing of it is repeated."""
    answer = save(live, "/api/config", 1, {"changes": changes, "reason": "no"})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert SENT not in answer.text


def test_an_older_version_can_be_restored_and_all_are_listed(live: Running) -> None:
    """A restore is a version too: nothing is ever lost."""
    change = {"changes": {"scoring.coverage_floor": 0.6}, "reason": "stricter", "author": "Ann"}
    assert save(live, "/api/config", 1, change).json()["version"] == 2
    back = save(live, "/api/config/versions/1/restore", 2, {"reason": "too strict"})
    assert (back.status_code, back.json()["version"]) == (200, 3)
    assert save(live, "/api/config/versions/9/restore", 3, {"reason": "?"}).status_code == 404
    listed: Any = live.get("/api/config/versions")["versions"]
    assert [(each["version"], each["restored_from"]) for each in listed] == [
        (3, 1),
        (2, None),
        (1, None),
    ]
    assert listed[1]["author"] == "Ann"
    assert listed[0]["values"] == listed[2]["values"]


@pytest.mark.parametrize("monitoring", [False, True])
def test_garbage_is_answered_with_4xx_and_nothing_else(live: Running, *, monitoring: bool) -> None:
    """F47: huge and broken heads, bodies, bytes and paths, on both ports."""
    port = live.monitoring_port if monitoring else live.port
    host = f"Host: 127.0.0.1:{port}\r\n".encode()
    get = b"GET /api/symbols HTTP/1.1\r\n" + host
    many = b"".join(b"X-%d: y\r\n" % number for number in range(100_000))
    attacks = (
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET /api/\xff\xfe HTTP/1.1\r\n" + host + b"\r\n",
        get + many + b"\r\n",
        get + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        get + b"Content-Length: 50000000\r\nConnection: close\r\n\r\n",
        get + b"Content-Length: -5\r\n\r\n",
        get + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        get + host + b"Connection: close\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"GET /%2e%2e/%00%ff HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n",
        b"GET http://[:: HTTP/1.1\r\n" + host + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )
    for attack in attacks:
        heard = talk(port, attack)
        assert heard[:10] == b"HTTP/1.1 4", (attack[:60], heard[:80])
        assert b"default-src 'none'" in heard
        assert b"\r\nserver:" not in heard.lower()
    assert live.client.get(f"http://127.0.0.1:{port}/health/live").status_code == 200


def test_a_socket_shows_its_token_first_or_is_closed(live: Running) -> None:
    """S6: by header, or by the first message; never in the address."""
    url = f"ws://127.0.0.1:{live.port}/ws"
    with connect(url) as opened:
        opened.send(json.dumps({"type": "sign_in", "token": READ_TOKEN}))
        assert json.loads(opened.recv(5))["type"] == "signed_in"
        opened.send(json.dumps({"type": "subscribe", "form": "rows", "hz": 4}))
        while json.loads(opened.recv(5))["type"] != "snapshot":
            pass
    with connect(url, additional_headers=READ) as opened:
        opened.send(json.dumps({"type": "subscribe", "form": "rows", "hz": 4}))
        while json.loads(opened.recv(5))["type"] != "snapshot":
            pass
    for first in ('{"type":"subscribe","hz":4}', '{"type":"sign_in","token":"x"}', "\x00", None):
        with connect(url) as opened:
            if first is not None:
                opened.send(first)
            with pytest.raises(ConnectionClosed) as closed:
                opened.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_zz_no_secret_is_found_anywhere(live: Running, answers: list[bytes]) -> None:
    """S14: in no log, answer, metric, state or cache file; plain, in base64 or as in a URL."""
    client = live.client
    ports = (live.port, live.monitoring_port)
    paths = ("/", "/health", "/metrics", "/cache-metrics", "/api/config", "/api/config/versions")
    more = ("/api/session", "/api/symbols", "/api/monitoring/status", "/api/monitoring/metrics")
    for port in ports:
        for path in (*paths, *more, "/docs", "/openapi.json", f"/{SENT}"):
            client.get(f"http://127.0.0.1:{port}{path}")
            client.get(f"http://127.0.0.1:{port}{path}", headers=bearer(f"{SENT}-{'x' * 43}"))
        secret = {"secret": SENT}
        client.post(f"http://127.0.0.1:{port}/api/session", json=secret, headers=JSON)
        client.post(f"http://127.0.0.1:{port}/api/session", content=SENT, headers=JSON)
        cookie = {"cookie": f"virtuoso_session={SENT}"}
        client.get(f"http://127.0.0.1:{port}/api/symbols?token={SENT}", headers=cookie)
    live.stop(signal.SIGTERM)
    folder = live.log.parent
    files = {str(each): each.read_bytes() for each in folder.rglob("*") if each.is_file()}
    files |= {f"answer {number}": each for number, each in enumerate(answers)}
    kept = {name: text for name, text in files.items() if not name.endswith("session.key")}
    assert len(answers) > 50
    assert [name for name, text in kept.items() if b"definition" in text]
    hook = CANARIES["DISCORD_WEBHOOK_URL"].rpartition("/")[2]
    found = [
        (name, canary[:12])
        for canary in (*CANARIES.values(), hook, SENT)
        for spelling in _spellings(canary)
        for name, text in kept.items()
        if spelling in text
    ]
    assert found == []
    state = folder / "state"
    assert state.stat().st_mode & 0o077 == 0
    assert [each for each in state.rglob("*") if each.stat().st_mode & 0o077] == []
    rows = [
        msgspec.json.decode(line, type=AuditRow)
        for line in (state / "audit.jsonl").read_bytes().splitlines()
    ]
    assert first_broken(rows) is None
    assert {"PUT /api/config", "POST /api/session"} <= {row.entry.action for row in rows}


def _spellings(canary: str) -> set[bytes]:
    raw = canary.encode()
    return {
        raw,
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw).rstrip(b"="),
        quote(canary, safe="").encode(),
        raw.hex().encode(),
    }


def test_an_open_bind_ends_with_78_and_one_clear_line(tmp_path: Path) -> None:
    """S2, by the real command; the table of binds is in the unit tests."""
    file = tmp_path / "mine.toml"
    file.write_text(f'[app]\nhost = "{OPEN}"\n', "utf-8")
    ended = command("web", "--config", str(file), folder=tmp_path)
    assert ended.returncode == 78
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("virtuoso: expected a token")
