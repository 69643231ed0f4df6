"""Following the engine through pushes and the cache, with a clock moved by hand."""

import json
from collections.abc import Sequence

import pytest

from virtuoso.domain.instruments import Symbol
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.wire import follower as module
from virtuoso.wire import keys
from virtuoso.wire.follower import Follower


class Setting:
    """An engine, a follower, and pushes handed over one by one."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        self.broker = FakeBroker()
        self.engine = FakeEngine(self.cache, self.broker, self.clock, ttl_ms=600_000)
        self.follower = Follower(self.cache, self.broker, self.clock)
        self.follower.listen(self)
        self.told: list[object] = []
        self._passed = 0

    def rows_changed(self, numbers: Sequence[int]) -> None:
        """Note it."""
        self.told.append(list(numbers))

    def board_replaced(self) -> None:
        """Note it."""
        self.told.append("board")

    async def deliver(self) -> None:
        """Hand over what was published since the last time."""
        waiting = self.broker.published[self._passed :]
        self._passed = len(self.broker.published)
        for _, message in waiting:
            await self.follower.receive(message)

    def lose(self) -> None:
        """Lose what was published since the last time."""
        self._passed = len(self.broker.published)

    def score(self, row: int) -> float | None:
        """What the follower holds."""
        return self.follower.reader.rows[row].score


@pytest.fixture
async def setting() -> Setting:
    """An engine that published once, and a follower that heard it."""
    made = Setting()
    await made.engine.start()
    await made.deliver()
    made.told.clear()
    return made


async def test_pushes_bring_rows_and_the_documents_they_name(setting: Setting) -> None:
    """Listeners learn which rows changed; the hot documents are the new ones."""
    await setting.engine.publish(make.a_row(2, 70.0))
    await setting.deliver()
    assert setting.told == [[2]]
    assert setting.score(2) == 70.0
    assert b"70.0" in setting.follower.hot(keys.MOBILE).body


async def test_a_missed_push_makes_it_read_the_board(setting: Setting) -> None:
    """What was lost between is found in the cache."""
    await setting.engine.publish(make.a_row(0, 10.0))
    setting.lose()
    await setting.engine.publish(make.a_row(1, 20.0))
    await setting.deliver()
    assert setting.follower.missed_pushes == 1
    assert (setting.score(0), setting.score(1)) == (10.0, 20.0)
    assert setting.told == [[0, 1]]
    await setting.engine.publish(make.a_row(2, 30.0))
    await setting.deliver()
    assert setting.follower.missed_pushes == 1


async def test_a_missed_push_with_a_dead_cache_is_made_good_later(setting: Setting) -> None:
    """The rows that did come are taken; the lost ones as soon as the cache answers."""
    await setting.engine.publish(make.a_row(0, 10.0))
    setting.lose()
    await setting.engine.publish(make.a_row(1, 20.0))
    setting.cache.dead = True
    await setting.deliver()
    assert (setting.score(0), setting.score(1)) == (62.5, 20.0)
    setting.cache.dead = False
    await setting.follower.tick()
    assert (setting.score(0), setting.score(1)) == (10.0, 20.0)


async def test_a_quiet_tick_reads_the_status_only(setting: Setting) -> None:
    """While pushes come the cache is left alone."""
    setting.cache.reads.clear()
    await setting.follower.tick()
    assert setting.cache.reads == [(keys.ENGINE,)]


async def test_silent_pushes_are_replaced_by_reading_the_cache_each_second(
    setting: Setting,
) -> None:
    """The engine lives as long as its status moves on; a notice says where the board is from."""
    await setting.follower.tick()
    for second in range(1, 8):
        setting.clock.advance(1_000)
        await setting.engine.publish(make.a_row(0, float(second)))
        await setting.engine.beat()
        setting.lose()
        await setting.follower.tick()
        assert setting.follower.reading == ("pushes" if second < 3 else "cache")
        assert not setting.follower.engine_silent()
    assert setting.score(0) == 7.0
    assert [notice.code for notice in setting.follower.notices] == ["reading_cache"]
    assert setting.follower.hot(keys.SYMBOLS).reason is None
    await setting.engine.beat()
    await setting.deliver()
    assert setting.follower.reading == "pushes"
    assert setting.follower.notices == ()


async def test_a_dead_engine_is_not_kept_alive_by_what_lies_in_the_cache(
    setting: Setting,
) -> None:
    """Reading the same status again is no sign of life."""
    for _ in range(5):
        setting.clock.advance(1_000)
        await setting.follower.tick()
    assert setting.follower.engine_silent()
    served = setting.follower.hot(keys.SYMBOLS)
    assert served.status == 200
    assert served.reason == "the engine has been silent since 2026-07-19T12:00:00.000Z"


async def test_a_follower_that_starts_after_the_engines_death_shows_its_board_as_stale() -> None:
    """The cache has everything, and nothing of it is live."""
    setting = Setting()
    await setting.engine.start()
    setting.lose()
    setting.clock.advance(10_000)
    await setting.follower.tick()
    assert setting.follower.reader.epoch == "one"
    assert setting.follower.engine_silent()
    said = json.loads(setting.follower.hot(keys.SYMBOLS).body)
    assert said["status"] == "degraded"
    assert {symbol["state"] for symbol in said["symbols"]} == {"stale"}


async def test_a_document_from_before_a_restart_is_marked_until_the_new_one_is_there(
    setting: Setting,
) -> None:
    """Old bytes never pass for the new engine's."""
    old = setting.follower.hot(keys.SYMBOLS)
    assert old.reason is None
    setting.engine._details = False
    await setting.engine.start("two")
    setting.cache.dead = True
    await setting.deliver()
    between = setting.follower.hot(keys.SYMBOLS)
    assert between.reason is not None
    assert "restarted" in between.reason
    setting.cache.dead = False
    await setting.engine.publish()
    await setting.deliver()
    assert setting.follower.hot(keys.SYMBOLS).reason is None
    assert b'"epoch":"two"' in setting.follower.hot(keys.SYMBOLS).body


async def test_an_older_document_never_replaces_a_newer_one(setting: Setting) -> None:
    """Reads never go back, even when a cache tier does."""
    older = await setting.cache.get(keys.SYMBOLS)
    assert older is not None
    await setting.engine.publish(make.a_row(0, 70.0))
    await setting.deliver()
    newest = setting.follower.hot(keys.SYMBOLS)
    await setting.cache.set(keys.SYMBOLS, older, 60_000)
    setting.clock.advance(3_000)
    await setting.follower.tick()
    assert setting.follower.hot(keys.SYMBOLS).body == newest.body
    detail = keys.symbol_detail(Symbol("BTCUSDT"))
    new = await setting.follower.document(detail)
    await setting.cache.set(detail, older, 60_000)
    assert (await setting.follower.document(detail)).body == new.body


async def test_a_publisher_that_died_alone_is_noticed(setting: Setting) -> None:
    """Beats go on, documents do not: at the age of a stale price nothing in them is live."""
    setting.clock.advance(module.RENEWAL_MS)
    await setting.engine.beat()
    await setting.deliver()
    assert setting.follower.hot(keys.SYMBOLS).reason is None
    setting.clock.advance(1)
    assert "not renewed" in (setting.follower.hot(keys.SYMBOLS).reason or "")


async def test_a_hung_cache_costs_a_bounded_time(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last document is given, marked, and the cache is named."""
    key = keys.symbol_detail(Symbol("BTCUSDT"))
    assert (await setting.follower.document(key)).reason is None
    monkeypatch.setattr(module, "READ_DEADLINE_S", 0.01)
    setting.cache.hung = True
    served = await setting.follower.document(key)
    assert "does not answer" in (served.reason or "")
    await setting.follower.tick()
    assert setting.follower.cache_error == "no answer within 0.01 s"


async def test_garbage_is_a_miss_and_is_counted(setting: Setting) -> None:
    """In the channel, in the cache: nothing breaks, nothing is shown of it."""
    body = setting.follower.hot(keys.SYMBOLS).body
    await setting.follower.receive(b"\xc1garbage")
    for key in (keys.BOARD, keys.ENGINE, keys.SYMBOLS):
        await setting.cache.set(key, b"\xc1garbage", 60_000)
    setting.clock.advance(3_000)
    await setting.follower.tick()
    assert setting.follower.undecodable == 4
    assert setting.follower.hot(keys.SYMBOLS).body == body


async def test_the_degraded_form_is_made_once(setting: Setting) -> None:
    """The same object comes back, so its headers and gzip are made once too."""
    setting.clock.advance(3_001)
    first = setting.follower.hot(keys.SYMBOLS)
    setting.clock.advance(5_000)
    assert setting.follower.hot(keys.SYMBOLS) is first
