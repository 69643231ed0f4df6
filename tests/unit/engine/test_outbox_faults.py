"""F44: a channel that hangs after it took a message, and one that is dead for a day."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from support.stores import Opened, opened
from virtuoso.adapters.alert_channel.webhook import WebhookChannel
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.alerts import Alert, Delivery, DeliveryState, Outgoing, Receipt
from virtuoso.domain.errors import ChannelUnavailableError
from virtuoso.domain.secret import SecretText
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.engine import outbox
from virtuoso.engine.outbox import WAIT_MS, Sender
from virtuoso.ports import AlertChannel
from virtuoso.testing.fake_clock import FakeClock
from virtuoso.testing.history_rows import alert, delivery


@dataclass
class Mute:
    """A channel that cannot be reached until a time by the clock of the test."""

    clock: FakeClock
    back_at: int
    name: str = "discord"
    tries: list[int] = field(default_factory=list)
    told: list[tuple[list[str], int]] = field(default_factory=list)
    """Ids in a message, and by how much its first was late."""

    async def send(self, message: Outgoing) -> Receipt:
        """Fail, or take it."""
        self.tries.append(self.clock.now())
        if self.clock.now() < self.back_at:
            text = "it cannot be reached"
            raise ChannelUnavailableError(text)
        self.told.append(([each.id for each in message.alerts], message.late_ms))
        return Receipt(f"m{len(self.told)}", 0)

    async def close(self) -> None:
        """Nothing is open."""


async def until_true(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def add(kept: Opened, clock: FakeClock, name: str, rule: str, channel: str) -> None:
    """Commit an alert with its delivery."""
    fired = replace(alert(name, clock.now()), rule=rule)
    to_send = replace(delivery(f"{name}:{channel}", name), channel=channel, created_at=clock.now())
    await kept.ledger.add_alert(fired, [to_send])


@asynccontextmanager
async def sending(kept: Opened, clock: FakeClock, channel: AlertChannel) -> AsyncIterator[Sender]:
    """A sender that runs."""

    async def find(name: str) -> Alert | None:
        return await kept.archive.alert(name)

    sender = Sender(channel, kept.ledger, find, clock, lambda: 0.5)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty store."""
    async with opened(place_of("", tmp_path / "state"), FakeClock()) as found:
        yield found


async def test_a_channel_that_is_dead_for_a_day_loses_nothing(kept: Opened) -> None:
    """Alerts of a whole day wait behind the first; then they are told oldest first, with age."""
    clock = FakeClock()
    channel = Mute(clock, clock.now() + DAY)
    names = [f"hour{hour:02d}" for hour in range(0, 24, 4)]
    async with sending(kept, clock, channel) as sender:
        for hour in range(24):
            if hour % 4 == 0:
                await add(kept, clock, f"hour{hour:02d}", f"rule{hour}", channel.name)
            sender.wake()
            await until_retried(kept, names[0], len(channel.tries) or 1)
            assert (channel.told, sender.part().status) == ([], "warn")
            clock.advance(HOUR)
        sender.wake()
        await until_true(lambda: sender.sent == len(names))
        assert [ids for ids, _ in channel.told] == [[name] for name in names]
        assert [late // HOUR for _, late in channel.told] == [24, 20, 16, 12, 8, 4]
        assert sender.part().status == "pass"
        async with asyncio.timeout(40):
            while await kept.archive.unsent():  # noqa: ASYNC110 - the store has no event
                await asyncio.sleep(0.002)
    found = await kept.archive.deliveries(names)
    assert {each.state for each in found} == {DeliveryState.SENT}


async def test_pauses_grow_to_ten_minutes_while_nobody_answers(kept: Opened) -> None:
    """Not one attempt comes early, however often it is woken."""
    clock = FakeClock()
    channel = Mute(clock, clock.now() + DAY)
    async with sending(kept, clock, channel) as sender:
        await add(kept, clock, "a", "rule", channel.name)
        sender.wake()
        await until_true(lambda: len(channel.tries) == 1)
        for tries in range(1, 15):
            known = await until_retried(kept, "a", tries)
            wait = (known.due_at or Millis(0)) - clock.now()
            assert WAIT_MS[0] <= wait <= WAIT_MS[1]
            clock.advance(wait - 1)
            sender.wake()
            await asyncio.sleep(0.01)
            assert len(channel.tries) == tries
            clock.advance(1)
            sender.wake()
            await until_true(lambda tries=tries: len(channel.tries) > tries)  # type: ignore[misc]
        pauses = [later - now for now, later in zip(channel.tries, channel.tries[1:], strict=False)]
        assert pauses[:4] == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND]
        assert pauses[-1] == 10 * MINUTE


@pytest.mark.enable_socket
async def test_a_channel_that_takes_a_message_and_hangs_is_given_up_and_asked_again_in_order(
    kept: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it told it: it is told again, the same id first, the rest behind it."""
    monkeypatch.setattr(outbox, "DEADLINE_S", 0.2)
    clock = FakeClock()
    taken: list[str] = []
    hanging = asyncio.Event()

    async def take(request: web.Request) -> web.Response:
        await request.read()
        taken.append(request.headers["X-Virtuoso-Alerts"])
        if len(taken) == 1:
            hanging.set()
            await asyncio.sleep(60)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    channel = WebhookChannel(url, SecretText("secret"), clock, None)
    try:
        for name in ("a", "b", "c"):
            await add(kept, clock, name, f"rule-{name}", "webhook")
        async with sending(kept, clock, channel) as sender:
            sender.wake()
            await hanging.wait()
            await until_true(lambda: sender.part().status == "warn")
            assert "no answer" in sender.part().text
            assert taken == ["a"]
            known = await until_retried(kept, "a", 1)
            clock.advance((known.due_at or Millis(0)) - clock.now())
            sender.wake()
            await until_true(lambda: len(taken) == 4)
            assert taken == ["a", "a", "b", "c"]
            await until_true(lambda: sender.sent == 3)
        found = await kept.archive.deliveries(["a", "b", "c"])
        assert (found[0].state, found[0].attempts) == (DeliveryState.SENT, 2)
    finally:
        await channel.close()
        await runner.cleanup()


async def until_retried(kept: Opened, name: str, attempts: int) -> Delivery:
    """Wait until it is written that so many attempts failed."""
    async with asyncio.timeout(40):
        while True:
            (found,) = await kept.archive.deliveries([name])
            if found.state is DeliveryState.RETRYING and found.attempts >= attempts:
                return found
            await asyncio.sleep(0.002)
