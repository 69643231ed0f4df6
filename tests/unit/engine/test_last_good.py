"""The last good snapshot: kept from what is published, shown with its age, never as live."""

import msgspec

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.domain.errors import CacheUnavailableError
from virtuoso.engine.last_good import WANTED, LastGoodKeeper
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.follower import Follower


class Shelf:
    """A place that outlives processes, in a test."""

    def __init__(self) -> None:
        self.value: bytes | None = None
        self.dead = False

    async def keep(self, value: bytes) -> None:
        """Put it there."""
        if self.dead:
            message = "expected an answer, found none"
            raise CacheUnavailableError(message)
        self.value = value

    async def recall(self) -> bytes | None:
        """Take a look."""
        return self.value

    async def close(self) -> None:
        """Nothing."""


async def published(clock: FakeClock, codec: Codec) -> tuple[BoardState, dict[str, bytes]]:
    """A board and the values that an engine published with it."""
    cache = FakeCache(clock)
    engine = FakeEngine(cache, MemoryBroker(), clock, codec=codec)
    await engine.start()
    found = await cache.multi_get(WANTED)
    return engine.board, {key: value for key, value in found.items() if value is not None}


async def kept(codec: Codec, clock: FakeClock) -> Shelf:
    """A shelf with a good snapshot."""
    shelf = Shelf()
    keeper = LastGoodKeeper(shelf, codec)
    keeper.note(*await published(clock, codec))
    await keeper.keep()
    assert keeper.part().status == "pass"
    return shelf


def follower_of(clock: FakeClock, codec: Codec) -> Follower:
    """A web process that has just started, with an empty cache."""
    return Follower(FakeCache(clock), MemoryBroker(), clock, codec=codec)


async def test_a_process_that_starts_alone_shows_the_last_good_marked_as_old() -> None:
    """Every number with its age, nothing live, and the reason why."""
    clock, codec = FakeClock(), Codec()
    shelf = await kept(codec, clock)
    clock.advance(3_600_000)
    follower = follower_of(clock, codec)
    assert follower.restore(shelf.value or b"")
    assert follower.engine_silent()
    for key in (keys.SYMBOLS, keys.DASHBOARD, keys.MOBILE):
        served = follower.hot(key)
        assert served.status == 200
        assert served.reason is not None
        assert "silent since" in served.reason
        assert b'"state":"live"' not in served.body
        assert b'"status":"degraded"' in served.body


async def test_what_the_engine_says_takes_its_place() -> None:
    """The first board of a living engine replaces what was restored."""
    clock, codec = FakeClock(), Codec()
    shelf = await kept(codec, clock)
    cache, broker = FakeCache(clock), MemoryBroker()
    follower = Follower(cache, broker, clock, codec=codec)
    assert follower.restore(shelf.value or b"")
    engine = FakeEngine(cache, broker, clock, codec=codec)
    await engine.start("two")
    await follower.tick()
    await follower.tick()
    assert follower.reader.epoch == "two"
    assert not follower.restore(shelf.value or b"")
    assert follower.reader.epoch == "two"


async def test_a_board_without_a_score_replaces_nothing_good() -> None:
    """A start, or a venue out of reach, does not wipe out the record."""
    clock, codec = FakeClock(), Codec()
    shelf = Shelf()
    keeper = LastGoodKeeper(shelf, codec)
    board, values = await published(clock, codec)
    rows = tuple(msgspec.structs.replace(each, score=None) for each in board.rows)
    keeper.note(msgspec.structs.replace(board, rows=rows), values)
    await keeper.keep()
    assert shelf.value is None


async def test_what_somebody_else_wrote_there_is_not_shown() -> None:
    """Garbage, another secret, or a cut value: nothing to show, and no crash."""
    clock = FakeClock()
    signing = Codec(Secret("a secret of ours that is long"))
    shelf = await kept(signing, clock)
    good = shelf.value or b""
    for bad in (b"", b"garbage", good[:-5], good):
        follower = follower_of(clock, Codec())
        assert not follower.restore(bad)
        assert follower.hot(keys.SYMBOLS).status == 503
    assert follower_of(clock, signing).restore(good)


async def test_a_shelf_that_cannot_be_reached_is_a_warning() -> None:
    """It is said, and tried again."""
    clock, codec = FakeClock(), Codec()
    shelf = Shelf()
    shelf.dead = True
    keeper = LastGoodKeeper(shelf, codec)
    board, values = await published(clock, codec)
    keeper.note(board, values)
    await keeper.keep()
    assert keeper.part().status == "warn"
    shelf.dead = False
    keeper.note(msgspec.structs.replace(board, seq=board.seq + 1), values)
    await keeper.keep()
    assert keeper.part().status == "pass"
