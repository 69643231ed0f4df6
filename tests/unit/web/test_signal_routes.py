"""Signals as they are served: filtered, paged, with their steps, and counted with every n."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.stores import Opened, opened
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import place_of
from virtuoso.apps.signal_record import SignalRecords
from virtuoso.domain.scores import Direction
from virtuoso.domain.signals import Outcome, Signal, SignalEvent, SignalState
from virtuoso.domain.time import DAY, HOUR, MINUTE, Millis
from virtuoso.ports import Archive
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import ETHER, LIVE, signal
from virtuoso.web.app import create_app
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import SCHEMA, Document, to_json
from virtuoso.wire.records import iso
from virtuoso.wire.signals import SignalsDocument, signal_record

PATH = "/api/signals"
SIMULATED = {"source": "simulator"}
OVER = replace(
    signal("over", START - 2 * MINUTE),
    state=SignalState.CLOSED,
    outcome=Outcome.TARGET,
    closed_at=Millis(START),
    exit_price=92_000.0,
    targets_hit=2,
    r=2.0,
    atr=0.004,
    best_excursion=0.011,
    worst_excursion=-0.002,
    followed_to=Millis(START),
)


@dataclass
class Site:
    """A web process, the store it reads, and what the engine published."""

    http: httpx.AsyncClient
    kept: Opened
    cache: FakeCache

    async def get(self, path: str = PATH, **query: str) -> dict[str, Any]:
        """GET a document."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def names(self, **query: str) -> list[str]:
        """The ids that are listed."""
        return [each["id"] for each in (await self.get(**query))["signals"]]

    async def refused(self, path: str, **query: str) -> tuple[int, str]:
        """GET what is refused: status and code."""
        answer = await self.http.get(path, params=query)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["code"]


def site_of(archive: Archive | None, cache: FakeCache, clock: FakeClock) -> httpx.AsyncClient:
    """A web process over this archive."""
    follower = Follower(cache, FakeBroker(), clock)
    count = None if archive is None else SignalRecords(archive, clock).count
    app = create_app(follower, clock, archive=archive, count_signals=count)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def publish(cache: FakeCache, *signals: Signal) -> None:
    """Say what an engine holds, newest first."""
    body = to_json(
        SignalsDocument(
            "success",
            iso(START),
            None,
            signals[0].series.source,
            "cache",
            tuple(signal_record(each) for each in signals),
        )
    )
    document = Document(SCHEMA, "epoch", 1, START, None, '"tag"', body)
    await cache.set(keys.SIGNALS, Codec().encode(keys.SIGNALS, document), 60_000)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Five simulated signals and a live one."""
    clock = FakeClock()
    cache = FakeCache(clock)
    async with opened(place_of("", tmp_path), clock) as kept:
        step = SignalEvent("over", Millis(START), SignalState.CLOSED, "last_target", 92_000.0)
        await kept.ledger.add_signal(OVER, [step])
        for number in range(3):
            await kept.ledger.add_signal(signal(f"s{number}", START + number * MINUTE))
        bear = replace(signal("bear", START + HOUR, ETHER), direction=Direction.BEARISH)
        await kept.ledger.add_signal(bear)
        await kept.ledger.add_signal(signal("live", START, LIVE))
        async with site_of(kept.archive, cache, clock) as http:
            yield Site(http, kept, cache)


async def test_signals_are_listed_newest_first_and_page_by_page(site: Site) -> None:
    """`next` names where the next page begins; the last one has none."""
    first = await site.get(limit="3", **SIMULATED)
    assert [each["id"] for each in first["signals"]] == ["bear", "s2", "s1"]
    assert first["next"] == "s1"
    second = await site.get(limit="3", before=first["next"], **SIMULATED)
    assert [each["id"] for each in second["signals"]] == ["s0", "over"]
    assert second["next"] is None


async def test_signals_are_found_by_what_is_asked(site: Site) -> None:
    """Symbol, state, direction and time."""
    assert await site.names(symbol="ETHUSDT", **SIMULATED) == ["bear"]
    assert await site.names(direction="Bearish", **SIMULATED) == ["bear"]
    assert await site.names(state="closed,expired", **SIMULATED) == ["over"]
    after = {"from": iso(START + MINUTE), "to": iso(START + HOUR)}
    assert await site.names(**after, **SIMULATED) == ["s2", "s1"]


async def test_live_and_simulated_signals_are_never_in_one_answer(site: Site) -> None:
    """Without an engine live ones are meant; simulated ones say so."""
    found = await site.get()
    assert [each["id"] for each in found["signals"]] == ["live"]
    assert found["sources"] == ["bybit", "binance", "ccxt"]
    assert found["signals"][0]["simulated"] is False
    assert all(each["simulated"] for each in (await site.get(**SIMULATED))["signals"])


async def test_one_signal_is_given_with_its_result_and_its_steps(site: Site) -> None:
    """In units of its risk and in percent."""
    found = await site.get(f"{PATH}/over")
    one = found["signal"]
    assert (one["state"], one["outcome"], one["r"]) == ("closed", "last_target", 2.0)
    assert one["return_percent"] == pytest.approx(100 * (92_000.0 / 91_000.25 - 1))
    assert one["best_excursion_r"] == pytest.approx(0.011 / 0.006)
    assert one["confidence"] == 40.0
    assert one["components"]["orderbook"] == {"score": None, "points": None, "reason": "gap"}
    assert [each["what"] for each in found["steps"]] == ["last_target"]


async def test_an_open_signal_is_shown_as_the_engine_has_it_now(site: Site) -> None:
    """It writes progress down each five minutes only; what is written later wins."""
    now = replace(
        signal("s0"), followed_to=Millis(START + 4 * MINUTE), best_excursion=0.003, last_price=1.0
    )
    await publish(site.cache, now, OVER)
    by_id = {each["id"]: each for each in (await site.get(**SIMULATED))["signals"]}
    assert by_id["s0"]["followed_to"] == START + 4 * MINUTE
    assert (await site.get(f"{PATH}/s0"))["signal"]["best_excursion"] == 0.003
    assert (await site.get(**SIMULATED))["as_of"] == START + 4 * MINUTE


async def test_statistics_count_and_say_too_few(site: Site) -> None:
    """Counts are facts at any n; a rate needs thirty."""
    found = await site.get(f"{PATH}/statistics", **SIMULATED)
    cells = {(each["symbol"], each["direction"]): each for each in found["cells"]}
    cell = cells["BTCUSDT", "Bullish"]
    assert (cell["n"], cell["open"], cell["standing"]) == (1, 3, "too_few")
    assert cell["first_target"] == {
        "n": 1, "hits": 1, "rate": None, "low": None, "high": None, "n_eff": None,
        "reason": "too_few",
    }  # fmt: skip
    assert cell["mean_r"]["mean"] is None
    assert cells["*", "Bearish"]["open"] == 1
    (live,) = (await site.get(f"{PATH}/statistics", symbol="BTCUSDT"))["cells"][1:]
    assert (live["n"], live["open"]) == (0, 1)


async def test_enough_signals_have_a_rate_with_its_interval(site: Site) -> None:
    """Forty on forty days."""
    for day in range(40):
        each = replace(
            OVER,
            id=f"day{day}",
            series=ETHER,
            opened_at=Millis(START - (day + 2) * DAY),
            targets_hit=day % 2,
            r=2.0 if day % 2 else -1.0,
        )
        await site.kept.ledger.add_signal(each)
    query = {"symbol": "ETHUSDT", "direction": "Bullish", **SIMULATED}
    cell = (await site.get(f"{PATH}/statistics", **query))["cells"][1]
    rate = cell["first_target"]
    assert (rate["hits"], rate["n"], rate["rate"]) == (20, 40, 0.5)
    assert rate["low"] < 0.5 < rate["high"]
    assert cell["mean_r"]["low"] < 0.5 < cell["mean_r"]["high"]
    assert (cell["mean_r"]["mean"], cell["standing"]) == (0.5, "early")
    assert cell["worst_excursion"] == -0.002


async def test_without_the_store_what_the_engine_holds_is_given_and_marked(tmp_path: Path) -> None:
    """Open ones and the last ended; statistics and steps are not made up."""
    clock = FakeClock()
    cache = FakeCache(clock)
    archive = SqlArchive(place_of("", tmp_path / "nothing"))
    async with site_of(archive, cache, clock) as http:
        answer = await http.get(PATH, params=SIMULATED)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_signals")
        await publish(cache, signal("s0"), OVER)
        found = (await http.get(PATH, params={**SIMULATED, "state": "active"})).json()
        assert (found["status"], found["data_source"]) == ("degraded", "cache")
        assert [each["id"] for each in found["signals"]] == ["s0"]
        assert "store cannot be read" in found["reasons"][0]
        assert (await http.get(PATH)).json()["signals"] == []
        one = (await http.get(f"{PATH}/over")).json()
        assert (one["status"], one["steps"]) == ("degraded", [])
        counted = await http.get(f"{PATH}/statistics")
        assert (counted.status_code, counted.json()["code"]) == (503, "history_unavailable")
    await archive.close()
    async with site_of(None, cache, clock) as http:
        assert (await http.get(f"{PATH}/statistics")).json()["code"] == "history_off"


async def test_what_cannot_be_is_refused(site: Site) -> None:
    """As a problem, and nothing of the request is repeated."""
    cases: tuple[tuple[str, dict[str, str], tuple[int, str]], ...] = (
        (f"{PATH}/nobody", {}, (404, "unknown_signal")),
        (PATH, {"state": "won"}, (422, "invalid")),
        (PATH, {"direction": "Neutral"}, (422, "invalid")),
        (PATH, {"source": "all"}, (422, "invalid")),
        (PATH, {"limit": "501"}, (422, "invalid")),
        (PATH, {"symbol": "b!"}, (400, "impossible_symbol")),
        (PATH, {"from": "yesterday"}, (422, "invalid")),
        (PATH, {"side": "long"}, (422, "unknown_parameter")),
        (PATH, {"before": "nobody"}, (422, "unknown_place")),
        (PATH, {"from": iso(START), "to": iso(START)}, (400, "impossible_span")),
        (f"{PATH}/statistics", {"from": iso(START), "to": iso(0)}, (400, "impossible_span")),
        (f"{PATH}/statistics", {"state": "closed"}, (422, "unknown_parameter")),
    )
    for path, query, refusal in cases:
        assert await site.refused(path, **query) == refusal


async def test_the_schema_says_what_is_sent(site: Site) -> None:
    """Every route with its model, and a 503 that is a problem."""
    paths = (await site.get("/openapi.json"))["paths"]
    for path, kind in (
        (PATH, "SignalsPage"),
        (f"{PATH}/{{signal}}", "SignalDocument"),
        (f"{PATH}/statistics", "SignalStatistics"),
        ("/api/patterns", "PatternsDocument"),
    ):
        said = paths[path]["get"]["responses"]
        assert said["200"]["content"]["application/json"]["schema"]["$ref"].endswith(f"/{kind}")
    refused = paths[PATH]["get"]["responses"]["503"]["content"]
    assert list(refused) == ["application/problem+json"]
