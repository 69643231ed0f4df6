"""What must outlive the process: audit rows, saved versions, ended sessions."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from virtuoso.adapters.audit import file as audit_file
from virtuoso.adapters.audit.file import FileAudit
from virtuoso.adapters.config_versions.files import FileConfigVersions
from virtuoso.adapters.revocations.file import FileRevocations
from virtuoso.domain.audit import AuditEntry, AuditRow, first_broken
from virtuoso.domain.config import ConfigVersion
from virtuoso.domain.errors import ConflictError, StateError
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START, FakeClock

ENTRY = AuditEntry(Millis(START), "web", "write token ****abcd", "127.0.0.1", "PUT /x", "asked")


def rows_of(path: Path) -> list[AuditRow]:
    """Read all rows of a file."""
    return [msgspec.json.decode(line, type=AuditRow) for line in path.read_bytes().splitlines()]


def version(number: int, values: str = '{"scoring.coverage_floor":0.6}') -> ConfigVersion:
    """Make a version."""
    return ConfigVersion(number, Millis(START), "Ann", "password", "why not", values)


async def test_rows_are_chained_over_processes_and_restarts(tmp_path: Path) -> None:
    """S21: two writers at once, one chain; and files nobody else reads."""
    path = tmp_path / "state" / "audit.jsonl"
    one, two = FileAudit(path), FileAudit(path)
    await asyncio.gather(*(each.append(ENTRY) for _ in range(20) for each in (one, two)))
    await one.close()
    await two.close()
    rows = rows_of(path)
    assert [row.number for row in rows] == list(range(1, 41))
    assert first_broken(rows) is None
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["changed", "removed", "swapped"])
async def test_a_row_that_was_touched_is_found(tmp_path: Path, damage: str) -> None:
    """None can be changed or taken out of the middle unseen."""
    audit = FileAudit(tmp_path / "audit.jsonl")
    rows = [await audit.append(replace(ENTRY, detail=str(number))) for number in range(5)]
    await audit.close()
    if damage == "changed":
        rows[2] = replace(rows[2], entry=replace(rows[2].entry, actor="nobody"))
    elif damage == "removed":
        del rows[2]
    else:
        rows[2], rows[3] = rows[3], rows[2]
    assert first_broken(rows) == (4 if damage != "changed" else 3)


async def test_a_row_cut_by_a_crash_is_cut_off_and_the_chain_goes_on(tmp_path: Path) -> None:
    """Crash-only: the next row stands where the half one stood."""
    path = tmp_path / "audit.jsonl"
    audit = FileAudit(path)
    await audit.append(ENTRY)
    with path.open("ab") as out:
        out.write(b'{"number":2,"entry":{"at":17')
    await audit.append(ENTRY)
    await audit.close()
    rows = rows_of(path)
    assert len(rows) == 2
    assert first_broken(rows) is None


async def test_a_full_file_is_set_aside_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first row of the new file is chained to the last of the old one."""
    monkeypatch.setattr(audit_file, "FILE_BYTES", 1_500)
    path = tmp_path / "audit.jsonl"
    audit = FileAudit(path)
    for _ in range(10):
        await audit.append(ENTRY)
    await audit.close()
    files = [*sorted(tmp_path.glob("audit-*.jsonl")), path]  # noqa: ASYNC240
    assert len(files) > 2
    rows = [row for file in files if file.exists() for row in rows_of(file)]
    assert [row.number for row in rows] == list(range(1, 11))
    assert first_broken(rows) is None


async def test_what_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """And never a change that nobody wrote down."""
    (tmp_path / "file").write_text("", "utf-8")
    audit = FileAudit(tmp_path / "file" / "audit.jsonl")
    with pytest.raises(StateError):
        await audit.append(ENTRY)
    await audit.close()


async def test_a_broken_version_leaves_the_last_good_one_in_force(tmp_path: Path) -> None:
    """F43: half a file, foreign bytes, a touched value, a file under another's name."""
    versions = FileConfigVersions(tmp_path)
    assert await versions.newest() is None
    for number in (1, 2, 3, 4, 5):
        await versions.add(version(number))
    whole = (tmp_path / "000005.json").read_bytes()
    (tmp_path / "000005.json").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "000004.json").write_bytes(b"\xff\x00")
    (tmp_path / "000003.json").write_bytes(whole.replace(b"0.6", b"0.9"))
    (tmp_path / "000006.json").write_bytes(whole)
    newest = await versions.newest()
    assert newest == version(2)
    assert versions.broken == ("000006.json", "000005.json", "000004.json", "000003.json")
    assert [each.number for each in await versions.last(10)] == [2, 1]
    assert await versions.find(4) is None
    assert await versions.next_number() == 7


async def test_a_number_is_taken_once_whoever_comes_first(tmp_path: Path) -> None:
    """The lock between processes: one of two that write at once is told."""
    one, two = FileConfigVersions(tmp_path), FileConfigVersions(tmp_path)
    await one.add(version(1))
    with pytest.raises(ConflictError):
        await two.add(version(1, "{}"))
    assert await two.newest() == version(1)
    assert os.listdir(tmp_path) == ["000001.json"]  # noqa: PTH208


async def test_a_crash_while_saving_leaves_nothing_half_written(tmp_path: Path) -> None:
    """What a kill leaves beside is no version."""
    versions = FileConfigVersions(tmp_path)
    await versions.add(version(1))
    (tmp_path / f".{os.getpid() + 1}.part").write_bytes(b'{"version":')
    assert await versions.newest() == version(1)
    assert versions.broken == ()


def test_an_ended_session_is_known_to_every_process_and_after_a_restart(tmp_path: Path) -> None:
    """A second later at most."""
    clock = FakeClock()
    here, there = (FileRevocations(tmp_path / "ended.txt", clock) for _ in range(2))
    assert not there.contains("a")
    here.add("a", Millis(START + 1_000))
    assert here.contains("a")
    clock.advance(1_000)
    assert there.contains("a")
    assert FileRevocations(tmp_path / "ended.txt", clock).contains("a")
