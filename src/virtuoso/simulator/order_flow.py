"""Those who trade one symbol: makers around a fair price, and takers who eat what they quote."""

import math
from dataclasses import dataclass

from virtuoso.simulator.book import Book, BookSide
from virtuoso.simulator.draws import Draws
from virtuoso.simulator.listings import Listing

DEPTH = 200
_MARGIN = 30
"""Levels kept beyond the 200 that are shown, so that the window is always full."""
_DEPTH_A_BASIS_POINT = 1.2e-4
"""Resting quantity within one basis point, as a share of a day's turnover."""
_ORDER_SPREAD = 1.15
"""Deviation of the logarithm of a taker's order."""
_PROFILE_TICKS = 600
"""Up to how far from the best the usual quantity of a level changes."""
_COMERS = 0.15
"""Share of the makers' changes that are a new level."""
_SLACK_BASIS_POINTS = 0.1
"""How far the fair price may leave the quotes before makers move them."""
_WIDENING_BASIS_POINTS = 0.06
"""By how much quotes are wider than the least spread, at 500 million a day."""
_SLIP_BASIS_POINTS = 0.8
_FORCED_SLIP_BASIS_POINTS = 4.0


@dataclass(frozen=True, slots=True)
class Fill:
    """One taker order meeting one level."""

    buyer_took: bool
    ticks: int
    steps: int


@dataclass(frozen=True, slots=True)
class Mood:
    """What moves makers and takers of one symbol in one step."""

    fair: float
    """The fair price, in ticks."""
    activity: float
    """Turnover as a multiple of the usual."""
    heat: float
    """Volatility as a multiple of the usual."""
    lean: float
    """The trend's strength, about -2 to 2."""


class OrderFlow:
    """The order book of one symbol and its traffic."""

    def __init__(self, listing: Listing, fair: float, draws: Draws, depth: int = DEPTH) -> None:
        """`depth`: levels a side that are always there; there are up to 60 more."""
        self._listing = listing
        self._depth = depth
        self._draws = draws
        self.book = Book()
        step_value = fair * listing.tick * listing.step
        orders_a_day = 86_400 * listing.orders_per_second
        self.usual_order_steps = listing.daily_turnover / orders_a_day / step_value
        a_basis_point = listing.daily_turnover * _DEPTH_A_BASIS_POINT / step_value
        self._tick_basis_points = 1e4 / fair
        level_steps = a_basis_point * listing.gap_ticks * self._tick_basis_points
        away = [ticks * self._tick_basis_points for ticks in range(_PROFILE_TICKS)]
        self._usual_sizes = [
            level_steps * (0.35 + 0.65 * min(each / 1.5, 1.0) + 0.02 * min(each, 40.0))
            for each in away
        ]
        self._gap_ticks = listing.gap_ticks
        self._density = min(1.0 / listing.gap_ticks, 0.97)
        self._slack = max(0.3, _SLACK_BASIS_POINTS / self._tick_basis_points)
        thinness = min(_WIDENING_BASIS_POINTS * 5e8 / listing.daily_turnover, 0.3)
        self._usual_extra_ticks = thinness / self._tick_basis_points
        self._extra_ticks = 0
        self._bid = self._target_bid(fair)
        mood = Mood(fair, 1.0, 1.0, 0.0)
        self.book.bids.put(self._bid, self._size(0, 0.0))
        self.book.asks.put(-self._bid - listing.spread_ticks, self._size(0, 0.0))
        self._restock(mood)

    def quote(self, mood: Mood) -> None:
        """Let the makers follow the fair price, then change their minds here and there."""
        listing, book = self._listing, self.book
        if self._draws.uniform() < 0.25:
            self._extra_ticks = int(self._draws.exponential(self._usual_extra_ticks * mood.heat))
        # makers keep their quotes while the fair price is about between them
        if not -self._slack <= mood.fair - self._bid <= listing.spread_ticks + self._slack:
            self._bid = self._target_bid(mood.fair)
        bid, ask = self._bid, self._ask
        pressure = self._pressure(mood.fair)
        book.bids.remove_above(bid)
        book.asks.remove_above(-ask)
        self._reach(book.bids, bid, pressure)
        self._reach(book.asks, -ask, -pressure)
        for side, push in ((book.bids, pressure), (book.asks, -pressure)):
            lean = 0.25 * mood.lean * side.sign
            side.put(side.best, self._size(0, 1.3 * push + lean, noise=0.6))
            for _ in range(2 + int(3 * self._draws.uniform())):
                self._reconsider(side, 0.3 * push + lean)
        self._restock(mood)

    def take(self, mood: Mood) -> list[Fill]:
        """Let one taker come: more often on the side to which the fair price has gone."""
        draws = self._draws
        pressure = self._pressure(mood.fair)
        tilt = math.tanh(1.8 * pressure + 0.15 * mood.lean)
        buys = draws.uniform() < 0.5 + 0.46 * tilt
        urgency = 0.5 + 0.7 * min(abs(pressure), 2.0)
        scale = mood.activity**0.7 * urgency * draws.lognormal(_ORDER_SPREAD)
        steps = max(1, round(self.usual_order_steps * scale))
        slip = _SLIP_BASIS_POINTS * draws.uniform()
        return self._execute(steps, slip, mood.fair, buys=buys)

    def requote(self) -> None:
        """Let one maker change the size at the best price of a side."""
        side = self.book.bids if self._draws.uniform() < 0.5 else self.book.asks
        before = side.sizes[side.best]
        size = self._size(0, 0.0, noise=0.6)
        # a quote that did not change would not be told
        side.put(side.best, size if size != before else size + 1)

    def nibble(self) -> Fill:
        """Let one taker take a part of what stands at the best price; the level stays."""
        buys = self._draws.uniform() < 0.5
        side = self.book.asks if buys else self.book.bids
        key = side.best
        if side.sizes[key] < 2:
            side.put(key, 2 + self._size(0, 0.0))
        steps = 1 + int(self._draws.uniform() * min(side.sizes[key] - 1, self.usual_order_steps))
        steps = min(steps, side.sizes[key] - 1)
        ((ticks, filled),) = side.take(steps, key)
        return Fill(buys, ticks, filled)

    def liquidate(self, steps: int, fair: float, *, buys: bool) -> list[Fill]:
        """Let a liquidated position be closed at the market, far from the best price if it must."""
        return self._execute(steps, _FORCED_SLIP_BASIS_POINTS, fair, buys=buys)

    def _execute(self, steps: int, slip: float, fair: float, *, buys: bool) -> list[Fill]:
        side = self.book.asks if buys else self.book.bids
        if not side.keys:
            return []
        # whatever is left at prices that the fair price has passed is eaten as well
        passed = math.floor(fair) if buys else -math.ceil(fair)
        slip_ticks = int(slip / self._tick_basis_points)
        limit = min(side.best - slip_ticks, -passed)
        return [Fill(buys, ticks, filled) for ticks, filled in side.take(steps, limit)]

    def _target_bid(self, fair: float) -> int:
        return max(1, math.floor(fair - (self._listing.spread_ticks - 1) / 2))

    @property
    def _ask(self) -> int:
        return self._bid + self._listing.spread_ticks + self._extra_ticks

    def _pressure(self, fair: float) -> float:
        """Return how far the fair price is from the middle of the makers' quotes; 1 is far."""
        bid, ask = self._bid, self._ask
        away = fair - (bid + ask) / 2
        return max(-2.5, min(2.5, away / ((ask - bid) / 2 + self._slack)))

    def _size(self, ticks_away: int, tilt: float, noise: float = 0.8) -> int:
        usual = self._usual_sizes[min(ticks_away, _PROFILE_TICKS - 1)]
        size = usual * math.exp(tilt + noise * self._draws.normal() - noise * noise / 2)
        return max(1, round(size))

    def _gap(self) -> int:
        mean = self._gap_ticks
        return 1 if mean == 1 else 1 + int(self._draws.exponential(mean - 0.5))

    def _reach(self, side: BookSide, key: int, push: float) -> None:
        """Bring new levels up to `key`, which becomes the best."""
        if side.keys and side.best >= key:
            return
        last = side.best if side.keys else key - 1
        side.put(key, self._size(0, 1.3 * push, noise=0.6))
        key -= self._gap()
        while key > last:
            side.put(key, self._size(side.best - key, 0.3 * push))
            key -= self._gap()

    def _reconsider(self, side: BookSide, tilt: float) -> None:
        """Let one maker near the best come, go, or change the size."""
        draws = self._draws
        choice = draws.uniform()
        if choice < _COMERS:
            self._resize(side, side.best - int(draws.exponential(14.0 * self._gap_ticks)), tilt)
            return
        at = len(side) - 1 - int(draws.exponential(14.0))
        if at < 0:
            return
        key = side.keys[at]
        # as many go as come when the share of ticks with a level is the wanted one
        leaves = choice < _COMERS + _COMERS * (1.0 - self._density)
        if leaves and key != side.best:
            side.remove(key)
        else:
            self._resize(side, key, tilt)

    def _resize(self, side: BookSide, key: int, tilt: float) -> None:
        if side.sign > 0 and key < 1:
            return
        near = max(0.0, 1.0 - (side.best - key) * self._tick_basis_points / 25.0)
        side.put(key, self._size(side.best - key, tilt * near))

    def _restock(self, mood: Mood) -> None:
        for side in self.book.sides():
            while len(side) < self._depth + _MARGIN:
                worst = side.keys[0]
                # nobody bids a price of nothing
                key = worst - self._gap()
                if side.sign > 0 and key < 1:
                    break
                side.put(key, self._size(side.best - key, 0.05 * mood.lean * side.sign))
            side.keep(self._depth + 2 * _MARGIN)
