"""The transforms T1 and T2: rank among the values before."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.domain.scores import Reason
from virtuoso.indicators.trailing_rank import RankKind, TrailingRank, TrailingRanks, round_x

SMALL = st.one_of(st.none(), st.integers(-4, 4).map(float), st.floats(-10.0, 10.0, allow_nan=False))


def reference(history: list[float | None], x: float, window: int, kind: RankKind) -> float | None:
    """The rule of docs/scoring.md section 2, written with lists."""
    # rounded as the kernel does: of 0.0010000025 `round` sees the binary digits, and no half
    before = [round_x(each) for each in history if each is not None][-window:]
    x = round_x(x)
    if kind is RankKind.SIZES:
        if x == 0.0:
            return 50.0
        sizes, key = [abs(each) for each in before if each != 0.0], abs(x)
    else:
        sizes, key = before, x
    if not sizes:
        return None
    share = (sum(each < key for each in sizes) + sum(each == key for each in sizes) / 2) / len(
        sizes
    )
    if kind is RankKind.SIZES:
        return 50.0 + math.copysign(50.0 * share, x)
    return 100.0 * share


@settings(deadline=None, max_examples=80)
@given(
    values=st.lists(SMALL, max_size=60),
    window=st.integers(1, 12),
    kind=st.sampled_from(RankKind),
)
def test_every_score_equals_a_count_over_lists(
    values: list[float | None], window: int, kind: RankKind
) -> None:
    """The two rings are a faster way to the same number."""
    rank = TrailingRank(window, kind, minimum=1)
    history: list[float | None] = []
    for x in values:
        peeked, found = rank.peek(x), rank.push(x)
        assert peeked == found
        expected = None if x is None else reference(history, x, window, kind)
        assert (found.score is None) == (expected is None)
        if expected is not None:
            assert found.score == pytest.approx(expected, abs=1e-12)
        history.append(x)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10_000),
    cuts=st.lists(st.integers(0, 300), max_size=8),
    kind=st.sampled_from(RankKind),
)
def test_many_series_at_once_score_like_each_alone(
    seed: int, cuts: list[int], kind: RankKind
) -> None:
    """Bit by bit, however the values are split into calls."""
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(3, 300)).round(1)
    values[draw.random((3, 300)) < 0.1] = np.nan
    together = TrailingRanks(3, 50, kind, 20, 5).push(values.copy())
    split = TrailingRanks(3, 50, kind, 20, 5)
    edges = [0, *sorted(cuts), 300]
    parts = [split.push(values[:, a:b].copy()) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate(parts, axis=1), together, equal_nan=True)
    for series, row in zip(values, together, strict=True):
        alone = TrailingRank(50, kind, 20, 5)
        scores = [alone.push(None if math.isnan(x) else x).score for x in series.tolist()]
        assert scores == [None if math.isnan(score) else score for score in row.tolist()]


NEAR = st.builds(
    lambda base, steps: base * (1.0 + steps * 1e-7),
    st.sampled_from([1e-9, 6e-8, 1e-3, 1.0, 255.999, 256.0, 1e6]),
    st.integers(-40, 40),
)


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.builds(lambda x, up: x if up else -x, NEAR, st.booleans()), max_size=300),
    window=st.sampled_from([5, 127, 128, 129, 200]),
    kind=st.sampled_from(RankKind),
)
def test_values_that_share_their_code_are_told_apart(
    values: list[float], window: int, kind: RankKind
) -> None:
    """However near to each other, however small or large, and whatever the window."""
    rank = TrailingRank(window, kind, minimum=1)
    history: list[float | None] = []
    for x in values:
        expected, found = reference(history, x, window, kind), rank.push(x).score
        assert found == (None if expected is None else pytest.approx(expected, abs=1e-12))
        history.append(x)


def test_the_value_itself_is_not_part_of_its_distribution() -> None:
    """A record value ranks above everything, by the full size of the window."""
    rank = TrailingRank(10, RankKind.SIZES, minimum=1)
    for x in (1.0, -2.0, 3.0):
        rank.push(x)
    assert rank.push(4.0).score == 100.0
    assert rank.push(-5.0).score == 0.0


@pytest.mark.parametrize(("x", "score"), [(0.7, 75.0), (-0.7, 25.0)])
def test_equal_values_in_an_all_equal_window_give_75_or_25(x: float, score: float) -> None:
    """Ties take the mid-rank."""
    rank = TrailingRank(1_000, RankKind.SIZES, 250, 50)
    for _ in range(300):
        rank.push(0.7)
    assert rank.push(x).score == score


def test_zero_presses_nowhere_and_is_kept_apart() -> None:
    """An x of 0 scores 50, and zeros do not make the smallest event look large."""
    rank = TrailingRank(1_000, RankKind.SIZES, 250, 50)
    for i in range(600):
        rank.push(float(i + 1) if i % 6 == 0 else 0.0)
    assert rank.push(0.0).score == 50.0
    assert rank.push(-0.0).x == 0.0
    assert rank.push(0.5).score == 50.0
    assert rank.push(301.5).score == pytest.approx(50.0 + 50.0 * 52 / 101)


def test_249_values_are_warming_up_and_250_are_enough() -> None:
    """The minimum counts the value that is scored."""
    rank = TrailingRank(1_000, RankKind.SIZES, 250, 50)
    ranked = [rank.push(float(i)) for i in range(1, 251)]
    assert (ranked[248].reason, ranked[248].have, ranked[248].need) == (
        Reason.WARMING_UP,
        249,
        250,
    )
    assert ranked[248].score is None
    assert ranked[249].score == 100.0


def test_a_size_among_fewer_than_50_is_too_few_but_zero_is_zero() -> None:
    """A non-zero value needs 50 non-zero ones before it."""
    rank = TrailingRank(1_000, RankKind.SIZES, 250, 50)
    for i in range(300):
        rank.push(1.0 if i < 49 else 0.0)
    few = rank.peek(2.0)
    assert (few.score, few.reason, few.have, few.need) == (None, Reason.TOO_FEW, 49, 50)
    assert rank.peek(0.0).score == 50.0
    rank.push(1.0)
    assert rank.push(2.0).score == 100.0


def test_an_absent_value_has_no_score_and_does_not_enter() -> None:
    """The window holds the last values, not the last moments."""
    rank = TrailingRank(3, RankKind.VALUES, minimum=1)
    for x in (1.0, 2.0, 3.0, None, None, None):
        last = rank.push(x)
    assert (last.x, last.score, last.reason) == (None, None, Reason.TOO_FEW)
    assert rank.push(2.5).score == pytest.approx(100.0 * 2 / 3)


def test_t2_ranks_levels_with_their_sign_and_zeros() -> None:
    """100 times the share below, ties half."""
    rank = TrailingRank(200, RankKind.VALUES, minimum=5)
    assert rank.push(0.0).reason is Reason.WARMING_UP
    for x in (-1.0, 1.0, 0.0):
        rank.push(x)
    assert rank.push(0.0).score == 50.0
    assert rank.push(-3.0).score == 0.0
    assert rank.push(9.0).score == 100.0


def test_values_equal_only_in_single_precision_are_still_told_apart() -> None:
    """The coarse ring is a quick look; near a value the exact one decides."""
    step = 1e-9  # the last decimal of x; single precision has seven digits
    rank = TrailingRank(10, RankKind.VALUES, minimum=1)
    for x in (1.0 - step, 1.0, 1.0, 1.0 + step):
        rank.push(x)
    assert rank.peek(1.0).score == 50.0
    assert rank.peek(1.0 + step).score == 100.0 * 3.5 / 4
    assert rank.peek(1.0 + 2 * step).score == 100.0


def test_the_window_forgets_its_oldest_value() -> None:
    """Only the last `window` values are ranked among."""
    rank = TrailingRank(3, RankKind.VALUES, minimum=1)
    for x in (100.0, 1.0, 2.0, 3.0):
        rank.push(x)
    assert rank.push(50.0).score == 100.0


def test_a_peek_changes_nothing() -> None:
    """However often and with whatever."""
    rank, untouched = (TrailingRank(50, RankKind.SIZES, 10, 5) for _ in range(2))
    for i in range(80):
        x = math.sin(i)
        rank.peek(17.0)
        rank.peek(None)
        assert rank.push(x) == untouched.push(x)
    assert rank.seen == untouched.seen == 80


def test_values_are_rounded_to_9_decimals_half_to_even() -> None:
    """The last bits of a float break no ties, and there is no minus zero."""
    rank = TrailingRank(10, RankKind.SIZES, minimum=1)
    rank.push(0.1)
    assert rank.push(0.1 + 1e-12).score == 75.0
    assert math.copysign(1.0, round_x(-1e-12)) == 1.0
    assert round_x(0.0000000005) == 0.0
    assert round_x(0.0000000015) == 2e-9
