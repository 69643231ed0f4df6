"""What lies unread in a socket is not what a venue left unsaid."""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import pytest

from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.bybit.conversation import Conversation, SilentConnectionError
from virtuoso.adapters.feed.bybit.memory import Memory
from virtuoso.adapters.feed.bybit.settings import BybitSettings, Patience
from virtuoso.adapters.feed.bybit.troubles import Troubles
from virtuoso.adapters.feed.connection import READING_SECONDS, Outbox
from virtuoso.adapters.feed.reading import Reading, until_answered

DATA = b'{"topic":"publicTrade.XUSDT","type":"snapshot","ts":1,"data":[]}'
DATA_SECONDS = 0.003
"""How long this process is busy with each frame."""
PATIENCE = 0.05


class Backlog:
    """A socket in which frames lie ready; what is asked is answered behind all of them."""

    def __init__(self, frames: int, *, answers: bool = True, trickle: float | None = None) -> None:
        self._frames = deque([DATA] * frames)
        self._answers = answers
        self._trickle = trickle
        self._filled = asyncio.Event()
        self.left_when_answered: int | None = None

    async def receive(self) -> aiohttp.WSMessage:
        """Give what lies ready without a pause, as a client's buffer does."""
        while not self._frames:
            self._filled.clear()
            if self._trickle is None:
                await self._filled.wait()
            else:
                await asyncio.sleep(self._trickle)
                self._frames.append(DATA)
        return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, self._frames.popleft(), None)

    async def send_str(self, text: str) -> None:
        """Take a request; its answer stands behind what was sent before it."""
        request: dict[str, Any] = msgspec.json.decode(text)
        if not self._answers:
            return
        if self.left_when_answered is None:
            self.left_when_answered = len(self._frames)
        op = request["op"]
        answer = {"success": True, "op": op, "ret_msg": "pong" if op == "ping" else ""}
        self._frames.append(msgspec.json.encode(answer | {"req_id": request.get("req_id", "")}))
        self._filled.set()

    def exception(self) -> None:
        """Nothing went wrong."""


def conversation_over(backlog: Backlog, **patience: float) -> Conversation:
    """What is said over such a socket by a process that is busy with each frame."""
    settings = BybitSettings(patience=Patience(**patience))
    clock, outbox = SystemClock(), Outbox()
    memory = Memory(settings, clock, outbox, Troubles(settings.patience, outbox, clock))
    return Conversation(memory, backlog, lambda *_: None)  # type: ignore[arg-type] # stands for one


def busy(monkeypatch: pytest.MonkeyPatch, talk: Conversation) -> None:
    """Let each frame take this process a while, and the others have their turn after it."""
    take: Callable[[str | bytes], object] = talk._take

    def slowly(frame: str | bytes) -> object:
        found = take(frame)
        until = asyncio.get_running_loop().time() + DATA_SECONDS
        while asyncio.get_running_loop().time() < until:
            pass
        return found

    monkeypatch.setattr(talk, "_take", slowly)


@pytest.mark.parametrize("job", ["ping", "keep_subscribed"])
async def test_an_answer_that_lies_unread_behind_data_is_not_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    """The patience is over long before this process has read its way to the answer."""
    backlog = Backlog(300)
    talk = conversation_over(backlog, ping=PATIENCE, answer=PATIENCE)
    busy(monkeypatch, talk)
    jobs = [asyncio.ensure_future(talk.read()), asyncio.ensure_future(getattr(talk, job)())]
    async with asyncio.timeout(30):
        while backlog.left_when_answered is None or backlog._frames:
            await asyncio.sleep(0.01)
            assert not any(each.done() for each in jobs), jobs
    assert backlog.left_when_answered * DATA_SECONDS > PATIENCE
    for each in jobs:
        each.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


@pytest.mark.parametrize("trickle", [None, 0.002])
async def test_an_answer_that_never_comes_is_missed_once_all_is_read(
    trickle: float | None,
) -> None:
    """On a silent connection at once, on one that never pauses soon: data are no answer."""
    talk = conversation_over(Backlog(50, answers=False, trickle=trickle), ping=0.05)
    jobs = [asyncio.ensure_future(each) for each in (talk.read(), talk.ping())]
    async with asyncio.timeout(20):
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
    (ended,) = done
    assert isinstance(ended.exception(), SilentConnectionError)
    assert str(ended.exception()) == "no answer to a ping within 0.05 s"
    for each in jobs:
        each.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)


async def test_nobody_catches_up_while_something_lies_unread() -> None:
    """Whatever the length of what lies there, and however the reader pauses."""
    rng = random.Random(3)  # noqa: S311 - pauses of a test
    backlog = Backlog(200)
    reading = Reading(backlog)  # type: ignore[arg-type] # stands for a socket

    async def read() -> None:
        while True:
            await reading.take()
            if rng.random() < 0.3:
                await asyncio.sleep(0)

    reader = asyncio.ensure_future(read())
    async with asyncio.timeout(10):
        await reading.catch_up()
    assert not backlog._frames
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        await until_answered(reading, never, 0.01)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)


async def test_many_connections_together_hold_the_loop_no_longer_than_a_few() -> None:
    """Each reads for a shorter while, so that the line is taken and others are served between."""
    talk = conversation_over(Backlog(1))
    outbox = talk._outbox
    alone = outbox.reading_seconds
    outbox.readers = 20
    assert 20 * outbox.reading_seconds == pytest.approx(READING_SECONDS)
    assert outbox.reading_seconds < alone
    outbox.readers = 0
    reader = asyncio.ensure_future(talk.read())
    await asyncio.sleep(0)
    assert outbox.readers == 1
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert outbox.readers == 0
