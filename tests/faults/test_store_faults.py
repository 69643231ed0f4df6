"""What happens to the store when disk, file, server or process fail: F26, F35, F36, F37, F38."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from support.postgres import Postgres, postgres
from support.processes import Running, running, wait_for
from support.store_kills import kill_again_and_again
from support.stores import Opened, opened
from support.web_site import eventually
from virtuoso.adapters.store.backup import backup_file, backup_name, verify_file
from virtuoso.adapters.store.care import check, contents
from virtuoso.adapters.store.database import Place, place_of
from virtuoso.adapters.store.migrating import HEAD, migrate
from virtuoso.adapters.store.opening import prepare
from virtuoso.adapters.store.spool import SpoolingLedger
from virtuoso.domain.alerts import AlertFilter, DeliveryState
from virtuoso.domain.errors import StoreDamagedError, StoreUnavailableError
from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import DAY, Millis
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import alert, delivery, kept_score
from virtuoso.wire.records import iso

BTC = Symbol("BTCUSDT")
SIMULATED = (Source.SIMULATOR,)
HEALS_S = 5.0

pytestmark = [pytest.mark.fault]


async def until_healed(kept: Opened, seconds: float = HEALS_S) -> float:
    """Wait until what waited is written; gives the seconds it took."""
    began = time.monotonic()
    while kept.store.state.waiting or kept.store.state.error:
        assert time.monotonic() - began < seconds, kept.store.state
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def limit_pages(engine: Engine, pages: int) -> None:
    """Let a database have so many pages and no more, or not grow where it has more: a full disk."""

    @event.listens_for(engine, "connect")
    def _limit(link: sqlite3.Connection, _record: object) -> None:
        link.execute(f"PRAGMA max_page_count = {pages}")


async def test_a_full_disk_is_said_reading_goes_on_and_it_heals(tmp_path: Path) -> None:
    """F26: rows wait in memory, an alert's caller is told at once, nothing is lost by it."""
    place = place_of("", tmp_path)
    async with opened(place, FakeClock()) as kept:
        kept.store.put([kept_score(START - 1)])
        await kept.store.flush()
        engines = (kept.store._bulk, kept.store._ledger)
        for engine in engines:
            engine.dispose()
            limit_pages(engine, 1)
        rows = [kept_score(START + n) for n in range(3_000)]
        assert kept.store.put(rows)
        await eventually(lambda: kept.store.state.error, "an error")
        assert "full" in (kept.store.state.error or "")
        with pytest.raises(StoreUnavailableError, match="full"):
            await _many_alerts(kept)
        assert len(await kept.archive.marks(BTC, SIMULATED, 0, START + DAY)) == 1
        for engine in engines:
            engine.dispose()
            limit_pages(engine, 1_000_000)
        await until_healed(kept)
        assert len(await kept.archive.marks(BTC, SIMULATED, 0, START + DAY)) == 3_001
        assert kept.store.state.lost == 0
        assert await kept.ledger.add_alert(alert("after"))


async def test_a_locked_database_delays_rows_and_loses_none(tmp_path: Path) -> None:
    """F35: whoever puts them does not notice; a call that waits too long is told so."""
    place = place_of("", tmp_path)
    async with opened(place, FakeClock()) as kept:
        assert place.path is not None
        with closing(sqlite3.connect(place.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.perf_counter()
            kept.store.put([kept_score(START + n) for n in range(100)])
            assert time.perf_counter() - began < 0.05
            await asyncio.sleep(1.0)
            assert kept.store.state.waiting == 100
            assert await kept.archive.series() == []
            other.execute("COMMIT")
        await until_healed(kept)
        assert kept.store.state.written == 100


async def _many_alerts(kept: Opened) -> None:
    for number in range(300):
        await kept.ledger.add_alert(alert(f"a{number}"))


def flip(path: Path, seed: int) -> None:
    """Spoil some pages of a file."""
    rng = random.Random(seed)  # noqa: S311 - which bytes
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4_096):
        if rng.random() < 0.5:
            data[page * 4_096 : page * 4_096 + 64] = rng.randbytes(64)
    path.write_bytes(data)


async def _filled(place: Place) -> None:
    async with opened(place, FakeClock()) as kept:
        kept.store.put([kept_score(START + n) for n in range(500)])
        await kept.store.flush()


async def test_a_damaged_file_is_set_aside_and_the_newest_whole_backup_restored(
    tmp_path: Path,
) -> None:
    """F35: said aloud, nothing deleted, and a damaged backup is passed over."""
    place = place_of("", tmp_path / "state")
    path = place.path
    assert path is not None
    await _filled(place)
    whole = backup_name(path, Millis(START))
    assert backup_file(path, whole) == 500
    spoiled = backup_name(path, Millis(START + DAY))
    backup_file(path, spoiled)
    flip(spoiled, 2)
    with pytest.raises(StoreDamagedError):
        verify_file(spoiled)
    flip(path, 1)
    notice = prepare(place, Millis(START + DAY))
    assert notice is not None
    assert "20260719T120000Z" in notice
    assert "500 rows" in notice
    assert check(place) == []
    assert contents(place).rows["scores"] == 500
    aside = list(path.parent.glob("history.sqlite.damaged-*"))
    assert len(aside) == 1
    assert aside[0].stat().st_mode & 0o777 == 0o600
    assert prepare(place, Millis(START)) is None


async def test_a_file_damaged_while_it_is_written_is_replaced_without_a_restart(
    tmp_path: Path,
) -> None:
    """F35: what waits is written to the new file, and the notice says what happened."""
    place = place_of("", tmp_path / "state")
    path = place.path
    assert path is not None
    await _filled(place)
    async with opened(place, FakeClock()) as kept:
        flip(path, 3)
        kept.store._bulk.dispose()
        kept.store.put([kept_score(START + DAY + n) for n in range(10)])
        await until_healed(kept, 10.0)
        assert "was damaged" in (kept.store.state.notice or "")
        found = await kept.archive.marks(BTC, SIMULATED, START + DAY, START + 2 * DAY)
        assert len(found) == 10


def test_rubbish_in_the_place_of_the_store_does_not_stop_a_start(tmp_path: Path) -> None:
    """Without a backup it begins anew, and says so."""
    place = place_of("", tmp_path)
    (tmp_path / "history.sqlite").write_bytes(b"this is no database, " * 1_000)
    notice = prepare(place, Millis(START))
    assert notice is not None
    assert "there was no backup" in notice
    assert contents(place).step == HEAD


MIGRATE = """
import sys
from pathlib import Path
from virtuoso.adapters.store.database import place_of
from virtuoso.adapters.store.migrating import migrate
sys.stdout.write("begun\\n"); sys.stdout.flush()
migrate(place_of(sys.argv[1], Path()))
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_migration_that_is_killed_leaves_all_or_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """F37: at any instant; running it again is safe."""
    rng = random.Random(5)  # noqa: S311 - when to kill
    for number in range(5):
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/{number}.sqlite"
        else:
            url = request.getfixturevalue("postgres_server").new_database()
        place = place_of(url, tmp_path)
        process = subprocess.Popen(
            [sys.executable, "-c", MIGRATE, url], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        time.sleep(rng.random() * 0.25)
        process.kill()
        process.wait(10)
        process.stdout.close()
        found = contents(place) if place.path is None or place.path.exists() else None
        assert found is None or found.step in {None, HEAD}
        migrate(place)
        assert check(place) == []


def test_a_writer_that_is_killed_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """F38, a small share of it: `python -m support.store_kills` does it a thousand times."""
    toll = kill_again_and_again(tmp_path, 20)
    assert toll.acknowledged > 0
    assert (toll.lost, toll.halves) == (0, 0)


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A PostgreSQL that a test may kill."""
    with postgres() as found:
        yield found


async def test_a_killed_or_frozen_postgres_costs_no_row_and_is_told_in_time(
    server: Postgres, tmp_path: Path
) -> None:
    """F36: calls end within their deadline, rows wait, and all is written once it is back."""
    place = place_of(server.new_database(), tmp_path)
    async with opened(place, FakeClock()) as kept:
        kept.store.put([kept_score(START)])
        await kept.store.flush()
        for number, (hurt, cure) in enumerate(
            ((server.kill, server.start), (server.freeze, server.thaw))
        ):
            hurt()
            began = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await kept.ledger.add_alert(alert(f"lost{number}"))
            with pytest.raises(StoreUnavailableError):
                await kept.archive.series()
            assert time.monotonic() - began < 8.0
            assert kept.store.put([kept_score(START + 1 + number)])
            assert kept.store.state.waiting == 1
            await asyncio.to_thread(cure)
            # a batch that hangs is ended by the watchman, and the next one begins anew
            await until_healed(kept, 10.0)
            assert await kept.ledger.add_alert(alert(f"kept{number}"))
        found = await kept.archive.marks(BTC, SIMULATED, START, START + DAY)
        assert [at - START for at, _, _ in found] == [0, 1, 2]


def test_files_and_folders_are_for_nobody_else(tmp_path: Path) -> None:
    """S21: 0700 and 0600, the log beside the file included."""
    place = place_of("", tmp_path / "state")
    migrate(place)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    for each in (tmp_path / "state").iterdir():
        assert each.stat().st_mode & 0o777 == 0o600, each


async def test_alerts_are_spooled_while_postgres_is_away_and_drained_in_order(
    server: Postgres, tmp_path: Path
) -> None:
    """F36: committed at once, sent from the file, and on the server with their state later."""
    place, spool = place_of(server.new_database(), tmp_path), place_of("", tmp_path / "spool")
    async with opened(place, FakeClock()) as kept, opened(spool, FakeClock()) as beside:
        ledger = SpoolingLedger(kept.ledger, beside.store, beside.archive)
        assert await ledger.add_alert(alert("a0"), [delivery("d0", "a0")])
        server.kill()
        for number in (1, 2, 3):
            assert await ledger.add_alert(
                alert(f"a{number}", START + number), [delivery(f"d{number}", f"a{number}")]
            )
        taken = await ledger.claim_deliveries("discord", Millis(START), 30_000, 1)
        assert [each.id for each in taken] == ["d1"]
        assert await ledger.settle_delivery(replace(taken[0], state=DeliveryState.SENT))
        await asyncio.to_thread(server.start)
        taken = await ledger.claim_deliveries("discord", Millis(START), 30_000, 9)
        assert [each.id for each in taken] == ["d0", "d2", "d3"]
        for each in taken:
            assert await ledger.settle_delivery(replace(each, state=DeliveryState.SENT))
        found = await kept.archive.alerts(AlertFilter())
        assert [each.id for each in found] == ["a3", "a2", "a1", "a0"]
        assert await kept.archive.unsent() == 0
        assert await beside.archive.alerts(AlertFilter()) == []


@pytest.mark.process
def test_what_was_said_survives_the_kill_of_the_whole_system(tmp_path: Path) -> None:
    """F38, H2: charts, board and holes of before are served after it, and a hole between."""
    config = tmp_path / "settings.toml"
    config.write_text("[store]\nscore_seconds = 10\n", "utf-8")
    arguments = ("--symbols", "2", "--config", str(config))
    raw = "/api/symbols/BTCUSDT/scores/history?resolution=raw"

    def points(site: Running) -> list[list[float]] | None:
        found = site.get(raw).get("points")
        return found if isinstance(found, list) and len(found) > 1 else None

    with running(tmp_path, *arguments) as site:
        before = wait_for("two rows", lambda: points(site))
        site.stop(signal.SIGKILL)
    with running(tmp_path, *arguments) as site:
        wait_for("an answer", lambda: points(site))
        wait_for("a new row", lambda: (points(site) or [[0]])[-1][0] > before[-1][0])
        found = points(site) or []
        assert found[: len(before)] == before
        at = iso(int(before[-1][0]))
        board = site.get(f"/api/history/board?at={at}")
        assert board["status"] == "success"
        wait_for(
            "the chart of before",
            lambda: before[-1] in (site.get("/api/symbols/BTCUSDT/scores").get("points") or []),  # type: ignore[operator]
        )
