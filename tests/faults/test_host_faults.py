"""F21, F22, F24, F25: name servers, `localhost`, clocks, and a process that was asleep."""

import asyncio
import signal
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import aiohttp
import msgspec
import pytest

from faults.conftest import FaultTable
from faults.rig import BUSY, Rig
from faults.watch import price_state
from support.feed_listener import FeedListener, listening_to
from support.simulated_venue import Venue, running_venue
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed.breaker import BreakerState
from virtuoso.adapters.feed.bybit.stream import BybitFeed, BybitSettings
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.connection import open_session
from virtuoso.adapters.feed.limits import Budgets
from virtuoso.apps.settings_sources import default_settings
from virtuoso.domain.errors import FeedError, VenueUnavailableError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import Disconnected
from virtuoso.domain.time import DAY, HOUR, SECOND
from virtuoso.engine.breath import LoopLag
from virtuoso.web.server import bind

pytestmark = pytest.mark.fault

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
NOBODY = "name-server-hangs.invalid"
STUCK = 12
STOPPED_SECONDS = 12.0
"""For five minutes; long enough that the seconds in between are left out."""
Lookup = Callable[..., Any]


@pytest.fixture
def hanging_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A name server that does not answer for one name, until the event is set."""
    answers, look_up = threading.Event(), socket.getaddrinfo

    def hang(host: object, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - the library's
        if host == NOBODY:
            answers.wait(30)
            host = "127.0.0.1"
        return look_up(host, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield answers
    answers.set()


async def typical_seconds(history: CcxtHistory) -> float:
    """How long a request takes: the median of some."""
    found = []
    for _ in range(15):
        began = time.monotonic()
        await history.venue_time()
        found.append(time.monotonic() - began)
        await asyncio.sleep(0.02)
    return statistics.median(found)


async def test_f21_a_name_server_that_hangs_holds_up_nobody(
    table: FaultTable, hanging_names: threading.Event
) -> None:
    """Twelve look-ups without an answer: requests, the loop and other threads are as quick."""
    lag = LoopLag()
    async with running_venue() as venue, open_session() as session:
        history = CcxtHistory(BYBIT, Budgets(SystemClock()).of(BYBIT, venue.url), venue.url)
        measuring = asyncio.create_task(lag.run())
        usual = await typical_seconds(history)
        usual_lag, began = lag.worst_ms, time.monotonic()
        lag._worst.clear()
        url = f"http://{NOBODY}:{venue.port}/v5/market/time"
        stuck = [asyncio.create_task(session.get(url)) for _ in range(STUCK)]
        feed = BybitFeed(
            BybitSettings(url=f"ws://{NOBODY}:{venue.port}/v5/public/linear"),
            SystemClock(),
            Random(1),  # noqa: S311 - spreads retries
        )
        async with listening_to(feed, [BTC]) as listener:
            await asyncio.sleep(0.2)
            slow = await typical_seconds(history)
            thread_began = time.monotonic()
            await asyncio.to_thread(lambda: None)
            thread = time.monotonic() - thread_began
            assert not any(each.done() for each in stuck)
            assert not listener.connected
            hanging_names.set()
            healed = await listener.until(listener.are_synced, 15)
            for each in await asyncio.gather(*stuck):
                assert each.status == 200
                each.close()
        measuring.cancel()
        await history.close()
    what = (
        f"{STUCK} look-ups hang: a request {1e3 * (slow - usual):+.1f} ms, another thread "
        f"{1e3 * thread:.1f} ms, loop lag {lag.worst_ms} ms (before {usual_lag})"
    )
    table.add("F21", what, None, healed)
    assert slow - usual <= 0.05
    assert thread <= 0.05
    assert lag.worst_ms <= usual_lag + 100
    assert time.monotonic() - began < 20


async def test_f22_localhost_may_be_an_ipv6_address(
    table: FaultTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where `localhost` is `::1` we listen on 127.0.0.1 all the same, and find what is there."""
    look_up = socket.getaddrinfo

    def ipv6_first(host: object, port: object, *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        if host != "localhost":
            return look_up(host, port, *rest, **named)  # type: ignore[arg-type]
        found = look_up("127.0.0.1", port, *rest, **named)  # type: ignore[arg-type]
        number = int(str(port or 0))
        six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", number, 0, 0))
        return [six, *found]

    monkeypatch.setattr(socket, "getaddrinfo", ipv6_first)
    app = msgspec.structs.replace(default_settings().app, host="localhost")
    assert app.address == "127.0.0.1"
    with bind(app.address, 0) as ours:
        assert ours.family == socket.AF_INET
        assert ours.getsockname()[0] == "127.0.0.1"
    async with running_venue() as venue:
        url = f"http://localhost:{venue.port}"
        history = CcxtHistory(BYBIT, Budgets(SystemClock()).of(BYBIT, url), url)
        began = time.monotonic()
        await history.venue_time()
        took = time.monotonic() - began
        async with (
            open_session() as session,
            session.ws_connect(f"ws://localhost:{venue.port}/v5/public/linear") as ws,
        ):
            await ws.send_str('{"op":"ping"}')
            assert (await ws.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT
        await history.close()
    table.add("F22", "localhost is ::1 first: listened to and found on 127.0.0.1", None, took)
    assert took <= 2.0


@asynccontextmanager
async def listening(venue: Venue, clock: SystemClock) -> AsyncIterator[FeedListener]:
    """A listener of the simulated venue that keeps our time."""
    url = f"ws://127.0.0.1:{venue.port}/v5/public/linear"
    rng = Random(1)  # noqa: S311 - spreads retries
    async with listening_to(BybitFeed(BybitSettings(url=url), clock, rng), [BTC]) as listener:
        yield listener


def age_of_book(listener: FeedListener, clock: SystemClock) -> float:
    """How old the book is on the venue's clock, in seconds."""
    now, as_of = listener.door.clock.venue_now(clock.now()), listener.books[BTC].as_of
    assert now is not None
    assert as_of is not None
    return (now - as_of) / SECOND


STEPS = pytest.mark.parametrize("step", [HOUR, -HOUR, -30 * DAY])


def set_clock(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the wall clock of this process be wrong from now on, for all but the venue."""
    true, true_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: true() + step / SECOND)
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + step * 1_000_000)


@STEPS
async def test_f24_a_step_of_the_wall_clock_changes_no_age_and_no_pause(
    table: FaultTable, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """While everything runs: ages stay right, the limiter goes on, the breaker opens and closes."""
    async with running_venue() as venue:
        clock = SystemClock()
        budget = Budgets(clock).of(BYBIT, venue.url)
        history = CcxtHistory(BYBIT, budget, venue.url)
        async with listening(venue, clock) as listener:
            await listener.until(listener.are_synced)
            await history.venue_time()
            set_clock(monkeypatch, step)
            ages = []
            for _ in range(10):
                await asyncio.sleep(0.1)
                ages.append(age_of_book(listener, clock))
            began = time.monotonic()
            for _ in range(20):
                await history.venue_time()
            limiter = time.monotonic() - began
            await venue.inject(fault="rest_down")
            for _ in range(5):
                with pytest.raises(VenueUnavailableError):
                    await history.venue_time()
            assert str(budget.status.breaker) == "open"
            await venue.inject(fault="clear")
            began = time.monotonic()
            async with asyncio.timeout(10):
                while budget.status.breaker is not BreakerState.CLOSED:
                    try:
                        await history.venue_time()
                    except FeedError:
                        await asyncio.sleep(0.05)
            healed = time.monotonic() - began
            assert not listener.of(Disconnected)
            assert not [each for each in listener.door.counters if each[1] == "time"]
        await history.close()
    table.add(
        "F24",
        f"wall clock {step / HOUR:+.0f} h: oldest book {max(ages):.1f} s, 20 requests in "
        f"{limiter:.2f} s, breaker closed again",
        None,
        healed,
    )
    assert min(ages) >= -0.5
    assert max(ages) <= 1.5
    assert limiter <= 2.0
    assert 1.0 <= healed <= 4.0


@STEPS
async def test_f24_a_wrong_clock_from_the_start_makes_no_wrong_age(
    table: FaultTable, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The venue's clock is what counts; the difference is known."""
    async with running_venue() as venue:
        set_clock(monkeypatch, step)
        clock = SystemClock()
        async with listening(venue, clock) as listener:
            listener.recycles = True
            healed = await listener.until(listener.are_synced)
            await asyncio.sleep(0.5)
            age = age_of_book(listener, clock)
            offset = listener.door.clock.offset_ms
    assert offset is not None
    table.add("F24", f"{step / HOUR:+.0f} h wrong from the start: age {age:.1f} s", None, healed)
    assert abs(offset - step) <= 500
    assert -0.5 <= age <= 1.5


@pytest.mark.process
def test_f25_after_a_sleep_nothing_old_is_shown_as_new(healthy: Rig, table: FaultTable) -> None:
    """On waking everything is stale; then all is fetched anew, and there is no burst."""
    watch, process = healthy.watch, healthy.virtuoso.process
    usual_begin = time.monotonic()
    time.sleep(2.0)
    usual = len(watch.since(BUSY, usual_begin)) / 2.0
    untruths = len(watch.untruths)
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(STOPPED_SECONDS)
    finally:
        begin = time.monotonic()
        process.send_signal(signal.SIGCONT)
    marked = watch.when(BUSY, lambda each: price_state(each) != "live", begin, 10)
    healed = watch.when(BUSY, lambda each: price_state(each) == "live", begin + marked, 20)
    whole = healthy.seconds_until("everything is live", healthy.is_well, 20)
    shown = len(watch.since(BUSY, begin)) / (time.monotonic() - begin)
    table.add(
        "F25",
        f"stopped for {STOPPED_SECONDS:.0f} s: not live on waking, then live; "
        f"{shown:.1f} records a second (before {usual:.1f})",
        marked,
        healed,
    )
    assert watch.untruths[untruths:] == []
    assert marked <= 3.0
    assert healed <= 12.0
    assert whole <= 15.0
    assert shown <= 3 * usual + 5
