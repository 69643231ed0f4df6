"""Laws that hold for every member of the components on candles."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.candles import market_of, mirrored, random_candles, scaled
from virtuoso.components.base.candle_component import CandleComponent, CandleSettings
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.market_data import Candle, FormingCandle
from virtuoso.domain.scores import ComponentScore
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats
from virtuoso.indicators.trailing_rank import RankKind, TrailingRanks
from virtuoso.market.candles import Bars, bars_of, closing_of

COMPONENTS = (Technical, Volume, PriceStructure)
FIVE = CandleSettings(timeframes={Timeframe.M5: 1.0})

each_component = pytest.mark.parametrize("kind", COMPONENTS)
seeds = st.integers(0, 10_000)


def compute(kind: type[CandleComponent], bars: Bars) -> Floats:
    """X of every member for every candle."""
    return kind(FIVE).history(bars)[0]


def scores(values: Floats) -> Floats:
    """T1 of every value."""
    return TrailingRanks(len(values), 1_000, RankKind.SIZES, 250, 50).push(values.copy())


def scored(kind: type[CandleComponent], candles: Sequence[Candle]) -> ComponentScore:
    """Give the score of a fresh component after these candles."""
    component = kind(FIVE)
    component.close(Timeframe.M5, bars_of(candles))
    return present(component, candles)


def present(component: CandleComponent, candles: Sequence[Candle]) -> ComponentScore:
    """Give the score on the last close, which must be there."""
    result = component.score(candles[-1].close_time, market_of({Timeframe.M5: candles}))
    assert isinstance(result, ComponentScore)
    return result


@each_component
@settings(deadline=None, max_examples=3)
@given(seed=seeds, data=st.data())
def test_no_member_reads_the_future(
    kind: type[CandleComponent], seed: int, data: st.DataObject
) -> None:
    """Cut the history anywhere: what was known before the cut has the same bits."""
    bars = bars_of(random_candles(seed, 600))
    whole = compute(kind, bars)
    for cut in data.draw(st.lists(st.integers(1, 600), min_size=20, max_size=20)):
        last = compute(kind, bars.between(0, cut))[:, -1]
        assert np.array_equal(last, whole[:, cut - 1], equal_nan=True)


@each_component
@settings(deadline=None, max_examples=4)
@given(seed=seeds, cuts=st.lists(st.integers(0, 400), max_size=10))
def test_one_candle_at_a_time_gives_the_bits_of_all_at_once(
    kind: type[CandleComponent], seed: int, cuts: list[int]
) -> None:
    """However a history is split into calls, state, x and score are the same."""
    candles = random_candles(seed, 400)
    market = market_of({Timeframe.M5: candles})
    whole, split, single = kind(FIVE), kind(FIVE), kind(FIVE)
    whole.close(Timeframe.M5, bars_of(candles))
    edges = [0, *sorted(cuts), 400]
    for start, stop in pairwise(edges):
        split.close(Timeframe.M5, bars_of(candles[start:stop]))
    for candle in candles:
        single.close(Timeframe.M5, bars_of([candle]))
    at = candles[-1].close_time
    assert whole.score(at, market) == split.score(at, market) == single.score(at, market)


@each_component
@settings(deadline=None, max_examples=4)
@given(seed=seeds, data=st.data())
def test_timeframes_that_close_together_give_the_bits_of_each_alone(
    kind: type[CandleComponent], seed: int, data: st.DataObject
) -> None:
    """Whichever close at an instant, and whichever of them have a share in the score."""
    shares = {Timeframe.H4: 0.5, Timeframe.M1: 0.25, Timeframe.M5: 0.25}
    histories = {each: random_candles(seed, 330, each) for each in Timeframe}
    together, alone = (kind(CandleSettings(timeframes=shares)) for _ in range(2))
    for timeframe, candles in histories.items():
        for component in (together, alone):
            component.close(timeframe, bars_of(candles[:300]))
    taken = dict.fromkeys(Timeframe, 300)
    for closed in data.draw(st.lists(st.sets(st.sampled_from(Timeframe)), max_size=30)):
        newest = [histories[each][taken[each]] for each in closed]
        together.close_all(closing_of(newest))
        for candle in newest:
            alone.close(candle.timeframe, bars_of([candle]))
            taken[candle.timeframe] += 1
    market = market_of({each: histories[each][: taken[each]] for each in Timeframe})
    at = histories[Timeframe.M1][taken[Timeframe.M1] - 1].close_time
    assert together.score(at, market) == alone.score(at, market)


@each_component
@settings(deadline=None, max_examples=4)
@given(seed=seeds)
def test_a_market_upside_down_scores_100_less(kind: type[CandleComponent], seed: int) -> None:
    """Negated log prices: x -> -x and s -> 100 - s, for every candle."""
    bars = bars_of(random_candles(seed, 500))
    values, opposite = compute(kind, bars), compute(kind, mirrored(bars))
    assert np.array_equal(np.isnan(values), np.isnan(opposite))
    up, down = scores(values), scores(opposite)
    assert np.array_equal(np.isnan(up), np.isnan(down))
    np.testing.assert_allclose(up[:, 250:], 100.0 - down[:, 250:], atol=1e-9, rtol=0.0)


@each_component
@settings(deadline=None, max_examples=4)
@given(seed=seeds)
def test_the_units_of_price_and_quantity_do_not_matter(
    kind: type[CandleComponent], seed: int
) -> None:
    """Price x 1000 and quantity x 7 give the same scores."""
    candles = random_candles(seed, 500)
    ours, other = scored(kind, candles), scored(kind, scaled(candles, 1_000.0, 7.0))
    assert [each.score for each in ours.members] == pytest.approx(
        [each.score for each in other.members], abs=1e-6
    )
    assert ours.score == pytest.approx(other.score, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, x=st.floats(-5.0, 5.0), more=st.floats(0.0, 5.0))
def test_more_pressure_never_scores_lower(seed: int, x: float, more: float) -> None:
    """With the history fixed, s rises with x."""
    ranks = TrailingRanks(1, 1_000, RankKind.SIZES, 250, 50)
    ranks.push(np.random.default_rng(seed).normal(size=(1, 400)).round(1))
    low, high = (float(ranks.peek(np.array([[each]]))[0, 0]) for each in (x, x + more))
    assert low <= high


@each_component
@settings(deadline=None, max_examples=4)
@given(seed=seeds)
def test_a_peek_is_the_score_of_the_close_that_follows_and_leaves_no_trace(
    kind: type[CandleComponent], seed: int
) -> None:
    """Whatever was peeked at before, the closed candle scores as if nothing had been."""
    candles = random_candles(seed, 320, Timeframe.M1)
    minute = CandleSettings(timeframes={Timeframe.M1: 1.0})
    watched, plain = kind(minute), kind(minute)
    market = market_of({Timeframe.M1: candles[:300]})
    for component in (watched, plain):
        component.close(Timeframe.M1, bars_of(candles[:300]))
    for candle in candles[300:]:
        at = candle.close_time
        market.candles[Timeframe.M1].forming = FormingCandle(
            Timeframe.M1,
            candle.open_time,
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            candle.volume,
        )
        before = watched.score(at, market)
        peeked = watched.live(at, market)
        assert watched.score(at, market) == before
        assert Timeframe.M1 in market.candles.close_minute(candle)
        for component in (watched, plain):
            component.close(Timeframe.M1, bars_of([candle]))
        closed = watched.score(at, market)
        assert closed == plain.score(at, market)
        assert isinstance(peeked, ComponentScore)
        assert isinstance(closed, ComponentScore)
        assert peeked.score == closed.score
        assert [each.x for each in peeked.members] == [each.x for each in closed.members]


@each_component
def test_candles_without_a_trade_break_nothing(kind: type[CandleComponent]) -> None:
    """A halt of 150 candles: what is undefined is absent, what is defined goes on."""
    candles = random_candles(5, 400)
    price = candles[-1].close
    start = candles[-1].close_time
    halt = [
        Candle(
            Timeframe.M5,
            Millis(start + i * Timeframe.M5.ms),
            open=price,
            high=price,
            low=price,
            close=price,
            volume=0.0,
        )
        for i in range(150)
    ]
    after = random_candles(6, 200, start=halt[-1].close_time)
    result = kind(FIVE)
    history = [*candles, *halt]
    result.close(Timeframe.M5, bars_of(history))
    for member in result.score(history[-1].close_time, market_of({Timeframe.M5: history})).members:
        assert (member.score is None) == (member.reason is not None)
        assert member.score is None or 0.0 <= member.score <= 100.0
    result.close(Timeframe.M5, bars_of(after))
    assert present(result, [*history, *after]).completeness == 1.0
