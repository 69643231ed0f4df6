"""The one writer of the engine's keys: silent while it may not write, whole when it may again."""

import msgspec

from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.engine.publisher import Publisher
from virtuoso.testing import wire_messages as make
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.pushes import Beat, BoardReplaced, RowsChanged


class Fence:
    """Says whether to write."""

    def __init__(self) -> None:
        self.open = True

    async def may_write(self) -> bool:
        """As it was set."""
        return self.open


async def test_nothing_leaves_a_process_that_is_not_known_to_be_the_writer() -> None:
    """Neither to the cache nor to the readers; afterwards they get everything, not a difference."""
    clock, fence, broker = FakeClock(), Fence(), MemoryBroker()
    cache = FakeCache(clock)
    publisher = Publisher(cache, broker, 30_000, may_write=fence.may_write)
    heard = broker.subscribe(keys.PUSH)
    board = make.a_board()
    status = make.engine_status(board)

    async def publish(seq: int) -> None:
        await publisher.publish(msgspec.structs.replace(board, seq=seq), {}, status)

    async def next_push() -> object:
        return Codec().decode_push(keys.PUSH, await anext(heard))

    await publish(1)
    assert isinstance(await next_push(), BoardReplaced)
    await publish(2)
    assert isinstance(await next_push(), Beat | RowsChanged)
    stored = await cache.get(keys.BOARD)
    fence.open = False
    await publish(3)
    assert await cache.get(keys.BOARD) == stored
    assert publisher.withheld == 1
    fence.open = True
    await publish(4)
    assert isinstance(await next_push(), BoardReplaced)
    assert await cache.get(keys.BOARD) != stored
