"""Large trades and liquidations: rare for their own symbol, large by themselves, or not told."""

from virtuoso.domain.market_data import PositionSide, Side
from virtuoso.domain.time import DAY, HOUR, MINUTE, SECOND, Millis
from virtuoso.market.large_trades import KEPT, LargeTrades
from virtuoso.market.liquidation_flow import LiquidationFlow
from virtuoso.market.recent_sizes import RecentSizes

AT = Millis(1_784_462_400_000)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def test_sizes_are_ranked_among_those_of_a_day() -> None:
    """A limit is known once enough are, and forgets what is a day old."""
    sizes = RecentSizes()
    sizes.second(AT)
    for number in range(100):
        sizes.take(1_000.0 if number < 99 else 1_000_000.0)
    limit = sizes.limit(99, 100)
    assert limit is not None
    assert 1_000.0 < limit < 1_200.0
    assert sizes.limit(99, 101) is None
    sizes.second(Millis(AT + DAY + HOUR))
    assert sizes.count == 0


def test_without_a_limit_no_trade_is_called_large() -> None:
    """Too few orders: not zero, but not known. The largest one is known all the same."""
    trades = LargeTrades()
    trades.take(AT, Side.BUY, 5_000_000.0)
    trades.second(AT, None)
    assert trades.sides() is None
    assert trades.summed(Side.BUY) is None
    assert trades.largest == 5_000_000.0


def test_a_large_trade_passes_its_own_limit_and_the_floor() -> None:
    """Rare in a small market is not large; both sides alike; each ages."""
    trades = LargeTrades()
    trades.second(AT, 50_000.0)
    second = Millis(AT + SECOND)
    trades.take(second, Side.BUY, 90_000.0)
    trades.take(second, Side.SELL, 150_000.0)
    trades.second(second, 50_000.0)
    assert trades.sides(100_000.0) == frozenset({Side.SELL})
    assert trades.sides(10_000.0) == frozenset({Side.BUY, Side.SELL})
    assert trades.summed(Side.SELL, 100_000.0) == 150_000.0
    trades.second(Millis(second + MINUTE), 50_000.0)
    assert trades.sides(10_000.0) == frozenset()
    assert trades.largest == 0.0
    assert trades.summed(Side.SELL, 100_000.0) == 150_000.0
    trades.second(Millis(second + 5 * MINUTE), 50_000.0)
    assert trades.summed(Side.SELL, 100_000.0) == 0.0


def test_the_largest_of_a_minute_is_that_of_a_plain_look() -> None:
    """Against the largest of a list, over many seconds; what is kept is bounded."""
    trades = LargeTrades()
    trades.second(AT, 1.0)
    kept: list[tuple[int, float]] = []
    for number in range(1, 4_000):
        at, size = Millis(AT + number // 7 * SECOND), float(number * 7_919 % 10_007)
        trades.take(at, Side.BUY, size)
        kept.append((at, size))
        trades.second(at, 1.0)
        assert trades.largest == max(each for when, each in kept if when > at - MINUTE)
    assert len(trades._large) <= KEPT


def _day(flow: LiquidationFlow) -> Millis:
    """Let 60 minutes with small liquidations of both sides pass; gives the time after them."""
    at = AT
    for _ in range(60):
        for _ in range(2):
            flow.take(at, LONG, 1_000.0)
            flow.take(at, SHORT, 1_000.0)
        flow.second(at)
        at = Millis(at + MINUTE)
    flow.second(at)
    return at


def test_before_enough_is_known_no_cascade_is_told() -> None:
    """Five huge ones in a row are not called a cascade on nothing."""
    flow = LiquidationFlow()
    flow.second(AT)
    for _ in range(10):
        flow.take(AT, LONG, 1e6)
    flow.second(AT)
    assert flow.cascades() is None
    assert flow.large_sides() is None
    assert flow.summed(LONG) == 1e7


def test_a_cascade_is_many_of_one_side_within_a_minute_and_rarely_so_much() -> None:
    """Four are too few, five are enough; the other side is none; it ends with its minute."""
    for count, expected in ((4, frozenset()), (5, frozenset({LONG}))):
        flow = LiquidationFlow()
        at = _day(flow)
        for _ in range(count):
            flow.take(at, LONG, 40_000.0)
        flow.take(at, SHORT, 900.0)
        flow.second(at)
        assert flow.cascades() == expected
        assert flow.cascades(1e9) == frozenset()
        flow.second(Millis(at + MINUTE))
        assert flow.cascades() == frozenset()


def test_a_large_liquidation_is_told_with_its_side() -> None:
    """That of the position, not of the order that closed it."""
    flow = LiquidationFlow()
    at = _day(flow)
    flow.take(at, SHORT, 80_000.0)
    flow.second(at)
    assert flow.large_sides() == frozenset({SHORT})
    assert flow.large_sides(100_000.0) == frozenset()
    flow.forget()
    assert flow.large_sides() == frozenset()
