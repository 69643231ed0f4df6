"""One live symbol: its order flow, its trades, and what its streams have been told."""

from collections import deque

from virtuoso.simulator.book import BestView, Book, DepthView
from virtuoso.simulator.changes import BookChanged, Change, Liquidation, Trade, Traded
from virtuoso.simulator.draws import Draws
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.order_flow import DEPTH, Fill, Mood, OrderFlow

STEP_MS = 100
_RECENT_TRADES = 1_000
_BEST_REPEAT_MS = 3_000
_LIQUIDATED_ORDERS = 6.0
"""The mean size of a liquidated position, in taker orders."""


class Sequence:
    """The venue's running number of everything that happens."""

    def __init__(self, value: int) -> None:
        self.value = value

    def next(self) -> int:
        """Return the next number."""
        self.value += 1
        return self.value


class SymbolMarket:
    """One symbol, step by step."""

    def __init__(
        self, listing: Listing, number: int, fair: float, sequence: Sequence, draws: Draws
    ) -> None:
        self._listing = listing
        self._number = number
        self._sequence = sequence
        self._draws = draws
        self._flow = OrderFlow(listing, fair, draws)
        self._tick_direction = "ZeroPlusTick"
        self._last_ticks = round(fair)
        self._trade_count = 0
        self._id_salt = int(draws.uniform() * 2**53)
        self.recent: deque[Trade] = deque(maxlen=_RECENT_TRADES)
        self.book_sequence = sequence.next()
        self.book_matched_at = 0
        self.rest_update_id = 1 + int(draws.uniform() * 1e7)
        self._stirred = False
        """Whether the book changed outside of a step, so that the next one must tell."""
        self.open_views()

    @property
    def book(self) -> Book:
        """The order book."""
        return self._flow.book

    @property
    def tick_direction(self) -> str:
        """How the last trade's price compares with the one before."""
        return self._tick_direction

    def open_views(self) -> None:
        """Start what subscribers see from the book as it is now."""
        first = 1_000 + int(self._draws.uniform() * 1e6)
        self.best_view = BestView(self.book, first, _BEST_REPEAT_MS)
        self.depth_views = tuple(
            DepthView(depth, self.book, first * 3 + depth) for depth in (50, DEPTH)
        )
        self.book_changes(0)

    def live(
        self, at: int, mood: Mood, forced: list[Liquidation]
    ) -> tuple[list[Trade], list[Liquidation]] | None:
        """Live through the 0.1 s that end at `at`: return its trades and liquidations.

        None when nobody moved.
        """
        draws = self._draws
        wanted = min(self._listing.orders_per_second * mood.activity**0.3, 15.0) * STEP_MS / 1_000
        orders = int(wanted) + (draws.uniform() < wanted % 1.0)
        moved = orders or forced or self._stirred
        if not moved and draws.uniform() >= self._listing.quote_chance:
            return None
        self._stirred = False
        trades: list[Trade] = []
        liquidations: list[Liquidation] = []
        times = sorted(
            at - STEP_MS + int(94 * draws.uniform()) for _ in range(orders + len(forced))
        )
        for time, liquidation in zip(times, forced, strict=False):
            fills = self._flow.liquidate(liquidation.steps, mood.fair, buys=not liquidation.long)
            executed = sum(fill.steps for fill in fills)
            if executed:
                trades += self._trades(time, fills)
                price = liquidation.bankruptcy_ticks
                liquidations.append(Liquidation(time, liquidation.long, executed, price))
        for time in times[len(forced) :]:
            trades += self._trades(time, self._flow.take(mood))
        self._flow.quote(mood)
        self.book_sequence = self._sequence.next()
        self.book_matched_at = at - 1 - int(4 * draws.uniform())
        self.rest_update_id += 1
        self.recent.extend(trades)
        return trades, liquidations

    def stir_quote(self, at: int, matched_at: int) -> BookChanged:
        """Change a best quote between two steps; return what level 1 is told."""
        self._flow.requote()
        self._stirred = True
        self.book_sequence, self.book_matched_at = self._sequence.next(), matched_at
        update = self.best_view.advance(self.book_sequence, matched_at, at)
        return BookChanged(self._number, at, update or self.best_view.snapshot())

    def stir_trade(self, at: int, time: int) -> Traded:
        """Take a little between two steps."""
        trades = self._trades(time, [self._flow.nibble()])
        self._stirred = True
        self.recent.extend(trades)
        return Traded(self._number, at, trades)

    def odd_trade(self, time: int, ratio: float) -> Trade:
        """Return a trade of one step at a multiple of the best bid; the book does not see it."""
        ticks = max(1, round(self.book.best_bid * ratio))
        (trade,) = self._trades(time, [Fill(buyer_took=ratio > 1.0, ticks=ticks, steps=1)])
        self.recent.append(trade)
        return trade

    def book_changes(self, at: int) -> list[Change]:
        """Return what the book's subscribers must be told after a step in which somebody moved."""
        touched = self.book.take_touched()
        updates = [
            self.best_view.advance(self.book_sequence, self.book_matched_at, at),
            *(
                view.advance(touched, self.book_sequence, self.book_matched_at)
                for view in self.depth_views
            ),
        ]
        return [BookChanged(self._number, at, update) for update in updates if update is not None]

    def quiet_changes(self, at: int) -> list[Change]:
        """Return the repetition that confirms a best price which has not moved for long."""
        update = self.best_view.repeat(at)
        return [] if update is None else [BookChanged(self._number, at, update)]

    def doomed(self, at: int, fair: float, *, long: bool) -> Liquidation:
        """Draw a position that must be liquidated now."""
        steps = self._flow.usual_order_steps * _LIQUIDATED_ORDERS * self._draws.lognormal(1.2)
        away = 0.0005 + 0.0055 * self._draws.uniform()
        price = fair * (1 - away if long else 1 + away)
        return Liquidation(at, long, max(1, round(steps)), max(1, round(price)))

    def _trades(self, time: int, fills: list[Fill]) -> list[Trade]:
        sequence = self._sequence.next()
        return [
            Trade(
                time=time,
                buyer_took=fill.buyer_took,
                ticks=fill.ticks,
                steps=fill.steps,
                direction=self._direction_of(fill.ticks),
                id=self._next_id(),
                sequence=sequence,
                retail_improved=self._draws.uniform() < 0.03,
            )
            for fill in fills
        ]

    def _direction_of(self, ticks: int) -> str:
        if ticks > self._last_ticks:
            self._tick_direction = "PlusTick"
        elif ticks < self._last_ticks:
            self._tick_direction = "MinusTick"
        elif not self._tick_direction.startswith("Zero"):
            self._tick_direction = "Zero" + self._tick_direction
        self._last_ticks = ticks
        return self._tick_direction

    def _next_id(self) -> str:
        """Return a new trade id in the form of a UUID: scrambled counting never repeats itself."""
        self._trade_count += 1
        high = (self._trade_count * 0x9E3779B97F4A7C15 + self._id_salt) % 2**64
        low = (high * 0xD1342543DE82EF95 + self._number) % 2**64
        text = f"{high:016x}{low:016x}"
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-a{text[17:20]}-{text[20:]}"
