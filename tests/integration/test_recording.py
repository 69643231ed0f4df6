"""A run that is recorded and played again: the same scores, byte for byte."""

import asyncio
import itertools
import random
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.processes import VIRTUOSO, command, running, wait_for
from support.simulated_venue import running_venue
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.recording.format import SUFFIX, Kind
from virtuoso.adapters.feed.recording.reader import faults_of, open_tape, records_of, scan
from virtuoso.adapters.feed.recording.writer import RecorderSettings
from virtuoso.apps.engine import RunOptions, watch_of
from virtuoso.apps.recorders import Recorders
from virtuoso.apps.replay import document_in, edition_of, whole_line
from virtuoso.apps.scoring import definition_of, lane_maker
from virtuoso.apps.settings import Settings
from virtuoso.apps.settings_sources import load_settings
from virtuoso.apps.sources import open_replay, open_venue
from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.domain.market_data import Topic
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Millis
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.timeline import Timeline
from virtuoso.engine.venue_watch import VenueWatch
from virtuoso.scoring.definition import Definition

EPOCH = "the same"
RUN_SECONDS = 18


@dataclass
class Taken:
    """The documents of the seconds that a run closed."""

    watch: VenueWatch
    documents: dict[Millis, bytes] = field(default_factory=dict)

    @property
    def scored(self) -> bool:
        """Whether the last of them has a score."""
        if not self.documents:
            return False
        rows = msgspec.json.decode(self.documents[max(self.documents)])["symbols"]
        return any(each["confluence_score"] is not None for each in rows)

    def take(self) -> None:
        """Keep the document of a second at the moment when it is closed."""
        cycle = self.watch.pipeline.view()
        if cycle is not None and cycle.at not in self.documents:
            source = self.watch.feed.source
            self.documents[cycle.at] = document_in(edition_of(self.watch.pipeline, source, EPOCH))


def settings_here() -> Settings:
    """Give the settings as they are delivered."""
    return load_settings(None, {})


async def run_and_record(
    kind: str, folder: Path, meanwhile: Callable[[VenueWatch, int], None]
) -> dict[Millis, bytes]:
    """Watch a simulated venue over real sockets, with the tape running beside it."""
    settings, clock = settings_here(), SystemClock()
    rng = random.Random(1)  # noqa: S311 - spreads retries
    options = RunOptions("simulator", None, None, None, symbols=4)
    recorders = Recorders(RecorderSettings(folder=folder, free_bytes=0), clock)
    async with running_venue(symbols=4) as venue:
        address = f"127.0.0.1:{venue.port}"
        source = open_venue(kind, settings, clock, rng, address, recorders.tape)
        watch = watch_of(source, settings, options, clock, rng)
        taken = Taken(watch)
        watch.changed = taken.take
        watching = asyncio.create_task(watch.run())
        try:
            second = 0
            while second < RUN_SECONDS or not taken.scored:
                assert second < RUN_SECONDS * SLACK, "nothing was scored"
                await asyncio.sleep(1)
                assert not watching.done()
                meanwhile(watch, second)
                second += 1
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await recorders.close()
            await source.history.close()
    return taken.documents


def only_file(folder: Path) -> Path:
    """The one file of a folder."""
    (path,) = folder.iterdir()
    return path


async def play(path: Path) -> dict[Millis, bytes]:
    """Play a recording through a pipeline that never saw the venue."""
    source = open_replay(str(path), None, None)
    assert source.feed.source is Source.SIMULATOR
    definition = definition_of(settings_here().scoring)
    make_lane = lane_maker(definition, source.feed.venue, source.feed.source)
    pipeline = Pipeline(sorted(source.instruments or ()), (), definition, make_lane)
    timeline = Timeline(pipeline)
    found = {}
    async for event in whole_line(source):
        for second in timeline.steps(event):
            if second is not None:
                found[second] = document_in(edition_of(pipeline, source.feed.source, EPOCH))
    return found


@pytest.mark.parametrize("kind", ["bybit", "binance"])
async def test_a_replay_gives_the_scores_of_the_run_that_was_recorded(
    kind: str, tmp_path: Path
) -> None:
    """Every second of it, through lost books, renewed topics and a connection that was closed."""

    def disturb(watch: VenueWatch, second: int) -> None:
        instruments = sorted(watch.pipeline.instruments)
        if second == 5 and instruments:
            watch.feed.renew(instruments[0], Topic.BOOK)
        if second == 9 and instruments:
            watch.feed.recycle(instruments[1], "a test says so")

    live = await run_and_record(kind, tmp_path, disturb)
    path = only_file(tmp_path)
    assert faults_of(open_tape(path)) == []
    played = await play(path)
    assert len(live) >= RUN_SECONDS - 5
    differing = [at for at, document in live.items() if played.get(at) != document]
    assert differing == []
    last = msgspec.json.decode(live[max(live)])
    assert last["source"] == "simulator"
    assert [each for each in last["symbols"] if each["confluence_score"] is not None]


async def test_a_definition_that_changed_changes_at_the_same_second_of_a_replay(
    tmp_path: Path,
) -> None:
    """Other weights, then other windows: every second's bytes, with the hash of its definition."""
    windows = Definition(candles=CandleSettings(window=400))
    changes = {5: Definition.of_profile("owner"), 9: windows, 13: Definition()}
    changing: list[asyncio.Task[None]] = []

    def change(watch: VenueWatch, second: int) -> None:
        if second in changes:
            changing.append(asyncio.create_task(watch.redefine(changes[second])))

    live = await run_and_record("bybit", tmp_path, change)
    assert all(each.done() for each in changing)
    replayed = await play(only_file(tmp_path))
    assert [at for at, document in live.items() if replayed.get(at) != document] == []
    hashes = [msgspec.json.decode(live[at])["definition"] for at in sorted(live)]
    usual = Definition().hash
    expected = [usual, changes[5].hash, windows.hash, usual]
    assert [each for each, _ in itertools.groupby(hashes)] == expected


@dataclass
class Recording:
    """A running `virtuoso record`."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    def files(self) -> list[Path]:
        """Its files so far."""
        return sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []

    def chunks(self) -> int:
        """How many chunks there are so far."""
        return sum(scan(open_tape(each)).chunks for each in self.files())


def recording(folder: Path, *arguments: str) -> Recording:
    """Start `virtuoso record` on the simulator."""
    log, out = folder / "record.log", folder / "tapes"
    words = [*VIRTUOSO, "record", "--source", "simulator", "--out", str(out), *arguments]
    with log.open("wb") as file:
        process = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT, cwd=folder)
    return Recording(process, out, log)


def limit_files(process: subprocess.Popen[bytes], longest: int) -> None:
    """Let a process write no file that is longer: a disk that is full, but for nobody else."""
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (longest, longest))


@pytest.mark.process
def test_killed_without_warning_it_loses_at_most_a_second(tmp_path: Path) -> None:
    """What was received a second before the end is in the file, without a hole."""
    started = recording(tmp_path, "--symbols", "5")
    try:
        wait_for("some chunks", lambda: started.chunks() >= 5)
        time.sleep(random.uniform(0, 1.5))  # noqa: S311 - at no moment of the writer's choosing
        killed_at = int(time.time() * 1_000)
        started.process.kill()
    finally:
        started.process.kill()
        started.process.wait(10)
    (path,) = started.files()
    tape = open_tape(path)
    (fault,) = faults_of(tape)
    assert "it has no footer" in fault
    records = list(records_of(tape))
    newest = max(record.receive_time for record in records)
    assert killed_at - newest <= 1_000
    updates: dict[str, list[int]] = {}
    for record in records:
        if record.kind is not Kind.FRAME:
            continue
        frame: dict[str, Any] = msgspec.json.decode(record.body)
        if frame["topic"].startswith("orderbook.200."):
            if frame["type"] == "snapshot":
                updates[frame["topic"]] = []
            updates[frame["topic"]].append(frame["data"]["u"])
    assert len(updates) == 5
    for found in updates.values():
        assert found == list(range(found[0], found[0] + len(found)))
    told = command("recording", "info", str(path), folder=tmp_path)
    assert told.returncode == 1
    assert "unfinished" in told.stdout
    assert "(SIMULATED)" in told.stdout
    out = tmp_path / "scores.jsonl"
    assert command("replay", str(path), "--out", str(out), folder=tmp_path).returncode == 0
    assert b'"source":"simulator"' in out.read_bytes()


@pytest.mark.process
def test_a_recording_of_a_few_seconds_is_whole(tmp_path: Path) -> None:
    """Exactly the symbols that were asked for, in parts of the size that was asked for."""
    started = recording(tmp_path, "--symbols", "BTCUSDT,ETHUSDT", "--max-size", "1", "--for", "12")
    assert started.process.wait(90) == 0, started.log.read_text()
    told = command("recording", "info", str(started.folder), "--json", folder=tmp_path)
    assert told.returncode == 0, told.stdout
    info = msgspec.json.decode(told.stdout)
    assert info["whole"]
    assert {symbol for each in info["files"] for symbol in each["symbols"]} == {
        "BTCUSDT",
        "ETHUSDT",
    }
    kinds = {kind for each in info["files"] for kind in each["events_by_kind"]}
    assert {"UniverseChosen", "CandlesLoaded", "DerivativesLoaded", "Tick"} <= kinds
    topics = {topic for each in info["files"] for topic in each["frames_by_topic"]}
    assert {"publicTrade.BTCUSDT", "orderbook.200.ETHUSDT"} <= topics
    text = command("recording", "info", str(started.folder), folder=tmp_path)
    assert text.returncode == 0
    assert re.search(r"symbols  2: BTCUSDT ETHUSDT", text.stdout)
    damaged = started.files()[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    told = command("recording", "info", str(started.folder), folder=tmp_path)
    assert told.returncode == 1
    assert "damaged" in told.stdout
    assert "expected checksum" in told.stdout


@pytest.mark.process
def test_a_full_disk_stops_the_recording_with_a_reason(tmp_path: Path) -> None:
    """And leaves a file that is readable up to there."""
    started = recording(tmp_path, "--symbols", "3")
    try:
        wait_for("some chunks", lambda: started.chunks() >= 3)
        longest = started.files()[0].stat().st_size + 30_000
        limit_files(started.process, longest)
        assert started.process.wait(90) == 1
    finally:
        started.process.kill()
        started.process.wait(10)
    assert "recording_stopped" in started.log.read_text()
    (path,) = started.files()
    assert path.stat().st_size <= longest
    tape = open_tape(path)
    assert tape.damage is None
    assert not [each for each in faults_of(tape) if "footer" not in each]
    assert scan(tape).bytes_after == 0


@pytest.mark.process
def test_a_run_goes_on_when_its_recording_cannot(tmp_path: Path) -> None:
    """The reason stands among the notices and in the health, and the scores keep coming."""
    out = tmp_path / "tapes"
    arguments = ("--symbols", "5", "--record", str(out))
    with running(tmp_path, *arguments) as process:

        def part() -> dict[str, Any]:
            health: Any = process.get("/health")
            return next((each for each in health["parts"] if each["name"] == "recording"), {})

        wait_for("a recording", lambda: part().get("status") == "pass")
        limit_files(process.process, 100_000)
        wait_for("the end of the recording", lambda: part().get("status") == "fail")
        answer: Any = process.get("/api/symbols")
        assert [each for each in answer["reasons"] if each.startswith("recording stopped: ")]

        def seq() -> int:
            return int(str(process.get("/api/symbols")["seq"]))

        before = seq()
        wait_for("more seconds", lambda: seq() >= before + 3)
        assert process.stop(signal.SIGINT) < 20


@pytest.mark.process
def test_a_run_and_its_replay_are_of_the_same_bytes(tmp_path: Path) -> None:
    """`run --record`, then `replay`, twice: the same file, and in it what the page was shown."""
    out = tmp_path / "tapes"
    with running(tmp_path, "--symbols", "5", "--record", str(out)) as process:
        wait_for(
            "five scores",
            lambda: sum(each["confluence_score"] is not None for each in process.symbols()) >= 5,
        )
        shown: Any = process.get("/api/symbols")
        process.stop(signal.SIGINT)
    for name in ("once", "twice"):
        file = tmp_path / f"{name}.jsonl"
        done = command("replay", str(out), "--out", str(file), folder=tmp_path)
        assert done.returncode == 0, done.stderr
    once = (tmp_path / "once.jsonl").read_bytes()
    assert once == (tmp_path / "twice.jsonl").read_bytes()
    documents = [msgspec.json.decode(line) for line in once.splitlines()]
    same = [each for each in documents if each["timestamp"] == shown["timestamp"]]
    assert [each["symbols"] for each in same] == [shown["symbols"]]


@pytest.mark.process
def test_a_recording_cannot_be_recorded(tmp_path: Path) -> None:
    """The message says what can."""
    done = command("run", "--source", "replay:x", "--record", "tapes", folder=tmp_path)
    assert done.returncode == 78
    assert "expected to record a live source or the simulator" in done.stderr
    done = command("recording", "info", "nowhere", folder=tmp_path)
    assert done.returncode == 78
    assert "found nothing" in done.stderr
