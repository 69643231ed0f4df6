"""The score is the published sum, and its parts add up to it."""

from decimal import Decimal

import pytest

from support.stream_events import BTC, OWN_ORDER, START, absent, view, views
from virtuoso.components.base.component import Member, Reading, pool
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    Reason,
)
from virtuoso.domain.time import HOUR, Millis
from virtuoso.scoring.confluence import Composite, composite
from virtuoso.scoring.correlation import default_matrix
from virtuoso.scoring.definition import Definition

EQUAL = Definition.of_profile("equal")
OWNER = Definition.of_profile("owner")


def score_of(
    components: dict[ComponentName, ComponentScore | Absent], definition: Definition = EQUAL
) -> ConfluenceScore:
    """Join components with the default correlation."""
    return composite(
        instrument=BTC,
        at=START,
        components=components,
        rho=default_matrix(definition.rho0),
        definition=definition,
    )


WORKED = [
    (EQUAL, [70.0] * 6, 0.866019, 80.676011, [5.112669] * 6),
    (EQUAL, [80.0] * 6, 1.389892, 91.771912, [6.961985] * 6),
    (EQUAL, [30.0] * 6, -0.866019, 19.323989, [-5.112669] * 6),
    (
        EQUAL,
        [74.0, 61.0, 69.0, 38.0, 44.0, 57.0],
        0.313345,
        62.299072,
        [6.950352, 3.017610, 5.356896, -3.300247, -1.630989, 1.905450],
    ),
    (
        EQUAL,
        [74.0, 61.0, 69.0, None, None, 57.0],
        0.531630,
        70.250874,
        [8.168786, 3.546613, 6.295989, None, None, 2.239486],
    ),
    (
        OWNER,
        [74.0, 61.0, 69.0, 38.0, 44.0, 57.0],
        0.126219,
        55.022052,
        [4.064164, 3.176143, 4.698605, -5.789382, -1.907416, 0.779938],
    ),
]


@pytest.mark.parametrize(("definition", "scores", "z", "expected", "points"), WORKED)
def test_the_worked_table_holds(
    definition: Definition,
    scores: list[float | None],
    z: float,
    expected: float,
    points: list[float | None],
) -> None:
    """Section 5's table, to six decimals."""
    result = score_of(views(scores), definition)
    assert result.z == pytest.approx(z, abs=1e-6)
    rho = default_matrix(definition.rho0)
    assert Composite(definition, rho).value(views(scores)) == result.score
    assert result.score == pytest.approx(expected, abs=1e-6)
    found = {each.component: each.points for each in result.contributions}
    for name, wanted in zip(OWN_ORDER, points, strict=True):
        if wanted is None:
            assert name not in found
        else:
            assert found[name] == pytest.approx(wanted, abs=1e-6)
    assert sum(found.values()) == pytest.approx(expected - 50.0, abs=1e-6)


def test_coverage_counts_all_six_and_the_score_only_those_present() -> None:
    """Two absent views lower the coverage to two thirds and leave the score to the other four."""
    result = score_of(views([74.0, 61.0, 69.0, None, None, 57.0]))
    assert result.coverage == pytest.approx(4 / 6)
    assert result.reason is None


def test_shown_parts_add_up_to_the_shown_score_exactly() -> None:
    """Decimal arithmetic, no tolerance."""
    result = score_of(views([74.0, 61.0, 69.0, 38.0, 44.0, 57.0]))
    assert result.score is not None
    shown = sum(Decimal(f"{each.shown:.2f}") for each in result.contributions)
    assert shown == Decimal(f"{result.score:.2f}") - 50
    for each in result.contributions:
        assert abs(each.shown - each.points) < 0.01


def test_a_score_under_the_coverage_floor_is_null_with_the_reason_of_most_missing_weight() -> None:
    """Four of six absent: no number, no contribution, and why."""
    components = views([70.0, None, None, None, None, 60.0])
    components[ComponentName.VOLUME] = absent(ComponentName.VOLUME, Reason.STALE)
    result = score_of(components)
    assert result.score is None
    assert result.z is None
    assert result.contributions == ()
    assert result.confidence is None
    assert result.reason is Reason.GAP
    assert result.coverage == pytest.approx(2 / 6)


def test_incomplete_members_count_against_the_floor() -> None:
    """Three whole views and three absent ones meet a floor of one half; less does not."""
    components = views([70.0, 60.0, 65.0, None, None, None])
    assert score_of(components).score is not None
    components[ComponentName.VOLUME] = view(ComponentName.VOLUME, 60.0, completeness=0.9)
    assert score_of(components).score is None


def test_the_oldest_view_dates_the_score() -> None:
    """A score is never fresher than what it needs."""
    components = views([70.0, 60.0, 65.0, 40.0, 45.0, 55.0])
    sentiment = components[ComponentName.SENTIMENT]
    assert isinstance(sentiment, ComponentScore)
    components[ComponentName.SENTIMENT] = sentiment._replace(as_of=Millis(START - 5 * HOUR))
    assert score_of(components).as_of == START - 5 * HOUR


def test_a_view_that_weighs_nothing_does_not_date_the_score() -> None:
    """What the score is not made of may be as old as it likes."""
    components = views([70.0, 60.0, 65.0, 40.0, 45.0, 55.0])
    sentiment = components[ComponentName.SENTIMENT]
    assert isinstance(sentiment, ComponentScore)
    old = sentiment._replace(as_of=Millis(START - 5 * HOUR), freshness=0.0)
    components[ComponentName.SENTIMENT] = old
    weights = {name: float(name is not ComponentName.SENTIMENT) for name in ComponentName}
    result = score_of(components, Definition.of_profile("custom", weights))
    assert result.as_of == START
    assert result.confidence is not None
    assert result.confidence.freshness == 1.0


def test_all_absent_is_null() -> None:
    """Nothing seen, nothing said."""
    result = score_of(views([None] * 6))
    assert result.score is None
    assert result.coverage == 0.0
    assert result.reason is Reason.GAP


@pytest.mark.parametrize("dropped", OWN_ORDER)
def test_each_view_dropped_in_turn_leaves_the_score_of_the_rest(dropped: ComponentName) -> None:
    """Absent is not 50: the score equals the one in which that view has no weight."""
    values = dict(zip(OWN_ORDER, [74.0, 61.0, 69.0, 38.0, 44.0, 57.0], strict=True))
    scores = [None if name is dropped else value for name, value in values.items()]
    result = score_of(views(scores))
    without = Definition.of_profile(
        "custom", {name: 0.0 if name is dropped else 1.0 for name in ComponentName}
    )
    expected = score_of(views(list(values.values())), without)
    assert result.score == pytest.approx(expected.score, abs=1e-9)
    neutral = [50.0 if score is None else score for score in scores]
    assert result.score != pytest.approx(score_of(views(neutral)).score, abs=1e-3)


def _balanced(offset: float) -> ComponentScore:
    """A component of two members that all but cancel out."""
    result = pool(
        ComponentName.ORDERBOOK,
        0.25,
        [
            (Member("a", "f", 0.5), Reading(1.0, 80.0, START)),
            (Member("b", "f", 0.5), Reading(-1.0, 20.0 + offset, START)),
        ],
    )
    assert isinstance(result, ComponentScore)
    return result


@pytest.mark.parametrize("offset", [0.0, 1e-12, 1e-7, 5.0])
def test_member_contributions_add_up_even_where_the_quotient_has_only_a_limit(
    offset: float,
) -> None:
    """Members of a component sum to its contribution, at Y = 0 too."""
    components = views([60.0] * 6)
    components[ComponentName.ORDERBOOK] = _balanced(offset)
    result = score_of(components)
    for each in result.contributions:
        assert sum(each.members.values()) == pytest.approx(each.points, abs=1e-9)
    book = next(each for each in result.contributions if each.component == "orderbook")
    assert book.members["a"] > 1.0
    assert book.members["b"] < -1.0


def test_contributions_have_a_limit_where_z_is_zero() -> None:
    """Opposed views cancel: the score is 50 and the parts are not lost."""
    components = views([70.0, 30.0, None, None, 50.0, 50.0])
    result = score_of(components)
    assert result.score == pytest.approx(50.0, abs=1e-9)
    points = {each.component: each.points for each in result.contributions}
    assert points[ComponentName.TECHNICAL] > 3.0
    assert sum(points.values()) == pytest.approx(0.0, abs=1e-9)


def test_a_binding_clip_shrinks_the_parts_alike() -> None:
    """Members of a clipped component still sum to its contribution, in their proportion."""
    members = [(Member(f"m{i}", "f", 0.2), Reading(1.0, 99.9, START)) for i in range(5)]
    result = pool(ComponentName.ORDERFLOW, 0.2, members)
    assert isinstance(result, ComponentScore)
    components = views([60.0] * 6)
    components[ComponentName.ORDERFLOW] = result
    flow = next(
        each for each in score_of(components).contributions if each.component == "orderflow"
    )
    assert result.z < result.pooled / 0.6
    assert sum(flow.members.values()) == pytest.approx(flow.points, abs=1e-9)
