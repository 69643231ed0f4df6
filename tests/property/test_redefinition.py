"""A definition that changes while markets are scored."""

from dataclasses import replace

import pytest

from support.markets import BTC, ETH, NOW, heard_of, history_of, listing_of, pipeline_of
from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.dimensions.lenses import LOOK_SECONDS
from virtuoso.domain.instruments import BYBIT
from virtuoso.domain.market_data import (
    DefinitionChosen,
    Disconnected,
    FeedEvent,
    UniverseChosen,
)
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    DimensionName,
    DimensionScore,
    Reason,
)
from virtuoso.domain.time import HOUR, SECOND, Millis, Timeframe
from virtuoso.engine.pipeline import Pipeline
from virtuoso.engine.view import MarketView
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.scoring.definition import Definition, DirectionRule

SHARES = {Timeframe.M1: 0.7, Timeframe.M5: 0.1, Timeframe.M30: 0.1, Timeframe.H4: 0.1}
CANDLE_VIEWS = (ComponentName.TECHNICAL, ComponentName.VOLUME, ComponentName.PRICE_STRUCTURE)


def chosen(definition: Definition, at: int = NOW) -> DefinitionChosen:
    """Put a definition into words."""
    return DefinitionChosen(definition.text, Millis(at))


def warm(*before: FeedEvent) -> Pipeline:
    """Build a pipeline of two markets with candles and five minutes of stream behind them."""
    pipeline = pipeline_of(BTC, ETH)
    for each in before:
        pipeline.handle(each)
    pipeline.second(Millis(NOW))
    for instrument in (BTC, ETH):
        pipeline.handle(history_of(NOW, instrument=instrument))
    play(pipeline, 0, 10)
    return pipeline


def play(pipeline: Pipeline, first: int, seconds: int) -> None:
    """Let seconds pass in which both markets are heard of."""
    for second in range(first, first + seconds):
        at = NOW + second * SECOND
        for instrument in (BTC, ETH):
            for each in heard_of(instrument, at + 500, 100.0 + second % 7):
                pipeline.handle(each)
        pipeline.second(Millis(at + SECOND))


def views(pipeline: Pipeline) -> tuple[MarketView, ...]:
    """Give the markets of the newest cycle."""
    cycle = pipeline.view()
    assert cycle is not None
    return cycle.markets


def test_a_change_shows_from_the_next_second_on_in_all_scores_at_once() -> None:
    """Until then everything is as it was: no cycle has two definitions."""
    pipeline, owner = warm(), Definition.of_profile("owner")
    before, usual = views(pipeline), Definition()
    pipeline.handle(chosen(owner))
    assert views(pipeline) == before
    assert pipeline.definition == usual.hash
    steps = pipeline.closing(Millis(NOW + 11 * SECOND))
    next(steps)
    assert pipeline.definition == usual.hash, "the cycle that is shown is still the one before"
    for _ in steps:
        pass
    assert pipeline.definition == owner.hash
    for old, new in zip(before, views(pipeline), strict=True):
        assert old.score.definition == usual.hash
        assert new.score.definition == owner.hash
        assert new.score.score != old.score.score


def test_weights_change_nothing_that_was_carried() -> None:
    """From the next second on the scores are those of a run that never knew other weights."""
    pipeline, owner = warm(), Definition.of_profile("owner")
    pipeline.handle(chosen(owner))
    play(pipeline, 10, 3)
    never = warm(chosen(owner))
    play(never, 10, 3)
    ours, theirs = views(pipeline), views(never)
    assert [each.score for each in ours] == [each.score for each in theirs]
    assert [each.live_score for each in ours] == [each.live_score for each in theirs]


@pytest.mark.parametrize(
    "definition",
    [
        Definition(candles=CandleSettings(timeframes=SHARES)),
        Definition(candles=CandleSettings(window=300)),
        Definition(candles=CandleSettings(window=900, minimum=700, timeframes=SHARES)),
    ],
)
def test_candles_are_scored_as_if_it_had_always_been_so(definition: Definition) -> None:
    """Shares of timeframes are a matter of weights; other windows live through the candles again.

    Of which all are still here, after a warm-up: so nothing is lost, and nothing else is touched.
    """
    pipeline, never = warm(), warm(chosen(definition))
    pipeline.handle(chosen(definition))
    pipeline.second(Millis(NOW + 11 * SECOND))
    never.second(Millis(NOW + 11 * SECOND))
    ours, theirs = views(pipeline)[0].score, views(never)[0].score
    for name in CANDLE_VIEWS:
        found = ours.components[name]
        assert isinstance(found, ComponentScore)
        assert found == theirs.components[name]
        assert tuple(found.members) == tuple(theirs.components[name].members)
    assert ours == theirs


def test_other_stream_windows_begin_empty() -> None:
    """Their seconds are nowhere else: only a recording begins with such a change."""
    pipeline = warm()
    pipeline.handle(chosen(Definition(stream_limits=StreamLimits(minimum=200))))
    pipeline.second(Millis(NOW + 11 * SECOND))
    for part in (ComponentName.ORDERFLOW, ComponentName.ORDERBOOK):
        found = views(pipeline)[0].score.components[part]
        assert {each.have for each in found.members if each.need == 200} == {0}


def test_an_exception_is_for_its_symbol_alone() -> None:
    """The score of the other is what it would have been, and says the same definition."""
    own = Definition.of_profile("owner", coverage_floor=0.9)
    pipeline, other = warm(), warm()
    pipeline.handle(chosen(replace(Definition(), symbols={"ETHUSDT": own})))
    play(pipeline, 10, 1)
    play(other, 10, 1)
    btc, eth = views(pipeline)
    assert btc.score == views(other)[0].score
    assert (btc.score.definition, btc.coverage_floor) == (Definition().hash, 0.5)
    assert (eth.score.definition, eth.coverage_floor) == (own.hash, 0.9)
    assert eth.score.score is None
    assert pipeline.definition not in {own.hash, Definition().hash}


def test_who_comes_after_a_change_is_scored_by_it() -> None:
    """A newcomer, and one that was given up before the change and is taken up again."""
    pipeline, owner = warm(), Definition.of_profile("owner")
    both = [listing_of(BTC), listing_of(ETH)]
    pipeline.handle(UniverseChosen(BYBIT, both[:1], Millis(NOW)))
    pipeline.handle(chosen(owner))
    play(pipeline, 10, 1)
    pipeline.handle(UniverseChosen(BYBIT, both, Millis(NOW)))
    play(pipeline, 11, 1)
    assert {each.score.definition for each in views(pipeline)} == {owner.hash}


def test_a_book_lost_between_a_change_and_its_second_is_taken_out_by_the_old_rule() -> None:
    """One cycle, one definition, even when it is amended."""
    pipeline = warm()
    play(pipeline, 10, 400)
    orderbook = views(pipeline)[0].score.components[ComponentName.ORDERBOOK]
    assert isinstance(orderbook, ComponentScore)
    pipeline.handle(chosen(Definition.of_profile("owner")))
    pipeline.handle(Disconnected(BYBIT, frozenset({BTC}), "cut", Millis(NOW + 410 * SECOND)))
    amended = views(pipeline)[0]
    assert isinstance(amended.score.components[ComponentName.ORDERBOOK], Absent)
    assert {each.score.definition for each in views(pipeline)} == {Definition().hash}


def test_the_direction_follows_the_new_thresholds_and_forgets_nothing() -> None:
    """A symbol that was neutral at 60 is Bullish where 55 is enough, once it is confirmed."""
    pipeline = warm()
    tracker = pipeline.lane(BTC)
    assert tracker is not None
    rule = DirectionRule(enter=1.0, leave=0.5, confirmations=1)
    pipeline.handle(chosen(Definition(direction=rule)))
    pipeline.second(Millis(NOW + 11 * SECOND))
    play(pipeline, 11, 120)
    view = views(pipeline)[0]
    assert view.score.score is not None
    assert view.direction is not None
    usual = warm()
    play(usual, 10, 121)
    assert views(usual)[0].direction != view.direction


def test_scores_of_two_definitions_are_not_compared() -> None:
    """An hour's change is null while that hour holds a change; the history says when it was."""
    pipeline = warm()
    lane = pipeline.lane(BTC)
    assert lane is not None
    for second in range(9, 3_700, 10):
        if second == 3_609:
            pipeline.handle(history_of(NOW + HOUR))
        play(pipeline, second, 1)
    assert views(pipeline)[0].score_change_1h is not None
    pipeline.handle(chosen(Definition.of_profile("owner")))
    play(pipeline, 3_700, 1)
    assert views(pipeline)[0].score_change_1h is None
    [(first, usual), (since, owner)] = lane.past.definitions
    assert (first, usual) == (0, Definition().hash)
    assert owner == Definition.of_profile("owner").hash
    assert since > NOW


def test_words_that_are_no_definition_change_nothing() -> None:
    """A recording may hold anything; it is counted."""
    pipeline = warm()
    pipeline.handle(DefinitionChosen("{}", Millis(NOW)))
    play(pipeline, 10, 1)
    assert pipeline.definition == Definition().hash
    assert pipeline.counters["definition_refused"] == 1


def test_a_symbol_appears_as_soon_as_its_own_inputs_suffice() -> None:
    """Nobody waits for the candles of others."""
    pipeline = pipeline_of(BTC, ETH)
    pipeline.handle(history_of(NOW))
    play(pipeline, 0, 2)
    btc, eth = views(pipeline)
    assert btc.score.score is not None
    assert (eth.score.score, eth.score.reason) == (None, Reason.NO_FEED)
    pipeline.handle(history_of(NOW, instrument=ETH))
    play(pipeline, 2, 1)
    assert views(pipeline)[1].score.score is not None


def test_the_lenses_follow_other_stream_windows_and_keep_what_they_were_told() -> None:
    """They rank in the windows of the components; the beta is of the whole market."""
    pipeline = warm()
    lane = pipeline.lane(BTC)
    assert lane is not None
    lane.set_beta(Reason.TOO_FEW, None)
    limits = StreamLimits(minimum=LOOK_SECONDS, minimum_sizes=LOOK_SECONDS)

    def lens(name: DimensionName) -> DimensionScore:
        pipeline.second(Millis(pipeline.view().at + SECOND))  # type: ignore[union-attr]
        return {each.name: each for each in views(pipeline)[0].dimensions}[name]

    play(pipeline, 10, 3 * LOOK_SECONDS)
    assert lens(DimensionName.LIQUIDITY).value is None, "three looks are too few"
    pipeline.handle(chosen(Definition(stream_limits=limits)))
    play(pipeline, 30, 4 * LOOK_SECONDS)
    assert lens(DimensionName.LIQUIDITY).reason is not Reason.WARMING_UP
    assert lens(DimensionName.BITCOIN_BETA).reason is Reason.TOO_FEW
