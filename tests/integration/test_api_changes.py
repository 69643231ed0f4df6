"""What can be changed over the API: every answer is one that OpenAPI names, whatever is sent.

The write token is shown and nothing is asked too often here, so that what is sent reaches the
engine's answers; without a token the same is fuzzed in `test_api.py`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from support.guarded import WRITE_TOKEN, bearer
from support.settings_editor import editor
from support.stores import opened
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.rule_shelf.file import FileRules
from virtuoso.adapters.store.database import place_of
from virtuoso.apps.alert_service import AlertService
from virtuoso.apps.answering import Answering
from virtuoso.domain.alerts import Alert, AlertLevel
from virtuoso.domain.scores import Source
from virtuoso.domain.secret import SecretText
from virtuoso.engine.alerts import AlertDesk, AlertSettings
from virtuoso.engine.rule_book import RuleBook
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.web.alert_routes import add_alerts
from virtuoso.web.app import create_app
from virtuoso.web.asking import Asking
from virtuoso.web.config_routes import add_config
from virtuoso.web.security.gate import Credentials, Gate
from virtuoso.web.security.guard import Guard
from virtuoso.web.security.routes import takes_change
from virtuoso.web.server import bind, serve_on
from virtuoso.wire.alerts import ALERTS
from virtuoso.wire.codec import Codec
from virtuoso.wire.config import SETTINGS
from virtuoso.wire.follower import Follower

OFTEN = 100_000
HEADERS = {**bearer(WRITE_TOKEN), "x-virtuoso": "1"}
ST = Path(sys.executable).with_name("st")
CHECKS = """
[checks.positive_data_acceptance]
# the schema cannot say which keys, numbers and words there are, nor what was seen last;
# a cookie without an Origin comes from no browser
expected-statuses = [200, 400, 403, 404, 409, 412, 422, 428]
"""
RULE = {
    "id": "btc-high",
    "title": "Bitcoin leans up",
    "kind": "confluence",
    "level": "warning",
    "when": {"number": "score", "is": "at_least", "limit": 70},
}


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[str]:
    """Serve the API on a free port over the engine's own answers, a store and one alert."""
    clock, broker, codec = SystemClock(), MemoryBroker(), Codec()
    async with opened(place_of("", folder / "state"), clock) as kept:
        alert = Alert(
            "an-alert",
            clock.now(),
            AlertLevel.WARNING,
            "btc-high",
            "confluence",
            "bybit",
            "BTCUSDT",
            "Bitcoin leans up",
            {"score": 71.0},
        )
        await kept.ledger.add_alert(alert)
        book = RuleBook((), FileRules(folder / "rules.json"))
        desk = AlertDesk(
            kept.ledger, kept.archive, book, clock, Source.BYBIT, AlertSettings(channels=("log",))
        )
        service = AlertService(
            desk, kept.archive, clock, (Source.BYBIT,), ("log",), why_read_only=lambda: None
        )
        made, _ = editor(folder)
        config = Asking(SETTINGS, broker, codec, clock)
        alerts = Asking(ALERTS, broker, codec, clock)
        follower = Follower(FakeCache(clock), broker, clock)
        app = create_app(
            follower,
            clock,
            archive=kept.archive,
            more=(
                lambda api: add_config(api, config),
                lambda api: add_alerts(api, alerts, kept.archive, follower, clock),
            ),
        )
        gate = Gate(Credentials(write_token=SecretText(WRITE_TOKEN)), clock, key=b"k" * 32)
        takes = takes_change(app.routes)
        guarded = Guard(app, gate, clock, takes_change=takes, changes=OFTEN, dress=False)
        listener, up = bind("127.0.0.1", 0), asyncio.Event()
        tasks = [
            asyncio.create_task(each)
            for each in (
                desk.run(),
                config.run(),
                alerts.run(),
                Answering(SETTINGS, made.answer, broker, codec, clock, "engine").run(),
                Answering(ALERTS, service.answer, broker, codec, clock, "engine").run(),
                serve_on(guarded, listener, started=up),
            )
        ]
        async with asyncio.timeout(40):
            await up.wait()
            while desk.part().text.startswith("it is not known"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def a_client(url: str) -> httpx.AsyncClient:
    """Somebody who may change everything."""
    return httpx.AsyncClient(base_url=url, trust_env=False, headers=HEADERS)


async def test_no_change_is_answered_otherwise_than_openapi_says(tmp_path: Path) -> None:
    """Schemathesis with all its checks over every PUT, POST and DELETE, good and bad input."""
    (tmp_path / "checks.toml").write_text(CHECKS, "utf-8")
    async with site(tmp_path) as url:
        command = ["--config-file", "checks.toml", "run", f"{url}/openapi.json"]
        command += ["--checks", "all", "--exclude-checks", "ignored_auth"]
        command += ["-H", f"authorization: {HEADERS['authorization']}"]
        for method in ("PUT", "POST", "DELETE"):
            command += ["--include-method", method]
        command += ["--max-examples", "1", "--phases", "examples,coverage"]
        command += ["--generation-database", "none", "--no-color", "--request-timeout", "10"]
        found = await asyncio.create_subprocess_exec(
            str(ST),
            *command,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(120):
            said, _ = await found.communicate()
    assert found.returncode == 0, said.decode()[-4_000:]
    assert b"Test cases:" in said


async def test_a_rule_is_put_seen_and_removed_with_the_version_that_was_read(
    tmp_path: Path,
) -> None:
    """The optimistic lock of the rules, end to end; and an alert is acknowledged once."""
    async with site(tmp_path) as url, a_client(url) as http:
        path = "/api/alerts/rules"
        first = (await http.get(path)).headers["etag"]
        put = await http.put(f"{path}/btc-high", json=RULE, headers={"if-match": first})
        assert put.status_code == 200
        late = await http.put(f"{path}/btc-high", json=RULE, headers={"if-match": first})
        assert (late.status_code, late.json()["code"]) == (412, "changed")
        rules = (await http.get(path)).json()["rules"]
        assert [(each["rule"]["id"], each["own"]) for each in rules] == [("btc-high", True)]
        gone = await http.delete(f"{path}/btc-high", headers={"if-match": put.headers["etag"]})
        assert gone.status_code == 200
        seen = "/api/alerts/an-alert/acknowledge"
        assert (await http.post(seen, json={"note": "seen"})).json()["state"] == "acknowledged"
        assert (await http.post(seen, json={})).json()["code"] == "wrong_state"
        assert (await http.post("/api/alerts/none/resolve", json={})).status_code == 404
        one = (await http.get("/api/alerts/an-alert")).json()
        assert (one["id"], one["state"]) == ("an-alert", "acknowledged")
        assert (await http.get("/api/alerts/none")).status_code == 404
        listed = (await http.get("/api/alerts", params={"state": "acknowledged"})).json()
        assert [each["id"] for each in listed["alerts"]] == ["an-alert"]


@pytest.mark.parametrize(
    ("path", "allow"), [("/api/config", "GET, HEAD, PUT"), ("/api/alerts/rules", "GET, HEAD")]
)
async def test_another_method_learns_which_are_used(tmp_path: Path, path: str, allow: str) -> None:
    """405 names the methods of this very address."""
    async with site(tmp_path) as url, a_client(url) as http:
        answer = await http.request("PATCH", path, json={})
        assert (answer.status_code, answer.headers["allow"]) == (405, allow)
