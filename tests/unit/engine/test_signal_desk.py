"""From a change of direction to a kept signal: once, across restarts, with the store away."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.signals import AT, candle, quiet, turn
from support.stores import Opened, opened
from virtuoso.adapters.store.database import place_of
from virtuoso.domain.errors import StoreUnavailableError
from virtuoso.domain.history import Series
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Direction, Source, State
from virtuoso.domain.signals import Outcome, Signal, SignalEvent, SignalFilter, SignalState
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.engine.content import Content
from virtuoso.engine.lane import Lane
from virtuoso.engine.signals import SignalDesk
from virtuoso.ports import Ledger
from virtuoso.signals.turns import Turn
from virtuoso.testing.fake_clock import FakeClock

BULL, BEAR, NEUTRAL = Direction.BULLISH, Direction.BEARISH, Direction.NEUTRAL
BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
ID = f"bybit:BTCUSDT:bull:{AT}:abcdef012345"


def turned(after: Direction | None, minute: int = 0, before: Direction | None = NEUTRAL) -> Turn:
    """A change of direction at a price of 100, so many minutes after the first."""
    return turn(after, AT + minute * MINUTE, before=before)


def lane_of(turns: Sequence[Turn], candles: Sequence[Candle]) -> Lane:
    """A market with these turns and one-minute candles."""
    series = SimpleNamespace(
        closed=list(candles), gap=False, last_close=candles[-1].close_time if candles else None
    )
    market = SimpleNamespace(candles={Timeframe.M1: series})
    return cast("Lane", SimpleNamespace(turns=list(turns), loaded=True, market=market))


def second(
    minute: float,
    turns: Sequence[Turn] = (),
    candles: Sequence[Candle] = (),
    *,
    source: Source = Source.BYBIT,
    venue: Venue = BYBIT,
) -> Content:
    """One second of an engine that watches BTCUSDT."""
    instrument = Instrument(venue, Symbol("BTCUSDT"))
    shown = SimpleNamespace(
        symbol="BTCUSDT",
        instrument=instrument,
        view=SimpleNamespace(heard=State.LIVE),
    )
    known = SimpleNamespace(
        second=Millis(round(AT + minute * MINUTE)),
        shown=(shown,),
        lanes={"BTCUSDT": lane_of(turns, candles)},
        sources={venue: source},
    )
    return cast("Content", known)


class Away:
    """A ledger that is away while a test says so."""

    def __init__(self, inner: Ledger) -> None:
        self._inner = inner
        self.away = False
        self.told = 0

    async def add_signal(self, signal: Signal, events: Sequence[SignalEvent] = ()) -> bool:
        """Keep it, or fail."""
        self.told += 1
        if self.away:
            message = "away"
            raise StoreUnavailableError(message)
        return await self._inner.add_signal(signal, events)

    async def change_signal(
        self, signal: Signal, before: SignalState, events: Sequence[SignalEvent] = ()
    ) -> bool:
        """Change it."""
        return await self._inner.change_signal(signal, before, events)


@asynccontextmanager
async def desk_over(
    kept: Opened,
    clock: FakeClock,
    ledger: Any = None,  # noqa: ANN401 - Away stands in for a part of a Ledger
    sources: Sequence[Source] = (Source.BYBIT,),
) -> AsyncIterator[SignalDesk]:
    """A desk that runs, told of what is open."""
    desk = SignalDesk(clock, sources, ledger or kept.ledger, kept.archive)
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


async def until_kept(kept: Opened, name: str, state: SignalState) -> Signal:
    """Wait until a signal is on the disk in this state."""
    async with asyncio.timeout(40):
        while True:
            found = await kept.archive.signal(name)
            if found is not None and found.state is state:
                return found
            await asyncio.sleep(0.01)


def take(desk: SignalDesk, content: Content) -> None:
    """Let a desk work through one second."""
    for _ in desk.taking(content):
        pass


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Opened]:
    """An empty store."""
    async with opened(place_of("", tmp_path / "state"), FakeClock()) as found:
        yield found


async def test_a_change_is_a_row_and_then_it_is_shown(kept: Opened) -> None:
    """With everything that was known at its second, and its first step."""
    async with desk_over(kept, FakeClock()) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
        assert not desk.shown[1]
        found = await until_kept(kept, ID, SignalState.ACTIVE)
        assert (found.price, found.decided_on, found.stop is None) == (100.0, 72.5, False)
        await until_true(lambda: desk.part().text.startswith("1 signals"))
        take(desk, second(0.1, [turned(BULL)], quiet(-5, 5)))
        assert [each.id for each in desk.shown[1]] == [ID]
        assert [each.what for each in await kept.archive.signal_events(ID)] == ["opened"]


async def test_after_a_restart_the_candles_of_meanwhile_are_gone_through(kept: Opened) -> None:
    """The engine was killed; the stop was touched while nobody looked."""
    async with desk_over(kept, FakeClock()) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
        await until_kept(kept, ID, SignalState.ACTIVE)
    missed = [*quiet(-5, 45), candle(40, 99.0, 103.0, 102.0), *quiet(41, 20)]
    async with desk_over(kept, FakeClock()) as again:
        take(again, second(61, [], missed))
        found = await until_kept(kept, ID, SignalState.INVALIDATED)
        assert (found.outcome, found.r, found.closed_at) == (
            Outcome.STOP,
            -1.0,
            AT + 41 * MINUTE,
        )
        steps = await kept.archive.signal_events(ID)
        assert [(each.what, each.at) for each in steps] == [
            ("opened", AT),
            ("stop", AT + 41 * MINUTE),
        ]


async def test_a_row_that_was_written_before_a_crash_is_not_written_again(kept: Opened) -> None:
    """The id is that of the change: whoever sees the change again finds its row."""
    for _ in range(2):
        async with desk_over(kept, FakeClock()) as desk:
            take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
            await until_kept(kept, ID, SignalState.ACTIVE)
    assert len(await kept.archive.signals(SignalFilter())) == 1
    assert len(await kept.archive.signal_events(ID)) == 1


async def test_while_the_store_is_away_signals_wait_and_health_says_so(kept: Opened) -> None:
    """Nothing is shown, nothing is lost, and what became of it meanwhile is kept too."""
    ledger = Away(kept.ledger)
    async with desk_over(kept, FakeClock(), ledger) as desk:
        ledger.away = True
        take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
        await until_true(lambda: desk.part().status == "fail")
        hit = [*quiet(-5, 8), candle(3, 99.9, 100.7, 100.6)]
        take(desk, second(4, [turned(BULL)], hit))
        assert not desk.shown[1]
        ledger.away = False
        found = await until_kept(kept, ID, SignalState.CONFIRMED)
        assert found.targets_hit == 1
        await until_true(lambda: desk.part().status == "pass")
        steps = await kept.archive.signal_events(ID)
        assert [each.what for each in steps] == ["opened", "target_1"]


def test_the_same_seconds_give_the_same_signals_however_many_are_passed_over() -> None:
    """A desk that looks each second, and one that looks each quarter of an hour, agree."""
    turns = [turned(BULL), turned(NEUTRAL, 20, BULL), turned(BULL, 40), turned(BEAR, 90, BULL)]
    path = [
        candle(minute, 99.95 - minute / 400, 100.05, 100.0 - minute / 500)
        for minute in range(-5, 330)
    ]

    def run(step: int) -> Sequence[Signal]:
        desk = SignalDesk(FakeClock(), (Source.REPLAY,))
        for minute in range(0, 331, step):
            take(
                desk,
                second(
                    minute,
                    [each for each in turns if each.at <= AT + minute * MINUTE],
                    path[: minute + 5],
                    source=Source.REPLAY,
                ),
            )
        return desk.shown[1]

    one = run(1)
    assert [each.direction for each in one] == [BEAR, BULL]
    assert [each.reopened for each in one] == [0, 1]
    assert all(not each.is_open for each in one)
    assert run(1) == one
    assert run(15) == one
    assert run(330) == one


async def test_what_a_venue_said_while_another_spoke_is_no_signal(kept: Opened) -> None:
    """Nobody was shown that direction."""
    async with desk_over(kept, FakeClock()) as desk:
        take(desk, second(0, [], quiet(-5, 5)))
        standing_in = [turned(BULL, -30, NEUTRAL)]
        take(desk, second(1, standing_in, quiet(-5, 6), venue=BINANCE))
        await asyncio.sleep(0.05)
        assert await kept.archive.signals(SignalFilter()) == []
        standing_in.append(turned(BULL, 3, NEUTRAL))
        take(desk, second(3, standing_in, quiet(-5, 8), venue=BINANCE))
        found = await until_kept(
            kept, f"binance:BTCUSDT:bull:{AT + 3 * MINUTE}:abcdef012345", SignalState.ACTIVE
        )
        assert found.series.venue == BINANCE


async def test_a_simulated_signal_is_not_followed_in_another_simulated_market(
    kept: Opened,
) -> None:
    """Another start of the simulator is another market: it has no result there."""
    name = f"simulator:{ID}"
    sources = (Source.SIMULATOR,)
    async with desk_over(kept, FakeClock(), sources=sources) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5), source=Source.SIMULATOR))
        await until_kept(kept, name, SignalState.ACTIVE)
    elsewhere = [candle(minute, 49.9, 50.1, 50.0, start=50.0) for minute in range(-5, 30)]
    async with desk_over(kept, FakeClock(), sources=sources) as again:
        take(again, second(30, [], elsewhere, source=Source.SIMULATOR))
        found = await until_kept(kept, name, SignalState.CLOSED)
        assert (found.outcome, found.r, found.worst_excursion) == (Outcome.LOST_DATA, None, None)


async def test_a_live_engine_leaves_simulated_signals_alone(kept: Opened) -> None:
    """And the other way round: each recalls its own."""
    async with desk_over(kept, FakeClock(), sources=(Source.SIMULATOR,)) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5), source=Source.SIMULATOR))
        await until_kept(kept, f"simulator:{ID}", SignalState.ACTIVE)
    async with desk_over(kept, FakeClock()) as live:
        take(live, second(600, [], quiet(-5, 600)))
        assert live.part().text.startswith("0 signals")


async def test_a_market_that_is_gone_ends_its_signal_without_a_result(kept: Opened) -> None:
    """An hour after its horizon nothing was heard of it."""
    async with desk_over(kept, FakeClock()) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
        await until_kept(kept, ID, SignalState.ACTIVE)
    gone = second(5 * HOUR / MINUTE + 1)
    cast("Any", gone).shown = ()
    async with desk_over(kept, FakeClock()) as again:
        take(again, gone)
        found = await until_kept(kept, ID, SignalState.CLOSED)
        assert (found.outcome, found.closed_at) == (Outcome.LOST_DATA, AT + 4 * HOUR)


async def test_progress_is_written_each_five_minutes_and_shown_each_minute(kept: Opened) -> None:
    """The disk may be behind by five minutes, which a restart makes up for."""
    async with desk_over(kept, FakeClock()) as desk:
        take(desk, second(0, [turned(BULL)], quiet(-5, 5)))
        await until_kept(kept, ID, SignalState.ACTIVE)
        await until_true(lambda: desk.part().text.startswith("1 signals"))
        take(desk, second(3, [turned(BULL)], quiet(-5, 8)))
        (shown,) = desk.shown[1]
        assert shown.followed_to == AT + 3 * MINUTE
        found = await kept.archive.signal(ID)
        assert found is not None
        assert found.followed_to is None
        take(desk, second(5, [turned(BULL)], quiet(-5, 10)))
        async with asyncio.timeout(40):
            while (  # noqa: ASYNC110 - what is waited for has no event
                found := await kept.archive.signal(ID)
            ) is None or not found.followed_to:
                await asyncio.sleep(0.01)
        assert found.followed_to == AT + 5 * MINUTE
        assert len(await kept.archive.signal_events(ID)) == 1


def test_a_second_before_the_first_is_nothing() -> None:
    """Nothing was scored yet."""
    desk = SignalDesk(FakeClock(), (Source.BYBIT,))
    content = second(0, [turned(BULL)], quiet(-5, 5))
    cast("Any", content).second = None
    take(desk, content)
    assert desk.shown == (0, ())
    assert desk.part().text.endswith("there is no store")


async def test_the_signal_of_now_is_named_while_its_direction_is_held(tmp_path: Path) -> None:
    """At the very second that confirmed it; not once it was left, and again when it is back."""
    clock = FakeClock()
    series = Series(Source.BYBIT, BYBIT, Symbol("BTCUSDT"))
    async with opened(place_of("", tmp_path), clock) as kept, desk_over(kept, clock) as desk:
        assert desk.current(series, BULL) is None
        turns = [turned(BULL)]
        take(desk, second(0, turns))
        assert (desk.current(series, BULL), desk.current(series, BEAR)) == (ID, None)
        turns.append(turned(NEUTRAL, 3, BULL))
        take(desk, second(3, turns))
        assert desk.current(series, BULL) is None
        turns.append(turned(BULL, 5))
        take(desk, second(5, turns))
        assert desk.current(series, BULL) == ID
