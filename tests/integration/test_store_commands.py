"""A backup and its restoring, as a person does it at the command line."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from support.stores import opened
from virtuoso.adapters.store.database import place_of
from virtuoso.apps.cli import main
from virtuoso.domain.signals import SignalEvent, SignalState
from virtuoso.domain.time import SECOND, Millis
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.testing.history_rows import alert, delivery, kept_score, signal

TABLES = ("scores", "signals", "signal_events", "alerts", "deliveries")

Rows = Mapping[str, Sequence[tuple[object, ...]]]


def rows_of(path: Path) -> Rows:
    """Every row of every table that matters."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as link:
        return {
            table: sorted(link.execute(f"SELECT * FROM {table}"), key=repr)  # noqa: S608
            for table in TABLES
        }


def store(*arguments: str) -> int:
    """`virtuoso store ...`; gives its exit code."""
    codes: list[int] = []
    main(["store", *arguments], leave=codes.append)
    return codes[0] if codes else 0


@pytest.fixture
async def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with scores, a signal and its step, an alert and its delivery."""
    monkeypatch.setenv("VIRTUOSO_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("VIRTUOSO_STORE_URL", raising=False)
    place = place_of("", tmp_path)
    clock = FakeClock()
    async with opened(place, clock) as kept:
        for number in range(50):
            kept.store.put([kept_score(START + 30 * number * SECOND)])
        await kept.store.flush()
        step = SignalEvent("s1", Millis(START), SignalState.ACTIVE, "opened", 91_000.25)
        await kept.ledger.add_signal(signal("s1"), [step])
        await kept.ledger.add_alert(alert("a1"), [delivery("d1", "a1")])
    assert place.path is not None
    return place.path


def test_a_backup_is_restored_with_the_very_same_rows(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With steps and deliveries; a store that is there is not replaced unasked."""
    before = rows_of(path)
    assert {table: len(rows) for table, rows in before.items()} == {
        "scores": 50, "signals": 1, "signal_events": 1, "alerts": 1, "deliveries": 1,
    }  # fmt: skip
    copy = tmp_path / "copy.sqlite"
    assert store("backup", "--out", str(copy)) == 0
    with closing(sqlite3.connect(path)) as link, link:
        link.execute("DELETE FROM scores")
        link.execute("UPDATE alerts SET state = 'resolved'")
    assert store("restore", str(copy)) != 0
    assert rows_of(path)["scores"] == []
    assert store("restore", str(copy), "--force") == 0
    assert rows_of(path) == before
    path.unlink()
    assert store("restore", str(copy)) == 0
    assert rows_of(path) == before
    assert store("check") == 0
    assert "52 rows" in capsys.readouterr().out


@pytest.mark.parametrize("fault", ["cut short", "a page overwritten", "no database", "empty"])
def test_a_damaged_backup_is_refused_and_the_store_stays_as_it_was(
    path: Path, tmp_path: Path, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--force` too: not a byte of the store changes, and the error says what was found."""
    copy = tmp_path / "copy.sqlite"
    assert store("backup", "--out", str(copy)) == 0
    whole = copy.read_bytes()
    middle = len(whole) // 2 // 4_096 * 4_096
    damaged = {
        "cut short": whole[:middle],
        "a page overwritten": whole[:middle] + b"\x5a" * 8_192 + whole[middle + 8_192 :],
        "no database": b"not a database\n" * 1_000,
        "empty": b"",
    }[fault]
    copy.write_bytes(damaged)
    before, bytes_before = rows_of(path), path.read_bytes()
    assert store("restore", str(copy), "--force") != 0
    assert path.read_bytes() == bytes_before
    assert rows_of(path) == before
    said = capsys.readouterr()
    assert "damaged" in said.err + said.out
    assert not list(tmp_path.glob("*.part"))
