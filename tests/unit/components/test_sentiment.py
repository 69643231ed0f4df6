"""Crowding is scored the other way round, each member on its own clock."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stream_events import BTC, START, ticker
from virtuoso.components.sentiment import Sentiment
from virtuoso.domain.market_data import (
    Candle,
    FundingRate,
    LongShortRatio,
    OpenInterest,
    TickerField,
)
from virtuoso.domain.scores import Absent, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import HOUR, MINUTE, Millis, Timeframe
from virtuoso.market.market import Market

NAMES = ("funding", "basis", "long_short", "oi_quadrant")
HOURS = 130


def rates(count: int, last: float) -> list[FundingRate]:
    """Settlements every 8 hours, the newest at the start, of which only the newest stands out."""
    return [
        FundingRate(Millis(START - i * 8 * HOUR), 1e-4 + 1e-6 * (i % 7) if i else last, 8.0)
        for i in range(count)
    ]


def minutes(count: int, price: float, last: float) -> list[Candle]:
    """Closed 1m candles that end at the start."""
    return [
        Candle(
            Timeframe.M1,
            Millis(START - i * MINUTE),
            *(4 * (price + (0.01 * (i % 5) if i > 1 else last),)),
            0.0,
        )
        for i in range(count, 0, -1)
    ]


def contracts(hour: int) -> float:
    """Open interest so many hours before the start: up and down by turns."""
    return 1_000.0 + 10.0 * (hour % 4) + hour % 7


def close(half_hour: int) -> float:
    """The 30m close so many half hours before the start."""
    return 100.0 + (half_hour * 5) % 11


class Crowd:
    """A market with everything sentiment looks at, to the start."""

    def __init__(self) -> None:
        self.market = Market(BTC)
        self.component = Sentiment()

    def funding(self, count: int = 100, last: float = 5e-4) -> "Crowd":
        """Add settled funding."""
        self.market.derivatives.add_funding(rates(count, last))
        return self

    def basis(self, count: int = 300, last: float = 0.5) -> "Crowd":
        """Add mark and index minutes."""
        self.market.derivatives.add_basis(minutes(count, 100.0, last), minutes(count, 100.0, 0.0))
        return self

    def ratios(self, count: int = 150, last: float = 0.8) -> "Crowd":
        """Add hourly account ratios."""
        rows = []
        for i in range(count - 1, -1, -1):
            share = last if i == 0 else 0.5 + 0.01 * (i % 6)
            rows.append(LongShortRatio(Millis(START - i * HOUR), share, 1.0 - share))
        self.market.derivatives.add_ratios(rows)
        return self

    def interest(self, count: int = HOURS) -> "Crowd":
        """Add hourly open interest and the 30m candles of the same time."""
        self.market.derivatives.add_open_interest(
            [OpenInterest(Millis(START - i * HOUR), contracts(i)) for i in range(count, -1, -1)]
        )
        half = HOUR // 2
        self.market.candles[Timeframe.M30].replace(
            [
                Candle(Timeframe.M30, Millis(START - (i + 1) * half), *(4 * (close(i),)), 1.0)
                for i in range(2 * count + 2, -1, -1)
            ]
        )
        return self

    def at(self, late: int = 0) -> dict[str, MemberScore]:
        """Let a grid second pass, so many ms after the start."""
        at = Millis(START + late)
        self.component.second(at, self.market)
        return {each.name: each for each in self.result(late).members}

    def result(self, late: int = 0) -> ComponentScore | Absent:
        """What the component says."""
        return self.component.score(Millis(START + late), self.market)


def test_nothing_known_is_no_feed_and_not_offered_is_not_applicable() -> None:
    """Two different nothings."""
    crowd = Crowd()
    assert {each.reason for each in crowd.at().values()} == {Reason.NO_FEED}
    crowd.component = Sentiment(frozenset({"long_short"}))
    assert crowd.at()["long_short"].reason is Reason.NOT_APPLICABLE


def test_everything_known_gives_four_members_and_their_pool() -> None:
    """A crowd that is long and pays presses down."""
    crowd = Crowd().funding().basis().ratios().interest()
    members = crowd.at()
    assert tuple(members) == NAMES
    result = crowd.result()
    assert isinstance(result, ComponentScore)
    assert result.completeness == pytest.approx(1.0)
    assert members["funding"].score == 0.0
    assert members["basis"].score == 0.0
    assert members["long_short"].score == 0.0
    assert result.score < 20.0
    assert crowd.component.live(START, crowd.market) == result


def test_x_is_the_formula() -> None:
    """Annualised funding, log basis, log account ratio."""
    members = Crowd().funding().basis().ratios().at()
    assert members["funding"].x == pytest.approx(5e-4 * 3 * 365, abs=1e-9)
    assert members["basis"].x == pytest.approx(log(100.5 / 100.0), abs=1e-9)
    assert members["long_short"].x == pytest.approx(log(0.8 / 0.2), abs=1e-9)


@pytest.mark.parametrize("last", [1e-3, -1e-3])
def test_the_fuller_side_loses(last: float) -> None:
    """High funding scores 0, low funding 100."""
    member = Crowd().funding(last=last).at()["funding"]
    assert member.score == (0.0 if last > 0 else 100.0)


def test_ties_take_the_middle_of_their_rank() -> None:
    """The plain ECDF counts half of what is equal."""
    crowd = Crowd()
    crowd.market.derivatives.add_funding(
        [FundingRate(Millis(START - i * 8 * HOUR), 1e-4, 8.0) for i in range(80)]
    )
    assert crowd.at()["funding"].score == 50.0


def test_rates_of_different_intervals_are_compared_by_the_year() -> None:
    """A quarter of the rate four times as often is the same."""
    crowd = Crowd().funding(last=1e-4)
    derivatives = crowd.market.derivatives
    derivatives.add_funding([FundingRate(Millis(START + HOUR), 1e-4 / 8, 1.0)])
    members = crowd.at(HOUR)
    assert members["funding"].x == pytest.approx(1e-4 * 3 * 365, abs=1e-9)


@pytest.mark.parametrize(
    ("member", "window"),
    [("funding", 200), ("basis", 1_000), ("long_short", 500)],
)
def test_no_more_than_its_window_is_ranked_among(member: str, window: int) -> None:
    """What lies before is forgotten: many high values are, a window of low ones later."""
    high, low = 2.0, 1.0
    follower = {
        "funding": lambda sentiment: sentiment._funding,
        "basis": lambda sentiment: sentiment._basis,
        "long_short": lambda sentiment: sentiment._ratios,
    }[member](Sentiment())
    rows = [(Millis(i), high) for i in range(window)]
    follower.push_all(rows + [(Millis(window + i), low) for i in range(window)])
    assert follower.peek(1.5).score == 100.0


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_the_opposite_crowd_scores_100_less(seed: int) -> None:
    """Rates, basis and ratio negated, the price upside down: s becomes 100 - s everywhere."""
    as_it_is, mirrored = Crowd(), Crowd()
    for crowd, sign in ((as_it_is, 1.0), (mirrored, -1.0)):
        draw = np.random.default_rng(seed)
        derivatives = crowd.market.derivatives
        derivatives.add_funding(
            [
                FundingRate(Millis(START - i * 8 * HOUR), sign * 1e-4 * float(x), 8.0)
                for i, x in enumerate(draw.integers(-5, 9, 120))
            ]
        )
        moves = draw.integers(-4, 7, 300)
        marks = [
            Candle(Timeframe.M1, Millis(START - (i + 1) * MINUTE), *(4 * (exp(sign * x / 1e4),)), 0)
            for i, x in enumerate(moves.tolist())
        ]
        ones = [replace(each, open=1.0, high=1.0, low=1.0, close=1.0) for each in marks]
        derivatives.add_basis(marks[::-1], ones[::-1])
        shares = (0.5 + sign * draw.integers(-9, 20, 150) / 100).tolist()
        derivatives.add_ratios(
            [
                LongShortRatio(Millis(START - i * HOUR), share, 1.0 - share)
                for i, share in reversed(list(enumerate(shares)))
            ]
        )
        held = draw.uniform(900.0, 1_100.0, HOURS + 1).tolist()
        derivatives.add_open_interest(
            [OpenInterest(Millis(START - i * HOUR), held[i]) for i in range(HOURS, -1, -1)]
        )
        closes = [exp(sign * x) for x in draw.normal(0.0, 0.01, 2 * HOURS + 3)]
        crowd.market.candles[Timeframe.M30].replace(
            [
                Candle(Timeframe.M30, Millis(START - (i + 1) * HOUR // 2), *(4 * (closes[i],)), 1.0)
                for i in range(2 * HOURS + 2, -1, -1)
            ]
        )
    mine, theirs = as_it_is.at(), mirrored.at()
    for name in NAMES:
        score, opposite = mine[name].score, theirs[name].score
        assert score is not None
        assert opposite == pytest.approx(100.0 - score, abs=1e-9), name
    result, other = as_it_is.result(), mirrored.result()
    assert isinstance(result, ComponentScore)
    assert isinstance(other, ComponentScore)
    assert other.score == pytest.approx(100.0 - result.score, abs=1e-9)


@pytest.mark.parametrize(
    ("member", "have", "need"),
    [("funding", 59, 60), ("basis", 249, 250), ("long_short", 99, 100), ("oi_quadrant", 99, 100)],
)
def test_one_too_few_is_warming_up(member: str, have: int, need: int) -> None:
    """The wait says how much there is; one more is enough."""
    build: Callable[[Crowd, int], Crowd] = {
        "funding": Crowd.funding,
        "basis": Crowd.basis,
        "long_short": Crowd.ratios,
        "oi_quadrant": Crowd.interest,
    }[member]
    few = build(Crowd(), have).at()[member]
    assert (few.reason, few.have, few.need) == (Reason.WARMING_UP, have, need)
    assert build(Crowd(), need).at()[member].reason is None


def test_open_interest_is_signed_by_the_hour_and_halved_when_it_falls() -> None:
    """sign(r)*(max(d, 0) + .5*max(-d, 0)) of the newest hour."""
    for rise in (True, False):
        for grows in (True, False):
            crowd = Crowd().interest()
            derivatives, candles = crowd.market.derivatives, crowd.market.candles[Timeframe.M30]
            crowd.at()
            now = contracts(0) * (1.02 if grows else 0.98)
            derivatives.add_open_interest([OpenInterest(Millis(START + HOUR), now)])
            price = close(0) + (1.0 if rise else -1.0)
            half = HOUR // 2
            before = crowd.at(HOUR)["oi_quadrant"].x
            for i in range(2):
                candles.append(
                    Candle(Timeframe.M30, Millis(START + i * half), *(4 * (price,)), 1.0)
                )
            member = crowd.at(HOUR)["oi_quadrant"]
            size = log(1.02) if grows else -0.5 * log(0.98)
            assert member.x == pytest.approx(size if rise else -size, abs=1e-9)
            assert member.x != before  # it waited for the candle
            assert member.score is not None
            assert (member.score > 50.0) is rise


def test_open_interest_among_fewer_than_50_sizes_is_too_few() -> None:
    """Hours in which the price stood still press nowhere, and are nothing to compare with."""
    crowd = Crowd()
    crowd.market.derivatives.add_open_interest(
        [OpenInterest(Millis(START - i * HOUR), contracts(i)) for i in range(HOURS, -1, -1)]
    )
    half = HOUR // 2
    for moving, have, reason in ((51, 49, Reason.TOO_FEW), (52, None, None)):
        closes = [100.0 + i if i // 2 < moving else 200.0 for i in range(2 * HOURS + 3)]
        crowd.market.candles[Timeframe.M30].replace(
            [
                Candle(Timeframe.M30, Millis(START - (i + 1) * half), *(4 * (closes[i],)), 1.0)
                for i in range(2 * HOURS + 2, -1, -1)
            ]
        )
        crowd.component = Sentiment()
        found = crowd.at()["oi_quadrant"]
        assert (found.reason, found.have) == (reason, have)


def test_the_oldest_input_dates_the_component() -> None:
    """Of members that were known at different times, the first to be old counts."""
    crowd = Crowd().funding().basis().ratios().interest()
    crowd.market.derivatives.add_ratios([LongShortRatio(Millis(START + 5 * MINUTE), 0.6, 0.4)])
    members = crowd.at(6 * MINUTE)
    result = crowd.result(6 * MINUTE)
    assert isinstance(result, ComponentScore)
    assert members["long_short"].as_of == START + 5 * MINUTE
    assert members["funding"].as_of == result.as_of == START


def test_an_hour_whose_candle_is_missing_is_left_out() -> None:
    """No return is invented, and the next hour goes on."""
    crowd = Crowd().interest()
    crowd.at()
    seconds = crowd.component._interest.pushes
    crowd.market.candles[Timeframe.M30].replace(
        [Candle(Timeframe.M30, Millis(START + 2 * HOUR), *(4 * (100.0,)), 1.0)]
    )
    crowd.market.derivatives.add_open_interest([OpenInterest(Millis(START + HOUR), 900.0)])
    crowd.at(3 * HOUR)
    assert crowd.component._interest.pushes == seconds


def test_a_new_five_minute_ratio_is_ranked_among_the_hours() -> None:
    """It moves the score at once and enters the window only on the hour."""
    crowd = Crowd().ratios(last=0.55)
    middle = crowd.at()["long_short"].score
    row = LongShortRatio(Millis(START + 5 * MINUTE), 0.9, 0.1)
    crowd.market.derivatives.add_ratios([row], 5 * MINUTE)
    assert middle is not None
    assert middle > 0.0
    assert crowd.at(5 * MINUTE)["long_short"].score == 0.0
    assert crowd.component._ratios.pushes == 150


@pytest.mark.parametrize(
    ("member", "due", "stale_after"),
    [
        ("funding", 8 * HOUR + MINUTE, 50 * MINUTE),
        ("basis", MINUTE + 2_000, 25_000),
        ("long_short", HOUR + MINUTE, 50 * MINUTE),
        ("oi_quadrant", HOUR + MINUTE, 25 * MINUTE),
    ],
)
def test_a_member_is_stale_at_its_limit(member: str, due: int, stale_after: int) -> None:
    """Present one millisecond before."""
    crowd = Crowd().funding().basis().ratios().interest()
    assert crowd.at(due + stale_after - 1)[member].reason is None
    assert crowd.at(due + stale_after)[member].reason is Reason.STALE


def test_a_silent_mark_price_makes_the_basis_late() -> None:
    """Two seconds after the last."""
    crowd = Crowd().funding().basis().ratios().interest()
    crowd.market.derivatives.take_ticker(
        ticker(START, {TickerField.MARK_PRICE: 1.0, TickerField.INDEX_PRICE: 1.0})
    )
    crowd.at(7_000)
    result = crowd.result(7_000)
    assert isinstance(result, ComponentScore)
    assert result.late_ms == 5_000
    assert result.freshness == pytest.approx(0.5)
    assert crowd.at(27_000)["basis"].reason is Reason.STALE


def test_history_that_arrives_late_is_ranked_in_its_place() -> None:
    """The same as if it had been there from the beginning."""
    late, early = Crowd(), Crowd()
    everything = rates(100, 5e-4)
    late.market.derivatives.add_funding(everything[:1])
    assert late.at()["funding"].reason is Reason.WARMING_UP
    late.market.derivatives.add_funding(everything)
    early.market.derivatives.add_funding(everything)
    assert late.at(1_000)["funding"] == early.at(1_000)["funding"]


def test_replaced_candles_rank_open_interest_anew() -> None:
    """The same result as before, from the beginning."""
    crowd = Crowd().interest()
    before = crowd.at()["oi_quadrant"]
    crowd.component.restart(Timeframe.M30)
    assert crowd.at(1_000)["oi_quadrant"] == before


@pytest.mark.parametrize("dropped", NAMES)
def test_each_member_dropped_in_turn_is_absent_and_the_rest_is_pooled(dropped: str) -> None:
    """Completeness falls by its weight; the score is that of the others."""
    crowd = Crowd()
    for name, build in (
        ("funding", crowd.funding),
        ("basis", crowd.basis),
        ("long_short", crowd.ratios),
        ("oi_quadrant", crowd.interest),
    ):
        if name != dropped:
            build()
    member = crowd.at()[dropped]
    assert (member.score, member.x, member.reason) == (None, None, Reason.NO_FEED)
    result = crowd.result()
    assert isinstance(result, ComponentScore)
    assert result.completeness == pytest.approx(1.0 - member.weight)
