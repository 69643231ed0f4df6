"""Documents made for who looks at them: asked for, waited for a moment, judged by their age."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from virtuoso.domain.instruments import Symbol
from virtuoso.testing.fake_broker import FakeBroker
from virtuoso.testing.fake_cache import FakeCache
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.fake_engine import FakeEngine
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.documents import judged
from virtuoso.wire.follower import PATIENCE_S, Follower
from virtuoso.wire.messages import SCHEMA, Document

KEY = keys.order_book(Symbol("BTCUSDT"))


class Setting:
    """A follower that heard of an engine, and a way to publish a book."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        self.broker = FakeBroker()
        self.engine = FakeEngine(self.cache, self.broker, self.clock, ttl_ms=600_000)
        self.follower = Follower(self.cache, self.broker, self.clock)

    async def start(self) -> None:
        """Let the engine publish its board."""
        await self.engine.start()
        for channel, message in self.broker.published:
            if channel == keys.PUSH:
                await self.follower.receive(message)

    async def publish(self, **fields: Any) -> None:  # noqa: ANN401
        """Put a book into the cache."""
        now = self.clock.now()
        body = {"status": "success", "reasons": [], "state": "live", "as_of": now}
        body |= {"delayed_ms": 2_000, "stale_ms": 5_000, **fields}
        document = Document(SCHEMA, "one", 1, now, now, '"x"', msgspec.json.encode(body))
        await self.cache.set(KEY, Codec().encode(KEY, document), 60_000)

    def told(self) -> int:
        """How often the engine was told that somebody looks."""
        return sum(channel == keys.LOOKED for channel, _ in self.broker.published)


@pytest.fixture
async def setting() -> Setting:
    """An engine that lives."""
    made = Setting()
    await made.start()
    return made


async def test_a_first_look_waits_a_moment_for_what_the_engine_makes(setting: Setting) -> None:
    """The engine is told, and its answer is given as soon as it is there."""

    async def engine() -> None:
        while not setting.told():  # noqa: ASYNC110 (a moment)
            await asyncio.sleep(0.001)
        await setting.publish()

    making = asyncio.create_task(engine())
    served = await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=5.0)
    await making
    assert (served.status, served.reason) == (200, None)
    assert setting.told() == 1


async def test_an_engine_that_does_not_answer_costs_a_bounded_wait_and_a_503(
    setting: Setting,
) -> None:
    """With nothing known nothing true can be said, and the next look asks again."""
    began = time.monotonic()
    served = await setting.follower.looked_at(KEY, "BTCUSDT")
    assert served.status == 503
    assert time.monotonic() - began < 10 * PATIENCE_S
    await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=0.0)
    await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=0.0)
    assert setting.told() == 2


async def test_what_nobody_looked_at_lately_is_judged_by_its_age(setting: Setting) -> None:
    """I3: the state of then is not believed; the reader computes it anew."""
    await setting.publish()
    assert (await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=0.0)).reason is None
    setting.clock.advance(2_900)
    late = await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=0.0)
    said = msgspec.json.decode(late.body)
    assert (said["state"], said["status"]) == ("delayed", "degraded")
    assert "has not renewed this document" in said["reasons"][-1]


async def test_a_dead_engine_is_not_waited_for(setting: Setting) -> None:
    """Everything is stale then, and said at once."""
    await setting.publish()
    setting.clock.advance(60_000 - 1)
    began = time.monotonic()
    served = await setting.follower.looked_at(KEY, "BTCUSDT", patience_s=5.0)
    assert time.monotonic() - began < 4.0
    assert msgspec.json.decode(served.body)["state"] == "stale"


@pytest.mark.parametrize(
    ("given", "age", "state"),
    [("live", 2_000, "live"), ("live", 2_001, "delayed"), ("live", 5_001, "stale"),
     ("stale", 0, "stale"), ("delayed", 0, "delayed"), ("absent", 9_999, "absent")],
)  # fmt: skip
def test_a_state_only_gets_worse_with_age(given: str, age: int, state: str) -> None:
    """In the document and in each of its figures; what is absent stays so."""
    part = {"state": given, "as_of": 1_000, "delayed_ms": 2_000, "stale_ms": 5_000}
    body = msgspec.json.encode({**part, "price": part, "reasons": ["a"]})
    said = msgspec.json.decode(judged(body, 1_000 + age, "because"))
    assert (said["state"], said["price"]["state"]) == (state, state)
    assert said["reasons"] == ["a", "because"]
