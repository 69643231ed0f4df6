"""Laws of the score: bounded, symmetric, monotone, additive, and blind to how a part is cut."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.stream_events import BTC, OWN_ORDER, START, views
from virtuoso.components.base.component import Member, Reading, pool
from virtuoso.domain.scores import ComponentName, ComponentScore, ConfluenceScore
from virtuoso.indicators.normal import Z_LIMIT, normal_score
from virtuoso.scoring.confidence import confidence
from virtuoso.scoring.confluence import composite
from virtuoso.scoring.correlation import NAMES, default_matrix, shrunk_correlation
from virtuoso.scoring.definition import RHO0, Definition

score = st.floats(0.0, 100.0)
inner = st.floats(1.0, 99.0)
six = st.lists(score, min_size=6, max_size=6)
holed = st.lists(st.one_of(st.none(), score), min_size=6, max_size=6)
weights = st.lists(st.floats(0.05, 1.0), min_size=6, max_size=6)
MATRIX = default_matrix(RHO0)
LAW = settings(deadline=None, max_examples=150)


def custom(values: list[float], floor: float = 0.5) -> Definition:
    """A definition with these proportions, in the order of the worked table."""
    given = dict(zip(OWN_ORDER, values, strict=True))
    return Definition.of_profile("custom", given, coverage_floor=floor)


def score_of(
    scores: list[float | None], definition: Definition, rho: np.ndarray = MATRIX
) -> ConfluenceScore:
    """Join six component scores."""
    return composite(
        instrument=BTC, at=START, components=views(scores), rho=rho, definition=definition
    )


@LAW
@given(inner, weights)
def test_agreement_at_a_is_at_least_a(a: float, proportions: list[float]) -> None:
    """D <= 1: the composite of equal views lies at or beyond them, on their side of 50."""
    found = score_of([a] * 6, custom(proportions)).score
    assert found is not None
    if a >= 50.0:
        assert found >= a - 1e-9
    else:
        assert found <= a + 1e-9


@LAW
@given(holed, weights)
def test_mirrored_views_give_the_mirrored_score(
    scores: list[float | None], proportions: list[float]
) -> None:
    """Turning s into 100 - s for all six turns the score and every contribution."""
    definition = custom(proportions)
    one = score_of(scores, definition)
    other = score_of([None if s is None else 100.0 - s for s in scores], definition)
    if one.score is None or other.score is None:
        assert one.score is other.score
        assert one.reason is other.reason
        return
    assert one.score == pytest.approx(100.0 - other.score, abs=1e-9)
    for a, b in zip(one.contributions, other.contributions, strict=True):
        assert a.points == pytest.approx(-b.points, abs=1e-9)


@LAW
@given(st.lists(inner, min_size=6, max_size=6), weights, st.integers(0, 5), inner)
def test_raising_one_view_raises_the_score(
    scores: list[float], proportions: list[float], which: int, other: float
) -> None:
    """Strictly, inside the clip."""
    raised = list(scores)
    raised[which] = other
    definition = custom(proportions)
    before, after = score_of([*scores], definition).score, score_of([*raised], definition).score
    assert before is not None
    assert after is not None
    difference = normal_score(other) - normal_score(scores[which])
    if difference > 1e-6:
        assert after > before
    elif difference < -1e-6:
        assert after < before


@LAW
@given(holed, weights)
def test_contributions_add_up_to_the_score(
    scores: list[float | None], proportions: list[float]
) -> None:
    """Within 1e-9 as computed, exactly as shown; members add up to their component."""
    result = score_of(scores, custom(proportions))
    if result.score is None:
        assert result.coverage < 0.5
        assert result.contributions == ()
        return
    points = sum(each.points for each in result.contributions)
    assert points == pytest.approx(result.score - 50.0, abs=1e-9)
    shown = sum(Decimal(f"{each.shown:.2f}") for each in result.contributions)
    assert shown == Decimal(f"{round(result.score, 2):.2f}") - 50
    for each in result.contributions:
        assert sum(each.members.values()) == pytest.approx(each.points, abs=1e-9)
        assert abs(each.shown - each.points) < 0.010001


@LAW
@given(six, weights, st.integers(0, 5))
def test_a_component_cut_into_two_halves_changes_nothing(
    scores: list[float], proportions: list[float], which: int
) -> None:
    """Two equal halves with correlation 1 between them: the same Z."""
    definition = custom(proportions)
    whole = score_of([*scores], definition)
    z = np.array([normal_score(each) for each in scores])
    w = np.array([definition.weights[name] for name in OWN_ORDER])
    order = [NAMES.index(name) for name in OWN_ORDER]
    rho = MATRIX[np.ix_(order, order)]
    index = [*range(6), which]
    w2 = w[index]
    w2[which] /= 2
    w2[6] /= 2
    rho2 = rho[np.ix_(index, index)]
    assert whole.z is not None
    assert whole.z == pytest.approx((w2 @ z[index]) / np.sqrt(w2 @ rho2 @ w2), abs=1e-12)


@LAW
@given(st.lists(inner, min_size=2, max_size=12), st.floats(0.0, 0.9), st.data())
def test_the_pool_is_symmetric_monotone_and_bounded(
    scores: list[float], rho: float, data: st.DataObject
) -> None:
    """Mirror, strict growth inside the clip, and never beyond 1..99."""
    share = 1.0 / len(scores)

    def pooled(values: list[float]) -> ComponentScore:
        members = [
            (Member(f"m{i}", "f", share), Reading(value, value, START))
            for i, value in enumerate(values)
        ]
        result = pool(ComponentName.TECHNICAL, rho, members)
        assert isinstance(result, ComponentScore)
        return result

    one = pooled(scores)
    assert 1.0 - 1e-6 <= one.score <= 99.0 + 1e-6
    assert one.score == pytest.approx(100.0 - pooled([100.0 - s for s in scores]).score, abs=1e-9)
    which = data.draw(st.integers(0, len(scores) - 1))
    higher = list(scores)
    higher[which] = data.draw(st.floats(scores[which], 99.0))
    two = pooled(higher)
    assert two.score >= one.score
    if normal_score(higher[which]) - normal_score(scores[which]) > 1e-6 and (
        abs(one.z) < Z_LIMIT - 1e-9
    ):
        assert two.score > one.score


@LAW
@given(holed, weights, st.floats(0.1, 1.0))
def test_under_the_floor_there_is_no_score_and_above_it_is_that_of_what_is_there(
    scores: list[float | None], proportions: list[float], floor: float
) -> None:
    """Null with a reason, or the score in which the absent have no weight."""
    definition = custom(proportions, floor)
    result = score_of(scores, definition)
    if result.coverage < floor - 1e-9:
        assert (result.score, result.z, result.confidence) == (None, None, None)
        assert result.reason is not None
    elif result.score is not None:
        kept = [0.0 if s is None else p for s, p in zip(scores, proportions, strict=True)]
        without = score_of([50.0 if s is None else s for s in scores], custom(kept))
        assert result.score == pytest.approx(without.score, abs=1e-9)


@LAW
@given(six, weights, st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6))
def test_every_factor_of_confidence_is_a_share(
    scores: list[float], proportions: list[float], fresh: list[float]
) -> None:
    """All within 0..1, and none changes when the scores are mirrored."""
    definition = custom(proportions)
    present = [
        part._replace(freshness=each)
        for part, each in zip(views([*scores]).values(), fresh, strict=True)
        if isinstance(part, ComponentScore)
    ]
    shares = [definition.weights[part.name] for part in present]
    result = confidence(present, shares, 1.0, None)
    for value in (result.value, result.agreement, result.completeness, result.freshness):
        assert -1e-12 <= value <= 1.0 + 1e-12
    turned = [part._replace(score=100.0 - part.score) for part in present]
    mirrored = confidence(turned, shares, 1.0, None)
    assert mirrored.value == pytest.approx(result.value, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 300), st.floats(0.0, 0.9))
def test_rho_is_symmetric_bounded_and_blind_to_scale_and_mirror(
    seed: int, count: int, missing: float
) -> None:
    """A correlation between 0 and .95, whatever the samples."""
    rng = np.random.Generator(np.random.PCG64(seed))
    samples = rng.normal(size=(count, 6)) + rng.normal(size=(count, 1))
    samples[rng.random((count, 6)) < missing] = np.nan
    found = shrunk_correlation(samples, MATRIX)
    assert (found == found.T).all()
    assert (np.diag(found) == 1.0).all()
    off = found[~np.eye(6, dtype=bool)]
    assert ((off >= 0.0) & (off <= 0.95)).all()
    assert np.allclose(found, shrunk_correlation(-3.0 * samples, MATRIX), atol=1e-12)
