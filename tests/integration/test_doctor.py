"""`virtuoso doctor` against the simulator, well and unwell, with and without a running instance."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from support.processes import VIRTUOSO, free_port
from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.apps import doctor
from virtuoso.apps.doctor import DoctorOptions, Finding, Report, examine, to_text
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import default_settings
from virtuoso.domain.errors import SettingsError


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue."""
    async with running_venue(symbols=1) as running:
        yield running


def settings_of(folder: Path, port: int | None = None, monitor: int | None = None) -> Settings:
    """The defaults, with a state folder and ports of their own."""
    usual = default_settings()
    app = msgspec.structs.replace(
        usual.app, port=port or free_port(), monitoring_port=monitor or free_port()
    )
    state = msgspec.structs.replace(usual.state, dir=str(folder))
    return msgspec.structs.replace(usual, app=app, state=state)


async def look(settings: Settings, venue: Venue) -> tuple[Report, Mapping[str, Finding]]:
    """Examine, and give the findings by name as well."""
    options = DoctorOptions(f"simulator:127.0.0.1:{venue.port}")
    report = await examine(settings, options, {})
    return report, {each.name: each for each in report.findings}


async def test_a_well_venue_is_reached_both_ways(venue: Venue, tmp_path: Path) -> None:
    """REST and stream of both venues, the clocks, the folder; nothing runs, which is not wrong."""
    report, found = await look(settings_of(tmp_path), venue)
    for name in ("bybit REST", "bybit stream", "binance REST", "binance stream", "state folder"):
        assert found[name].status == "pass", found[name]
    assert "clocks agree" in found["bybit REST"].text
    assert "no Virtuoso runs" in found["running"].text
    assert {each.status for each in report.findings} <= {"pass", "warn"}


async def test_a_ban_is_told_with_its_end_and_kept(venue: Venue, tmp_path: Path) -> None:
    """The second look asks nothing any more; the streams are looked at all the same."""
    await venue.inject(fault="ban")
    report, found = await look(settings_of(tmp_path), venue)
    assert report.status == "fail"
    assert found["bybit REST"].text.startswith("banned until 20")
    await venue.inject(fault="clear")
    report, found = await look(settings_of(tmp_path), venue)
    assert "not asked, because it is banned until 20" in found["bybit REST"].text
    assert found["bybit stream"].status == "pass"
    bans = [each.text for each in report.findings if each.name == "bans"]
    assert len(bans) == 2
    assert all(f"127.0.0.1_{venue.port} until 20" in each for each in bans)


async def test_a_silent_venue_does_not_hold_it_up(
    venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All checks run side by side, each with its deadline."""
    monkeypatch.setattr(doctor, "REST_SECONDS", 1.0)
    monkeypatch.setattr(doctor, "STREAM_SECONDS", 1.0)
    await venue.inject(fault="silent_rest")
    await venue.inject(fault="freeze")
    began = time.monotonic()
    _, found = await look(settings_of(tmp_path), venue)
    assert time.monotonic() - began < 3 * SLACK
    assert found["bybit REST"].text == "no answer within 1 s"
    assert found["binance stream"].text == "no data within 1 s"


async def test_a_clock_that_is_off_is_a_warning(tmp_path: Path) -> None:
    """With the size and the direction of it."""
    async with running_venue(symbols=1, speed=1) as venue:
        report, found = await look(settings_of(tmp_path), venue)
        assert found["bybit REST"].status == "warn"
        assert "s ahead of the venue's" in found["bybit REST"].text
        assert report.status == "warn"


async def test_a_running_instance_is_asked(venue: Venue, tmp_path: Path) -> None:
    """Parts that are not well, symbols that are late, and those the venue gives nothing for."""
    health = {
        "status": "degraded",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "version": "1.2",
        "source": "bybit",
        "parts": [
            {
                "name": "feed",
                "status": "warn",
                "state": "delayed",
                "text": "one connection is late",
                "since": None,
                "last_good": None,
                "age_ms": None,
            }
        ],
        "reasons": [],
    }
    symbols = {
        "symbols": [
            {"symbol": "BTCUSDT", "state": "live", "missing": {}},
            {"symbol": "ETHUSDT", "state": "stale", "missing": {"orderflow": "no_feed"}},
        ]
    }

    async def answer(request: web.Request) -> web.Response:
        known = {"/health": health, "/api/monitoring/symbols": symbols}
        return web.json_response(known[request.path])

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        _, found = await look(settings_of(tmp_path, port, port), venue)
    finally:
        await runner.cleanup()
    assert found["running"].status == "warn"
    assert "Virtuoso 1.2" in found["running"].text
    assert found["running: feed"].text == "one connection is late"
    assert found["running: symbols"].text == "1 of 2 symbols are live; not: ETHUSDT"
    assert found["running: refused"].text.endswith("ETHUSDT")


async def test_something_else_at_our_port_is_wrong(venue: Venue, tmp_path: Path) -> None:
    """It is named, not taken for an answer."""
    _, found = await look(settings_of(tmp_path, venue.port), venue)
    assert found["running"].status == "fail"
    assert "does not answer as Virtuoso does" in found["running"].text


async def test_a_state_folder_that_cannot_be_is_wrong(venue: Venue, tmp_path: Path) -> None:
    """A ban would be forgotten."""
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    _, found = await look(settings_of(blocked / "state"), venue)
    assert found["state folder"].status == "fail"
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    _, found = await look(settings_of(open_to_all), venue)
    assert "chmod 700" in found["state folder"].text


@pytest.mark.parametrize("source", ["kraken", "simulator:", "simulator:8090", "replay:x"])
async def test_a_source_that_is_none_is_refused(tmp_path: Path, source: str) -> None:
    """With what was expected."""
    with pytest.raises(SettingsError, match="simulator:HOST:PORT"):
        await examine(settings_of(tmp_path), DoctorOptions(source), {})


def test_the_text_sums_up() -> None:
    """A line a finding, and the count of those that are not well."""
    report = Report("warn", "now", (Finding("a", "pass", "good"), Finding("bc", "warn", "odd")))
    assert to_text(report) == (
        "ok      a   good\nwarning bc  odd\n1 of 2 are not as they should be\n"
    )


@pytest.mark.process
async def test_the_command_says_all_and_ends_with_its_verdict(venue: Venue, tmp_path: Path) -> None:
    """As JSON, with exit code 1, when settings are wrong and a venue bans us."""
    await venue.inject(fault="ban")
    config = tmp_path / "mine.toml"
    config.write_text("[feed]\nbook_depth = 7\n", "utf-8")
    process = await asyncio.create_subprocess_exec(
        *VIRTUOSO,
        "doctor",
        "--json",
        "--source",
        f"simulator:127.0.0.1:{venue.port}",
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ) | {"XDG_STATE_HOME": str(tmp_path)},
    )
    async with asyncio.timeout(30 * SLACK):
        out, _ = await process.communicate()
    assert process.returncode == 1
    found = {each.name: each for each in msgspec.json.decode(out, type=Report).findings}
    assert "book_depth" in found["settings"].text
    assert found["bybit REST"].status == "fail"
    assert (tmp_path / "virtuoso").is_dir()
