"""From a number to a kept alert: once, in order, after a restart and with the store away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.stores import Opened, opened
from virtuoso.adapters.rule_shelf.file import FileRules
from virtuoso.adapters.store.database import place_of
from virtuoso.alerting.rules import Rule, parse
from virtuoso.domain.alerts import Acknowledgement, Alert, AlertFilter, AlertState, Delivery
from virtuoso.domain.alerts import DeliveryState as Sent
from virtuoso.domain.errors import ConflictError, StoreUnavailableError
from virtuoso.domain.history import Series
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.scores import Direction, Source, State
from virtuoso.domain.time import SECOND, Millis
from virtuoso.engine import alerts as desks
from virtuoso.engine.alerts import NOT_SENT, AlertDesk, AlertSettings
from virtuoso.engine.content import Content
from virtuoso.engine.rule_book import RuleBook
from virtuoso.ports import Ledger
from virtuoso.testing.fake_clock import START, FakeClock
from virtuoso.wire.processes import PartHealth

FAILING = {
    "id": "failing",
    "title": "A part fails",
    "kind": "system",
    "level": "warning",
    "cooldown_seconds": 60,
    "when": {"number": "system.health", "is": "is", "limit": "fail"},
}


def second(number: int, status: str) -> Content:
    """One second of an engine without markets, a part of which has this status."""
    part = PartHealth("feed", cast("Any", status), "as a test says")
    at = Millis(START + number * SECOND)
    found = SimpleNamespace(
        second=at,
        behind_ms=1,
        parts=(part,),
        shown=(),
        lanes={},
        sources={},
        cycle_ms=1.0,
        cycle=SimpleNamespace(now=at),
        across=SimpleNamespace(betas_as_of=None),
    )
    return cast("Content", found)


class Away:
    """A ledger that is away while a test says so."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner
        self.away = False

    async def add_alert(self, alert: Alert, deliveries: Sequence[Delivery] = ()) -> bool:
        """Keep it, or fail."""
        if self.away:
            message = "away"
            raise StoreUnavailableError(message)
        return await self._inner.add_alert(alert, deliveries)

    async def change_alert(self, said: Acknowledgement, before: Collection[AlertState]) -> bool:
        """Change it."""
        return await self._inner.change_alert(said, before)


@asynccontextmanager
async def desk_over(
    kept: Opened,
    folder: Path,
    clock: FakeClock,
    *,
    rule: dict[str, Any] | None = None,
    source: Source = Source.BYBIT,
    ledger: Any = None,  # noqa: ANN401 - Away stands in for a part of a Ledger
) -> AsyncIterator[AlertDesk]:
    """A desk that runs, told of what was before."""
    rules: tuple[Rule, ...] = (parse(rule or FAILING),)
    desk = AlertDesk(
        ledger or kept.ledger,
        kept.archive,
        RuleBook(rules, FileRules(folder / "rules.json")),
        clock,
        source,
        AlertSettings(channels=("discord",)),
    )
    task = asyncio.create_task(desk.run())
    await until_true(lambda: not desk.part().text.startswith("it is not known"))
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_true(condition: Callable[[], bool]) -> None:
    """Wait for a condition, with a deadline."""
    async with asyncio.timeout(40):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def look(desk: AlertDesk, number: int, status: str) -> None:
    """Let one second pass."""
    for _ in desk.taking(second(number, status)):
        pass


async def until(kept: Opened, count: int, state: AlertState | None = None) -> Sequence[Alert]:
    """Wait until so many alerts (of a state) are in the store."""
    wanted = AlertFilter(states=() if state is None else (state,))
    async with asyncio.timeout(40):
        while len(found := await kept.archive.alerts(wanted)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty store."""
    async with opened(place_of("", tmp_path / "state"), FakeClock()) as found:
        yield found


async def test_a_firing_is_kept_with_its_delivery_and_resolved_when_it_ends(
    kept: Opened, tmp_path: Path
) -> None:
    """I4: the row is there before anything is said of it; its end is noted by itself."""
    told: list[AlertState] = []

    async def tell(alerts: Sequence[Alert]) -> None:
        for each in alerts:
            assert await kept.archive.alert(each.id) is not None
            told.append(each.state)

    async with desk_over(kept, tmp_path, FakeClock()) as desk:
        desk.tell = tell
        look(desk, 1, "pass")
        look(desk, 2, "fail")
        (alert,) = await until(kept, 1)
        assert alert.message == "A part fails - system.health fail. Source: bybit."
        (delivery,) = await kept.archive.deliveries([alert.id])
        assert delivery.state is Sent.PENDING
        look(desk, 3, "pass")
        await until(kept, 1, AlertState.RESOLVED)
        await until_true(lambda: len(told) == 2)
    assert told == [AlertState.ACTIVE, AlertState.RESOLVED]


async def test_what_held_and_what_is_silent_survives_a_restart(
    kept: Opened, tmp_path: Path
) -> None:
    """A3: the same condition does not fire again because the process was killed."""
    async with desk_over(kept, tmp_path, FakeClock()) as desk:
        look(desk, 1, "fail")
        await until(kept, 1)
    async with desk_over(kept, tmp_path, FakeClock(now=START + 5 * SECOND)) as desk:
        assert len(desk.view.alerts) == 1
        look(desk, 5, "fail")
        look(desk, 6, "pass")
        await until(kept, 1, AlertState.RESOLVED)
        look(desk, 7, "fail")  # within the cooldown
        look(desk, 62, "fail")
        found = await until(kept, 2)
    assert [each.at - START for each in found] == [62 * SECOND, SECOND]


async def test_alerts_wait_for_a_store_that_is_away_and_health_says_so(
    kept: Opened, tmp_path: Path
) -> None:
    """F26, F36: nothing is dropped in silence, the loop does not wait, order is kept."""
    ledger = Away(kept.ledger)
    ledger.away = True
    async with desk_over(kept, tmp_path, FakeClock(), ledger=ledger) as desk:
        look(desk, 1, "fail")
        await until_true(lambda: desk.part().status == "fail")
        assert "alerts are not kept, 1 wait" in desk.part().text
        assert desk.view.alerts == ()
        ledger.away = False
        await until(kept, 1)
        await until_true(lambda: desk.part().status == "pass")


async def test_simulated_numbers_are_said_aloud_and_not_sent(kept: Opened, tmp_path: Path) -> None:
    """Promise 1: the row says why nothing left."""
    async with desk_over(kept, tmp_path, FakeClock(), source=Source.SIMULATOR) as desk:
        look(desk, 1, "fail")
        (alert,) = await until(kept, 1)
    assert alert.message.startswith("SIMULATED: ")
    (delivery,) = await kept.archive.deliveries([alert.id])
    assert (delivery.state, delivery.error) == (Sent.DEAD, NOT_SENT)


@pytest.mark.parametrize(("level", "is_late"), [("warning", True), ("critical", False)])
async def test_quiet_hours_keep_the_row_and_put_off_the_message(
    kept: Opened,
    tmp_path: Path,
    level: str,
    is_late: bool,  # noqa: FBT001
) -> None:
    """A critical one is not put off. The clock of the tests stands at noon."""
    rule = {**FAILING, "level": level, "quiet": "11:00-13:00"}
    async with desk_over(kept, tmp_path, FakeClock(), rule=rule) as desk:
        look(desk, 1, "fail")
        (alert,) = await until(kept, 1)
    (delivery,) = await kept.archive.deliveries([alert.id])
    assert ((delivery.due_at or 0) > START + 1_000 * SECOND) is is_late


async def test_a_broken_file_of_rules_leaves_those_before_in_force(tmp_path: Path) -> None:
    """F43: it is said, nothing is written over it, and it heals when it is mended."""
    shelf = FileRules(tmp_path / "rules.json")
    book = RuleBook((parse(FAILING),), shelf)
    mine = parse({**FAILING, "id": "mine"})
    assert await book.put(mine) == 1
    whole = shelf.path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"[]", b'{"version":2,"rules":[{"id":1}]}', b"\xff"):
        shelf.path.write_bytes(broken)
        await book.refresh()
        assert book.problem is not None
        assert [each.id for each in book.rules] == ["failing", "mine"]
        with pytest.raises(ConflictError):
            await book.put(replace(mine, id="other"))
        assert shelf.path.read_bytes() == broken
    shelf.path.write_bytes(whole)
    await book.refresh()
    assert book.problem is None
    with pytest.raises(ConflictError):
        await book.remove("mine", seen=7)
    assert await book.remove("mine", seen=1) == 2
    assert [each.id for each in book.rules] == ["failing"]


TURNED = {
    "id": "turned",
    "title": "The direction turned",
    "kind": "confluence",
    "level": "info",
    "cooldown_seconds": 60,
    "when": {"number": "direction", "is": "is", "limit": "Bullish"},
}


def market_second(number: int) -> Content:
    """One second of an engine that watches BTCUSDT."""
    score = SimpleNamespace(
        state=State.LIVE, score=71.0, coverage=0.9, contributions=(), components={}
    )
    view = SimpleNamespace(
        score=score, price=SimpleNamespace(value=100.0), heard=State.LIVE, state=State.LIVE
    )
    shown = SimpleNamespace(
        symbol="BTCUSDT", instrument=Instrument(BYBIT, Symbol("BTCUSDT")), view=view
    )
    content = second(number, "pass")
    return cast(
        "Content",
        SimpleNamespace(**{**vars(content), "shown": (shown,), "sources": {BYBIT: Source.BYBIT}}),
    )


@pytest.mark.parametrize(
    ("rule", "numbers", "expected"),
    [
        (TURNED, {"direction": "Bullish"}, "the signal"),
        (
            {**TURNED, "when": {"number": "direction", "is": "is", "limit": "Neutral"}},
            {"direction": "Neutral"},
            None,
        ),
        (
            {**TURNED, "when": {"number": "score", "is": "above", "limit": 70.0}},
            {"score": 71.0, "direction": "Bullish"},
            None,
        ),
    ],
)
async def test_an_alert_of_a_direction_names_the_signal_that_it_is_about(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rule: dict[str, Any],
    numbers: dict[str, Any],
    expected: str | None,
) -> None:
    """Only where its rule looked at the direction, and the symbol has one; kept with its row."""
    clock = FakeClock()
    asked: list[tuple[Series, Direction]] = []

    def signal_of(series: Series, direction: Direction) -> str:
        asked.append((series, direction))
        return "the signal"

    monkeypatch.setattr(desks, "symbol_readings", lambda *_: numbers)
    async with (
        opened(place_of("", tmp_path), clock) as kept,
        desk_over(kept, tmp_path, clock, rule=rule) as desk,
    ):
        desk.signal_of = signal_of
        for _ in desk.taking(market_second(1)):
            pass
        [alert] = await until(kept, 1)
    assert (alert.symbol, alert.signal) == ("BTCUSDT", expected)
    series = Series(Source.BYBIT, BYBIT, Symbol("BTCUSDT"))
    assert asked == ([] if expected is None else [(series, Direction.BULLISH)])
