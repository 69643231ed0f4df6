"""The order book against a sorted dict, over any sequence of updates."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.domain.market_data import BookDelta, BookSnapshot
from virtuoso.domain.time import Millis
from virtuoso.market.order_book import OrderBook

DEPTH = 8

Level = tuple[float, float]
PRICES = st.integers(1, 40).map(lambda ticks: ticks / 2)
QUANTITIES = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.5])
CHANGES = st.lists(st.tuples(PRICES, QUANTITIES), max_size=6)


@dataclass
class Model:
    """The rules in their plainest form: two dicts, sorted when read."""

    pruned: bool
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    sequence: int | None = None

    def apply(self, data: BookSnapshot | BookDelta) -> None:
        """Apply an update, or lose the book."""
        if isinstance(data, BookSnapshot):
            self.bids, self.asks = dict(data.bids), dict(data.asks)
            self.sequence = data.sequence
        elif self.sequence is None:
            return
        elif data.restart or data.previous != self.sequence:
            self.sequence = None
        else:
            self.sequence = data.sequence
            for side, changes in ((self.bids, data.bids), (self.asks, data.asks)):
                for price, quantity in changes:
                    if quantity:
                        side[price] = quantity
                    else:
                        side.pop(price, None)
        self._check()

    def _check(self) -> None:
        if self.bids and self.asks and max(self.bids) > min(self.asks):
            self.sequence = None
        if self.pruned:
            self.bids = dict(sorted(self.bids.items(), reverse=True)[:DEPTH])
            self.asks = dict(sorted(self.asks.items())[:DEPTH])
        elif max(len(self.bids), len(self.asks)) > DEPTH:
            self.sequence = None
        if self.sequence is None:
            self.bids, self.asks = {}, {}

    def levels(self) -> tuple[list[Level], list[Level]]:
        """Both sides, best first."""
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())


@st.composite
def snapshots(draw: st.DrawFn, *, pruned: bool) -> BookSnapshot:
    """A sorted snapshot, which may be crossed or too deep."""
    levels = st.dictionaries(PRICES, st.sampled_from([0.5, 1.0]), max_size=DEPTH + 1)
    bids = sorted(draw(levels).items(), reverse=True)
    asks = sorted((price + 12, quantity) for price, quantity in draw(levels).items())
    return BookSnapshot(bids, asks, draw(st.integers(0, 50)), None, None if pruned else DEPTH)


@st.composite
def updates(draw: st.DrawFn, *, pruned: bool) -> list[BookSnapshot | BookDelta]:
    """Mostly deltas in sequence, now and then a hole, a repeat, a restart or a snapshot."""
    made: list[BookSnapshot | BookDelta] = []
    sequence = 0
    for _ in range(draw(st.integers(1, 25))):
        kind = draw(st.sampled_from(["delta"] * 12 + ["snapshot"] * 3 + ["wrong", "restart"]))
        if kind == "snapshot" or not made:
            snapshot = draw(snapshots(pruned=pruned))
            made.append(snapshot)
            sequence = snapshot.sequence
            continue
        if kind == "wrong":
            sequence += draw(st.sampled_from([-2, -1, 1, 2]))
        asks = [(price + 12, quantity) for price, quantity in draw(CHANGES)]
        made.append(
            BookDelta(draw(CHANGES), asks, sequence, sequence + 1, restart=kind == "restart")
        )
        sequence += 1
    return made


@settings(deadline=None)
@given(st.data(), st.booleans())
def test_a_book_equals_the_sorted_dicts_or_is_absent_with_them(
    data: st.DataObject,
    pruned: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    """After every update: the same levels, the same state, never crossed, never too deep."""
    book, model = OrderBook(most_levels=DEPTH), Model(pruned)
    for number, update in enumerate(data.draw(updates(pruned=pruned))):
        book.apply(update, Millis(number))
        model.apply(update)
        assert (list(book.bids), list(book.asks)) == model.levels()
        assert book.levels(DEPTH + 1) == model.levels()
        assert book.synced is (model.sequence is not None)
        if book.synced:
            assert book.sequence == model.sequence
        best = book.best()
        if best is not None:
            assert best.bid <= best.ask
        assert max(len(book.bids), len(book.asks)) <= DEPTH
        low, high = book.complete_to
        assert low is None or low in book.bids.prices or pruned
        assert high is None or high in book.asks.prices or pruned
