"""Laws of the account of a score: what it claims is what a recomputation gives, and it adds up."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.stream_events import BTC, START
from virtuoso.components.base import pool_scores
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import normal_score
from virtuoso.scoring.account import account
from virtuoso.scoring.confluence import composite
from virtuoso.scoring.correlation import NAMES, default_matrix
from virtuoso.scoring.definition import COMPONENT_RHO, RHO0, Definition
from virtuoso.scoring.sensitivity import Case, Formula, Suppositions, recomputed, what_if

LAW = settings(deadline=None, max_examples=60)
REASONS = (Reason.WARMING_UP, Reason.GAP, Reason.STALE)


def member_of(draw: np.random.Generator, number: int, weight: float, gone: float) -> MemberScore:
    """A member with a score, or, with a chance of `gone`, a reason."""
    name = f"m{number}"
    if draw.random() < gone:
        reason = REASONS[draw.integers(len(REASONS))]
        return MemberScore(name, "f", weight, None, None, None, None, reason)
    score = float(draw.choice([0.0, 50.0, 100.0, draw.uniform(0, 100), draw.uniform(0, 100)]))
    return MemberScore(name, "f", weight, 0.1, score, normal_score(score), Millis(START), None)


def component_of(
    draw: np.random.Generator, name: ComponentName, gone: float
) -> ComponentScore | Absent:
    """A component of one to twelve members of random weights."""
    if draw.random() < gone / 2:
        return Absent(name, Reason.GAP, 0.0)
    weights = draw.uniform(0.05, 1.0, draw.integers(1, 13))
    weights /= weights.sum()
    members = tuple(member_of(draw, i, float(w), gone) for i, w in enumerate(weights))
    return pool_scores(name, COMPONENT_RHO[name], members, late_ms=0, freshness=0.9)


def world_of(seed: int, gone: float) -> tuple[ConfluenceScore, Formula]:
    """A score of random parts, with the matrix and the definition it was made with."""
    draw = np.random.default_rng(seed)
    definition = Definition.of_profile("equal" if seed % 2 else "owner")
    if seed % 5 == 0:
        weights = {name: float(draw.choice([0.0, 1.0, 2.5])) for name in NAMES}
        weights[NAMES[seed % 6]] = 1.0
        floor = float(draw.choice([0.3, 0.5, 0.9]))
        definition = Definition.of_profile("custom", weights, coverage_floor=floor)
    rho = default_matrix(RHO0) if seed % 3 else 0.4 * np.ones((6, 6)) + 0.6 * np.eye(6)
    score = composite(
        instrument=BTC,
        at=START,
        components={name: component_of(draw, name, gone) for name in NAMES},
        rho=rho,
        definition=definition,
    )
    return score, Formula(definition, rho)


seeds = st.integers(0, 100_000)
shares = st.sampled_from([0.0, 0.1, 0.3, 0.45])


@LAW
@given(seeds, shares, st.sampled_from(Case))
def test_the_named_input_changes_the_score_most_by_recomputation(
    seed: int, gone: float, case: Case
) -> None:
    """Of all members recomputed one by one, none changes it more; the claim is that very number."""
    score, formula = world_of(seed, gone)
    assume(score.score is not None)
    claimed = Suppositions(score, formula).largest(case)
    assert claimed is not None
    assert claimed.member is not None
    again = recomputed(score, formula, claimed.component, claimed.member, case)
    assert (claimed.score, claimed.coverage) == (again.score, again.coverage)
    every = [
        what_if(score, formula, name, member.name, case)
        for name, part in score.components.items()
        if isinstance(part, ComponentScore)
        for member in part.members
        if member.score is not None
    ]
    if any(each.change is None for each in every):
        assert case is Case.ABSENT
        assert claimed.score is None
        assert claimed.reason is not None
        return
    assert claimed.change is not None
    largest = max(abs(each.change or 0.0) for each in every)
    assert abs(claimed.change) == pytest.approx(largest, abs=1e-9)
    assert claimed.change == pytest.approx((claimed.score or 0.0) - (score.score or 0.0), abs=0)


@LAW
@given(seeds, shares)
def test_nothing_supposed_changes_nothing(seed: int, gone: float) -> None:
    """Recomputing a score from its own parts gives the score: the way back is the way it came."""
    score, formula = world_of(seed, gone)
    assume(score.score is not None)
    for name, part in score.components.items():
        if not isinstance(part, ComponentScore):
            continue
        same = recomputed(score, formula, name, "nobody", Case.ABSENT)
        assert same.score == pytest.approx(score.score, abs=1e-9)
        assert same.contributions == score.contributions


@LAW
@given(seeds, shares)
def test_what_presses_up_and_down_adds_up_to_the_score(seed: int, gone: float) -> None:
    """Both sums give score - 50; those named are among the strongest and of the right sign."""
    score, formula = world_of(seed, gone)
    found = account(score, formula)
    if score.score is None:
        assert (found.points_up, found.points_down) == (0.0, 0.0)
        assert found.neutral is None
        assert found.absent is None
        assert found.without == ()
        return
    assert found.points_up + found.points_down == pytest.approx(score.score - 50.0, abs=1e-9)
    assert sum(each.points for each in score.contributions) == pytest.approx(
        score.score - 50.0, abs=1e-9
    )
    assert all(each.points > 0 for each in found.up)
    assert all(each.points < 0 for each in found.down)
    every = [p for each in score.contributions for p in each.members.values()]
    assert [each.points for each in found.up] == sorted((p for p in every if p > 0), reverse=True)[
        :5
    ]
    assert [each.component for each in found.without] == [
        each.component for each in score.contributions
    ]
    for each in found.without:
        again = what_if(score, formula, each.component, None, Case.ABSENT)
        assert each.coverage == pytest.approx(again.coverage, abs=1e-9)
        assert each.reason == again.reason
        if again.score is None:
            assert each.score is None
            assert each.change is None
        else:
            assert each.score == pytest.approx(again.score, abs=1e-9)
            assert each.change == pytest.approx(again.change, abs=1e-9)


@LAW
@given(seeds, shares)
def test_the_costs_of_what_is_missing_add_up(seed: int, gone: float) -> None:
    """Lost weight and coverage make 1; lost confidence is what full coverage would give."""
    score, formula = world_of(seed, gone)
    missing = account(score, formula).missing
    assert sum(each.coverage for each in missing) == pytest.approx(1.0 - score.coverage, abs=1e-9)
    assert [each.coverage for each in missing] == sorted(
        (each.coverage for each in missing), reverse=True
    )
    confidence = score.confidence
    if confidence is None:
        assert all(each.confidence is None for each in missing)
        return
    record = 0.5 if confidence.record is None else confidence.record
    whole = 100.0 * confidence.agreement * confidence.freshness * record
    lost = sum(each.confidence or 0.0 for each in missing)
    assert lost == pytest.approx(whole - 100.0 * confidence.value, abs=1e-9)


def test_what_weighs_nothing_is_not_missed() -> None:
    """A view that the weights leave out costs nothing, so it is not listed."""
    weights = {name: float(name is not ComponentName.ORDERBOOK) for name in NAMES}
    definition = Definition.of_profile("custom", weights)
    components = {name: component_of(np.random.default_rng(1), name, 0.0) for name in NAMES}
    components[ComponentName.ORDERBOOK] = Absent(ComponentName.ORDERBOOK, Reason.GAP, 0.0)
    components[ComponentName.VOLUME] = Absent(ComponentName.VOLUME, Reason.STALE, 0.0)
    rho = default_matrix(RHO0)
    score = composite(
        instrument=BTC, at=START, components=components, rho=rho, definition=definition
    )
    missing = account(score, Formula(definition, rho)).missing
    assert [each.component for each in missing] == [ComponentName.VOLUME]
