"""Door, book and trade flow under any sequence of events, against a reference model."""

import math
from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from support.reference_book import EventBook
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import (
    BookDelta,
    BookSnapshot,
    MarketData,
    MarketEvent,
    Quote,
    Side,
    Trade,
)
from virtuoso.domain.scores import Reason
from virtuoso.domain.time import SECOND, Millis
from virtuoso.market.door import Door
from virtuoso.market.order_book import OrderBook
from virtuoso.market.trades import TradeFlow
from virtuoso.market.verdict import LATE, Action

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
START = 1_763_700_000_000
DEPTH = 8
WAY_MS = 40
"""How long a message is on its way."""

Levels = Sequence[tuple[float, float]]
TICKS = st.integers(1, 30)
BIDS = TICKS.map(lambda ticks: 100 - ticks / 2)
ASKS = TICKS.map(lambda ticks: 100 + ticks / 2)
FILLED = st.sampled_from([0.5, 1.0, 2.5])
CHANGED = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5])
BAD = st.sampled_from([math.nan, math.inf, -1.0, 0.0, 1e15])


def changes(prices: st.SearchStrategy[float]) -> st.SearchStrategy[Levels]:
    """Levels of a delta: in any order, 0 removes one."""
    return st.lists(st.tuples(prices, CHANGED), max_size=5)


def side(prices: st.SearchStrategy[float], least: int = 1) -> st.SearchStrategy[Levels]:
    """Levels of a snapshot, lowest price first."""
    levels = st.dictionaries(prices, FILLED, min_size=least, max_size=DEPTH)
    return levels.map(lambda found: sorted(found.items()))


class BookAtTheDoor(RuleBasedStateMachine):
    """Every way in which a book's stream goes on or breaks; the book equals the model, or is none.

    Like Bybit's, each update is the successor of the one before; `cross` rises with them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.door = Door([BTC])
        self.book = OrderBook(most_levels=DEPTH)
        self.model = EventBook(most_levels=DEPTH)
        self.now = START
        self.update = 100
        self.depth: int | None = DEPTH
        self.newest: BookDelta | None = None
        self.oldest: BookDelta | None = None

    @initialize(deep=st.booleans())
    def choose_depth(self, deep: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        """A venue sets a depth, or does not."""
        self.depth = None if deep else DEPTH

    def send(self, data: MarketData) -> Action:
        """Let an event come to the door."""
        self.now += 20
        event = MarketEvent(BTC, data, Millis(self.now - WAY_MS), Millis(self.now))
        return self.door.judge(event, self.book).action

    def send_book(self, data: BookSnapshot | BookDelta) -> None:
        """Let a book update come to the door and to the model; the verdict must fit."""
        before = self.model.synced
        self.model.apply(data)
        if isinstance(data, BookDelta):
            if data is not self.newest:
                self.oldest, self.newest = self.newest, data
            elsewise = Action.RESYNC if before or data.restart else Action.DROP
        else:
            elsewise = Action.RESYNC
        assert self.send(data) is (Action.ACCEPT if self.model.synced else elsewise)

    def delta(self, bids: Levels, asks: Levels, previous: int, update: int) -> BookDelta:
        """A difference of Bybit's."""
        return BookDelta(bids, asks, previous, update, cross_sequence=3 * update)

    @rule(bids=side(BIDS), asks=side(ASKS), step=st.integers(0, 3))
    def snapshot(self, bids: Levels, asks: Levels, step: int) -> None:
        """A whole book."""
        self.update += step
        whole = BookSnapshot(bids[::-1], asks, self.update, 3 * self.update, self.depth)
        self.send_book(whole)

    @rule(levels=side(BIDS, 0), bids_only=st.booleans())
    def one_sided_snapshot(self, levels: Levels, bids_only: bool) -> None:  # noqa: FBT001
        """A book without asks, or without bids, or empty: a book, but nothing is best."""
        bids, asks = (levels[::-1], []) if bids_only else ([], levels)
        self.send_book(BookSnapshot(bids, asks, self.update, 3 * self.update, self.depth))
        assert self.book.best() is None

    @rule(bids=side(ASKS), asks=side(BIDS))
    def crossed_snapshot(self, bids: Levels, asks: Levels) -> None:
        """Bids above asks are no book."""
        self.send_book(BookSnapshot(bids[::-1], asks, self.update, 3 * self.update, self.depth))
        assert self.book.reason is Reason.CROSSED_BOOK

    @rule(bids=side(BIDS), asks=side(ASKS), bad=BAD, what=st.sampled_from(["price", "quantity"]))
    def impossible_snapshot(self, bids: Levels, asks: Levels, bad: float, what: str) -> None:
        """A number that is none anywhere is no book."""
        level = (bad, 1.0) if what == "price" else (99.75, bad)
        self.send_book(BookSnapshot([level, *bids[::-1]], asks, self.update, None, self.depth))
        assert not self.book.synced

    @rule(bids=side(BIDS), asks=side(ASKS))
    def unsorted_snapshot(self, bids: Levels, asks: Levels) -> None:
        """The worst price first is no book, unless there is but one."""
        self.send_book(BookSnapshot(bids, asks, self.update, 3 * self.update, self.depth))
        assert self.book.synced is (len(bids) < 2)

    @rule(bids=changes(BIDS), asks=changes(ASKS))
    def right_delta(self, bids: Levels, asks: Levels) -> None:
        """The successor."""
        self.update += 1
        self.send_book(self.delta(bids, asks, self.update - 1, self.update))

    @rule(bids=changes(BIDS), asks=changes(ASKS), lost=st.integers(1, 3))
    def delta_after_a_gap(self, bids: Levels, asks: Levels, lost: int) -> None:
        """Updates are missing before it."""
        self.update += lost + 1
        self.send_book(self.delta(bids, asks, self.update - 1, self.update))
        assert not self.book.synced

    @rule()
    def repeated_delta(self) -> None:
        """The newest one comes again."""
        if self.newest is not None:
            self.send_book(self.newest)

    @rule()
    def old_delta(self) -> None:
        """The one before the newest comes again."""
        if self.oldest is not None:
            self.send_book(self.oldest)

    @rule(bid=ASKS)
    def crossing_delta(self, bid: float) -> None:
        """A bid far above every ask."""
        self.update += 1
        had_asks = bool(self.model.asks)
        self.send_book(self.delta([(bid + 50, 1.0)], [], self.update - 1, self.update))
        assert not (had_asks and self.book.synced)

    @rule(bad=BAD.filter(lambda each: each != 0), asks=changes(ASKS))
    def impossible_delta(self, bad: float, asks: Levels) -> None:
        """A quantity that is none."""
        self.update += 1
        self.send_book(self.delta([(90.0, bad)], asks, self.update - 1, self.update))
        assert not self.book.synced

    @rule(bids=changes(BIDS))
    def delta_of_a_lower_cross_sequence(self, bids: Levels) -> None:
        """It follows by its number, and is older by the other one."""
        self.update += 1
        self.send_book(BookDelta(bids, [], self.update - 1, self.update, 1))
        assert not self.book.synced

    @rule(bids=changes(BIDS), asks=changes(ASKS))
    def restart(self, bids: Levels, asks: Levels) -> None:
        """A delta with u = 1: the service restarted, nothing is merged."""
        self.update = 1
        self.send_book(BookDelta(bids, asks, 0, 1, 3, restart=True))
        assert not self.book.synced
        assert len(self.book.bids) == len(self.book.asks) == 0

    @rule(bids=side(BIDS), asks=side(ASKS))
    def snapshot_number_one(self, bids: Levels, asks: Levels) -> None:
        """A whole book with u = 1 begins anew."""
        self.update = 1
        self.send_book(BookSnapshot(bids[::-1], asks, 1, 3, self.depth))
        assert self.book.synced

    @rule()
    def disconnect(self) -> None:
        """The connection is gone, and with it the book."""
        self.door.forget([BTC])
        self.book.forget(Reason.NO_FEED)
        self.model.forget()

    @rule(bid=BIDS, ask=ASKS, quantity=CHANGED, behind=st.integers(0, 5))
    def quote(self, bid: float, ask: float, quantity: float, behind: int) -> None:
        """Best prices confirm a book or do not; they never change it."""
        before = self.book.levels(DEPTH), self.book.as_of
        self.send(Quote(bid, quantity, ask, 1.0, 3 * self.update - behind))
        assert self.book.levels(DEPTH) == before[0]
        if self.book.as_of != before[1]:
            assert self.book.synced
            assert self.book.as_of == self.now - WAY_MS

    @rule(late=st.integers(61_000, 600_000), bids=changes(BIDS))
    def delta_from_long_ago(self, late: int, bids: Levels) -> None:
        """A push time that cannot be: nothing is applied, and the book is not whole any more."""
        if self.door.clock.offset_ms is None:
            return
        self.update += 1
        self.now += 20
        data = self.delta(bids, [], self.update - 1, self.update)
        at = Millis(self.now - WAY_MS - late)
        verdict = self.door.judge(MarketEvent(BTC, data, at, Millis(self.now)), self.book)
        assert verdict.action in {Action.RESYNC, Action.DROP, Action.RECYCLE}
        self.model.forget()

    @invariant()
    def the_book_is_the_model(self) -> None:
        """The same levels, never crossed, never too deep; without a book nothing is shown."""
        assert self.book.synced is self.model.synced
        assert (list(self.book.bids), list(self.book.asks)) == self.model.levels()
        assert (self.book.reason is None) is self.book.synced
        if self.book.synced:
            assert self.book.sequence == self.model.sequence
        best = self.book.best()
        if best is not None:
            assert best.bid <= best.ask
        assert max(len(self.book.bids), len(self.book.asks)) <= DEPTH


class TradesAtTheDoor(RuleBasedStateMachine):
    """Trades repeated, late and shuffled: the flow is that of the sorted, unique stream.

    One that is over two seconds behind the newest is in neither.
    """

    def __init__(self) -> None:
        super().__init__()
        self.door = Door([BTC])
        self.book = OrderBook()
        self.flow = TradeFlow()
        self.now = START
        self.number = 0
        self.waiting: list[MarketEvent[MarketData]] = []
        """On their way, in the order in which they were made."""
        self.counted: dict[str, MarketEvent[MarketData]] = {}
        """Each that came, once."""
        self.too_late: set[str] = set()
        """Of those: more than two seconds behind the newest, which only history is told of."""
        self.flow.second(Millis(self.now))

    @rule(quantity=FILLED, buys=st.booleans(), ticks=st.integers(-5, 5), ms=st.integers(0, 90))
    def trade(self, quantity: float, buys: bool, ticks: int, ms: int) -> None:  # noqa: FBT001
        """Somebody trades."""
        self.now += ms
        self.number += 1
        data = Trade(str(self.number), 100 + ticks, quantity, Side.BUY if buys else Side.SELL)
        self.waiting.append(MarketEvent(BTC, data, Millis(self.now), Millis(0)))

    @rule(order=st.randoms(use_true_random=False), count=st.integers(1, 6))
    def arrive(self, order: object, count: int) -> None:
        """Some of them come, in any order."""
        order.shuffle(self.waiting)  # type: ignore[attr-defined] # hypothesis's random
        for _ in range(min(count, len(self.waiting))):
            self._come(self.waiting.pop())

    @rule(order=st.randoms(use_true_random=False))
    def repeat(self, order: object) -> None:
        """One that came comes again: it changes nothing."""
        if self.counted:
            again = order.choice(sorted(self.counted))  # type: ignore[attr-defined]
            assert self._judge(self.counted[again]) is Action.DROP

    @rule(bad=BAD, what=st.sampled_from(["price", "quantity"]))
    def impossible(self, bad: float, what: str) -> None:
        """A number that is none never counts."""
        self.number += 1
        price, quantity = (bad, 1.0) if what == "price" else (100.0, bad)
        data = Trade(f"bad{self.number}", price, quantity, Side.BUY)
        event: MarketEvent[MarketData] = MarketEvent(BTC, data, Millis(self.now), Millis(0))
        assert self._judge(event) is Action.DROP

    @rule()
    def disconnect(self) -> None:
        """What a venue sends again after a cut is still the same trade."""
        self.door.forget([BTC])

    @rule()
    def second(self) -> None:
        """A second ends, and with it nothing of these five minutes is forgotten."""
        self.now += SECOND - self.now % SECOND
        if self.now < START + 200 * SECOND:
            self.flow.second(Millis(self.now))
            self._compare()

    def _judge(self, event: MarketEvent[MarketData]) -> Action:
        arrived = event._replace(receive_time=Millis(self.now + WAY_MS))
        verdict = self.door.judge(arrived, self.book)
        if verdict is LATE:
            self.too_late.add(arrived.data.id)  # type: ignore[union-attr] # a trade
            self.flow.correct(arrived)  # type: ignore[arg-type]
        elif verdict.action is Action.ACCEPT:
            self.flow.trade(arrived)  # type: ignore[arg-type]
        return verdict.action

    def _come(self, event: MarketEvent[MarketData]) -> None:
        assert self._judge(event) is Action.ACCEPT
        data = event.data
        assert isinstance(data, Trade)
        self.counted[data.id] = event

    def _compare(self) -> None:
        """Against plain sums over the same trades, each of them once."""
        if self.now >= START + 200 * SECOND:
            return
        live = [event for number, event in self.counted.items() if number not in self.too_late]
        signed = volume = 0.0
        for event in live:
            trade = event.data
            assert isinstance(trade, Trade)
            volume += trade.quantity
            signed += trade.quantity if trade.side is Side.BUY else -trade.quantity
        ours = self.flow.windows[300]
        assert math.isclose(ours.flow, signed, abs_tol=1e-9)
        assert math.isclose(ours.volume, volume, abs_tol=1e-9)
        assert self.flow.trade_count == len(live)
        if self.counted:
            newest = max(each.event_time for each in self.counted.values())
            assert self.flow.last_price_at == newest

    def teardown(self) -> None:
        """At the end everything comes."""
        while self.waiting:
            self._come(self.waiting.pop())
        self.second()


TestBookAtTheDoor = BookAtTheDoor.TestCase
TestBookAtTheDoor.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
TestTradesAtTheDoor = TradesAtTheDoor.TestCase
TestTradesAtTheDoor.settings = settings(deadline=None, max_examples=40, stateful_step_count=40)
