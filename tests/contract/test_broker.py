"""What every broker promises, whatever it is made of."""

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from support.servers import Server
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.ports import Broker
from virtuoso.testing.fake_broker import FakeBroker

TIMEOUT_S = 2.0


@pytest.fixture(params=("fake", "memory", "redis"))
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[Broker]:
    """Each implementation in turn."""
    made: Broker
    if request.param == "redis":
        server: Server = request.getfixturevalue("redis_server")
        made = RedisBroker(server.address, timeout_s=TIMEOUT_S)
    else:
        made = FakeBroker() if request.param == "fake" else MemoryBroker()
    yield made
    await made.close()


async def subscribed(broker: Broker, channel: str) -> AsyncIterator[bytes]:
    """A subscription that is known wherever messages are handed out."""
    messages = broker.subscribe(channel)
    if isinstance(broker, RedisBroker):
        async with asyncio.timeout(40):
            while not broker.listens(channel):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    return messages


async def carried(broker: Broker, count: int) -> None:
    """Wait until this process has heard so many messages, where that takes time."""
    if isinstance(broker, RedisBroker):
        async with asyncio.timeout(40):
            while broker.received < count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def take(messages: AsyncIterator[bytes], count: int) -> list[bytes]:
    """The next messages; fails when they do not come."""
    async with asyncio.timeout(40):
        return [await anext(messages) for _ in range(count)]


async def test_every_subscriber_gets_every_message_in_order(broker: Broker) -> None:
    """Nobody takes a message away from another."""
    first, second = await subscribed(broker, "channel"), await subscribed(broker, "channel")
    for number in range(5):
        await broker.publish("channel", b"%d" % number)
    assert await take(first, 5) == await take(second, 5) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_subscriber_gets_what_is_published_after_it_subscribed(broker: Broker) -> None:
    """The past is the cache's business."""
    await broker.publish("channel", b"before")
    messages = await subscribed(broker, "channel")
    await broker.publish("channel", b"after")
    assert await take(messages, 1) == [b"after"]


async def test_channels_are_apart(broker: Broker) -> None:
    """A message goes to its own channel only."""
    messages = await subscribed(broker, "one")
    await broker.publish("two", b"not for us")
    await broker.publish("one", b"for us")
    assert await take(messages, 1) == [b"for us"]


async def test_publishing_to_nobody_is_no_error(broker: Broker) -> None:
    """The engine may be first."""
    await broker.publish("channel", b"message")


async def test_a_waiting_subscriber_is_woken(broker: Broker) -> None:
    """A message ends the wait at once."""
    messages = await subscribed(broker, "channel")
    waiting = asyncio.create_task(take(messages, 1))
    await asyncio.sleep(0)
    await broker.publish("channel", b"message")
    assert await waiting == [b"message"]


async def test_close_ends_every_subscription_after_what_is_queued(broker: Broker) -> None:
    """Readers leave their loop; what came before is still theirs."""
    messages = await subscribed(broker, "channel")
    await broker.publish("channel", b"last")
    await carried(broker, 1)
    await broker.close()
    async with asyncio.timeout(40):
        assert [message async for message in messages] == [b"last"]


async def test_a_slow_subscriber_loses_the_oldest_and_nobody_waits_for_it() -> None:
    """The queue is bounded: the newest are kept, the fast subscriber misses none."""
    broker = MemoryBroker(waiting=3)
    slow, fast = broker.subscribe("channel"), broker.subscribe("channel")
    seen: list[bytes] = []
    for number in range(10):
        await broker.publish("channel", b"%d" % number)
        seen += await take(fast, 1)
    assert seen == [b"%d" % number for number in range(10)]
    assert await take(slow, 3) == [b"7", b"8", b"9"]


async def test_a_subscriber_that_is_dropped_is_forgotten() -> None:
    """No subscription outlives its reader."""
    broker = MemoryBroker()
    messages = broker.subscribe("channel")
    assert len(broker._channels["channel"]) == 1
    del messages
    gc.collect()
    assert len(broker._channels["channel"]) == 0


async def test_after_close_a_subscription_ends_at_once() -> None:
    """Nobody waits for what cannot come."""
    broker = MemoryBroker()
    await broker.close()
    async with asyncio.timeout(40):
        assert [message async for message in broker.subscribe("channel")] == []
