"""F44: what is committed is told, whatever the channel does, over a real HTTP server and store."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from support.discord import FakeDiscord, Respond, fake_discord
from support.stores import Opened, opened
from virtuoso.adapters.alert_channel.discord import DiscordChannel
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.alerts import Alert, Delivery, DeliveryState
from virtuoso.domain.time import HOUR, Millis
from virtuoso.engine.outbox import Sender, wait_after
from virtuoso.testing.history_rows import alert, delivery

pytestmark = pytest.mark.enable_socket


@dataclass
class Rig:
    """A store, a sender and the Discord it sends to."""

    kept: Opened
    discord: FakeDiscord
    sender: Sender

    async def add(self, name: str, rule: str = "", due_in: int | None = None) -> None:
        """Commit an alert with its delivery."""
        now = SystemClock().now()
        fired = replace(alert(name, now), rule=rule or f"rule-{name}")
        due = None if due_in is None else Millis(now + due_in)
        to_send = replace(delivery(f"{name}:discord", name), created_at=now, due_at=due)
        await self.kept.ledger.add_alert(fired, [to_send])

    async def state(self, name: str) -> Delivery:
        """How one fares."""
        return (await self.kept.archive.deliveries([name]))[0]

    async def until_ended(self, *names: str) -> list[DeliveryState]:
        """Wait until they are sent or dead."""
        async with asyncio.timeout(40):
            while True:
                found = [(await self.state(name)).state for name in names]
                if all(each in {DeliveryState.SENT, DeliveryState.DEAD} for each in found):
                    return found
                await asyncio.sleep(0.05)


@asynccontextmanager
async def rig(folder: Path, respond: Respond | None = None) -> AsyncIterator[Rig]:
    """Everything real but Discord itself."""
    clock = SystemClock()
    async with (
        opened(place_of("", folder), clock) as kept,
        fake_discord(respond) as discord,
    ):

        async def find(name: str) -> Alert | None:
            return await kept.archive.alert(name)

        channel = DiscordChannel(discord.url, None)
        try:
            yield Rig(kept, discord, Sender(channel, kept.ledger, find, clock, lambda: 0.0))
        finally:
            await channel.close()


@asynccontextmanager
async def running(sender: Sender) -> AsyncIterator[None]:
    """Send meanwhile."""
    task = asyncio.create_task(sender.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_alerts_are_told_in_order_and_the_message_id_is_kept(tmp_path: Path) -> None:
    """Oldest first, `?wait=true`, nobody mentioned."""
    async with rig(tmp_path, lambda n: (200, {}, {"id": str(100 + n)})) as it:
        for name in ("a", "b", "c"):
            await it.add(name)
        async with running(it.sender):
            await it.until_ended("a", "b", "c")
        assert it.discord.told() == ["a", "b", "c"]
        assert (await it.state("b")).remote == "101"
        assert set(it.discord.queries) == {"wait=true"}
        assert all(each["allowed_mentions"] == {"parse": []} for each in it.discord.payloads)


@pytest.mark.parametrize(
    "first",
    [
        (429, {}, {"retry_after": 0.6}),
        (429, {}, {"retry_after": 601.0}),
        (429, {"Retry-After": "0.6"}, {"retry_after": 600}),
        (503, {}, {}),
        (500, {}, {}),
    ],
)
async def test_a_busy_or_failing_channel_is_tried_again_in_order(
    tmp_path: Path, first: tuple[int, dict[str, str], object]
) -> None:
    """`retry_after` in seconds and in ms; what is younger waits behind what failed."""
    async with rig(tmp_path, lambda n: first if n == 0 else (200, {}, {"id": "1"})) as it:
        await it.add("a")
        await it.add("b")
        async with running(it.sender):
            states = await it.until_ended("a", "b")
        assert states == [DeliveryState.SENT] * 2
        assert it.discord.told() == ["a", "b"]
        assert it.discord.requests == 3


@pytest.mark.parametrize("status", [401, 404])
async def test_a_channel_that_is_gone_is_not_called_again(tmp_path: Path, status: int) -> None:
    """10,000 bad requests in ten minutes would have the address banned."""
    async with rig(tmp_path, lambda _: (status, {}, {})) as it:
        for name in ("a", "b", "c"):
            await it.add(name)
        async with running(it.sender):
            states = await it.until_ended("a", "b", "c")
        assert states == [DeliveryState.DEAD] * 3
        assert it.discord.requests == 1
        assert str(status) in ((await it.state("c")).error or "")
        assert it.sender.part().status == "fail"


async def test_a_message_that_is_refused_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """It is dead, with its reason; the next one is told."""
    async with rig(tmp_path, lambda n: (400, {}, {}) if n == 0 else (200, {}, {})) as it:
        await it.add("a")
        await it.add("b")
        async with running(it.sender):
            states = await it.until_ended("a", "b")
        assert states == [DeliveryState.DEAD, DeliveryState.SENT]
        assert (await it.state("a")).error == "it answered 400"


async def test_a_storm_of_one_rule_is_one_message_that_names_all(tmp_path: Path) -> None:
    """None is lost, and nobody is flooded."""
    names = [f"s{number}" for number in range(12)]
    async with rig(tmp_path) as it:
        for name in names:
            await it.add(name, rule="storm")
        await it.add("alone")
        async with running(it.sender):
            await it.until_ended(*names, "alone")
        assert len(it.discord.payloads) == 2
        assert sorted(it.discord.told()) == sorted([*names, "alone"])


async def test_quiet_hours_hold_back_only_what_they_are_for(tmp_path: Path) -> None:
    """What waits for the morning lets a critical one past."""
    async with rig(tmp_path) as it:
        await it.add("quiet", due_in=HOUR)
        await it.add("critical")
        async with running(it.sender):
            await it.until_ended("critical")
        assert it.discord.told() == ["critical"]
        assert (await it.state("quiet")).state is DeliveryState.PENDING


@pytest.mark.parametrize(
    ("attempts", "asked", "expected"),
    [(1, None, 500), (2, None, 1_000), (40, None, 600_000), (1, 1, 500), (1, 86_400_000, 600_000)],
)
def test_pauses_stay_within_their_bounds(attempts: int, asked: int | None, expected: int) -> None:
    """0.5 s to 10 min, whatever a channel asks for and however often it failed."""
    assert wait_after(attempts, asked, 0.0) == expected


async def test_from_the_commit_to_the_request_it_takes_a_fraction_of_a_second(
    tmp_path: Path,
) -> None:
    """The figure is 1 s at p99; the store, the sender and HTTP are real, the machine is shared."""
    taken: list[float] = []
    async with rig(tmp_path) as it, running(it.sender):
        await it.add("first")
        await it.until_ended("first")
        for number in range(20):
            began = time.perf_counter()
            await it.add(f"n{number}")
            it.sender.wake()
            while len(it.discord.payloads) < number + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            taken.append(time.perf_counter() - began)
    assert sorted(taken)[10] < 0.5
