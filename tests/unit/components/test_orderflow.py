"""Order flow says what takers pressed, or why it cannot."""

import pytest

from support.stream_events import BTC, START, liquidation, quote, ticker, trade
from virtuoso.components.orderflow import LIQUIDATIONS, Orderflow
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    PositionSide,
    Side,
    TickerField,
    Topic,
)
from virtuoso.domain.scores import Absent, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.market import Market
from virtuoso.market.trades import WindowSums

LIMITS = StreamLimits(capacity=100, minimum=10, minimum_sizes=5)


class Stream:
    """A market that trades every second, with each feed to be switched off."""

    def __init__(self, component: Orderflow | None = None) -> None:
        self.market = Market(BTC)
        self.component = component or Orderflow(limits=LIMITS)
        self.second = 0
        self.quotes = self.trades = self.ticker = self.alive = True

    def run(self, seconds: int) -> None:
        """Let grid seconds pass."""
        market = self.market
        for _ in range(seconds):
            self.second += 1
            at = START + self.second * 1_000
            if self.alive:
                market.alive_at = Millis(at - 100)
            if self.ticker:
                market.derivatives.take_ticker(ticker(at - 200, {TickerField.VOLUME_24H: 86_400.0}))
            if self.quotes:
                size = 5.0 + self.second % 3
                market.trades.quote(quote(at - 300, 100.0, size, 100.1, 4.0))
            if self.trades:
                for i in range(10):
                    quantity = 0.1 + (self.second * 7 + i) % 5
                    if (self.second * 10 + i) % 301 == 0:
                        quantity += 50.0  # large: fewer than one in a hundred
                    side = Side.BUY if (self.second + i) % 3 else Side.SELL
                    market.trades.trade(trade(at - 400 + i, side, quantity))
            market.second(Millis(at))
            self.component.second(Millis(at), market)

    @property
    def result(self) -> ComponentScore | Absent:
        """What the component says now."""
        at = Millis(START + self.second * 1_000)
        assert self.component.live(at, self.market) == self.component.score(at, self.market)
        return self.component.score(at, self.market)

    @property
    def members(self) -> dict[str, MemberScore]:
        """Its members by name."""
        return {each.name: each for each in self.result.members}

    def reasons(self) -> dict[str, Reason | None]:
        """Why each member is absent."""
        return {name: each.reason for name, each in self.members.items()}


def test_nothing_received_is_no_feed() -> None:
    """No number before the first message."""
    stream = Stream()
    stream.quotes = stream.trades = stream.ticker = stream.alive = False
    stream.run(1)
    assert isinstance(stream.result, Absent)
    assert stream.result.reason is Reason.NO_FEED
    assert set(stream.reasons().values()) == {Reason.NO_FEED}


def test_windows_fill_then_distributions_fill_then_there_is_a_score() -> None:
    """Each wait says how much there is and how much it needs."""
    stream = Stream()
    stream.run(5)
    members = stream.members
    assert (members["ofi@10s"].have, members["ofi@10s"].need) == (4, 10)
    assert (members["taker_flow@300s"].have, members["taker_flow@300s"].need) == (4, 300)
    assert members["ofi@1s"].reason is Reason.WARMING_UP
    assert (members["ofi@1s"].have, members["ofi@1s"].need) == (3, 10)
    assert members["ofi@1s"].x is not None
    stream.run(540)
    assert set(stream.reasons().values()) == {None}
    assert isinstance(stream.result, ComponentScore)
    assert stream.result.completeness == pytest.approx(1.0)
    assert stream.result.freshness == 1.0


def test_x_is_the_formula() -> None:
    """OFI by depth; flow by the volume usual for so many seconds."""
    stream = Stream()
    stream.run(520)
    flow = stream.market.trades
    assert flow.depth is not None
    members = stream.members
    for seconds in (1, 10, 60):
        x = flow.windows[seconds].ofi / flow.depth
        assert members[f"ofi@{seconds}s"].x == pytest.approx(x, abs=1e-9)
    for seconds in (10, 60, 300):
        x = flow.windows[seconds].flow / seconds  # 86,400 a day is one a second
        assert members[f"taker_flow@{seconds}s"].x == pytest.approx(x, abs=1e-9)
    assert flow.windows[300] != WindowSums(0.0, 0.0, 0.0, 0.0, 0.0)
    large = flow.windows[300].large_flow / 300
    assert abs(large) > 0.1
    assert members["large_orders@300s"].x == pytest.approx(large, abs=1e-9)
    assert members["ofi@1s"].as_of == START + 520_000 - 300


def test_the_oldest_feed_dates_the_component() -> None:
    """A score is never fresher than what it needs: here quotes, then the ticker."""
    stream = Stream()
    stream.run(320)
    assert isinstance(stream.result, ComponentScore)
    assert stream.result.as_of == START + 320_000 - 300
    stream.ticker = False
    stream.run(3)
    assert isinstance(stream.result, ComponentScore)
    assert stream.result.as_of == START + 320_000 - 200


def test_silence_of_trades_with_a_living_connection_is_zero() -> None:
    """A fact, which presses nowhere."""
    stream = Stream()
    stream.run(320)
    stream.trades = False
    stream.run(11)
    assert stream.members["taker_flow@10s"].x == 0.0
    assert stream.members["taker_flow@10s"].score == 50.0


def test_large_orders_wait_for_their_limit() -> None:
    """2,000 orders are needed, and the wait says how many there are."""
    stream = Stream()
    stream.trades = False
    stream.run(301)
    member = stream.members["large_orders@300s"]
    assert member.reason is Reason.WARMING_UP
    assert (member.have, member.need) == (0, 2_000)


def test_large_orders_wait_until_all_of_their_window_was_told_apart() -> None:
    """Of the seconds before the limit was known, nobody knows which orders were large."""
    stream = Stream()
    while stream.market.trades.large_limit is None:
        stream.run(1)
    stream.run(299)
    member = stream.members["large_orders@300s"]
    assert (member.x, member.reason) == (None, Reason.WARMING_UP)
    assert (member.have, member.need) == (299, 300)
    stream.run(1)
    assert stream.members["large_orders@300s"].x is not None


def test_a_quote_gap_is_a_gap_until_each_window_is_clean_again() -> None:
    """One second, ten, sixty."""
    stream = Stream()
    stream.run(330)
    stream.market.trades.reset_quotes()
    stream.quotes = False
    stream.run(1)
    assert stream.reasons()["ofi@1s"] is Reason.GAP
    stream.quotes = True
    stream.run(1)
    clean_after = {"ofi@1s": 1, "ofi@10s": 10, "ofi@60s": 60}
    for passed in range(62):
        for name, needed in clean_after.items():
            is_clean = passed >= needed
            assert (stream.reasons()[name] is None) is is_clean, (name, passed)
            if not is_clean:
                assert stream.reasons()[name] is Reason.GAP
        stream.run(1)


def test_a_lost_connection_is_a_gap_in_everything() -> None:
    """Nothing of before is counted together with what comes after."""
    stream = Stream()
    stream.run(330)
    stream.market.disconnected()
    stream.quotes = stream.trades = stream.ticker = stream.alive = False
    stream.run(1)
    assert set(stream.reasons().values()) == {Reason.GAP}
    assert isinstance(stream.result, Absent)
    assert stream.result.reason is Reason.GAP
    stream.quotes = stream.trades = stream.ticker = stream.alive = True
    stream.run(12)
    assert stream.reasons()["taker_flow@10s"] is None
    assert stream.reasons()["taker_flow@60s"] is Reason.GAP


@pytest.mark.parametrize(
    ("feed", "fresh", "stale", "members"),
    [
        ("quotes", 2, 12, {"ofi@1s", "ofi@10s", "ofi@60s"}),
        ("ticker", 3, 28, {"taker_flow@10s", "liquidations", "large_orders@300s"}),
        ("alive", 2, 52, {"taker_flow@10s", "liquidations", "large_orders@300s"}),
    ],
)
def test_a_feed_that_falls_silent_fades_and_then_is_stale(
    feed: str, fresh: int, stale: int, members: set[str]
) -> None:
    """Late first, absent at its limit, and the score is that of the rest."""
    stream = Stream()
    stream.run(530)
    setattr(stream, feed, False)
    stream.run(fresh)
    result = stream.result
    assert isinstance(result, ComponentScore)
    assert 0 < result.late_ms <= 1_300
    assert result.freshness < 1.0
    stream.run(stale - fresh)
    reasons = stream.reasons()
    assert {name for name, reason in reasons.items() if reason is Reason.STALE} >= members
    rest = [name for name in reasons if not (name in members or name.startswith(("ofi", "taker")))]
    assert all(stream.members[name].reason in {None, Reason.STALE} for name in rest)
    assert all(stream.members[name].score is None for name in members)


def test_without_a_ticker_volume_the_candles_of_24_hours_stand_in() -> None:
    """Only when they cover the whole day; otherwise the flow has no measure."""
    stream = Stream()
    stream.ticker = False
    stream.run(330)
    assert stream.reasons()["taker_flow@10s"] is Reason.NO_FEED
    assert stream.reasons()["ofi@10s"] is None
    series = stream.market.candles[Timeframe.M5]
    end = START + 300_000
    series.replace(
        [
            Candle(Timeframe.M5, Millis(end - i * 300_000), 1.0, 1.0, 1.0, 1.0, 300.0)
            for i in range(288, 0, -1)
        ]
    )
    stream.run(12)
    member = stream.members["taker_flow@10s"]
    assert member.reason is None
    expected = stream.market.trades.windows[10].flow / 10
    assert member.x == pytest.approx(expected, abs=1e-9)
    series.gap = True
    stream.run(1)
    assert stream.reasons()["taker_flow@10s"] is Reason.NO_FEED


def test_a_venue_without_liquidations_says_so_and_pools_the_rest() -> None:
    """Not applicable, and missing in the completeness."""
    stream = Stream(Orderflow(frozenset({LIQUIDATIONS}), LIMITS))
    stream.run(540)
    assert stream.reasons()[LIQUIDATIONS] is Reason.NOT_APPLICABLE
    assert stream.result.completeness == pytest.approx(0.85)


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
def test_a_liquidated_long_presses_down(side: PositionSide) -> None:
    """Whatever the venue calls it: it is sold."""
    stream = Stream()
    stream.run(310)
    stream.market.trades.liquidation(liquidation(START + stream.second * 1_000 + 1, side, 300.0))
    stream.run(1)
    x = stream.members[LIQUIDATIONS].x
    assert x is not None
    assert (x < 0.0) is (side is PositionSide.LONG)
    assert abs(x) == pytest.approx(1.0 * 0.5 ** (0.999 / 300), abs=1e-9)


def test_liquidations_that_are_withheld_are_no_zero() -> None:
    """Trades go on, the topic is refused: no feed; once it speaks again, a gap for 300 seconds."""
    stream = Stream()
    stream.run(320)
    assert stream.members[LIQUIDATIONS].x == 0.0
    stream.market.fell_silent(Topic.LIQUIDATIONS, refused=True)
    stream.run(320)
    member = stream.members[LIQUIDATIONS]
    assert (member.x, member.score, member.reason) == (None, None, Reason.NO_FEED)
    assert stream.reasons()["taker_flow@300s"] is None
    stream.market.silent.discard(Topic.LIQUIDATIONS)
    stream.run(299)
    assert stream.reasons()[LIQUIDATIONS] is Reason.GAP
    stream.run(1)
    assert stream.members[LIQUIDATIONS].x == 0.0


def test_a_moving_book_proves_that_a_silent_best_quote_still_stands() -> None:
    """The venue need not repeat it; a different best price proves nothing."""
    stream = Stream()
    stream.run(330)
    stream.quotes = False
    held = stream.market.trades.best
    assert held is not None
    for i in range(20):
        bids = [(held.bid, held.bid_quantity), (99.0, float(i + 1))]
        asks = [(held.ask, held.ask_quantity)]
        at = Millis(START + stream.second * 1_000 + 500)
        stream.market.book.apply(BookSnapshot(bids, asks, sequence=i, depth=50), at)
        stream.run(1)
    assert stream.reasons()["ofi@1s"] is None
    assert stream.members["ofi@1s"].x == 0.0
    for i in range(20):
        bids = [(held.bid, held.bid_quantity + 1.0), (99.0, float(i + 1))]
        at = Millis(START + stream.second * 1_000 + 500)
        stream.market.book.apply(BookSnapshot(bids, asks, sequence=i, depth=50), at)
        stream.run(1)
    assert stream.reasons()["ofi@1s"] is Reason.STALE


def test_a_restored_component_scores_at_once() -> None:
    """The windows survive a restart; what fills second by second does not."""
    stream = Stream()
    stream.run(330)
    component = Orderflow(limits=LIMITS)
    component.restore(stream.component.snapshot())
    again = Stream(component)
    again.second = 400
    again.run(13)
    assert again.reasons()["ofi@10s"] is None
    assert again.reasons()["ofi@60s"] is Reason.WARMING_UP
