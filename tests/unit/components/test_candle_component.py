"""When a component on candles answers, and the reason it gives when it does not."""

import pytest

from support.candles import MIDNIGHT, market_of, random_candles
from virtuoso.components.base.candle_component import CandleComponent, CandleSettings
from virtuoso.components.price_structure import PriceStructure
from virtuoso.components.technical import Technical
from virtuoso.components.volume import Volume
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.market_data import Candle
from virtuoso.domain.scores import Absent, ComponentScore, Reason
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.market.candles import bars_of
from virtuoso.market.market import Market

END = Millis(MIDNIGHT)


def ending_at(end: int, timeframe: Timeframe, count: int, seed: int = 1) -> list[Candle]:
    """Candles of which the last closes at `end`."""
    return random_candles(seed, count, timeframe, end - count * timeframe.ms)


def filled(component: CandleComponent, count: int = 400) -> Market:
    """A market of which all timeframes closed at END, and a component that knows it."""
    histories = {t: ending_at(END, t, count, seed) for seed, t in enumerate(Timeframe)}
    for timeframe, candles in histories.items():
        component.close(timeframe, bars_of(candles))
    return market_of(histories)


@pytest.fixture(params=[Technical, Volume, PriceStructure])
def component(request: pytest.FixtureRequest) -> CandleComponent:
    """Each of the three, empty."""
    found = request.param()
    assert isinstance(found, CandleComponent)
    return found


def test_weights_of_all_members_sum_to_one_and_names_carry_the_timeframe(
    component: CandleComponent,
) -> None:
    """Family weight x member share x timeframe share."""
    result = component.score(END, market_of({}))
    assert sum(member.weight for member in result.members) == pytest.approx(1.0, abs=1e-12)
    assert len({member.name for member in result.members}) == 4 * len(component.table)
    assert [member.name.split("@")[1] for member in result.members] == [
        timeframe for timeframe in Timeframe for _ in component.table
    ]


def test_without_a_candle_there_is_no_feed(component: CandleComponent) -> None:
    """Nothing was ever given: nothing is claimed."""
    result = component.score(END, market_of({}))
    assert isinstance(result, Absent)
    assert (result.reason, result.completeness) == (Reason.NO_FEED, 0.0)
    assert all(
        (member.score, member.x, member.reason) == (None, None, Reason.NO_FEED)
        for member in result.members
    )


def test_249_candles_are_warming_up_with_the_count(component: CandleComponent) -> None:
    """One short of the minimum, whatever an indicator knows already."""
    market = filled(component, 249)
    result = component.score(END, market)
    assert isinstance(result, Absent)
    assert (result.reason, result.have, result.need) == (Reason.WARMING_UP, 249, 250)
    for timeframe in Timeframe:
        candle = random_candles(9, 1, timeframe, END)
        component.close(timeframe, bars_of(candle))
    assert {m.reason for m in component.score(END, market).members} <= {None, Reason.TOO_FEW}


def test_all_timeframes_present_is_complete_and_on_time(component: CandleComponent) -> None:
    """The score carries the oldest needed close and no delay."""
    result = component.score(END, filled(component))
    assert isinstance(result, ComponentScore)
    assert (result.as_of, result.late_ms, result.freshness) == (END, 0, 1.0)
    assert result.completeness == pytest.approx(1.0)
    assert all(member.as_of == END for member in result.members)


def test_a_gap_takes_its_timeframe_out_and_no_other(component: CandleComponent) -> None:
    """A hole is not bridged: that timeframe is absent until it is filled."""
    market = filled(component)
    market.candles[Timeframe.M30].gap = True
    result = component.score(END, market)
    assert isinstance(result, ComponentScore)
    assert result.completeness == pytest.approx(0.75)
    for member in result.members:
        gone = member.name.endswith("@30m")
        assert (member.score is None) == gone
        assert member.reason is (Reason.GAP if gone else None)
    market.candles[Timeframe.M30].gap = False
    assert component.score(END, market).completeness == pytest.approx(1.0)


def test_a_candle_is_due_five_seconds_after_the_next_close(component: CandleComponent) -> None:
    """Until then nothing is late; then freshness halves each minute for 1m."""
    market = filled(component)
    due = END + MINUTE + 5 * SECOND
    for at, late, freshness in (
        (due, 0, 1.0),
        (due + 1_000, 1_000, 0.5 ** (1 / 60)),
        (due + 60_000, 60_000, 0.5),
    ):
        result = component.score(Millis(at), market)
        assert isinstance(result, ComponentScore)
        assert result.late_ms == late
        assert result.freshness == pytest.approx(freshness)


def test_a_timeframe_late_by_five_half_lives_is_stale(component: CandleComponent) -> None:
    """1m goes after 5 minutes; what is left is as fresh as its own candles."""
    market = filled(component)
    due = END + MINUTE + 5 * SECOND
    last = component.score(Millis(due + 5 * MINUTE - 1), market)
    assert last.completeness == pytest.approx(1.0)
    result = component.score(Millis(due + 5 * MINUTE), market)
    assert isinstance(result, ComponentScore)
    assert result.completeness == pytest.approx(0.75)
    assert {m.reason for m in result.members if m.name.endswith("@1m")} == {Reason.STALE}
    assert all(m.score is None and m.x is None for m in result.members if m.name.endswith("@1m"))
    assert result.late_ms == MINUTE  # of 5m
    assert result.freshness == pytest.approx(0.5 ** (1 / 5))
    gone = component.score(Millis(END + 30 * 24 * 3_600_000), market)
    assert isinstance(gone, Absent)
    assert (gone.reason, gone.completeness) == (Reason.STALE, 0.0)


def test_a_candle_that_arrives_makes_a_stale_timeframe_live_again(
    component: CandleComponent,
) -> None:
    """Staleness is judged anew at each call."""
    market = filled(component)
    late = Millis(END + 7 * MINUTE)
    assert component.score(late, market).completeness == pytest.approx(0.75)
    candles = random_candles(3, 6, Timeframe.M1, END)
    component.close(Timeframe.M1, bars_of(candles))
    assert component.score(late, market).completeness == pytest.approx(1.0)


def test_a_restarted_timeframe_knows_nothing_until_it_is_fed_again(
    component: CandleComponent,
) -> None:
    """And then scores as if it had never known anything else."""
    market = filled(component)
    before = component.score(END, market)
    component.restart(Timeframe.M5)
    without = component.score(END, market)
    assert without.completeness == pytest.approx(0.75)
    assert {m.reason for m in without.members if m.name.endswith("@5m")} == {Reason.NO_FEED}
    component.close(Timeframe.M5, bars_of(market.candles[Timeframe.M5].closed))
    assert component.score(END, market) == before


def test_weights_of_timeframes_are_a_setting() -> None:
    """A single timeframe can carry all the weight."""
    component = Technical(CandleSettings(timeframes={Timeframe.H4: 1.0}))
    candles = ending_at(END, Timeframe.H4, 300)
    component.close(Timeframe.H4, bars_of(candles))
    component.close(Timeframe.M1, bars_of(candles))  # not asked for: ignored
    component.restart(Timeframe.M1)
    result = component.score(END, market_of({Timeframe.H4: candles}))
    assert result.completeness == pytest.approx(1.0)
    assert [m.name for m in result.members] == [f"{line.name}@4h" for line in Technical.table]


@pytest.mark.parametrize("kind", [Technical, Volume, PriceStructure])
def test_a_timeframe_left_out_neither_dates_nor_ages_the_score(kind: type[CandleComponent]) -> None:
    """With a share of 0 it is carried on and shown, and nothing waits for it."""
    shares = dict.fromkeys(Timeframe, 0.0) | {Timeframe.M1: 0.5, Timeframe.M5: 0.5}
    component = kind(CandleSettings(timeframes=shares))
    market = filled(component)
    later = Millis(END + 35 * MINUTE)
    for timeframe in (Timeframe.M1, Timeframe.M5):
        candles = random_candles(9, (later - END) // timeframe.ms, timeframe, END)
        component.close(timeframe, bars_of(candles))
    result = component.score(later, market)  # the 30m of five minutes ago did not come
    assert isinstance(result, ComponentScore)
    assert {each.as_of for each in result.members} == {END, later}
    assert (result.as_of, result.late_ms, result.freshness) == (later, 0, 1.0)


def test_shares_that_do_not_sum_to_one_are_refused() -> None:
    """The message says what was found."""
    with pytest.raises(SettingsError, match=r"sum to 1, found sum 0\.9"):
        CandleSettings(timeframes={Timeframe.M1: 0.5, Timeframe.M5: 0.4})


def test_nothing_given_changes_nothing(component: CandleComponent) -> None:
    """No candles, a second: not an event."""
    market = filled(component)
    before = component.score(END, market)
    component.close(Timeframe.M1, bars_of([]))
    component.second(END, market)
    assert component.score(END, market) is before


def test_live_without_a_forming_candle_is_the_closed_score(component: CandleComponent) -> None:
    """Nothing forms, so nothing is different."""
    market = filled(component)
    assert component.live(END, market) == component.score(END, market)
