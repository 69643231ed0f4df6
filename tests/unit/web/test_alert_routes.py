"""Alerts over the API: who may change what, what is refused, and what an acknowledgement does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.guarded import HOST, JSON, ORIGIN, READ_TOKEN, WRITE_TOKEN, MemoryAudit, bearer
from support.stores import Opened, opened
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.rule_shelf.file import FileRules
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import place_of
from virtuoso.alerting.rules import parse
from virtuoso.apps.alert_service import AlertService
from virtuoso.apps.answering import Answering
from virtuoso.domain.alerts import AlertLevel, DeliveryState
from virtuoso.domain.scores import Source
from virtuoso.domain.secret import SecretText
from virtuoso.domain.time import MINUTE, SECOND, Millis
from virtuoso.engine.alerts import AlertDesk, AlertSettings
from virtuoso.engine.rule_book import RuleBook
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import alert, delivery, kept_score
from virtuoso.web.alert_routes import add_alerts
from virtuoso.web.app import create_app
from virtuoso.web.asking import Asking
from virtuoso.web.security.gate import Credentials, Gate
from virtuoso.web.security.guard import Guard
from virtuoso.web.security.routes import takes_change
from virtuoso.wire.alerts import ALERTS
from virtuoso.wire.codec import Codec
from virtuoso.wire.follower import Follower

PATH = "/api/alerts"
READY_MADE = {
    "id": "ready",
    "title": "Comes with the program",
    "kind": "confluence",
    "level": "info",
    "when": {"number": "score", "is": "at_least", "limit": 70.0},
}
MINE = {**READY_MADE, "id": "mine", "title": "Mine", "symbols": ["BTCUSDT"]}
OFF = "The engine takes no change now."


@dataclass
class Site:
    """A guarded web process, an engine that answers it, and their store."""

    http: httpx.AsyncClient
    kept: Opened
    audit: MemoryAudit
    broker: MemoryBroker

    async def get(self, path: str = PATH, **query: str) -> dict[str, Any]:
        """GET a document."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def names(self, **query: str) -> list[str]:
        """The ids that are listed."""
        return [each["id"] for each in (await self.get(**query))["alerts"]]

    async def change(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str | None = WRITE_TOKEN,
        **headers: str,
    ) -> httpx.Response:
        """Ask for a change."""
        shown = {} if token is None else bearer(token)
        given = {**JSON, **shown, **{key.replace("_", "-"): text for key, text in headers.items()}}
        return await self.http.request(
            method, path, json={} if body is None else body, headers=given
        )


@pytest.fixture
def why_not() -> list[str | None]:
    """Why the engine takes no change; None: it takes them."""
    return [None]


@pytest.fixture
async def site(tmp_path: Path, why_not: list[str | None]) -> AsyncIterator[Site]:
    """Three alerts, of which one is resolved; a rule that comes with the program."""
    clock, broker, codec = FakeClock(), MemoryBroker(), Codec()
    async with opened(place_of("", tmp_path / "state"), clock) as kept:
        await kept.ledger.add_alert(alert("a1", START), [delivery("a1:discord", "a1")])
        critical = replace(alert("a2", START + MINUTE, AlertLevel.CRITICAL), symbol="ETHUSDT")
        await kept.ledger.add_alert(critical)
        await kept.ledger.add_alert(
            replace(alert("a3", START + 2 * MINUTE), kind="whale_trade", rule="whale-trade")
        )
        book = RuleBook((parse(READY_MADE),), FileRules(tmp_path / "rules.json"))
        desk = AlertDesk(
            kept.ledger, kept.archive, book, clock, Source.BYBIT, AlertSettings(("discord",))
        )
        service = AlertService(
            desk, kept.archive, clock, (Source.SIMULATOR,), ("discord",), lambda: why_not[0]
        )
        answering = Answering(ALERTS, service.answer, broker, codec, clock, "engine")
        asking = Asking(ALERTS, broker, codec, clock)
        follower = Follower(FakeCache(clock), FakeBroker(), clock)
        app = create_app(
            follower,
            clock,
            archive=kept.archive,
            more=(lambda api: add_alerts(api, asking, kept.archive, follower, clock),),
        )
        audit = MemoryAudit()
        credentials = Credentials(SecretText(READ_TOKEN), SecretText(WRITE_TOKEN), SecretText(""))
        gate = Gate(credentials, clock, public=False, key=b"k" * 32)
        guard = Guard(
            app, gate, clock, policy=None, audit=audit, takes_change=takes_change(app.routes)
        )
        tasks = [asyncio.create_task(each.run()) for each in (desk, answering, asking)]
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(guard, client=("127.0.0.1", 50_000)),
            base_url=ORIGIN,
            headers={"host": HOST, **bearer(READ_TOKEN)},
        ) as http:
            await asyncio.sleep(0.05)
            yield Site(http, kept, audit, broker)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_alerts_are_listed_with_how_they_were_told(site: Site) -> None:
    """Newest first, each with its deliveries, found by what is asked, page by page."""
    found = await site.get(limit="2")
    assert [each["id"] for each in found["alerts"]] == ["a3", "a2"]
    assert found["next"] == "a2"
    (last,) = (await site.get(limit="2", before="a2"))["alerts"]
    assert last["delivery"][0]["state"] == DeliveryState.PENDING.value
    assert last["details"]["score"] == 71.5
    assert await site.names(level="critical,info") == ["a2"]
    assert await site.names(symbol="ethusdt") == ["a2"]
    assert await site.names(kind="whale_trade") == ["a3"]
    assert await site.names(**{"from": str(START + MINUTE), "to": str(START + 2 * MINUTE)}) == [
        "a2"
    ]
    assert await site.names(source="bybit") == []


async def test_an_acknowledgement_is_kept_with_who_said_it(site: Site) -> None:
    """Once; resolving still goes, and after that nothing does."""
    answer = await site.change("POST", f"{PATH}/a1/acknowledge", {"note": "seen it"})
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    assert (await site.names(state="acknowledged")) == ["a1"]
    again = await site.change("POST", f"{PATH}/a1/acknowledge")
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert (await site.change("POST", f"{PATH}/a1/resolve")).status_code == 200
    assert (await site.change("POST", f"{PATH}/a1/resolve")).status_code == 409
    said = await site.kept.archive.acknowledgements("a1")
    assert [(each.state.value, each.note) for each in said] == [
        ("acknowledged", "seen it"),
        ("resolved", ""),
    ]
    assert all(each.by and WRITE_TOKEN not in each.by for each in said)


CHANGES = (
    ("POST", f"{PATH}/a1/acknowledge"),
    ("POST", f"{PATH}/a1/resolve"),
    ("POST", f"{PATH}/rules/rehearse"),
    ("PUT", f"{PATH}/rules/mine"),
    ("DELETE", f"{PATH}/rules/mine"),
)


async def test_a_change_needs_the_write_token(site: Site) -> None:
    """No token, a wrong one, and the one that only reads are refused; nothing changes."""
    for method, path in CHANGES:
        for token in (None, READ_TOKEN, WRITE_TOKEN[:-1] + "x"):
            answer = await site.change(method, path, MINE, token)
            assert answer.status_code in {401, 403}, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
    assert await site.names(state="active") == ["a3", "a2", "a1"]
    assert (await site.get(f"{PATH}/rules"))["version"] == 0


async def test_a_rule_is_put_changed_and_removed_by_its_version(site: Site) -> None:
    """Whoever has not seen the newest rules is told so."""
    put = await site.change("PUT", f"{PATH}/rules/mine", MINE)
    assert (put.status_code, put.headers["etag"]) == (200, '"rules-1"')
    rules = await site.get(f"{PATH}/rules")
    mine = next(each for each in rules["rules"] if each["rule"]["id"] == "mine")
    assert (mine["own"], mine["ready_made"]) == (True, False)
    assert {each["name"] for each in rules["numbers"]} >= {"score", "pattern.beta_expansion"}
    grouped = {**MINE, "symbols": [], "group": {"top": 20, "at_least": 5}}
    stale = await site.change("PUT", f"{PATH}/rules/mine", grouped, if_match='"rules-0"')
    assert (stale.status_code, stale.json()["code"]) == (412, "changed")
    fresh = await site.change("PUT", f"{PATH}/rules/mine", grouped, if_match='"rules-1"')
    assert fresh.status_code == 200
    rules = await site.get(f"{PATH}/rules")
    mine = next(each for each in rules["rules"] if each["rule"]["id"] == "mine")
    assert mine["rule"]["group"] == {"top": 20, "at_least": 5}
    assert (await site.change("DELETE", f"{PATH}/rules/mine")).status_code == 200
    gone = await site.change("DELETE", f"{PATH}/rules/mine")
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"when": {"number": "moon_phase", "is": "above", "limit": 1.0}}, "moon_phase"),
    ({"when": {"number": "score", "is": "above", "limit": "high"}}, "number"),
    ({"id": "another"}, "another id"),
    ({"level": "urgent"}, "info, warning or critical"),
    ({"channels": ["pigeon"]}, "not set up"),
    ({"group": {"top": 3}}, "found both"),
    ({"cooldown_seconds": -1}, "cooldown_seconds"),
    ({"quiet": "22-07"}, "quiet hours"),
    ({"title": ""}, "title"),
    ({"surprise": 1}, "unknown key"),
)


async def test_a_rule_that_makes_no_sense_is_refused_with_the_reason(site: Site) -> None:
    """The rules in force stay as they are."""
    for change, text in WRONG:
        answer = await site.change("PUT", f"{PATH}/rules/mine", {**MINE, **change})
        assert (answer.status_code, answer.json()["code"]) == (422, "wrong_rule"), change
        assert text in answer.json()["detail"], change
    assert (await site.get(f"{PATH}/rules"))["version"] == 0


async def test_a_question_that_cannot_be_is_refused(site: Site) -> None:
    """As a problem."""
    for query, refusal in (
        ({"level": "loud"}, (400, "wrong_level")),
        ({"state": "open"}, (400, "wrong_state")),
        ({"from": "yesterday"}, (400, "wrong_time")),
        ({"limit": "0"}, (422, "invalid")),
        ({"limit": "501"}, (422, "invalid")),
    ):
        answer = await site.http.get(PATH, params=query)
        assert (answer.status_code, answer.json()["code"]) == refusal
        assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_and_what_is_no_json_is_said(site: Site) -> None:
    """An id of nobody, a body that cannot be read, a version that is none."""
    nobody = await site.change("POST", f"{PATH}/nobody/resolve")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "not_found")
    broken = await site.http.put(
        f"{PATH}/rules/mine", content=b"{", headers={**JSON, **bearer(WRITE_TOKEN)}
    )
    assert (broken.status_code, broken.json()["code"]) == (422, "wrong_body")
    version = await site.change("PUT", f"{PATH}/rules/mine", MINE, if_match='"3"')
    assert (version.status_code, version.json()["code"]) == (400, "wrong_version")


async def test_a_rule_is_rehearsed_over_what_was_stored(site: Site) -> None:
    """How often it would have fired, over how many instants."""
    rows = [
        kept_score(START - n * 30 * SECOND, score=80.0 if n in {3, 50} else 60.0)
        for n in range(1, 100)
    ]
    site.kept.store.put(rows)
    await site.kept.store.flush()
    body = {"rule": {**MINE, "cooldown_seconds": 0}, "hours": 1}
    found = (await site.change("POST", f"{PATH}/rules/rehearse", body)).json()
    assert (found["fired"], found["moments"], found["symbols"]) == (2, 99, 1)
    wrong = {"rule": {**MINE, "when": {"number": "beta", "is": "above", "limit": 1.0}}}
    refused = await site.change("POST", f"{PATH}/rules/rehearse", wrong)
    assert (refused.status_code, refused.json()["code"]) == (422, "wrong_rule")


async def test_an_engine_that_takes_no_change_says_why(
    site: Site, why_not: list[str | None]
) -> None:
    """Reading goes on."""
    why_not[0] = OFF
    answer = await site.change("PUT", f"{PATH}/rules/mine", MINE)
    assert (answer.status_code, answer.json()["detail"]) == (403, OFF)
    assert (await site.get(f"{PATH}/rules"))["status"] == "success"


async def test_without_the_store_nothing_is_made_up(tmp_path: Path) -> None:
    """No alerts are known: 503, not an empty list."""
    clock = FakeClock()
    follower = Follower(FakeCache(clock), FakeBroker(), clock)
    asking = Asking(ALERTS, MemoryBroker(), Codec(), clock, deadline_s=0.05)
    archive = SqlArchive(place_of("", tmp_path / "nothing"))
    app = create_app(
        follower,
        clock,
        more=(lambda api: add_alerts(api, asking, archive, follower, clock),),
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1"
    ) as http:
        answer = await http.get(PATH)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_alerts")
        silent = await http.get(f"{PATH}/rules")
        assert (silent.status_code, silent.json()["code"]) == (503, "engine_silent")
    await archive.close()
    assert Millis(START) == clock.now()
