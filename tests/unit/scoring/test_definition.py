"""A definition is refused when it is wrong, and named by its hash when it is right."""

from dataclasses import replace

import pytest

from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.components.orderbook import Orderbook
from virtuoso.components.orderflow import Orderflow
from virtuoso.components.sentiment import Sentiment
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.scores import ComponentName
from virtuoso.domain.time import Timeframe
from virtuoso.indicators.stream_window import StreamLimits
from virtuoso.scoring.definition import (
    COMPONENT_RHO,
    RHO0,
    Definition,
    DirectionRule,
    read_definition,
    reliability_weights,
)

FAVOURED = dict(zip(Timeframe, (0.4, 0.3, 0.2, 0.1), strict=True))
CHANGES = [
    Definition.of_profile("owner"),
    Definition.of_profile("custom", dict.fromkeys(ComponentName, 1.0)),
    Definition(coverage_floor=0.6),
    Definition(rho0={**RHO0, (ComponentName.ORDERFLOW, ComponentName.ORDERBOOK): 0.36}),
    Definition(candles=CandleSettings(timeframes=FAVOURED)),
    Definition(candles=CandleSettings(window=999)),
    Definition(candles=CandleSettings(minimum=251)),
    Definition(candles=CandleSettings(minimum_sizes=51)),
    Definition(stream_limits=StreamLimits(capacity=7_000)),
    Definition(stream_limits=StreamLimits(minimum=301)),
    Definition(stream_limits=StreamLimits(minimum_sizes=101)),
    Definition(direction=DirectionRule(enter=21.0)),
    Definition(direction=DirectionRule(leave=11.0)),
    Definition(direction=DirectionRule(confirmations=4)),
    Definition(direction=DirectionRule(minimum_seconds=46)),
]


def test_every_setting_changes_the_hash() -> None:
    """Twelve hex digits, different for each change, the same for the same settings."""
    hashes = [each.hash for each in (Definition(), *CHANGES)]
    assert len(set(hashes)) == len(hashes)
    assert all(len(each) == 12 and int(each, 16) >= 0 for each in hashes)
    assert Definition().hash == Definition.of_profile("equal").hash
    assert replace(Definition(), coverage_floor=0.6).hash == CHANGES[2].hash


def test_custom_weights_are_scaled_to_one() -> None:
    """Only their proportions matter."""
    given = dict.fromkeys(ComponentName, 2.0) | {ComponentName.VOLUME: 10.0}
    weights = Definition.of_profile("custom", given).weights
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights[ComponentName.VOLUME] == 0.5


def test_timeframes_are_scaled_to_one() -> None:
    """As the weights are."""
    given = dict.fromkeys(Timeframe, 3.0)
    definition = Definition.of_profile("equal", timeframes=given)
    assert definition.candles.timeframes[Timeframe.M1] == 0.25
    assert definition.hash == Definition().hash


@pytest.mark.parametrize(
    ("profile", "weights", "message"),
    [
        ("best", None, "expected scoring.profile equal, owner or custom, found 'best'"),
        ("custom", {}, "found none"),
        ("custom", {ComponentName.VOLUME: 1.0}, "expected scoring.weights for exactly orderbook"),
        ("custom", dict.fromkeys(ComponentName, 0.0), "not all 0"),
        ("custom", dict.fromkeys(ComponentName, -1.0), "of 0 or more"),
        ("custom", dict.fromkeys(ComponentName, float("nan")), "of 0 or more"),
    ],
)
def test_wrong_weights_are_refused(
    profile: str, weights: dict[ComponentName, float] | None, message: str
) -> None:
    """The message says what was expected and what was found."""
    with pytest.raises(SettingsError, match=message):
        Definition.of_profile(profile, weights)


def test_wrong_limits_are_refused() -> None:
    """Each with its own words."""
    with pytest.raises(SettingsError, match="sum to 1"):
        Definition(weights=dict.fromkeys(ComponentName, 0.2))
    with pytest.raises(SettingsError, match="coverage_floor above 0"):
        Definition(coverage_floor=0.0)
    with pytest.raises(SettingsError, match=r"correlation of 0 to 0\.95"):
        Definition(rho0={(ComponentName.VOLUME, ComponentName.TECHNICAL): 0.96})
    with pytest.raises(SettingsError, match=r"leave 20\.0 and enter 20\.0"):
        DirectionRule(leave=20.0)
    with pytest.raises(SettingsError, match="found 0 and 45"):
        DirectionRule(confirmations=0)
    with pytest.raises(SettingsError, match="minimum_sizes <= minimum"):
        StreamLimits(minimum=50)


def test_reliability_weighs_what_is_proven() -> None:
    """The example of section 5, and a refusal when nothing is."""
    bounds = {
        ComponentName.TECHNICAL: 14e-4,
        ComponentName.VOLUME: 6e-4,
        ComponentName.PRICE_STRUCTURE: 18e-4,
        ComponentName.SENTIMENT: -1e-4,
    }
    weights = reliability_weights(bounds)
    assert weights[ComponentName.TECHNICAL] == pytest.approx(0.359, abs=5e-4)
    assert weights[ComponentName.VOLUME] == pytest.approx(0.235, abs=5e-4)
    assert weights[ComponentName.PRICE_STRUCTURE] == pytest.approx(0.407, abs=5e-4)
    assert weights[ComponentName.ORDERBOOK] == 0.0
    with pytest.raises(SettingsError, match="nothing to weigh by"):
        reliability_weights({})


def test_the_components_pool_with_the_correlation_the_definition_names() -> None:
    """One number, one place to read it."""
    for component in (Orderbook, Orderflow, Sentiment):
        assert component.rho == COMPONENT_RHO[component.name]
        assert sum(line.weight for line in component.table) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("definition", [Definition(), *CHANGES])
def test_a_definition_is_the_same_after_it_was_written_and_read(definition: Definition) -> None:
    """To the bit, exceptions of symbols included: a recording of it gives the same scores."""
    usual = replace(definition, direction=DirectionRule(enter=33.3))
    whole = replace(definition, symbols={"BTCUSDT": usual})
    for each in (definition, whole):
        again = read_definition(each.text)
        assert again.text == each.text
        assert again.hash == each.hash
        assert again.of("BTCUSDT").hash == each.of("BTCUSDT").hash


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"symbols": 3}', "[" * 100_000])
def test_what_is_no_definition_is_refused(text: str) -> None:
    """A recording may hold anything."""
    with pytest.raises(SettingsError, match="expected a definition"):
        read_definition(text)


def test_an_exception_changes_the_hash_of_its_symbol_and_of_the_whole_only() -> None:
    """The scores of all other symbols are what they were, and say so."""
    usual = Definition()
    own = Definition.of_profile("owner")
    whole = replace(usual, symbols={"BTCUSDT": own})
    assert whole.of("BTCUSDT").hash == own.hash
    assert whole.of("ETHUSDT").hash == usual.hash
    assert len({whole.hash, own.hash, usual.hash}) == 3


def test_one_symbol_has_the_windows_of_all() -> None:
    """Their state is carried together."""
    own = Definition(stream_limits=StreamLimits(capacity=7_000))
    with pytest.raises(SettingsError, match="BTCUSDT to be scored in the same windows"):
        Definition(symbols={"BTCUSDT": own})
