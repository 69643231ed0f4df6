"""rho is what the minutes of this symbol showed, shrunk to what was assumed."""

import numpy as np
import pytest

from support.stream_events import START, absent, view
from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import ComponentName, Reason
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import normal_score
from virtuoso.scoring.correlation import (
    NAMES,
    CorrelationTracker,
    default_matrix,
    shrunk_correlation,
)
from virtuoso.scoring.definition import RHO0, Definition

BOOK, FLOW = NAMES.index(ComponentName.ORDERBOOK), NAMES.index(ComponentName.ORDERFLOW)
TECHNICAL = NAMES.index(ComponentName.TECHNICAL)


def test_the_default_matrix_is_symmetric_with_a_whole_diagonal() -> None:
    """Every pair of the definition stands on both sides."""
    matrix = default_matrix(RHO0)
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 1.0).all()
    assert matrix[BOOK, FLOW] == 0.35
    assert matrix[TECHNICAL, NAMES.index(ComponentName.PRICE_STRUCTURE)] == 0.90
    assert matrix[NAMES.index(ComponentName.SENTIMENT), BOOK] == 0.0
    assert np.linalg.eigvalsh(matrix).min() > 0.0


def test_a_small_sample_gives_the_value_worked_by_hand() -> None:
    """60 minutes of (1, 1) and (2, -1): r = -60/sqrt(...), shrunk by 1,440 assumed minutes."""
    samples = np.full((60, 6), np.nan)
    samples[:30, [BOOK, FLOW]] = (1.0, 1.0)
    samples[30:, [BOOK, FLOW]] = (2.0, -1.0)
    # the products sum to 30 - 60, the squares to 30 + 120 and to 30 + 30
    r = -30.0 / np.sqrt(150.0 * 60.0)
    expected = (60 * r + 1_440 * 0.35) / 1_500
    found = shrunk_correlation(samples, default_matrix(RHO0))
    assert found[BOOK, FLOW] == pytest.approx(expected, abs=1e-12)
    assert found[FLOW, BOOK] == found[BOOK, FLOW]
    assert found[BOOK, TECHNICAL] == 0.10


def test_fewer_than_60_minutes_or_a_constant_zero_leave_what_was_assumed() -> None:
    """No estimate from nothing."""
    rho0 = default_matrix(RHO0)
    samples = np.full((59, 6), 1.0)
    assert (shrunk_correlation(samples, rho0) == rho0).all()
    assert (shrunk_correlation(np.zeros((600, 6)), rho0) == rho0).all()
    assert (shrunk_correlation(np.empty((0, 6)), rho0) == rho0).all()


def test_rho_stays_between_0_and_095() -> None:
    """Opposition is no reason to trust agreement more; identity is not certainty."""
    opposed = np.ones((1_440, 6))
    opposed[:, BOOK] = -1.0
    found = shrunk_correlation(opposed, default_matrix(RHO0))
    assert found[BOOK, FLOW] == 0.0
    assert found[TECHNICAL, NAMES.index(ComponentName.PRICE_STRUCTURE)] == 0.95


def test_minutes_are_sampled_and_rho_is_renewed_at_full_hours() -> None:
    """Between hours rho does not move, and other seconds are not looked at."""
    tracker = CorrelationTracker(Definition())
    before = tracker.rho.copy()
    pair = {
        name: view(name, 80.0)
        if name in (ComponentName.ORDERBOOK, ComponentName.ORDERFLOW)
        else absent(name, Reason.GAP)
        for name in ComponentName
    }
    for minute in range(1, 60):
        tracker.second(Millis(START + minute * 60_000), pair)
        tracker.second(Millis(START + minute * 60_000 + 1_000), pair)
    assert len(tracker.samples()) == 59
    assert (tracker.rho == before).all()
    tracker.second(Millis(START + 3_600_000), pair)
    assert tracker.rho[BOOK, FLOW] == pytest.approx((60 + 1_440 * 0.35) / 1_500)
    assert tracker.samples()[0, BOOK] == normal_score(80.0)
    assert np.isnan(tracker.samples()[0, TECHNICAL])

    copy = CorrelationTracker(Definition())
    copy.restore(tracker.samples(), tracker.rho)
    for each in (tracker, copy):
        for minute in range(61, 121):
            each.second(Millis(START + minute * 60_000), pair)
    assert (copy.rho == tracker.rho).all()


def test_only_the_last_1440_minutes_count() -> None:
    """A day and an hour leave a day."""
    tracker = CorrelationTracker(Definition())
    everything = {name: view(name, 60.0) for name in ComponentName}
    nothing = {name: absent(name, Reason.GAP) for name in ComponentName}
    for minute in range(60):
        tracker.second(Millis(START + minute * 60_000), everything)
    for minute in range(60, 1_500):
        tracker.second(Millis(START + minute * 60_000), nothing)
    assert np.isnan(tracker.samples()).all()
    with pytest.raises(WireError, match="expected samples of 6 views"):
        tracker.restore(np.zeros((3, 5)), np.eye(6))
