"""Questions about the settings between two processes' brokers, with real Redis and real files."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.servers import Server
from support.settings_editor import editor
from virtuoso.adapters.broker.memory import MemoryBroker
from virtuoso.adapters.broker.redis import RedisBroker
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.apps.answering import Answering
from virtuoso.apps.config_editor import ConfigEditor
from virtuoso.ports import Broker
from virtuoso.web.asking import Asking, NoAnswerError
from virtuoso.wire import keys
from virtuoso.wire.asking import Answered
from virtuoso.wire.codec import Codec, Secret
from virtuoso.wire.config import SETTINGS, ConfigRequest

SECRET = Secret("0123456789abcdef")


def request(action: Any, version: int | None = None, **body: Any) -> ConfigRequest:  # noqa: ANN401
    """Ask as the web does."""
    number = body.pop("number", None)
    now = SystemClock().now()
    content = msgspec.json.encode(body)
    return ConfigRequest(
        epoch="web",
        seq=1,
        now=now,
        id=f"{now}-{action}",
        action=action,
        actor="me",
        version=version,
        number=number,
        body=content,
    )


async def ask(asked: ConfigEditor, *words: Any, **body: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
    """Give status and document."""
    status, text, _ = await asked.answer(request(*words, **body))
    return status, msgspec.json.decode(text)


@asynccontextmanager
async def talking(
    here: Broker, there: Broker, folder: Path, ours: Codec, theirs: Codec
) -> AsyncIterator[Asking[ConfigRequest]]:
    """Run a service on one side and a client on the other."""
    clock = SystemClock()
    made, _ = editor(folder)
    service = Answering(SETTINGS, made.answer, there, theirs, clock, "engine")
    client = Asking(SETTINGS, here, ours, clock, deadline_s=3.0)
    tasks = [asyncio.create_task(service.run()), asyncio.create_task(client.run())]
    await asyncio.sleep(0)
    try:
        yield client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def answered(client: Asking[ConfigRequest]) -> Answered:
    """Ask until both sides are subscribed."""
    async with asyncio.timeout(40):
        while True:
            with suppress(NoAnswerError):
                return await client.ask(ConfigRequest(action="read"))


@pytest.mark.parametrize("secret", [None, SECRET])
async def test_the_engine_answers_over_redis(
    tmp_path: Path, redis_server: Server, secret: Secret | None
) -> None:
    """Two processes, each with its own connection, signed or not."""
    here, there = (RedisBroker(redis_server.address) for _ in range(2))
    async with talking(here, there, tmp_path, Codec(secret), Codec(secret)) as client:
        answer = await answered(client)
        change = b'{"changes": {"scoring.coverage_floor": 0.6}, "reason": "over Redis"}'
        asked = ConfigRequest(action="save", actor="me", body=change, version=0)
        saved = await client.ask(asked)
    await here.close()
    await there.close()
    assert answer.status == 200
    assert b"scoring.coverage_floor" in answer.body
    assert (saved.status, saved.version) == (200, 1)


async def test_who_does_not_know_the_secret_gets_no_answer(tmp_path: Path) -> None:
    """Neither side believes the other."""
    broker = MemoryBroker()
    async with talking(broker, broker, tmp_path, Codec(), Codec(SECRET)) as client:
        client._deadline_s = 0.3
        with pytest.raises(NoAnswerError):
            await client.ask(ConfigRequest(action="read"))


async def test_a_question_is_not_answered_twice_nor_late(tmp_path: Path) -> None:
    """What somebody recorded and sends again changes nothing."""
    broker, codec, clock = MemoryBroker(), Codec(SECRET), SystemClock()
    heard = broker.subscribe(keys.CONFIG_ANSWER)
    made, _ = editor(tmp_path)
    service = Answering(SETTINGS, made.answer, broker, codec, clock, "engine")
    first = request("read")
    old = msgspec.structs.replace(first, id="old", now=clock.now() - 60_000)
    last = msgspec.structs.replace(first, id="last")
    for each in (first, first, old, last):
        await service.take(codec.encode(keys.CONFIG_ASK, each))
    ids = [codec.decode(keys.CONFIG_ANSWER, await anext(heard), Answered).id for _ in range(2)]
    assert ids == [first.id, "last"]


async def test_a_broken_version_leaves_the_last_good_one_and_is_told(tmp_path: Path) -> None:
    """F43: degraded, by name; and the next save goes on from what is in force."""
    made, running = editor(tmp_path)
    for number, floor in enumerate((0.6, 0.7)):
        status, _ = await ask(
            made, "save", number, changes={"scoring.coverage_floor": floor}, reason="r"
        )
        assert status == 200
    assert running.woken == 2
    (tmp_path / "config" / "000002.json").write_bytes(b'{"version": {"num')
    _, document = await ask(made, "read")
    assert (document["status"], document["version"]) == ("degraded", 1)
    assert document["problems"] == ["saved version 000002.json is broken"]
    status, saved = await ask(
        made, "save", 1, changes={"scoring.coverage_floor": 0.8}, reason="mended"
    )
    assert (status, saved["version"]) == (200, 3)


async def test_limits_of_risk_can_only_be_tightened_also_by_a_restore(tmp_path: Path) -> None:
    """S5, with settings that stand for limits until there are some."""
    made, _ = editor(tmp_path, limits={"universe.size": "lower"})
    looser = {"universe.size": 40}
    status, refused = await ask(made, "save", 0, changes=looser, reason="r")
    assert (status, refused["code"]) == (403, "only_tighter")
    status, _ = await ask(made, "save", 0, changes={"scoring.coverage_floor": 0.6}, reason="r")
    status, _ = await ask(made, "save", 1, changes={"universe.size": 10}, reason="r")
    assert status == 200
    status, refused = await ask(made, "restore", 2, number=1, reason="back")
    assert (status, refused["code"]) == (403, "only_tighter")
    status, refused = await ask(made, "save", 2, changes={"universe.size": None}, reason="r")
    assert (status, refused["code"]) == (403, "only_tighter")


async def test_what_the_environment_or_the_next_start_decides_is_said(tmp_path: Path) -> None:
    """Overridden, and waiting."""
    made, _ = editor(tmp_path)
    status, tried = await ask(made, "dry_run", changes={"universe.size": 7}, symbols=["BTCUSDT"])
    assert status == 200
    assert tried["differences"][0]["needs_restart"] is True
    assert tried["scores"][0]["after_reason"] == "not_told_before_the_next_start"
    await ask(made, "save", 0, changes={"universe.size": 7}, reason="r")
    _, document = await ask(made, "read")
    [size] = [each for each in document["settings"] if each["key"] == "universe.size"]
    assert (size["value"], size["waiting"], size["source"]) == (7, True, "version")


async def test_while_the_settings_file_is_wrong_nothing_is_saved_on_top_of_it(
    tmp_path: Path,
) -> None:
    """409, with what was expected and not with what was found."""
    made, _ = editor(tmp_path)
    (tmp_path / "mine.toml").write_text('[scoring]\nprofile = "canary"\n', "utf-8")
    status, refused = await ask(made, "read")
    assert (status, refused["code"]) == (409, "settings_refused")
    assert "canary" not in refused["detail"]
