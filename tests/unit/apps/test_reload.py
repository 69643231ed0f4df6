"""Settings that change while Virtuoso runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from virtuoso.apps.reload import Reload
from virtuoso.apps.scoring import definition_of
from virtuoso.apps.settings_sources import load_settings
from virtuoso.scoring.definition import Definition
from virtuoso.testing.fake_clock import FakeClock

OWNER = '[scoring]\nprofile = "owner"\n'


class Engine:
    """Takes definitions."""

    def __init__(self) -> None:
        self.taken: list[Definition] = []
        self.is_stuck = False

    async def redefine(self, definition: Definition) -> None:
        """Keep it."""
        if self.is_stuck:
            raise TimeoutError
        self.taken.append(definition)


class Bench:
    """A settings file, what reads it, and who is told."""

    def __init__(self, folder: Path, text: str = "") -> None:
        self.file = folder / "mine.toml"
        self.file.write_text(text, "utf-8")
        self.engine = Engine()
        settings = load_settings(self.file, {})
        self.reload = Reload(self.file, {}, settings, FakeClock(), poll_seconds=0.02)

    def write(self, text: str) -> None:
        """Save the file at once, as an editor does."""
        other = self.file.with_suffix(".new")
        other.write_text(text, "utf-8")
        other.replace(self.file)

    async def read(self) -> None:
        """Look at the file."""
        await self.reload.read(self.engine.redefine)

    @property
    def said(self) -> tuple[str, str]:
        """Status and text of the health."""
        [part] = self.reload.parts()
        return part.status, part.text

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look again and again."""
        task = asyncio.create_task(self.reload.run(self.engine.redefine))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something. Raises TimeoutError."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with an empty file."""
    return Bench(tmp_path)


async def test_a_saved_change_of_the_scoring_section_is_taken_up(bench: Bench) -> None:
    """A moment after the file came to rest; the same content again changes nothing."""
    async with bench.running():
        bench.write(OWNER)
        await until(lambda: len(bench.engine.taken) == 1)
        bench.write(OWNER + "# a comment\n")
        bench.write(OWNER + "coverage_floor = 0.6\n")
        await until(lambda: len(bench.engine.taken) == 2)
    assert [each.profile for each in bench.engine.taken] == ["owner", "owner"]
    assert bench.engine.taken[1].coverage_floor == 0.6
    assert bench.said == ("pass", f"definition {bench.engine.taken[1].hash} is in force")


async def test_a_signal_has_the_file_read_at_once(tmp_path: Path) -> None:
    """Even where its time and size tell nothing."""
    bench = Bench(tmp_path)
    bench.reload = Reload(bench.file, {}, load_settings(bench.file, {}), FakeClock(), 3_600.0)
    async with bench.running():
        await asyncio.sleep(0)
        bench.write(OWNER)
        bench.reload.wake()
        await until(lambda: len(bench.engine.taken) == 1)


async def test_what_changed_while_it_started_is_found(bench: Bench) -> None:
    """Between the first reading of the settings and the first look."""
    bench.write(OWNER)
    async with bench.running():
        await until(lambda: len(bench.engine.taken) == 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[scoring\n", "expected TOML"),
        (OWNER + "[universe]\nsize = 0\n", "$.universe.size`, found 0"),
        (OWNER + "[scoring.direction]\nleave = 40.0\n", "scoring.direction: expected 0 < leave"),
        (OWNER + "[scoring.symbols.BTCUSDT]\nwieghts = { volume = 2.0 }\n", "wieghts"),
    ],
)
async def test_a_wrong_file_is_refused_as_a_whole(bench: Bench, text: str, reason: str) -> None:
    """Nothing of it is taken up; the log and the health say why, until it is mended."""
    before = bench.reload.running.hash
    bench.write(text)
    with capture_logs() as logs:
        await bench.read()
    assert bench.engine.taken == []
    [line] = [each for each in logs if each["event"] == "settings_refused"]
    assert reason in line["reason"]
    assert line["definition"] == before
    status, said = bench.said
    assert status == "warn"
    assert reason in said
    assert before in said
    bench.write(OWNER)
    await bench.read()
    assert len(bench.engine.taken) == 1
    assert bench.said[0] == "pass"


async def test_a_file_is_read_once_for_each_change(bench: Bench) -> None:
    """A mistake is not told again each second."""
    with capture_logs() as logs:
        async with bench.running():
            bench.write("[scoring\n")
            await until(lambda: bench.said[0] == "warn")
            await asyncio.sleep(0.2)
    assert [each["event"] for each in logs] == ["settings_refused"]


async def test_other_sections_wait_for_the_next_start_and_that_is_said_once(bench: Bench) -> None:
    """What can be taken up is, in the same file."""
    bench.write(OWNER + "[universe]\nsize = 7\n[scoring.windows]\nstream_minimum = 301\n")
    with capture_logs() as logs:
        await bench.read()
        await bench.read()
    [line] = [each for each in logs if each["event"] == "settings_take_effect_at_the_next_start"]
    assert line["keys"] == ("scoring.windows.stream_minimum", "universe.size")
    [taken] = bench.engine.taken
    assert taken.profile == "owner"
    assert taken.stream_limits.minimum == 300
    assert bench.said[1].endswith("next start: scoring.windows.stream_minimum, universe.size")


async def test_a_file_that_is_gone_is_refused(bench: Bench) -> None:
    """It was named, so it must be there; the definition goes on."""
    bench.file.unlink()
    await bench.read()
    assert bench.said[0] == "warn"
    assert "mine.toml" in bench.said[1]


async def test_a_recording_is_scored_as_it_was(bench: Bench) -> None:
    """Its definition stands in its line: ours waits, and that is said."""
    bench.write(OWNER)
    assert await bench.reload.read(None)
    assert bench.said[1].endswith("next start: scoring.profile")
    assert bench.reload.running.hash == Definition().hash


async def test_a_change_that_finds_no_place_in_the_line_is_tried_again(bench: Bench) -> None:
    """Until it has one."""
    bench.engine.is_stuck = True
    async with bench.running():
        bench.write(OWNER)
        with capture_logs() as logs:
            await until(lambda: any(each["event"] == "definition_not_taken" for each in logs))
        bench.engine.is_stuck = False
        await until(lambda: len(bench.engine.taken) == 1)


async def test_an_exception_of_one_symbol_is_taken_up_and_given_up(bench: Bench) -> None:
    """It comes and goes like any other change."""
    bench.write('[scoring.symbols.BTCUSDT]\nprofile = "owner"\n')
    await bench.read()
    bench.write("")
    os.utime(bench.file)
    await bench.read()
    with_it, without = bench.engine.taken
    assert with_it.of("BTCUSDT").profile == "owner"
    assert without.hash == definition_of(load_settings(None, {}).scoring).hash
