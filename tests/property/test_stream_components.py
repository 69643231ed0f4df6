"""Laws of the stream: thinning, ranks, restarts, and the mirror."""

from bisect import bisect_left, bisect_right

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stream_events import BTC, START, liquidation, quote, ticker, trade
from virtuoso.components.base.stream_component import StreamComponent
from virtuoso.components.orderbook import Orderbook, imbalance
from virtuoso.components.orderflow import Orderflow
from virtuoso.domain.errors import WireError
from virtuoso.domain.market_data import BookSnapshot, PositionSide, Side, TickerField
from virtuoso.domain.scores import ComponentScore
from virtuoso.domain.time import SECOND, Millis
from virtuoso.indicators.stream_window import (
    NO_VALUE,
    SCORED,
    TOO_FEW,
    WARMING_UP,
    StreamLimits,
    StreamWindows,
    WindowState,
)
from virtuoso.market.market import Market
from virtuoso.market.trades import TradeFlow

DAY = 86_400
FIRST = int(START) // 1_000


class Reference:
    """Section 2's rule, step by step, on plain lists."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.step = 1
        self.ring: list[tuple[int, float]] = []

    def take(self, g: int, x: float) -> None:
        """Let (g, x) in, as the five steps say."""
        if g % self.step:
            return
        self.ring = [each for each in self.ring if each[0] >= g - DAY]
        if len(self.ring) == self.capacity and self.step < 12:
            self.step = {1: 2, 2: 4, 4: 12}[self.step]
            self.ring = [each for each in self.ring if each[0] % self.step == 0]
            if g % self.step:
                return
        if len(self.ring) == self.capacity:
            del self.ring[0]
        self.ring.append((g, x))

    def score(self, x: float, minimum: int, minimum_sizes: int) -> tuple[int, float | None]:
        """T1 against the list."""
        sizes = sorted(abs(each) for _, each in self.ring if each)
        if len(self.ring) < minimum:
            return WARMING_UP, None
        if x == 0.0:
            return SCORED, 50.0
        if len(sizes) < minimum_sizes:
            return TOO_FEW, None
        lower = bisect_left(sizes, abs(x))
        equal = bisect_right(sizes, abs(x)) - lower
        side = 1.0 if x > 0.0 else -1.0
        return SCORED, 50.0 + side * 50.0 * (lower + equal / 2.0) / len(sizes)


@settings(deadline=None, max_examples=30)
@given(
    data=st.lists(
        st.tuples(st.integers(1, 40) | st.just(1), st.one_of(st.none(), st.integers(-4, 4))),
        min_size=20,
        max_size=300,
    ),
    first=st.integers(FIRST, FIRST + 48),
    leap=st.integers(0, 2 * DAY),
)
def test_windows_equal_the_rule_on_lists(
    data: list[tuple[int, int | None]], first: int, leap: int
) -> None:
    """Content, step, score and reason, through thinning, holes, zeros, ties and a leap."""
    limits = StreamLimits(capacity=24, minimum=6, minimum_sizes=3)
    windows = StreamWindows(2, limits)
    reference = Reference(24)
    g = first
    for i, (gap, value) in enumerate(data):
        g += gap + (leap if i == len(data) // 2 else 0)
        x = np.nan if value is None else value * 0.1
        xs = np.array([x, np.nan])
        windows.take(Millis(g * 1_000), xs)
        assert windows.codes[1] == NO_VALUE
        if value is None:
            assert windows.codes[0] == NO_VALUE
            continue
        rounded = round(value * 0.1, 9)
        assert xs[0] == rounded
        code, score = reference.score(rounded, 6, 3)
        assert windows.codes[0] == code
        assert (None if np.isnan(windows.scores[0]) else windows.scores[0]) == (
            None if score is None else pytest.approx(score, abs=1e-12)
        )
        reference.take(g, rounded)
        seconds, values = windows.content(0)
        assert list(zip(seconds.tolist(), values.tolist(), strict=True)) == reference.ring
        assert windows.steps[0] == reference.step
        assert windows.n_sizes[0] == sum(1 for _, each in reference.ring if each)


def test_a_value_leaves_when_it_is_older_than_a_day() -> None:
    """Of exactly 24 hours it is still there; a second later it is not."""
    for age, held in ((DAY, 2), (DAY + 1, 1)):
        windows = StreamWindows(1, StreamLimits(capacity=24, minimum=6, minimum_sizes=3))
        for second in (FIRST, FIRST + age):
            windows.take(Millis(second * 1_000), np.array([1.0]))
        assert windows.counts[0] == held


def test_a_day_of_seconds_is_thinned_at_two_four_and_eight_hours() -> None:
    """7,200 then 3,600 then 3,600 then 2,400 values, and one per 12 s after 24 hours."""
    windows = StreamWindows(1)
    rng = np.random.Generator(np.random.PCG64(3))
    values = rng.normal(size=90_000)
    sizes = {}
    for i, value in enumerate(values):
        windows.take(Millis((FIRST + i) * 1_000), np.array([value]))
        if i in (7_199, 7_200, 14_400, 28_800, 86_400, 89_999):
            sizes[i] = (int(windows.counts[0]), int(windows.steps[0]))
    # FIRST is a multiple of 12, so the second that thins is one that stays
    assert sizes == {
        7_199: (7_200, 1),
        7_200: (3_601, 2),
        14_400: (3_601, 4),
        28_800: (2_401, 12),
        86_400: (7_200, 12),
        89_999: (7_200, 12),
    }
    seconds, _ = windows.content(0)
    assert (np.diff(seconds.astype(np.int64)) == 12).all()


@settings(deadline=None, max_examples=20)
@given(cut=st.integers(1, 399), seed=st.integers(0, 1_000))
def test_a_restart_from_a_snapshot_equals_no_restart(cut: int, seed: int) -> None:
    """The same scores, the same content, to the bit."""
    limits = StreamLimits(capacity=48, minimum=10, minimum_sizes=5)
    rng = np.random.Generator(np.random.PCG64(seed))
    values = np.where(rng.random((400, 3)) < 0.2, 0.0, rng.normal(size=(400, 3)))
    whole, part = StreamWindows(3, limits), StreamWindows(3, limits)
    for i, row in enumerate(values):
        at = Millis((FIRST + i) * 1_000)
        if i == cut:
            state = part.snapshot()
            part = StreamWindows(3, limits)
            part.restore(state)
        whole.take(at, row.copy())
        part.take(at, row.copy())
        assert np.array_equal(whole.scores, part.scores, equal_nan=True)
    for member in range(3):
        (seconds, kept), (other_seconds, other_kept) = whole.content(member), part.content(member)
        assert np.array_equal(seconds, other_seconds)
        assert np.array_equal(kept, other_kept)


def test_a_snapshot_that_cannot_be_one_is_refused() -> None:
    """Wrong shapes, steps, order or numbers."""
    windows = StreamWindows(1, StreamLimits(capacity=8, minimum=2, minimum_sizes=1))
    ones = np.ones(1, dtype=np.int64)
    seconds = np.array([5, 4], dtype=np.uint32)
    with pytest.raises(WireError, match="found a step back"):
        windows.restore(WindowState(ones, ones * 2, seconds, np.zeros(2)))
    for steps, counts, values in (
        (ones * 3, ones * 2, np.zeros(2)),
        (ones, ones * 2, np.array([np.nan, 1.0])),
        (ones, ones * 3, np.zeros(2)),
        (np.ones(2, dtype=np.int64), ones * 2, np.zeros(2)),
    ):
        with pytest.raises(WireError, match="expected 1 windows"):
            windows.restore(WindowState(steps, counts, seconds[::-1].copy(), values))


def test_ties_take_the_middle_rank_and_the_current_value_is_not_in_its_window() -> None:
    """All equal and x equal gives 75 or 25; larger than all 100; zero 50."""
    limits = StreamLimits(capacity=600, minimum=300, minimum_sizes=100)
    for x, expected in ((2.0, 75.0), (-2.0, 25.0), (3.0, 100.0), (-1.0, 50.0), (0.0, 50.0)):
        windows = StreamWindows(1, limits)
        for i in range(300):
            windows.take(Millis((FIRST + i) * 1_000), np.array([2.0 if i % 2 else -2.0]))
            assert windows.codes[0] == WARMING_UP
        windows.take(Millis((FIRST + 300) * 1_000), np.array([x]))
        assert windows.scores[0] == expected


def test_zeros_are_not_sizes() -> None:
    """300 zeros score a zero, and nothing else yet."""
    windows = StreamWindows(2)
    for i in range(301):
        windows.take(Millis((FIRST + i) * 1_000), np.array([0.0, 1.0 if i >= 201 else 0.0]))
    assert windows.scores[0] == 50.0
    assert windows.codes[1] == TOO_FEW
    windows.take(Millis((FIRST + 301) * 1_000), np.array([1e-10, 1.0]))
    assert windows.scores[0] == 50.0
    assert windows.scores[1] == 75.0


quantities = st.floats(0.001, 1_000.0)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(quantities, quantities), min_size=2, max_size=30))
def test_at_fixed_prices_ofi_is_the_change_of_the_quantities(
    rows: list[tuple[float, float]],
) -> None:
    """Sum e = change(qb) - change(qa)."""
    flow = TradeFlow()
    for i, (bid, ask) in enumerate(rows):
        flow.quote(quote(START + i, 100.0, bid, 100.1, ask))
    flow.second(Millis(START + 1_000))
    expected = (rows[-1][0] - rows[0][0]) - (rows[-1][1] - rows[0][1])
    assert flow.windows[1].ofi == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=100)
@given(quantities, quantities, st.integers(1_000, 1_000_000))
def test_the_balance_of_the_queue_is_odd_and_is_the_micro_price(
    bid: float, ask: float, ticks: int
) -> None:
    """I(b, a) = -I(a, b); bid <= micro <= ask; (micro - mid)/spread = I/2."""
    value, turned = imbalance(bid, ask), imbalance(ask, bid)
    assert isinstance(value, float)
    assert isinstance(turned, float)
    assert value == -turned
    low, high = ticks * 0.1, (ticks + 1) * 0.1
    micro = (high * bid + low * ask) / (bid + ask)
    assert low - 1e-9 <= micro <= high + 1e-9
    assert (micro - (low + high) / 2) / (high - low) == pytest.approx(value / 2, abs=1e-6)


MIDDLE = 1_000.0


class World:
    """A market that moves at random, or its mirror image about the middle, sides swapped."""

    def __init__(self, *, mirrored: bool) -> None:
        self.mirrored = mirrored
        self.market = Market(BTC)
        limits = StreamLimits(capacity=100, minimum=20, minimum_sizes=8)
        self.components: tuple[StreamComponent, ...] = (
            Orderflow(limits=limits),
            Orderbook(limits),
        )

    def second(self, at: int, rng: np.random.Generator) -> None:
        """One grid second: quotes, trades, a liquidation now and then, a book."""
        market, turn = self.market, self.mirrored
        market.alive_at = Millis(at)
        market.derivatives.take_ticker(ticker(at, {TickerField.VOLUME_24H: 5_000.0}))
        for i in range(3):
            move = float(rng.integers(-4, 5)) / 4.0
            one, two = rng.integers(1, 900, 2) / 64.0
            bid, ask = MIDDLE + move - 0.25, MIDDLE + move + 0.25
            row = (2 * MIDDLE - ask, two, 2 * MIDDLE - bid, one) if turn else (bid, one, ask, two)
            market.trades.quote(quote(at - 900 + i, *row))
            buys = bool(rng.integers(0, 2)) is not turn
            side = Side.BUY if buys else Side.SELL
            size = float(rng.integers(1, 300)) / 64.0
            market.trades.trade(trade(at - 800 + i, side, size, MIDDLE))
        if rng.random() < 0.3:
            long = bool(rng.integers(0, 2)) is not turn
            position = PositionSide.LONG if long else PositionSide.SHORT
            market.trades.liquidation(liquidation(at - 5, position, float(rng.integers(1, 9))))
        sizes = rng.integers(1, 500, (2, 60)) / 32.0
        if turn:
            sizes = sizes[::-1]
        distance = 0.0078125 * np.arange(1, 61)
        market.book.apply(
            BookSnapshot(
                list(zip((MIDDLE - distance).tolist(), sizes[0].tolist(), strict=True)),
                list(zip((MIDDLE + distance).tolist(), sizes[1].tolist(), strict=True)),
                sequence=at,
                depth=60,
            ),
            Millis(at),
        )
        market.second(Millis(at))
        for component in self.components:
            component.second(Millis(at), market)


def test_a_mirrored_stream_gives_100_minus_the_score_everywhere() -> None:
    """Bids and asks, buys and sells, longs and shorts swapped: every member, every component."""
    straight, turned = World(mirrored=False), World(mirrored=True)
    compared = 0
    for i in range(1, 361):
        at = START + i * SECOND
        for world in (straight, turned):
            world.second(at, np.random.Generator(np.random.PCG64(i)))
        for one, other in zip(straight.components, turned.components, strict=True):
            s = one.score(Millis(at), straight.market)
            m = other.score(Millis(at), turned.market)
            assert s.completeness == m.completeness
            for a, b in zip(s.members, m.members, strict=True):
                assert a.reason == b.reason
                if a.score is not None and b.score is not None:
                    assert a.score == pytest.approx(100.0 - b.score, abs=1e-9)
                    compared += 1
            if isinstance(s, ComponentScore) and isinstance(m, ComponentScore):
                assert s.score == pytest.approx(100.0 - m.score, abs=1e-9)
    assert compared > 3_000
