"""Binance's part of the market: the same coins, at prices, books and trades of its own.

The fair price is the market's, times a small basis that wanders by itself; everything else
(who trades, what rests in the book, which prints result) is drawn here.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from virtuoso.simulator.binance.changes import (
    BestChanged,
    BinanceChange,
    CandleClosed,
    CandleMoved,
    Differences,
    Forced,
    ForcedOrder,
    MarkDue,
    Take,
    Taken,
    TickerDue,
)
from virtuoso.simulator.book import Book, Level
from virtuoso.simulator.candles import MINUTE
from virtuoso.simulator.derivatives import Derivatives
from virtuoso.simulator.draws import Draws
from virtuoso.simulator.factors import Factors, Floats, SmallFloats
from virtuoso.simulator.history import MARK_FOLLOWS, Deviation, Story, build
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.order_flow import Fill, Mood, OrderFlow
from virtuoso.simulator.symbol_market import STEP_MS, Sequence
from virtuoso.simulator.tickers import Day, day_of

MARK_SCALE = 8
DEEPEST = 1_000
"""Levels a side; no book here ever holds more, so one REST book tells all of it."""
_MARGIN = 60
_BASIS_DEVIATION = 1.5e-4
_BASIS_HALF_LIFE_MINUTES = 20.0
_BASIS_USUAL_DEVIATION = 0.5e-4
_KEPT_TAKES = 1_000
_UPDATES_A_MS = 100
"""Update numbers begin at the time times this, so that those of a later start are higher."""
_CANDLE_EVERY_STEPS = 3
_TICKER_EVERY_MS = 2_000
_MARK_EVERY_MS = 1_000
_FORCED_EVERY_MS = 1_000
_INTEREST_EVERY_MS = 5_000
_LIQUIDATED_ORDERS = 6.0
_MORE_MAKERS = 0.6


@dataclass(frozen=True, slots=True)
class Weather:
    """What one step is like, for every symbol: arrays of one number each."""

    log_price: Floats
    """ln of the fair price of Bybit's contract, in USDT."""
    activity: Floats
    heat: Floats
    lean: Floats
    liquidations_a_second: Floats
    long_share: Floats
    """Of the liquidated positions."""


class ContractMarket:
    """One contract, step by step."""

    def __init__(
        self, contract: Listing, fair: float, depth: int, updates: Sequence, draws: Draws
    ) -> None:
        self._contract = contract
        self._updates = updates
        self._draws = draws
        self._flow = OrderFlow(contract, fair, draws, depth)
        self.takes: deque[Take] = deque(maxlen=_KEPT_TAKES)
        self.last_update = updates.next()
        self.matched_at = 0
        self._take_id = 1_000_000 + int(draws.uniform() * 3e9)
        self._trade_id = 2 * self._take_id + int(draws.uniform() * 1e9)
        self._best: tuple[Level, Level] | None = None
        self._stirred_from = 0
        """Number of the first update since the last step, 0 if there was none."""
        self.book.take_touched()

    @property
    def book(self) -> Book:
        """The order book."""
        return self._flow.book

    @property
    def last_trade_id(self) -> int:
        """The number of the latest single trade."""
        return self._trade_id

    def best(self) -> tuple[Level, Level]:
        """Return the best bid and the best ask."""
        return self.book.bids.levels(1)[0], self.book.asks.levels(1)[0]

    def live(
        self, at: int, mood: Mood, *, doomed: bool, long: bool
    ) -> tuple[list[Take], ForcedOrder | None] | None:
        """Live through the 0.1 s that end at `at`; None when nobody moved."""
        draws = self._draws
        wanted = min(self._contract.orders_per_second * mood.activity**0.3, 15.0) * STEP_MS / 1_000
        orders = int(wanted) + (draws.uniform() < wanted % 1.0)
        moved = orders or doomed or self._stirred_from
        if not moved and draws.uniform() >= self._contract.quote_chance:
            return None
        takes: list[Take] = []
        forced = None
        times = sorted(at - STEP_MS + int(94 * draws.uniform()) for _ in range(orders + doomed))
        if doomed:
            steps = self._flow.usual_order_steps * _LIQUIDATED_ORDERS * draws.lognormal(1.2)
            fills = self._flow.liquidate(max(1, round(steps)), mood.fair, buys=not long)
            if fills:
                takes += self._takes(times[0], fills)
                forced = _forced_order(times[0], fills, long=long)
        for time in times[doomed:]:
            takes += self._takes(time, self._flow.take(mood))
        self._flow.quote(mood)
        self.matched_at = at - 1 - int(4 * draws.uniform())
        self.takes.extend(takes)
        return takes, forced

    def told(self, number: int, at: int) -> list[BinanceChange]:
        """Return what changed in the book since the last call."""
        book = self.book
        bids, asks = book.take_touched()
        if not bids and not asks:
            return []
        # other contracts, and orders that came and went, use up numbers as well
        first = self._updates.value + 1 + int(3 * self._draws.uniform())
        last = first + len(bids) + len(asks) - 1
        if self._stirred_from:
            first, self._stirred_from = self._stirred_from, 0
        previous, self.last_update, self._updates.value = self.last_update, last, last
        rows = [
            [(key * side.sign, side.sizes.get(key, 0)) for key in sorted(touched)]
            for side, touched in ((book.bids, bids), (book.asks, asks))
        ]
        changes: list[BinanceChange] = [
            Differences(number, at, self.matched_at, first, last, previous, rows[0], rows[1][::-1])
        ]
        best = self.best()
        if best != self._best:
            self._best = best
            changes.append(BestChanged(number, at, self.matched_at, last, *best))
        return changes

    def stir_quote(self, number: int, at: int, matched_at: int) -> BestChanged:
        """Change a best quote between two steps."""
        self._flow.requote()
        update = self._updates.next()
        self._stirred_from = self._stirred_from or update
        self._best = best = self.best()
        return BestChanged(number, at, matched_at, update, *best)

    def stir_take(self, time: int) -> Take:
        """Take a little between two steps."""
        (take,) = self._takes(time, [self._flow.nibble()])
        self._stirred_from = self._stirred_from or self._updates.next()
        self.takes.append(take)
        return take

    def odd_take(self, time: int, ratio: float) -> Take:
        """Return a trade of one step at a multiple of the best bid; the book does not see it."""
        ticks = max(1, round(self.book.best_bid * ratio))
        (take,) = self._takes(time, [Fill(buyer_took=ratio > 1.0, ticks=ticks, steps=1)])
        self.takes.append(take)
        return take

    def announce(self, number: int, at: int, bids: list[Level], asks: list[Level]) -> Differences:
        """Return differences that did not happen, numbered as if they had: a fault."""
        first = self._updates.value + 1
        previous, self.last_update, self._updates.value = self.last_update, first, first
        return Differences(number, at, at, first, first, previous, bids, asks)

    def _takes(self, time: int, fills: list[Fill]) -> list[Take]:
        takes = []
        for fill in fills:
            self._take_id += 1
            parts = self._split(fill.steps)
            take = Take(
                id=self._take_id,
                time=time,
                buyer_took=fill.buyer_took,
                ticks=fill.ticks,
                steps=fill.steps,
                first=self._trade_id + 1,
                fills=parts,
            )
            self._trade_id = take.last
            takes.append(take)
        return takes

    def _split(self, steps: int) -> tuple[int, ...]:
        """Draw the makers that one taker meets at one price."""
        draws = self._draws
        parts = []
        for _ in range(min(int(draws.exponential(_MORE_MAKERS)), steps - 1, 5)):
            part = 1 + int(draws.uniform() * (steps - 1) / 2)
            if part < steps:
                parts.append(part)
                steps -= part
        return (*parts, steps)


class BinanceMarket:
    """All contracts, from the minute in which the market starts."""

    def __init__(
        self,
        contracts: tuple[Listing, ...],
        listings: tuple[Listing, ...],
        story: Story,
        factors: Factors,
        generator: np.random.Generator,
    ) -> None:
        """`listings`: the same coins in the same order, as the story tells of them."""
        count = len(contracts)
        for_basis, for_past, self._generator, *own = generator.spawn(3 + count)
        self.listings = contracts
        self._factors = factors
        self._for_basis = for_basis
        prices = [
            (each.price, other.price) for each, other in zip(contracts, listings, strict=True)
        ]
        self._shift = np.array([np.log(ours / theirs) for ours, theirs in prices])
        self._usual = _BASIS_USUAL_DEVIATION * for_basis.standard_normal(count)
        basis = self._past_basis(story)
        self._wander = basis[-1] - self._usual
        self._jumped = np.zeros(count)
        past = build(story, contracts, for_past, Deviation(self._shift, basis, MARK_SCALE))
        self.trades, self.mark, self.index = past.trades, past.mark, past.index
        self._ticks = np.array([contract.tick for contract in contracts])
        self.derivatives = Derivatives(contracts, factors, past)
        self.now_ms = int(story.ends[-1])
        updates = Sequence(self.now_ms * _UPDATES_A_MS)
        fair = (np.exp(past.log_price) / self._ticks).tolist()
        self.symbols = [
            ContractMarket(contract, fair[at], _depth_of(count), updates, Draws(own[at]))
            for at, contract in enumerate(contracts)
        ]
        self.day: Day = day_of(self.trades.series(MINUTE).rows)
        self._moved = [False] * count
        self._pending: dict[int, ForcedOrder] = {}
        self.changes: list[BinanceChange] = []
        """What the latest step brought."""

    def basis(self) -> Floats:
        """Return ln(fair price here / fair price of the market), per coin."""
        basis: Floats = self._usual + self._wander + self._jumped
        return basis

    def jump(self, symbol: int, size: float) -> None:
        """Move the fair price of one contract, here only, by a logarithm; it stays so."""
        self._jumped[symbol] += size

    def stir_quote(self, symbol: int, at: int) -> BestChanged:
        """Let a maker change a best quote between two steps."""
        return self.symbols[symbol].stir_quote(symbol, max(at, self.now_ms), self.now_ms)

    def stir_trade(self, symbol: int, at: int) -> Taken:
        """Let a taker take a little between two steps."""
        take = self.symbols[symbol].stir_take(self.now_ms)
        return self._count(symbol, max(at, self.now_ms), [take])

    def odd_trade(self, symbol: int, ratio: float) -> Taken:
        """Let there be one trade far from the market, of a single step."""
        take = self.symbols[symbol].odd_take(self.now_ms - 1, ratio)
        return self._count(symbol, self.now_ms, [take])

    def live(self, at: int, weather: Weather) -> None:
        """Live through the step that ends at `at`."""
        self.now_ms = at
        decay = 0.5 ** (STEP_MS / MINUTE / _BASIS_HALF_LIFE_MINUTES)
        spread = _BASIS_DEVIATION * np.sqrt(1.0 - decay**2)
        normals = self._for_basis.standard_normal(len(self.listings))
        self._wander = decay * self._wander + spread * normals
        log_price = weather.log_price + self._shift + self.basis()
        self._follow_mark_and_index(weather)
        fair = np.exp(log_price) / self._ticks
        draws = self._generator.random((2, len(fair)))
        struck = (draws[0] < weather.liquidations_a_second * (STEP_MS / 1_000)).tolist()
        longs = (draws[1] < weather.long_share).tolist()
        moods = zip(
            *(each.tolist() for each in (fair, weather.activity, weather.heat, weather.lean)),
            strict=True,
        )
        changes: list[BinanceChange] = []
        for number, mood in enumerate(moods):
            symbol = self.symbols[number]
            outcome = symbol.live(at, Mood(*mood), doomed=struck[number], long=longs[number])
            if outcome is None:
                continue
            takes, forced = outcome
            if takes:
                changes.append(self._count(number, at, takes))
            if forced is not None:
                self._pending[number] = forced
            changes += symbol.told(number, at)
        self.changes = changes + self._periodic(at)

    def close_minute(self, at: int) -> None:
        """Close the minute that ends at `at`."""
        for candles in (self.trades, self.mark, self.index):
            candles.close_minute()
        self.derivatives.close_minute(at)
        self.day = day_of(self.trades.series(MINUTE).rows)
        self.changes += [CandleClosed(number, at) for number in range(len(self.listings))]

    def _count(self, number: int, at: int, takes: list[Take]) -> Taken:
        for take in takes:
            self.trades.add_split_trade(
                number, take.ticks, take.steps, len(take.fills), buyer_took=take.buyer_took
            )
        self._moved[number] = True
        return Taken(number, at, takes)

    def _follow_mark_and_index(self, weather: Weather) -> None:
        index = weather.log_price + self._shift - self._factors.premium()
        mark = index + self._factors.basis() + MARK_FOLLOWS * self.basis()
        for candles, logs in ((self.index, index), (self.mark, mark)):
            prices = np.rint(np.exp(logs) * 10.0**MARK_SCALE).astype(np.int64).tolist()
            for number, price in enumerate(prices):
                candles.see_price(number, price)

    def _periodic(self, at: int) -> list[BinanceChange]:
        changes: list[BinanceChange] = []
        if at % _INTEREST_EVERY_MS == 0:
            self.derivatives.update_interest()
        turn = at // STEP_MS
        # a minute's last moment is told by the candle that closes
        for number in range(turn % _CANDLE_EVERY_STEPS, len(self.listings), _CANDLE_EVERY_STEPS):
            if self._moved[number] and at % MINUTE:
                changes.append(CandleMoved(number, at))
                self._moved[number] = False
        if at % _FORCED_EVERY_MS == 0:
            changes += [Forced(number, at, order) for number, order in self._pending.items()]
            self._pending = {}
        if at % _MARK_EVERY_MS == 0:
            changes += [MarkDue(number, at) for number in range(len(self.listings))]
        if at % _TICKER_EVERY_MS == 0:
            changes += [TickerDue(number, at) for number in range(len(self.listings))]
        return changes

    def _past_basis(self, story: Story) -> SmallFloats:
        """Let the basis wander through the past."""
        steps, count = story.path.shape
        shocks = self._for_basis.standard_normal((steps, count))
        decays = 0.5 ** (story.lengths / MINUTE / _BASIS_HALF_LIFE_MINUTES)
        spreads = _BASIS_DEVIATION * np.sqrt(1.0 - decays**2)
        basis = shocks * spreads[:, None]
        basis[0] = _BASIS_DEVIATION * shocks[0]
        for row in range(1, steps):
            basis[row] += decays[row] * basis[row - 1]
        return (basis + self._usual).astype(np.float32)


_FEW: Final = 40
_SHALLOW: Final = 160


def _depth_of(count: int) -> int:
    """Return how deep the books are: a thousand levels are dear when there are 500 books."""
    return (DEEPEST if count <= _FEW else _SHALLOW + _MARGIN) - _MARGIN


def _forced_order(time: int, fills: list[Fill], *, long: bool) -> ForcedOrder:
    steps = sum(fill.steps for fill in fills)
    average = sum(fill.steps * fill.ticks for fill in fills) / steps
    worst = fills[-1].ticks
    # the order's limit is the bankruptcy price: beyond what was paid
    limit = round(worst * (0.985 if long else 1.015))
    return ForcedOrder(time, long, steps, max(1, limit), average)
