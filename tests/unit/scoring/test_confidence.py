"""Confidence is a product of four published factors."""

import pytest

from support.stream_events import OWN_ORDER, view
from virtuoso.domain.scores import ComponentName, ComponentScore, Reason
from virtuoso.scoring.confidence import Record, RecordLabel, agreement, confidence

WEIGHTS = [1.0 / 6.0] * 6
SCORES = [74.0, 61.0, 69.0, 38.0, 44.0, 57.0]


def worked() -> dict[ComponentName, ComponentScore]:
    """The example of section 6: the book one second late, the rest on time."""
    shares = [1.0, 1.0, 1.0, 0.75, 1.0, 2.0 / 3.0]
    late = {ComponentName.ORDERBOOK: 0.5**0.5}
    return {
        name: view(name, score, completeness=share, freshness=late.get(name, 1.0))
        for name, score, share in zip(OWN_ORDER, SCORES, shares, strict=True)
    }


def test_the_worked_example_holds() -> None:
    """Section 6: agreement, completeness, freshness, an unproven record."""
    present = worked()
    coverage = sum(part.completeness for part in present.values()) / 6
    result = confidence(list(present.values()), WEIGHTS, coverage, None)
    assert result.agreement == pytest.approx(0.744548, abs=1e-6)
    assert result.completeness == pytest.approx(0.902778, abs=1e-6)
    assert result.freshness == pytest.approx(0.951184, abs=1e-6)
    assert result.record is None
    assert result.record_reason is Reason.UNPROVEN
    assert result.value == pytest.approx(0.319675, abs=1e-6)


@pytest.mark.parametrize(
    ("record", "label", "factor"),
    [
        (Record(0.0022, 0.1, 0.3, 400), RecordLabel.PROVEN, 0.61),
        (Record(0.0022, -0.3, -0.1, 400), RecordLabel.CONTRARY, 0.39),
        (Record(0.05, 0.1, 0.3, 400), RecordLabel.PROVEN, 1.0),
        (Record(0.05, -0.3, -0.1, 400), RecordLabel.CONTRARY, 0.0),
        (Record(0.0, 0.1, 0.3, 400), RecordLabel.UNPROVEN, None),
        (Record(0.0022, -0.1, 0.3, 400), RecordLabel.UNPROVEN, None),
        (Record(0.0022, 0.1, 0.3, 299), RecordLabel.UNPROVEN, None),
    ],
)
def test_the_record_raises_lowers_or_says_nothing(
    record: Record, label: RecordLabel, factor: float | None
) -> None:
    """Skill counts for or against by the sign of its slope; unproven is null."""
    assert record.label is label
    assert record.factor == (None if factor is None else pytest.approx(factor, abs=1e-12))
    result = confidence(list(worked().values()), WEIGHTS, 1.0, record)
    assert result.record == record.factor
    assert (result.record_reason is None) is (factor is not None)


def test_agreement_ignores_where_the_scores_stand() -> None:
    """Equal scores agree in full, be they 50 or 90; extremes against each other not at all."""
    assert agreement([90.0, 90.0], [0.3, 0.7]) == 1.0
    assert agreement([50.0, 50.0], [0.3, 0.7]) == 1.0
    assert agreement([0.0, 100.0], [0.5, 0.5]) == 0.0
