"""A new connection takes over where the old one stops, whichever of the two is ahead."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.handover import Hold
from virtuoso.adapters.feed.binance.intake import RESTART_BOOK, Intake, Received
from virtuoso.adapters.feed.binance.subscriptions import Kind, streams_of
from virtuoso.adapters.feed.connection import Outbox
from virtuoso.domain.instruments import BINANCE, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    Candle,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Trade,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.testing.fake_clock import FakeClock

BTC = Instrument(BINANCE, Symbol("BTCUSDT"))
NAMES = {each.kind: each for each in streams_of(BTC)}
AT = Millis(1_784_462_400_000)
REST_BOOK = b'{"lastUpdateId":10,"bids":[["1","1"]],"asks":[["2","1"]]}'


def depth(number: int) -> Received:
    """The difference with this number, which ends at ten times as much."""
    fact = Depth("BTCUSDT", AT, AT, number * 10 - 5, number * 10, (number - 1) * 10, [], [])
    return Received(NAMES[Kind.DEPTH], f"depth {number}", fact)


def trade(number: int) -> Received:
    """The trade with this number."""
    return event(Kind.TRADES, Trade(str(number), 1.5, 1.0, Side.BUY))


def event(kind: Kind, data: MarketData) -> Received:
    """A frame of another stream."""
    return Received(NAMES[kind], str(kind), MarketEvent(BTC, data, AT, AT))


class Handover:
    """An old connection, which goes straight through, and a new one, which is held."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.outbox = Outbox(tape=self)
        self.routes: list[str] = []
        self.asked = 0
        self.intake = Intake(self.outbox, self.clock, self._ask)
        self.intake.add([BTC])
        self.intake.is_open = True
        self.hold = Hold(self.intake, self.clock)

    def _ask(self, _intake: Intake, _instrument: Instrument) -> None:
        self.asked += 1

    def frame(self, route: str, _receive_time: Millis, _frame: str | bytes) -> None:
        """As a tape."""
        self.routes.append(route)

    def events(self, _batch: Sequence[object]) -> None:
        """As a tape."""

    async def begin(self) -> None:
        """The old connection has a book and a trade."""
        await self.old(depth(1))
        await self.intake.take_rest_book(BTC, REST_BOOK)
        await self.old(trade(100))

    async def old(self, *received: Received) -> None:
        """The old connection brings something."""
        for each in received:
            await self.intake.take(each, self.clock.now())

    async def new(self, *received: Received) -> None:
        """The new connection brings something."""
        for each in received:
            await self.hold.take(each, self.clock.now())

    async def came_out(self) -> list[MarketData]:
        """What the consumer got so far."""
        found: list[MarketData] = []
        await self.outbox.put([])
        while batch := await self.outbox.get():
            found += [each.data for each in batch if isinstance(each, MarketEvent)]
        return found


def updates(data: Sequence[MarketData]) -> list[tuple[int, int]]:
    """The chain of the book."""
    return [(each.previous, each.sequence) for each in data if isinstance(each, BookDelta)]


def ids(data: Sequence[MarketData]) -> list[int]:
    """The trades."""
    return [int(each.id) for each in data if isinstance(each, Trade)]


@pytest.fixture
async def handover() -> Handover:
    """Return connections of which the old one gave a book."""
    made = Handover()
    await made.begin()
    return made


async def test_a_new_connection_that_lags_gives_nothing_twice(handover: Handover) -> None:
    """What the old one gave is taken away."""
    await handover.old(depth(2), depth(3), trade(101), trade(102))
    await handover.new(depth(2), depth(3), depth(4), trade(101), trade(102), trade(103))
    assert handover.hold.is_complete()
    await handover.hold.release()
    data = await handover.came_out()
    assert updates(data) == [(10, 10), (10, 20), (20, 30), (30, 40)]
    assert ids(data) == [100, 101, 102, 103]


async def test_a_new_connection_that_is_ahead_waits_for_the_old_one(handover: Handover) -> None:
    """Between the two a difference is missing until the old one brings it."""
    await handover.new(depth(3), trade(102))
    handover.clock.advance(5_000)
    assert not handover.hold.is_complete()
    await handover.old(depth(2))
    assert not handover.hold.is_complete()
    await handover.old(trade(101))
    assert handover.hold.is_complete()
    await handover.hold.release()
    data = await handover.came_out()
    assert updates(data) == [(10, 10), (10, 20), (20, 30)]
    assert ids(data) == [100, 101, 102]


async def test_what_the_old_connection_has_yet_to_give_is_waited_for(handover: Handover) -> None:
    """A trade from before the new connection began, of which that one knows nothing."""
    await handover.new(depth(1))
    assert not handover.hold.is_complete()
    handover.clock.advance(500)
    await handover.old(trade(101))
    assert not handover.hold.is_complete()
    await handover.new(trade(102))
    assert handover.hold.is_complete()


async def test_a_book_that_rests_is_the_same_on_both_after_a_second(handover: Handover) -> None:
    """Nothing needs to come for that."""
    assert not handover.hold.is_complete()
    handover.clock.advance(999)
    assert not handover.hold.is_complete()
    handover.clock.advance(1)
    assert handover.hold.is_complete()
    await handover.old(depth(2))
    assert not handover.hold.is_complete()


async def test_what_is_not_numbered_follows_in_its_newest_form(handover: Handover) -> None:
    """Closed candles come at once; of quotes the last one when the old connection is gone."""
    closed = Candle(Timeframe.M1, AT, 1.0, 1.0, 1.0, 1.0, 1.0)
    await handover.new(
        event(Kind.BEST_PRICES, Quote(1.0, 1.0, 2.0, 1.0, 5)),
        event(Kind.CANDLES, closed),
        event(Kind.BEST_PRICES, Quote(1.0, 1.0, 2.0, 1.0, 6)),
    )
    assert [each for each in await handover.came_out() if isinstance(each, Candle)] == [closed]
    handover.clock.advance(70)
    await handover.hold.release()
    (quote,) = await handover.came_out()
    assert isinstance(quote, Quote)
    assert quote.sequence == 6


async def test_a_book_that_waits_for_its_rest_book_goes_on_waiting() -> None:
    """What is kept of it follows what the old connection gave, and the REST book fits."""
    handover = Handover()
    await handover.old(depth(1))
    await handover.new(depth(1), depth(2))
    assert not handover.hold.is_complete()
    handover.clock.advance(1_000)  # neither of them has a trade
    assert handover.hold.is_complete()
    await handover.hold.release()
    await handover.intake.take_rest_book(BTC, REST_BOOK)
    data = await handover.came_out()
    assert isinstance(data[0], BookSnapshot)
    assert updates(data) == [(10, 10), (10, 20)]


async def test_an_instrument_that_is_given_up_meanwhile_gives_nothing(handover: Handover) -> None:
    """Nor does a REST book that was on its way."""
    await handover.came_out()
    await handover.new(depth(2), trade(101))
    handover.intake.drop([BTC])
    await handover.hold.release()
    await handover.intake.take_rest_book(BTC, REST_BOOK)
    await handover.old(depth(2))
    assert await handover.came_out() == []


async def test_a_book_that_begins_anew_says_so_on_the_tape(handover: Handover) -> None:
    """And asks for a REST book with the next difference, once one came."""
    asked = handover.asked
    await handover.intake.restart_book(BTC)
    assert handover.routes[-1] == f"{RESTART_BOOK}BTCUSDT"
    assert handover.asked == asked
    await handover.old(depth(2))
    assert handover.asked == asked + 1


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 12),
    st.integers(0, 12),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 2**32),
)
async def test_whenever_it_happens_the_chain_has_no_hole(
    old_depths: int, old_trades: int, first_depth: int, first_trade: int, seed: int
) -> None:
    """The two connections interleave as they like; the new one begins somewhere."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    handover = Handover()
    await handover.begin()
    old = {"depth": list(range(2, old_depths + 2)), "trade": list(range(101, old_trades + 101))}
    new = {"depth": list(range(first_depth, 20)), "trade": list(range(first_trade + 99, 120))}
    lines = [(where, what) for where in (old, new) for what in ("depth", "trade")]
    is_over = False
    while not is_over and any(where[what] for where, what in lines):
        where, what = rng.choice([line for line in lines if line[0][line[1]]])
        number = where[what].pop(0)
        received = depth(number) if what == "depth" else trade(number)
        await (handover.old if where is old else handover.new)(received)
        # a new connection is asked once it has given something
        is_over = len(new["depth"]) < 12 and handover.hold.is_complete()
    if not is_over:
        return  # the old one ended before the new one had reached it
    await handover.hold.release()
    await handover.new(*map(depth, new["depth"]), *map(trade, new["trade"]))
    data = await handover.came_out()
    chain = updates(data)
    assert chain[-1] == (180, 190)
    assert all(after[0] == before[1] for before, after in pairwise(chain))
    assert ids(data) == list(range(100, 120))
