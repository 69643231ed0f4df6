"""The recorder: quick to take, honest about what it could not keep."""

import os
import shutil
import time
from pathlib import Path

import pytest

from support.tapes import BTC, ETH, bybit_trade, make_recorder, recorded, write
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.recording.format import IndexEntry, Kind, unpack_lost
from virtuoso.adapters.feed.recording.reader import (
    chunks_of,
    faults_of,
    is_tape,
    open_tape,
    records_of,
)
from virtuoso.adapters.feed.recording.writer import Recorder, RecorderSettings
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BINANCE, BYBIT
from virtuoso.domain.market_data import Connected, Tick
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.testing.fake_clock import START


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    """Venue and UTC start in the name; the rest in the header and the footer."""
    connected = Connected(BYBIT, frozenset({BTC, ETH}), Millis(START))
    (path,) = recorded(tmp_path, [[connected], bybit_trade(START + 5, 1)], source=Source.SIMULATOR)
    assert path.name == "bybit-simulated-20260719T120000.000Z.tape.zst"
    assert is_tape(path)
    tape = open_tape(path)
    header, footer = tape.header, tape.footer
    assert (header.venue, header.source, header.version) == ("bybit", "simulator", "0.1.0")
    assert (header.part, header.started) == (1, START)
    assert footer is not None
    assert footer.symbols == ("BTCUSDT", "ETHUSDT")
    assert (footer.first, footer.last) == (START, START + 5)
    assert (footer.counts.frames, footer.counts.events, footer.counts.lost) == (1, 1, 0)
    (other,) = recorded(tmp_path / "b", [[Tick(Millis(1))]], venue=BINANCE, source=Source.BINANCE)
    assert other.name.startswith("binance-2026")
    assert faults_of(tape) == faults_of(open_tape(other)) == []


def test_two_recordings_of_the_same_moment_do_not_overwrite_each_other(tmp_path: Path) -> None:
    """The second takes the next free name."""
    recorded(tmp_path, [[Tick(Millis(1))]])
    recorded(tmp_path, [[Tick(Millis(2))]])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_part_is_finished_and_the_next_one_goes_on(tmp_path: Path) -> None:
    """Nothing is lost between them, and each knows its place."""
    entries = [("", START + at, os.urandom(100_000)) for at in range(60)]
    paths = recorded(tmp_path, entries, part_bytes=2_000_000)
    tapes = [open_tape(path) for path in paths]
    assert len(tapes) == 3
    assert [tape.header.part for tape in tapes] == [1, 2, 3]
    assert len({tape.header.session for tape in tapes}) == 1
    assert [tape.footer is not None and tape.footer.followed for tape in tapes] == [
        True,
        True,
        False,
    ]
    assert all(path.stat().st_size < 3_300_000 for path in paths)
    found = [record.body for tape in tapes for record in records_of(tape)]
    assert found == [frame for _, _, frame in entries]


def test_what_cannot_wait_is_lost_and_counted_where_it_is_missing(tmp_path: Path) -> None:
    """The feed is not held up; taken and lost records add up to all that came."""
    recorder = make_recorder(tmp_path, waiting_bytes=20_000)
    many = 20_000
    recorder.start()
    began = time.perf_counter()
    for at in range(many):
        recorder.frame("", Millis(at), b"x" * 100)
    assert time.perf_counter() - began < 2.0
    while recorder._taken_bytes > recorder._drained_bytes:
        assert time.perf_counter() - began < 10
        time.sleep(0.01)
    for at in range(many, many + 10):
        recorder.frame("", Millis(at), b"there is room again")
    recorder.close()
    tape = open_tape(next(tmp_path.iterdir()))
    assert faults_of(tape) == []
    at, lost = 0, 0
    for record in records_of(tape):
        if record.kind is Kind.LOST:
            gap = unpack_lost(record.body)
            assert (gap.first, gap.last) == (at, at + gap.records - 1)
            at += gap.records
            lost += gap.records
        else:
            assert record.receive_time == at
            at += 1
    assert at == many + 10
    assert lost == recorder.state().lost > 0


def test_a_full_disk_ends_the_recording_and_not_the_run(tmp_path: Path) -> None:
    """It says why, keeps no half chunk, and counts what was not written."""
    recorder = make_recorder(tmp_path, free_bytes=1 << 60)
    recorder.start()
    recorder.frame("", Millis(1), b"one")
    recorder.close()
    recorder.frame("", Millis(2), b"two")
    state = recorder.state()
    assert state.stopped is not None
    assert "would be left on the disk" in state.stopped
    assert (state.records, state.lost) == (0, 2)
    tape = open_tape(next(tmp_path.iterdir()))
    assert faults_of(tape) == []
    assert list(records_of(tape)) == []


def test_a_second_later_it_is_in_the_file(tmp_path: Path) -> None:
    """Read from a copy of the unfinished file, as it would be found after a crash."""
    settings = RecorderSettings(folder=tmp_path / "live", free_bytes=0)
    recorder = Recorder(settings, BYBIT, Source.BYBIT, "0.1.0", SystemClock())
    recorder.start()
    recorder.frame("", Millis(7), b"now")
    began = time.monotonic()
    copy = tmp_path / "copy.tape.zst"
    found: list[bytes] = []
    while not found and time.monotonic() - began < 5:
        shutil.copy(next((tmp_path / "live").iterdir()), copy)
        tape = open_tape(copy)
        assert tape.footer is None
        found = [record.body for record in records_of(tape)]
        time.sleep(0.02)
    took = time.monotonic() - began
    recorder.close()
    assert found == [b"now"]
    assert took < 1.5  # 0.9 s, and what a busy machine adds


def test_a_folder_that_cannot_be_written_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    """Said before anything starts."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="expected a folder for recordings"):
        make_recorder(tmp_path / "file").start()
    with pytest.raises(SettingsError, match="at least a byte"):
        make_recorder(tmp_path, part_bytes=0)


def test_a_time_is_found_without_reading_what_is_before_it(tmp_path: Path) -> None:
    """From the chunk on that reaches it, with or without a footer; nothing after it is missing."""
    entries = [("", START + 10 * at, os.urandom(300_000)) for at in range(60)]
    (path,) = recorded(tmp_path, entries)
    whole = open_tape(path)
    assert whole.footer is not None
    assert len(whole.footer.index) == whole.footer.chunks == 15
    cut = tmp_path / "cut.tape.zst"
    cut.write_bytes(path.read_bytes()[: whole.end])
    everything = list(records_of(whole))
    for tape in (whole, open_tape(cut)):
        for at in (START - 5, START, START + 115, START + 390, START + 590):
            found = list(records_of(tape, Millis(at)))
            assert found == everything[len(everything) - len(found) :]
            assert [each for each in found if each.receive_time >= at] == [
                each for each in everything if each.receive_time >= at
            ]
            assert sum(each.receive_time < at for each in found) < 4
        assert len(list(chunks_of(tape, Millis(START + 390)))) == 6
        assert list(records_of(tape, Millis(START + 600))) == []


def test_an_index_of_many_chunks_is_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays small, spread over all of the file, and every time is found as before."""
    monkeypatch.setattr("virtuoso.adapters.feed.recording.part._INDEX_ENTRIES", 4)
    monkeypatch.setattr("virtuoso.adapters.feed.recording.writer._CHUNK_BYTES", 1)
    entries = [("", START + at, b"%d" % at) for at in range(101)]
    (path,) = recorded(tmp_path, entries)
    tape = open_tape(path)
    assert tape.footer is not None
    assert tape.footer.chunks == 101
    assert 2 <= len(tape.footer.index) <= 5
    assert isinstance(tape.footer.index[0], IndexEntry)
    for at in range(0, 101, 7):
        found = list(records_of(tape, Millis(START + at)))
        assert [each.receive_time for each in found] == list(range(START + at, START + 101))


def test_a_recorder_that_was_closed_before_it_took_anything_leaves_a_whole_file(
    tmp_path: Path,
) -> None:
    """An empty one."""
    recorder = make_recorder(tmp_path)
    write(recorder, [])
    tape = open_tape(next(tmp_path.iterdir()))
    assert faults_of(tape) == []
    assert list(records_of(tape)) == []
