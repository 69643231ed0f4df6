"""F14, F16, F17, F18: what a venue's REST side answers, and what we do with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal

import psutil
import pytest
import pytest_asyncio
import structlog

from faults.conftest import FaultTable
from support.simulated_venue import Venue, running_venue
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed import governed
from virtuoso.adapters.feed.breaker import BreakerState
from virtuoso.adapters.feed.ccxt_history import CcxtHistory, translate_errors
from virtuoso.adapters.feed.limits import Budgets, RequestBudget
from virtuoso.domain.errors import FeedError, VenueRefusedError, VenueUnavailableError
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol
from virtuoso.domain.instruments import Venue as VenueName
from virtuoso.domain.time import Timeframe
from virtuoso.simulator.faults import FaultRequest

pytestmark = [pytest.mark.fault, pytest.mark.asyncio(loop_scope="module")]

KEY = "canarykey7f3a9c1d5e"
SECRET = "canarysecret2b8e4f6a0c"
CALLERS = 20
DEADLINE = 2.0
"""Seconds, instead of ten."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_venue() -> AsyncIterator[Venue]:
    """A running venue with three symbols."""
    async with running_venue() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def venue(shared_venue: Venue) -> AsyncIterator[Venue]:
    """The same without a fault, before and after."""
    yield shared_venue
    await shared_venue.inject(fault="clear")


class Asked:
    """The times at which requests reached the venue."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def between(self, first: float, last: float) -> int:
        """How many came in that time."""
        return sum(first <= each <= last for each in self.times)


@pytest.fixture
def asked(shared_venue: Venue, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Notes what is asked from now on."""
    noted, faults = Asked(), shared_venue.server._venues.faults
    meets = faults.rest

    def note(name: Literal["bybit", "binance"], path: str) -> FaultRequest | None:
        noted.times.append(time.monotonic())
        return meets(name, path)

    monkeypatch.setattr(faults, "rest", note)
    return noted


@asynccontextmanager
async def history_of(
    name: VenueName, venue: Venue
) -> AsyncIterator[tuple[CcxtHistory, RequestBudget]]:
    """A history of the simulated venue, with its budget."""
    budget = Budgets(SystemClock()).of(name, venue.url)
    history = CcxtHistory(name, budget, venue.url)
    try:
        yield history, budget
    finally:
        await history.close()


def btc(name: VenueName) -> Instrument:
    """Bitcoin on a venue."""
    return Instrument(name, Symbol("BTCUSDT"))


async def until_answered(ask: Callable[[], Awaitable[object]], limit: float) -> float:
    """Ask without mercy until there is an answer; the seconds it took."""
    began = time.monotonic()
    async with asyncio.timeout(limit):
        while True:
            try:
                await ask()
            except FeedError:
                await asyncio.sleep(0.02)
            else:
                return time.monotonic() - began


@pytest.mark.parametrize("name", [BYBIT, BINANCE])
async def test_f14_too_many_requests_are_answered_with_silence(
    venue: Venue, asked: Asked, table: FaultTable, name: VenueName
) -> None:
    """Twenty callers that never give up: one request each at most, then the pause that was told.

    Bybit's limit begins anew after a second; Binance says with its weight that the minute is full.
    """
    async with history_of(name, venue) as (history, budget):
        await history.venue_time()
        await venue.inject(fault="rate_limit", retry_after=1)
        began = time.monotonic()
        callers = [
            asyncio.create_task(until_answered(history.venue_time, 20)) for _ in range(CALLERS)
        ]
        async with asyncio.timeout(5):
            while budget.status.share == 1.0:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.005)
        marked = time.monotonic() - began
        await asyncio.sleep(0.1)
        await venue.inject(fault="clear")
        healed = None
        if name == BYBIT:
            await asyncio.gather(*callers)
            healed = time.monotonic() - began
            assert 0.8 <= healed <= 3.0
            during = asked.between(began, began + 0.8)
        else:
            await asyncio.sleep(2.5)
            during = asked.between(began, time.monotonic())
            assert budget.status.used >= budget.status.amount
            for each in callers:
                each.cancel()
            await asyncio.gather(*callers, return_exceptions=True)
        what = f"{name}: {during} requests of {CALLERS} callers in the pause, budget halved"
        table.add("F14", what, marked, healed)
        assert during <= CALLERS
        assert budget.status.share == 0.5
        assert "too many requests" in budget.status.last_error


@pytest.mark.parametrize("fault", ["rest_down", "maintenance", "error_code"])
async def test_f16_a_venue_that_is_not_well_is_left_alone(
    venue: Venue, asked: Asked, table: FaultTable, fault: str
) -> None:
    """Five failures and no sixth request; nothing of it becomes data; found again by a probe."""
    async with history_of(BYBIT, venue) as (history, budget):
        good = await history.candles(btc(BYBIT), Timeframe.M1, 5)
        await venue.inject(fault=fault)
        began = time.monotonic()
        failures: list[FeedError] = []
        data: list[object] = []
        while time.monotonic() - began < 1.5:
            try:
                data.append(await history.candles(btc(BYBIT), Timeframe.M1, 5))
            except FeedError as error:
                failures.append(error)
                await asyncio.sleep(0.01)
            if budget.status.breaker is BreakerState.OPEN and len(failures) == 5:
                marked = time.monotonic() - began
        assert all(isinstance(each, VenueUnavailableError) for each in failures)
        assert data == []
        assert asked.between(began, time.monotonic()) == 5
        assert "5 failures in a row" in str(failures[-1])
        await venue.inject(fault="clear")
        healed = await until_answered(lambda: history.candles(btc(BYBIT), Timeframe.M1, 5), 10)
        again = await history.candles(btc(BYBIT), Timeframe.M1, 5)
        assert [each.open_time for each in again][-1] >= [each.open_time for each in good][-1]
        table.add("F16", f"{fault}: breaker open after 5, none of it read as data", marked, healed)
        assert healed <= 4.0


@pytest.mark.parametrize(
    "fault", ["drip_rest", "cut_rest", "wrong_length", "silent_rest", "gzip_bomb", "huge_body"]
)
async def test_f17_a_body_that_never_ends_is_an_error_in_time(
    venue: Venue, table: FaultTable, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error by the deadline (here 2 s for 10), memory bounded, and the next answer is data."""
    monkeypatch.setattr(governed, "DEADLINE_SECONDS", DEADLINE)
    async with history_of(BYBIT, venue) as (history, budget):
        await history.venue_time()
        await venue.inject(fault=fault, megabytes=100, delay=0.2)
        if fault == "gzip_bomb":
            with pytest.raises(VenueUnavailableError):
                await history.venue_time()  # the venue makes its bomb now
        process = psutil.Process()
        before, began = process.memory_info().rss, time.monotonic()
        with pytest.raises(VenueUnavailableError):
            await history.candles(btc(BYBIT), Timeframe.M1, 500)
        marked = time.monotonic() - began
        grown = (process.memory_info().rss - before) / 1e6
        await venue.inject(fault="clear")
        healed = await until_answered(lambda: history.candles(btc(BYBIT), Timeframe.M1, 5), 10)
        table.add("F17", f"{fault}: an error, {grown:+.0f} MB", marked, healed)
        assert marked <= DEADLINE + 1.0
        # the venue of this test lives in this process, its own big body included
        assert grown < (300 if fault == "huge_body" else 60)
        assert healed <= 2.0
        assert budget.status.breaker is BreakerState.CLOSED


SIGNED = {
    BYBIT: ("privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"}),
    BINANCE: ("fapiPrivateV2GetAccount", {}),
}


@pytest.mark.parametrize(
    ("name", "code"),
    [(BYBIT, 10_002), (BYBIT, 10_003), (BYBIT, 10_004), (BINANCE, -1_021), (BINANCE, -2_014)],
)
async def test_f18_a_refused_key_is_not_tried_again(
    venue: Venue, asked: Asked, table: FaultTable, name: VenueName, code: int
) -> None:
    """One request, a no that says why; public data go on as soon as the venue gives them."""
    async with history_of(name, venue) as (history, budget):
        await venue.inject(fault="error_code", code=code)
        began = time.monotonic()
        with pytest.raises(VenueRefusedError, match=str(code)):
            await history.venue_time()
        marked = time.monotonic() - began
        assert len(asked.times) == 1
        assert budget.status.breaker is BreakerState.CLOSED
        await venue.inject(fault="clear")
        healed = await until_answered(history.venue_time, 5)
        table.add("F18", f"{name} code {code}: one request, no retry", marked, healed)
        assert healed <= 1.0


@pytest.mark.parametrize("name", [BYBIT, BINANCE])
async def test_f18_no_error_tells_the_key_or_the_signature(
    venue: Venue, table: FaultTable, name: VenueName
) -> None:
    """A signed request that fails in several ways: message, log and health hold nothing of it."""
    method, query = SIGNED[name]
    said: list[str] = []
    with structlog.testing.capture_logs() as log:
        for fault in (None, "unreachable"):
            async with history_of(name, venue) as (history, budget):
                if fault == "unreachable":
                    history._base_url = "http://127.0.0.1:9"
                library: Any = history._open()
                library.apiKey, library.secret = KEY, SECRET
                with pytest.raises(FeedError) as caught:
                    await history_call(history, method, query)
                said += [str(caught.value), budget.status.last_error]
                headers = str(library.last_request_headers) + str(library.last_request_url)
                assert KEY in headers, "the request was signed"
    said.append(str(log))
    whole = " ".join(said)
    assert KEY not in whole
    assert SECRET not in whole
    assert "signature=" not in whole
    table.add("F18", f"{name}: no key, no secret and no signature in {len(said)} texts")


async def history_call(history: CcxtHistory, method: str, query: dict[str, str]) -> object:
    """Make a call of CCXT's as the history makes its own."""
    with translate_errors(history._venue):
        return await history._ask(method, query)
