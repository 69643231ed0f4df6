"""The past as it is served: from the store, within bounds, and honest where it is not there."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from support.stores import Opened, opened
from virtuoso.adapters.store.archive import SqlArchive
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.history import Gap, GapKind, GapReason
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.ports import Archive
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import (
    BITCOIN,
    ETHER,
    LIVE,
    kept_derivatives,
    kept_overview,
    kept_score,
)
from virtuoso.web.app import create_app
from virtuoso.wire.follower import Follower
from virtuoso.wire.records import iso

STEP = 30 * SECOND
SCORES = "/api/symbols/BTCUSDT/scores/history"
SIMULATED = {"source": "simulator"}


def client_of(archive: Archive | None, clock: FakeClock) -> httpx.AsyncClient:
    """A web process whose engine has said nothing yet."""
    follower = Follower(FakeCache(clock), FakeBroker(), clock)
    app = create_app(follower, clock, archive=archive)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


@dataclass
class Site:
    """A web process and the store it reads."""

    http: httpx.AsyncClient
    kept: Opened

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """GET a document."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refused(self, path: str, **query: str) -> tuple[int, str]:
        """GET what is refused: status and code."""
        answer = await self.http.get(path, params=query)
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.status_code, answer.json()["code"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """Two hours of two symbols."""
    clock = FakeClock()
    async with opened(place_of("", tmp_path), clock) as kept:
        first = START - 2 * HOUR
        for series in (BITCOIN, ETHER, LIVE):
            rows = [
                kept_score(first + n * STEP, series, 40.0 + n % 40, "one" if n < 120 else "two")
                for n in range(240)
            ]
            kept.store.put(rows)
        kept.store.put([kept_score(START, ETHER, 91.5), kept_score(START, BITCOIN, None)])
        kept.store.put([kept_derivatives(first + n * 5 * MINUTE) for n in range(24)])
        kept.store.put([kept_overview(first + n * STEP) for n in range(241)])
        hole = Gap(BITCOIN, GapKind.SCORES, Millis(START), None, GapReason.NO_SCORE, "gap")
        kept.store.put([hole])
        await kept.store.flush()
        async with client_of(kept.archive, clock) as http:
            yield Site(http, kept)


async def test_scores_of_any_time_are_served_with_holes_and_definitions(site: Site) -> None:
    """The points of a resolution, where the rules changed, and where nothing is known."""
    found = await site.get(
        SCORES, **SIMULATED, **{"from": iso(START - HOUR), "to": iso(START + 1), "resolution": "5m"}
    )
    assert (found["status"], found["data_source"], found["step_ms"]) == (
        "success",
        "store",
        300_000,
    )
    assert found["sources"] == ["simulator"]
    assert [at for at, _ in found["points"]] == [START - HOUR + n * 5 * MINUTE for n in range(13)]
    assert found["points"][-1] == [START, None]
    assert [name for _, name in found["definitions"]] == ["two", "abcdef012345"]
    assert found["gaps"][0]["reason"] == "no_score"
    assert found["components"] is None
    raw = await site.get(
        SCORES, **SIMULATED, **{"from": iso(START - HOUR), "resolution": "raw", "components": "1"}
    )
    assert len(raw["points"]) == len(raw["components"]) == 121
    at, scores, points, confidence, coverage = raw["components"][0]
    assert (at, len(scores), len(points)) == (START - HOUR, 6, 6)
    assert (scores[0], points[0]) == (None, None)
    assert (confidence, coverage) == (32.0, 0.8333)


async def test_the_board_of_an_instant_is_as_it_was(site: Site) -> None:
    """The strongest first, symbols without a score last, and the market as a whole beside it."""
    found = await site.get("/api/history/board", at=iso(START + 10_000), **SIMULATED)
    assert [each["symbol"] for each in found["symbols"]] == ["ETHUSDT", "BTCUSDT"]
    ether, bitcoin = found["symbols"]
    assert (ether["confluence_score"], ether["at"], ether["source"]) == (91.5, START, "simulator")
    assert ether["absent"] == {"orderbook": "gap"}
    assert (bitcoin["confluence_score"], bitcoin["reason"]) == (None, "warming_up")
    assert found["market"]["market_regime"] == "ranging"
    then = await site.get("/api/history/board", at=iso(START - HOUR), **SIMULATED)
    assert {each["at"] for each in then["symbols"]} == {START - HOUR}
    never = await site.get("/api/history/board", at=iso(START - 9 * DAY), **SIMULATED)
    assert (never["status"], never["symbols"]) == ("degraded", [])
    assert "nothing was recorded" in never["reasons"][0]


async def test_live_and_simulated_rows_are_never_in_one_answer(site: Site) -> None:
    """Who does not say which gets those of the board that is shown; without one, live ones."""
    found = await site.get("/api/history/board", at=iso(START))
    assert found["sources"] == ["bybit", "binance", "ccxt"]
    assert {each["source"] for each in found["symbols"]} == {"bybit"}
    assert {each["symbol"] for each in found["symbols"]} == {"BTCUSDT"}


async def test_derivatives_and_the_market_as_a_whole_have_a_past_too(site: Site) -> None:
    """Each with its resolution, from the store."""
    beside = await site.get("/api/symbols/BTCUSDT/derivatives/history", **SIMULATED)
    assert len(beside["points"]) == 24
    assert beside["points"][0]["open_interest"] == 5_000.0
    market = await site.get("/api/history/overview", resolution="30m", **SIMULATED)
    assert [each["scored"] for each in market["points"]] == [29] * 5


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        (SCORES, "time,score,source,label,as_of"),
        (f"{SCORES}?components=true", "time,score,orderbook,orderflow,"),
        ("/api/symbols/BTCUSDT/derivatives/history", "time,venue,funding_8h,"),
        ("/api/history/overview", "time,row_source,symbols,scored,"),
        (f"/api/history/board?at={iso(START)}", "time,symbol,venue,row_source,confluence_score,"),
    ],
)
async def test_the_past_is_the_same_as_csv_and_parquet(site: Site, path: str, columns: str) -> None:
    """Every row says SIMULATED, or RECORDED of a venue: nothing of it is the present."""
    query = SIMULATED | {"format": "csv"}
    asked = httpx.URL(path).copy_merge_params(query)
    answer = await site.http.get(asked)
    head, *rows = answer.text.splitlines()
    assert head.startswith(columns)
    assert rows
    assert all(",simulator,SIMULATED,20" in row for row in rows)
    packed = await site.http.get(asked.copy_set_param("format", "parquet"))
    table = pq.read_table(io.BytesIO(packed.content))
    assert table.column_names == head.split(",")
    assert table.num_rows == len(rows)


async def test_recorded_rows_of_a_venue_are_not_called_live(site: Site) -> None:
    """A file of the past cannot be taken for the present."""
    answer = await site.http.get("/api/history/board", params={"at": iso(START), "format": "csv"})
    assert answer.headers["x-virtuoso-label"] == "RECORDED"
    assert "LIVE" not in answer.text


async def test_what_cannot_be_asked_is_refused_with_a_sentence(site: Site) -> None:
    """Times, spans, resolutions, sources and symbols."""
    assert await site.refused(SCORES, **{"from": "yesterday"}) == (400, "impossible_time")
    same = iso(START)
    assert await site.refused(SCORES, **{"from": same, "to": same}) == (400, "impossible_span")
    assert await site.refused(SCORES, resolution="7m") == (400, "unknown_resolution")
    assert await site.refused(SCORES, source="mars") == (400, "unknown_source")
    long = {"from": iso(START - 300 * DAY), "resolution": "raw"}
    assert await site.refused(SCORES, **long) == (400, "too_long")
    many = {"from": iso(START - 300 * DAY), "resolution": "30s", "components": "1"}
    assert await site.refused(SCORES, **many) == (400, "too_many")
    assert await site.refused("/api/symbols/btc;drop/scores/history", source="simulator") == (
        400,
        "impossible_symbol",
    )
    assert await site.refused("/api/history/board") == (422, "invalid")


async def test_a_store_that_is_off_or_away_is_a_503_that_says_so(tmp_path: Path) -> None:
    """And the rest of the pages does not notice."""
    clock = FakeClock()
    async with client_of(None, clock) as http:
        answer = await http.get("/api/history/board", params={"at": iso(START)})
        assert (answer.status_code, answer.json()["code"]) == (503, "history_off")
    archive = SqlArchive(place_of("", tmp_path / "nowhere"))
    async with client_of(archive, clock) as http:
        answer = await http.get(SCORES, params={"resolution": "1h"})
        assert (answer.status_code, answer.json()["code"]) == (503, "history_unavailable")
        assert (await http.get("/health/live")).status_code == 200
    await archive.close()
