"""Who is there: every process finds a slot of its own, and a monitor finds every process."""

import msgspec
import pytest

from virtuoso.monitor.roster import REMEMBERED_MS, SILENT_MS, Roster
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.processes import ProcessReport, TierReport
from virtuoso.wire.roll import OVER_MS, Roll


def report(clock: FakeClock, port: int, pid: int = 1, **changes: object) -> ProcessReport:
    """What a web process says."""
    said = ProcessReport(
        epoch=f"web-{port}-{pid}",
        seq=0,
        now=0,
        role="web",
        host="here",
        port=port,
        pid=pid,
        version="",
        started=clock.now(),
        leaving=False,
        engine_ms=0,
        reading="pushes",
        clients=0,
        tiers=(TierReport("memory", open=False, text="", lost=0, hits=0, misses=0, errors=0),),
    )
    return msgspec.structs.replace(said, **changes)


class Town:
    """A cache, a clock, and processes over them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        self.roster = Roster(self.roll(), self.clock)

    def roll(self) -> Roll:
        """A process's way to the slots."""
        return Roll(self.cache, Codec(), self.clock)

    async def parts(self) -> dict[str, str]:
        """What the monitor says of each."""
        await self.roster.look()
        return {each.name: each.status for each in self.roster.parts()}


@pytest.fixture
def town() -> Town:
    """Nobody there yet."""
    return Town()


async def test_many_processes_are_all_found(town: Town) -> None:
    """Each has a slot; none hides another."""
    for port in range(8_000, 8_010):
        await town.roll().answer(report(town.clock, port))
    found = await town.roll().read()
    assert {each.port for each in found} == set(range(8_000, 8_010))


async def test_two_that_took_one_slot_part(town: Town) -> None:
    """The later one moves on, and both are heard."""
    first, second = town.roll(), town.roll()
    early = report(town.clock, 8_003)
    await first.answer(early)
    town.clock.advance(5)
    late = report(town.clock, 8_002, pid=2)
    second._slot = first._slot
    await second.answer(late)
    await second.answer(late)
    await first.answer(early)
    await second.answer(late)
    assert first._slot != second._slot
    assert {each.port for each in await town.roll().read()} == {8_002, 8_003}


async def test_a_slot_of_one_that_died_is_taken_again(town: Town) -> None:
    """Slots do not run out because processes crash."""
    for number in range(3 * keys.PROCESS_SLOTS):
        await town.roll().answer(report(town.clock, 8_003, pid=number))
        town.clock.advance(OVER_MS + 1)
    assert len(await town.roll().read()) <= 1


async def test_the_monitor_names_who_fell_silent(town: Town) -> None:
    """Pass while it speaks, fail after its silence, forgotten long after."""
    roll, said = town.roll(), report(town.clock, 8_003)
    await roll.answer(said)
    assert await town.parts() == {"web_8003": "pass"}
    town.clock.advance(SILENT_MS + 1)
    assert await town.parts() == {"web_8003": "fail"}
    await roll.answer(said)
    assert await town.parts() == {"web_8003": "pass"}
    town.clock.advance(REMEMBERED_MS + 1)
    assert await town.parts() == {}


async def test_who_leaves_is_not_missed(town: Town) -> None:
    """A process that was asked to end is no failure."""
    roll, said = town.roll(), report(town.clock, 8_003)
    await roll.answer(said)
    await town.parts()
    await roll.answer(msgspec.structs.replace(said, leaving=True))
    assert await town.parts() == {}


async def test_the_next_one_on_a_port_takes_the_place_of_the_last(town: Town) -> None:
    """A restart is one process, not two of which one is dead."""
    await town.roll().answer(report(town.clock, 8_003))
    await town.parts()
    town.clock.advance(SILENT_MS + 1)
    await town.roll().answer(report(town.clock, 8_003, pid=2))
    assert await town.parts() == {"web_8003": "pass"}


async def test_what_a_tier_still_holds_of_the_last_one_brings_it_not_back(town: Town) -> None:
    """The word of a process that was killed may be read for minutes after its port has another."""
    first, second = town.roll(), town.roll()
    old = report(town.clock, 8_003)
    await first.answer(old)
    await town.parts()
    town.clock.advance(SILENT_MS)
    new = report(town.clock, 8_003, pid=2)
    await second.answer(new)
    assert first._slot != second._slot
    for _ in range(3):
        assert await town.parts() == {"web_8003": "pass"}
        await second.answer(new)
    await second.answer(msgspec.structs.replace(new, leaving=True))
    assert await town.parts() == {}
    assert await town.parts() == {}


async def test_who_came_and_left_between_two_looks_was_there_all_the_same(town: Town) -> None:
    """It had taken the place of one that died, which is missed no more."""
    await town.roll().answer(report(town.clock, 8_003))
    await town.parts()
    town.clock.advance(SILENT_MS + 1)
    later = report(town.clock, 8_003, pid=2)
    roll = town.roll()
    await roll.answer(later)
    await roll.answer(msgspec.structs.replace(later, leaving=True))
    assert await town.parts() == {}


async def test_a_report_that_was_old_when_it_was_found_is_no_sign_of_life(town: Town) -> None:
    """Some tiers keep a value longer than its writer lives."""
    await town.roll().answer(report(town.clock, 8_003))
    town.clock.advance(SILENT_MS + 1)
    assert await town.parts() == {"web_8003": "fail"}


async def test_a_process_that_reads_the_cache_is_a_warning(town: Town) -> None:
    """It serves, and says what it does without."""
    await town.roll().answer(report(town.clock, 8_003, reading="cache"))
    assert await town.parts() == {"web_8003": "warn"}
    lost = TierReport("redis", open=True, text="", lost=1, hits=0, misses=0, errors=1)
    await town.roll().answer(report(town.clock, 8_002, tiers=(lost,)))
    assert (await town.parts())["web_8002"] == "warn"


async def test_a_dead_cache_changes_no_mind(town: Town) -> None:
    """Nobody was heard, so everybody falls silent in time, and no error is raised."""
    await town.roll().answer(report(town.clock, 8_003))
    await town.parts()
    town.cache.dead = True
    assert await town.parts() == {"web_8003": "pass"}
    town.clock.advance(SILENT_MS + 1)
    assert await town.parts() == {"web_8003": "fail"}


async def test_a_poisoned_slot_is_nobody(town: Town) -> None:
    """Bytes of somebody else's are taken as missing, and their slot is used."""
    await town.cache.set(keys.process(0), b"garbage", 60_000)
    await town.roll().answer(report(town.clock, 8_003))
    assert [each.port for each in await town.roll().read()] == [8_003]
