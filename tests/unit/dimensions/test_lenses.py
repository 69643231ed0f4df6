"""The lenses beside the score: what they are made of, and when they have no value."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from virtuoso.dimensions.base import LABELS, pooled
from virtuoso.dimensions.bitcoin_beta import bitcoin_beta
from virtuoso.dimensions.lenses import LOOK_SECONDS, Lenses, look_limits
from virtuoso.dimensions.liquidity import Liquidity
from virtuoso.dimensions.machine_learning import machine_learning
from virtuoso.dimensions.order_flow import order_flow
from virtuoso.dimensions.sentiment import sentiment
from virtuoso.dimensions.smart_money import SmartMoney
from virtuoso.dimensions.tape import SECONDS, Tape
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol
from virtuoso.domain.market_data import BookSnapshot, Candle, MarketEvent, Side, Trade
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    DimensionName,
    DimensionScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.least_squares import slope
from virtuoso.indicators.normal import normal_score, phi
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.market.market import Market
from virtuoso.market.trades import WindowSums

BTC = Instrument(BYBIT, Symbol("BTCUSDT"))
SMALL = StreamLimits(capacity=600, minimum=20, minimum_sizes=10)
START = 1_700_000_000_000


def member(name: str, score: float | None, at: int = 5, x: float = 1.0) -> MemberScore:
    """A member with this score, or one that is warming up."""
    return MemberScore(
        name=name,
        family=name.partition("@")[0],
        weight=0.1,
        x=None if score is None else x,
        score=score,
        z=None if score is None else normal_score(score),
        as_of=Millis(at),
        reason=None if score is not None else Reason.WARMING_UP,
    )


def component(name: ComponentName, *members: MemberScore) -> Absent:
    """A component that holds these members; the lenses do not ask for its own score."""
    return Absent(name, Reason.WARMING_UP, 0.0, members)


def flow_components(scores: Sequence[float | None]) -> dict[ComponentName, Absent]:
    """Order flow imbalance, taker flow, signed volume, money flow."""
    ofi, taker, signed, money = scores
    return {
        ComponentName.ORDERFLOW: component(
            ComponentName.ORDERFLOW,
            member("ofi@1s", ofi),
            member("ofi@60s", ofi),
            member("taker_flow@10s", taker),
        ),
        ComponentName.VOLUME: component(
            ComponentName.VOLUME,
            member("signed_volume20@1m", signed, at=3),
            member("cmf20@1m", money),
            member("cmf20@5m", 99.0),
        ),
    }


def test_order_flow_pools_four_inputs() -> None:
    """`100 PHI(mean z / D)` with D of four equal weights and rho .30; the oldest input dates it."""
    lens = order_flow(flow_components([70.0, 60.0, 80.0, 40.0]))
    mean = sum(normal_score(each) for each in (70.0, 60.0, 80.0, 40.0)) / 4
    assert lens.value == pytest.approx(100 * phi(mean / (0.25 + 0.3 * 0.75) ** 0.5), abs=1e-12)
    assert lens.as_of == 3
    assert [name for name, _ in lens.parts] == [
        "ofi",
        "taker_flow",
        "signed_volume20@1m",
        "cmf20@1m",
    ]


def test_order_flow_needs_two_of_four() -> None:
    """One input is no lens; the reason is that of what is missing, never 50."""
    lens = order_flow(flow_components([70.0, None, None, None]))
    assert lens.value is None
    assert lens.reason is Reason.WARMING_UP
    assert order_flow({}).reason is Reason.NO_FEED


def test_order_flow_is_not_made_of_candles_alone() -> None:
    """Without quotes and trades nobody knows what presses now, whatever the minutes say."""
    lens = order_flow(flow_components([None, None, 80.0, 40.0]))
    assert lens.value is None
    assert lens.reason is Reason.WARMING_UP
    assert dict(lens.parts)["cmf20@1m"] is not None


@settings(max_examples=50)
@given(scores=st.lists(st.floats(1.0, 99.0), min_size=4, max_size=4))
def test_order_flow_is_symmetric(scores: list[float]) -> None:
    """Mirrored members give the mirrored value."""
    value = order_flow(flow_components(scores)).value
    mirrored = order_flow(flow_components([100 - each for each in scores])).value
    assert value is not None
    assert mirrored == pytest.approx(100 - value, abs=1e-9)


def test_sentiment_says_where_the_crowd_stands() -> None:
    """The component is contrarian, the lens is not: high funding reads high."""
    crowd = component(
        ComponentName.SENTIMENT,
        member("funding", 10.0),
        member("basis", 20.0),
        member("long_short", 60.0),
        member("oi_quadrant", 1.0),
    )
    lens = sentiment({ComponentName.SENTIMENT: crowd})
    assert lens.value == pytest.approx((90 + 80 + 40) / 3)
    only_one = component(ComponentName.SENTIMENT, member("funding", 10.0), member("basis", None))
    assert sentiment({ComponentName.SENTIMENT: only_one}).value is None


def test_machine_learning_is_absent_until_proven() -> None:
    """No model, no number."""
    assert machine_learning() == DimensionScore(
        DimensionName.MACHINE_LEARNING, None, Reason.UNPROVEN, None
    )


def test_bitcoin_has_no_beta_to_itself() -> None:
    """The reason is handed on."""
    assert bitcoin_beta(Reason.NOT_APPLICABLE, None).reason is Reason.NOT_APPLICABLE


def test_the_slope_is_that_of_least_squares() -> None:
    """Equal to NumPy's; nothing with a hole or without movement."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=300)
    y = 2.5 * x + draw.normal(size=300)
    assert slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0], abs=1e-12)
    assert np.isnan(slope(np.zeros(300), y))
    x[7] = np.nan
    assert np.isnan(slope(x, y))


def now(lens: Liquidity | SmartMoney) -> DimensionScore:
    """What a lens says as of its last second."""
    return lens.value


def book_event(at: int, half_spread: float, quantity: float = 1.0) -> BookSnapshot:
    """Sixty levels a side around 10,000."""
    return BookSnapshot(
        bids=[(10_000 - half_spread - 0.1 * i, quantity) for i in range(60)],
        asks=[(10_000 + half_spread + 0.1 * i, quantity) for i in range(60)],
        sequence=at,
    )


def follow(lens: Liquidity, market: Market, seconds: int, half_spread: float, first: int) -> None:
    """So many seconds with this spread."""
    for second in range(first, first + seconds):
        at = Millis(START + second * 1_000)
        market.book.apply(book_event(second + 1, half_spread + second % 7 / 100), at)
        market.second(at)
        lens.look(at, market, {}, Tape())


def test_liquidity_falls_when_the_spread_widens() -> None:
    """Absent while warming up, then ranked against its own past; a wide spread reads low."""
    lens, market = Liquidity(SMALL), Market(BTC)
    follow(lens, market, 10, 0.5, 0)
    assert now(lens).value is None
    assert now(lens).reason is Reason.WARMING_UP
    follow(lens, market, 60, 0.5, 10)
    usual = now(lens).value
    follow(lens, market, 1, 3.0, 70)
    wide = now(lens).value
    assert usual is not None
    assert wide is not None
    assert wide < usual
    parts = dict(now(lens).parts)
    assert parts["spread_bp"] == pytest.approx(2 * 3.0, rel=0.01)
    assert parts["impact"] is None  # no trades were received


def test_a_price_that_stands_still_is_ranked_as_any_other_that_does_not_change() -> None:
    """T2: zeros are values among values, and what is always the same stands in the middle."""
    values = []
    for step in (0.0, 1.0):
        lens, market = Liquidity(SMALL), Market(BTC)
        market.candles[Timeframe.M5].replace(
            [
                Candle(
                    Timeframe.M5,
                    Millis(START - (20 - i) * Timeframe.M5.ms),
                    *(4 * (100.0 + step * (i % 2),)),
                    1.0,
                )
                for i in range(20)
            ]
        )
        follow(lens, market, 60, 0.5, 0)
        amihud = dict(now(lens).parts)["amihud"]
        assert amihud is not None
        assert (amihud > 0.0) == (step > 0.0)
        values.append(now(lens).value)
    assert values[0] is not None
    assert values[0] == pytest.approx(values[1], abs=1e-9)


def five_minutes(closes: Sequence[float], volume: float = 2.0) -> list[Candle]:
    """Closed 5m candles that end at the start."""
    first = START - len(closes) * Timeframe.M5.ms
    return [
        Candle(Timeframe.M5, Millis(first + i * Timeframe.M5.ms), *(4 * (each,)), volume)
        for i, each in enumerate(closes)
    ]


def test_amihud_is_the_mean_move_per_turnover_of_twelve_candles() -> None:
    """Of twelve returns, which take thirteen closes; those before them do not count."""
    draw = np.random.default_rng(1)
    closes = [100.0 * float(each) for each in np.exp(draw.normal(0.0, 0.01, 30))]
    for count in (12, 13, 30):
        lens, market = Liquidity(SMALL), Market(BTC)
        market.candles[Timeframe.M5].replace(five_minutes(closes[-count:]))
        follow(lens, market, 1, 0.5, 0)
        expected = [
            abs(log(now / before)) * 1e4 / (2.0 * now / 1e6)
            for before, now in zip(closes[-13:-1], closes[-12:], strict=True)
        ]
        found = dict(now(lens).parts)["amihud"]
        if count == 12:
            assert found is None
        else:
            assert found == pytest.approx(np.mean(expected), rel=1e-12)


class Known(Tape):
    """A tape of which the impact is given."""

    given = 1.0

    def impact(self) -> float | None:
        """Give it."""
        return self.given


@pytest.mark.parametrize("measure", ["spread", "depth", "amihud", "impact"])
@pytest.mark.parametrize("more", [-1, 1])
def test_each_measure_of_liquidity_counts_its_own_way(measure: str, more: int) -> None:
    """Depth makes trading easier; spread, move per turnover and move per order make it harder."""
    lens, market, tape = Liquidity(SMALL), Market(BTC), Known()
    market.candles[Timeframe.M5].replace(five_minutes([100.0 + i % 2 for i in range(20)]))
    for second in range(61):
        is_last = second == 60
        factor = 1.0 + 0.5 * more if is_last else 1.0

        def of(name: str, usual: float, factor: float = factor) -> float:
            return usual * (factor if name == measure else 1.0)

        at = Millis(START + second * 1_000)
        tape.given = of("impact", 1.0)
        market.book.apply(book_event(second + 1, of("spread", 0.5), of("depth", 1.0)), at)
        if is_last and measure == "amihud":
            wide = [100.0 + factor * (i % 2) for i in range(20)]
            later = [
                replace(candle, open_time=Millis(candle.open_time + Timeframe.M5.ms))
                for candle in five_minutes(wide)
            ]
            market.candles[Timeframe.M5].replace(later)
        market.second(at)
        lens.look(at, market, {}, tape)
        if second == 59:
            usual = now(lens).value
            assert usual == pytest.approx(50.0)
    found = now(lens).value
    assert found is not None
    # one rank of four went from the middle to an end
    is_easier = (more > 0) == (measure == "depth")
    assert found == pytest.approx(50.0 + (12.5 if is_easier else -12.5), abs=1e-6)


def test_the_tape_counts_small_and_large_orders() -> None:
    """What takers did in a second is all of it."""
    tape, market = Tape(), Market(BTC)
    market.trades.connected(Millis(START))
    market.book.apply(book_event(1, 0.5), Millis(START))
    market.trades.windows = {1: WindowSums(0.0, 1.0, 1.0, 2.0, 2.0)}
    tape.second(Millis(START), market)
    assert tape._orders[tape._newest] == pytest.approx(3.0 * 10_000.0 / 1e6)


def test_the_crowd_is_the_mean_of_what_is_known_of_it() -> None:
    """Two of three are enough, and the third is not taken for 0."""
    parts = [member("funding", 20.0), member("basis", None), member("long_short", 40.0)]
    found = sentiment({ComponentName.SENTIMENT: component(ComponentName.SENTIMENT, *parts)})
    assert found.value == pytest.approx(70.0)
    alone = sentiment({ComponentName.SENTIMENT: component(ComponentName.SENTIMENT, parts[0])})
    assert (alone.value, alone.reason) == (None, Reason.NO_FEED)


def test_liquidity_without_a_book_has_no_value() -> None:
    """Nothing is carried over a hole."""
    lens, market = Liquidity(SMALL), Market(BTC)
    follow(lens, market, 60, 0.5, 0)
    assert now(lens).value is not None
    market.book.forget(Reason.GAP)
    lens.look(Millis(START + 61_000), market, {}, Tape())
    assert now(lens).value is None
    assert now(lens).reason is Reason.GAP


def test_liquidity_does_not_read_a_book_that_went_stale() -> None:
    """What the component `orderbook` no longer believes is no book here either."""
    lens, market = Liquidity(SMALL), Market(BTC)
    follow(lens, market, 60, 0.5, 0)
    stale = member("queue@now", None)._replace(reason=Reason.STALE)
    book = {ComponentName.ORDERBOOK: component(ComponentName.ORDERBOOK, stale)}
    lens.look(Millis(START + 61_000), market, book, Tape())
    assert now(lens).value is None
    assert now(lens).reason is Reason.STALE


def test_impact_is_the_move_per_order() -> None:
    """Takers that move the middle by 2 bp a million give an impact of 2."""
    tape, market = Tape(), Market(BTC)
    middle = 10_000.0
    draw = np.random.default_rng(3)
    market.trades.connected(Millis(START))
    at = Millis(START)
    for second in range(SECONDS + 5):
        assert tape.impact() is None or second > SECONDS
        at = Millis(START + second * 1_000)
        quantity = float(draw.uniform(0.5, 20.0))
        side = Side.BUY if draw.random() < 0.5 else Side.SELL
        signed = quantity if side is Side.BUY else -quantity
        middle *= np.exp(signed * middle / 1e6 * 2.0 / 1e4)
        market.trades.trade(MarketEvent(BTC, Trade(str(second), middle, quantity, side), at, at))
        book = BookSnapshot(
            bids=[(middle - 0.5, 1.0)], asks=[(middle + 0.5, 1.0)], sequence=second + 1
        )
        market.book.apply(book, at)
        market.second(at)
        tape.second(at, market)
    assert tape.impact() == pytest.approx(2.0, rel=1e-2)
    tape.second(Millis(at + 2_000), market)
    assert tape.impact() is None  # a second was left out: nobody knows what came in it
    assert tape.change() is None


def test_smart_money_needs_two_and_is_unproven() -> None:
    """Two of three inputs make it; that nothing is proven is said beside the value."""
    lens = SmartMoney(SMALL)
    components = {
        ComponentName.ORDERFLOW: component(
            ComponentName.ORDERFLOW, member("large_orders@300s", 80.0)
        ),
        ComponentName.SENTIMENT: component(ComponentName.SENTIMENT, member("oi_quadrant", 70.0)),
    }
    lens.look(Millis(START), components, Tape())
    zs = [normal_score(80.0), normal_score(70.0)]
    assert now(lens).value == pytest.approx(pooled(zs, 0.20), abs=1e-12)
    assert now(lens).record is Reason.UNPROVEN
    del components[ComponentName.SENTIMENT]
    lens.look(Millis(START + 1_000), components, Tape())
    assert now(lens).value is None
    assert now(lens).reason is Reason.WARMING_UP


def test_the_oldest_input_dates_large_trade_flow_also_where_it_is_neutral() -> None:
    """A z of exactly 0 is an input like every other."""
    lens = SmartMoney(SMALL)
    components = {
        ComponentName.ORDERFLOW: component(
            ComponentName.ORDERFLOW, member("large_orders@300s", 50.0, at=3)
        ),
        ComponentName.SENTIMENT: component(ComponentName.SENTIMENT, member("oi_quadrant", 70.0)),
    }
    lens.look(Millis(START), components, Tape())
    assert now(lens).as_of == 3


def test_absorption_points_against_takers_whom_the_price_does_not_follow() -> None:
    """Strong buying into a price that stands still counts as selling."""
    lens, market, tape = SmartMoney(SMALL), Market(BTC), Tape()
    price = 10_000.0
    draw = np.random.default_rng(5)
    for second in range(700):
        at = Millis(START + second * 1_000)
        if second < 650:
            price *= 1 + draw.normal(0, 1e-4)
        book = BookSnapshot(
            bids=[(price - 0.5, 1.0)], asks=[(price + 0.5, 1.0)], sequence=second + 1
        )
        market.book.apply(book, at)
        market.second(at)
        score = 99.0 if second >= 650 else float(draw.uniform(40, 60))
        components = {
            ComponentName.ORDERFLOW: component(
                ComponentName.ORDERFLOW, member("taker_flow@300s", score, x=score - 50)
            )
        }
        tape.second(at, market)
        lens.look(at, components, tape)
    assert log(price) > 0
    absorbed = lens._absorbed(
        Millis(START + 700_000), member("taker_flow@300s", 99.0, x=49.0), tape
    )
    assert absorbed is not None
    assert absorbed < 0


def test_all_six_are_always_there_in_one_order() -> None:
    """A lens that has no value says why; each has a label."""
    lenses, market = Lenses(SMALL), Market(BTC)
    lenses.second(Millis(START), market, {})
    values = lenses.values()
    assert [each.name for each in values] == list(DimensionName)
    assert all(each.value is not None or each.reason is not None for each in values)
    assert set(LABELS) == set(DimensionName)


def test_a_look_needs_no_more_seconds_of_past_than_a_member() -> None:
    """Every fourth second is looked at, and 300 seconds are 75 looks."""
    limits = look_limits(StreamLimits())
    assert limits.minimum * LOOK_SECONDS == StreamLimits().minimum
    assert limits.minimum_sizes * LOOK_SECONDS == StreamLimits().minimum_sizes


def test_each_market_looks_in_its_own_turn() -> None:
    """The lenses of many markets are not all computed in one second."""
    for turn in range(LOOK_SECONDS):
        lenses, market = Lenses(SMALL, turn), Market(BTC)
        crowd = component(ComponentName.SENTIMENT, *(member(n, 10.0) for n in ("funding", "basis")))
        looked = []
        for second in range(2 * LOOK_SECONDS):
            lenses.second(Millis(second * 1_000), market, {ComponentName.SENTIMENT: crowd})
            looked.append(lenses.values()[1].value is not None)
        assert looked.index(True) == turn


def test_the_book_that_is_lost_between_two_looks_takes_its_lens_along() -> None:
    """The value does not stand until the next look."""
    lenses, market = Lenses(SMALL), Market(BTC)
    for second in range(60 * LOOK_SECONDS):
        at = Millis(START + second * 1_000)
        market.book.apply(book_event(second + 1, 0.5 + second % 7 / 100), at)
        market.second(at)
        lenses.second(at, market, {})
    assert lenses.values()[2].value is not None
    lenses.lose_book(Reason.GAP)
    assert lenses.values()[2].value is None
    assert lenses.values()[2].reason is Reason.GAP


def large_trade_flow(moves: Sequence[float], scores: Sequence[float], sign: int) -> DimensionScore:
    """The lens after these seconds, or after their mirror image with `sign` -1."""
    lens, tape, market = SmartMoney(SMALL), Tape(), Market(BTC)
    level = 0.0
    for second, (move, score) in enumerate(zip(moves, scores, strict=True)):
        at = Millis(START + second * 1_000)
        level += sign * move
        mid = 100.0 * float(np.exp(level))
        book = BookSnapshot([(mid * 0.9999, 1.0)], [(mid * 1.0001, 1.0)], sequence=second + 1)
        market.book.apply(book, at)
        market.second(at)
        tape.second(at, market)
        lean = sign * (score - 50.0)
        flow = component(
            ComponentName.ORDERFLOW,
            member("taker_flow@300s", 50.0 + lean, x=lean),
            member("large_orders@300s", 50.0 - lean),
        )
        lens.look(at, {ComponentName.ORDERFLOW: flow}, tape)
    return lens.value


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_large_trade_flow_is_symmetric(seed: int) -> None:
    """Prices turned round and sides swapped give 100 less the value, absorption included."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(0.0, 1e-4, SECONDS + 80).tolist()
    scores = draw.uniform(1.0, 99.0, SECONDS + 80).tolist()
    lens, mirrored = (large_trade_flow(moves, scores, sign) for sign in (1, -1))
    # some draws hold too few absorptions for a rank, in both worlds alike
    assert (dict(lens.parts)["absorption"] is None) == (dict(mirrored.parts)["absorption"] is None)
    assume(dict(lens.parts)["absorption"] is not None)
    assert lens.value is not None
    assert mirrored.value == pytest.approx(100.0 - lens.value, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(scores=st.lists(st.floats(1.0, 99.0), min_size=3, max_size=3))
def test_the_crowd_is_symmetric(scores: list[float]) -> None:
    """A crowd that leans the other way by as much gives 100 less the value."""

    def lens(own: Sequence[float]) -> DimensionScore:
        names = ("funding", "basis", "long_short")
        members = (member(name, score) for name, score in zip(names, own, strict=True))
        return sentiment({ComponentName.SENTIMENT: component(ComponentName.SENTIMENT, *members)})

    value, mirrored = lens(scores).value, lens([100.0 - each for each in scores]).value
    assert value is not None
    assert mirrored == pytest.approx(100.0 - value, abs=1e-9)
