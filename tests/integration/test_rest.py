"""The REST side of both venues against the simulator: what it gives, and how it goes wrong."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from support.binance_listener import BinanceListener
from support.simulated_binance import binance_stream
from support.simulated_venue import Venue, running_venue
from support.slack import SLACK
from virtuoso.adapters.clock.system import SystemClock
from virtuoso.adapters.feed import governed
from virtuoso.adapters.feed.breaker import BreakerState
from virtuoso.adapters.feed.ccxt_history import CcxtHistory
from virtuoso.adapters.feed.limits import Budgets, RequestBudget
from virtuoso.domain.errors import (
    FeedError,
    NotOfferedError,
    RateLimitedError,
    VenueRefusedError,
    VenueUnavailableError,
)
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Symbol
from virtuoso.domain.instruments import Venue as VenueName
from virtuoso.domain.market_data import TickerField
from virtuoso.domain.time import SECOND, Timeframe

VENUES = (BYBIT, BINANCE)


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    """Return a running venue with three symbols."""
    async with running_venue() as running:
        yield running


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> float:
    """Have the deadline of a request come after three seconds."""
    monkeypatch.setattr(governed, "DEADLINE_SECONDS", 3.0)
    return 3.0


@asynccontextmanager
async def history_of(
    name: VenueName, venue: Venue, folder: Path | None = None
) -> AsyncIterator[tuple[CcxtHistory, RequestBudget]]:
    """A history of the simulated venue, with its budget."""
    budget = Budgets(SystemClock(), folder).of(name, venue.url)
    history = CcxtHistory(name, budget, venue.url)
    try:
        yield history, budget
    finally:
        await history.close()


def btc(name: VenueName) -> Instrument:
    """Bitcoin on a venue."""
    return Instrument(name, Symbol("BTCUSDT"))


@pytest.mark.parametrize("name", VENUES)
async def test_the_state_of_now_can_be_asked_for(venue: Venue, name: VenueName) -> None:
    """Trades, book, tickers, open interest and the clock; each with the venue's own times."""
    instrument = btc(name)
    await asyncio.sleep(1.0)  # so that something has been traded
    async with history_of(name, venue) as (history, budget):
        now = await history.venue_time()
        assert abs(now - time.time() * SECOND) < 2_000
        trades = await history.trades(instrument, 50)
        assert trades
        assert [each.event_time for each in trades] == sorted(each.event_time for each in trades)
        assert all(each.instrument == instrument for each in trades)
        assert len({each.data.id for each in trades}) == len(trades) <= 50
        assert len(await history.trades(instrument, 1)) == 1
        book = await history.book(instrument)
        assert len(book.data.bids) >= 50
        assert book.data.bids[0][0] < book.data.asks[0][0]
        assert abs(book.event_time - now) < 5_000
        tickers = {each.instrument: each for each in await history.tickers()}
        assert len(tickers) == 3
        values = tickers[instrument].data.values
        wanted = {TickerField.LAST_PRICE, TickerField.MARK_PRICE, TickerField.FUNDING_RATE}
        assert wanted <= values.keys()
        interest = await history.open_interest_now(instrument)
        assert interest.contracts > 0
        assert abs(interest.at - now) < 60_000
        assert budget.status.failures == 0


async def test_trades_of_rest_are_those_of_the_stream(venue: Venue) -> None:
    """The same ids, prices, quantities and sides, so that a back-fill finds what is missing."""
    async with history_of(BYBIT, venue) as (history, _):
        stream = await venue.connect()
        await stream.subscribe("publicTrade.BTCUSDT")
        frames = await stream.collect(2.0)
        streamed = {
            row["i"]: (float(row["p"]), float(row["v"]), row["S"].lower(), row["T"])
            for frame in frames
            for row in frame.get("data", ())
        }
        asked = {
            each.data.id: (
                each.data.price,
                each.data.quantity,
                each.data.side.value,
                each.event_time,
            )
            for each in await history.trades(btc(BYBIT), 1_000)
        }
        assert streamed
        assert {key: asked[key] for key in streamed} == streamed
    async with (
        history_of(BINANCE, venue) as (history, _),
        binance_stream(venue, "/market/stream?streams=btcusdt@aggTrade") as aggregate,
    ):
        rows = [frame["data"] for frame in await aggregate.collect(2.0) if "data" in frame]
        known = {
            each.data.id: (
                each.data.price,
                each.data.quantity,
                each.data.side == "sell",
                each.event_time,
            )
            for each in await history.trades(btc(BINANCE), 1_000)
        }
        assert rows
        for row in rows:
            told = (float(row["p"]), float(row["q"]), row["m"], row["T"])
            assert known[str(row["a"])] == told


async def test_binance_is_charged_what_it_charges_itself(venue: Venue) -> None:
    """Our count of the weight is never below the venue's own, call by call."""
    async with history_of(BINANCE, venue) as (history, budget):
        costs = {}
        asked: dict[str, Callable[[], Awaitable[object]]] = {
            "clock": history.venue_time,
            "tickers": history.tickers,
            "book": lambda: history.book(btc(BINANCE)),
            "trades": lambda: history.trades(btc(BINANCE), 500),
            "interest": lambda: history.open_interest_now(btc(BINANCE)),
            "candles": lambda: history.candles(btc(BINANCE), Timeframe.M1, 999),
        }
        for what, ask in asked.items():
            before = budget.status.used
            await ask()
            costs[what] = budget.status.used - before
        assert costs == {
            "clock": 1,
            "tickers": 50,
            "book": 5,
            "trades": 20,
            "interest": 1,
            "candles": 5,
        }


@pytest.mark.parametrize("name", VENUES)
async def test_a_ban_stops_all_and_outlives_a_restart(
    venue: Venue, name: VenueName, tmp_path: Path
) -> None:
    """After it not one request reaches the venue, from whichever process of ours."""
    async with history_of(name, venue, tmp_path) as (history, budget):
        await history.venue_time()
        await venue.inject(fault="ban")
        with pytest.raises(RateLimitedError):
            await history.venue_time()
        assert budget.status.ban_kept
        assert venue.server is not None
        connections = [
            each
            for each in psutil.Process().net_connections()
            if each.raddr and each.raddr.port == venue.port and each.status == "ESTABLISHED"
        ]
        # what is left is the test's own session, which asked for the fault
        assert len(connections) <= 1
        await venue.inject(fault="clear")
        with pytest.raises(RateLimitedError, match="left alone for another"):
            await history.candles(btc(name), Timeframe.M1, 10)
    async with history_of(name, venue, tmp_path) as (history, again):
        assert again.banned_until is not None
        with pytest.raises(RateLimitedError, match="left alone for another"):
            await history.listings()


async def test_a_complaint_makes_the_next_request_wait(venue: Venue) -> None:
    """As long as told, and the budget is halved."""
    async with history_of(BYBIT, venue) as (history, budget):
        await venue.inject(fault="rate_limit")
        with pytest.raises(RateLimitedError, match="10006"):
            await history.venue_time()
        await venue.inject(fault="clear")
        began = time.monotonic()
        await history.venue_time()
        assert 0.8 < time.monotonic() - began < 3 * SLACK
        assert budget.status.share == 0.5


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (BYBIT, "rest_down"),
        (BYBIT, "maintenance"),
        (BYBIT, "error_code"),
        (BINANCE, "error_code"),
    ],
)
async def test_a_venue_that_is_not_well_is_left_alone_and_found_again(
    venue: Venue, name: VenueName, fault: str
) -> None:
    """Five failures open the breaker; a probe closes it once the venue is back."""
    async with history_of(name, venue) as (history, budget):
        await venue.inject(fault=fault)
        for _ in range(5):
            with pytest.raises(VenueUnavailableError):
                await history.candles(btc(name), Timeframe.M1, 5)
        assert budget.status.breaker is BreakerState.OPEN
        with pytest.raises(VenueUnavailableError, match="5 failures in a row"):
            await history.venue_time()
        await venue.inject(fault="clear")
        began = time.monotonic()
        async with asyncio.timeout(5 * SLACK):
            while str(budget.status.breaker) != "closed":
                try:
                    await history.venue_time()
                except FeedError:
                    await asyncio.sleep(0.05)
        assert time.monotonic() - began < 3 * SLACK


@pytest.mark.parametrize(
    "fault", ["drip_rest", "cut_rest", "wrong_length", "silent_rest", "gzip_bomb", "huge_body"]
)
async def test_a_bad_body_is_an_error_within_the_deadline(
    venue: Venue, fault: str, hasty: float
) -> None:
    """Never data, never more memory than the limit and a packed body need, never for ever."""
    async with history_of(BYBIT, venue) as (history, budget):
        await history.venue_time()
        await venue.inject(fault=fault, megabytes=100)
        if fault in {"gzip_bomb", "huge_body"}:
            with pytest.raises(VenueUnavailableError):
                await history.venue_time()  # the venue's own memory is taken now
            tracemalloc.start()
        began = time.monotonic()
        with pytest.raises(VenueUnavailableError):
            await history.candles(btc(BYBIT), Timeframe.M1, 500)
        assert time.monotonic() - began < (hasty + 1.0) * SLACK
        if tracemalloc.is_tracing():
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert fault == "huge_body" or peak < 50_000_000  # the venue's own body is huge, too
        assert budget.status.failures >= 1


async def test_a_wrong_key_or_clock_is_not_tried_again(venue: Venue) -> None:
    """10002, 10003 and 10004 are a no."""
    async with history_of(BYBIT, venue) as (history, budget):
        for code in (10_002, 10_003, 10_004):
            await venue.inject(fault="error_code", code=code)
            with pytest.raises(VenueRefusedError, match=str(code)):
                await history.venue_time()
        assert budget.status.failures == 0


async def test_the_books_of_the_feed_spend_the_same_budget(venue: Venue) -> None:
    """Each REST book costs ten of the weight that all callers share."""
    listener = BinanceListener(f"127.0.0.1:{venue.port}")
    budget = listener.budget
    running = asyncio.ensure_future(listener.run([btc(BINANCE)]))
    try:
        await listener.until(lambda: listener.are_synced([btc(BINANCE)]))
        assert budget.status.used >= 10
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_announced_maintenance_is_known_before_it_begins_and_gone_after_it(
    venue: Venue,
) -> None:
    """Asked for at Bybit; Binance announces nothing that could be asked for."""
    async with history_of(BYBIT, venue) as (history, _):
        assert await history.maintenance() == []
        await venue.inject(fault="announce_maintenance", delay=3.0, seconds=1.0)
        [announced] = await history.maintenance()
        assert not announced.ongoing
        assert announced.end == announced.begin + SECOND
        async with asyncio.timeout(10 * SLACK):
            while not (found := await history.maintenance()) or not found[0].ongoing:  # noqa: ASYNC110 - a venue has no event
                await asyncio.sleep(0.05)
            while await history.maintenance():  # noqa: ASYNC110 - the same
                await asyncio.sleep(0.05)
    async with history_of(BINANCE, venue) as (history, _):
        with pytest.raises(NotOfferedError):
            await history.maintenance()
