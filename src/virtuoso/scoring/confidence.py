"""How much of a score to believe: agreement, completeness, freshness, record.

Section 6 of docs/scoring.md. None of them looks at how far the score is from 50.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

from virtuoso.domain.scores import ComponentScore, Confidence, Reason

UNPROVEN_RECORD: Final = 0.5
"""What the product uses while the record is not proven: nothing is known either way."""

FULL_SKILL: Final = 0.01
"""Lower bound of the Brier skill at which the record counts in full."""

LEAST_N_EFF: Final = 300


class RecordLabel(StrEnum):
    """What the record says of a score."""

    PROVEN = "proven"
    CONTRARY = "contrary"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Record:
    """What followed such scores at the headline horizon."""

    skill_bound: float
    """Lower bound of the Brier skill."""
    slope_low: float
    slope_high: float
    """Interval of the slope that was calibrated."""
    n_eff: float

    @property
    def label(self) -> RecordLabel:
        """Proven needs skill, a slope that is not 0, and enough independent cases."""
        is_known = self.slope_low > 0.0 or self.slope_high < 0.0
        if self.skill_bound <= 0.0 or not is_known or self.n_eff < LEAST_N_EFF:
            return RecordLabel.UNPROVEN
        return RecordLabel.PROVEN if self.slope_low > 0.0 else RecordLabel.CONTRARY

    @property
    def factor(self) -> float | None:
        """Give .5 + .5*k, 0..1, or None while unproven."""
        label = self.label
        if label is RecordLabel.UNPROVEN:
            return None
        k = min(self.skill_bound / FULL_SKILL, 1.0)
        return 0.5 + 0.5 * (k if label is RecordLabel.PROVEN else -k)


def agreement(scores: Sequence[float], weights: Sequence[float]) -> float:
    """Give 1 - sd/50, sd being the weighted population sd of the component scores."""
    total = sum(weights)
    # lists, because a generator of six numbers takes twice as long
    mean = sum([w * s for w, s in zip(weights, scores, strict=True)]) / total
    variance = sum([w * (s - mean) ** 2 for w, s in zip(weights, scores, strict=True)]) / total
    return 1.0 - sqrt(variance) / 50.0


def confidence(
    present: Sequence[ComponentScore],
    weights: Sequence[float],
    coverage: float,
    record: Record | None,
) -> Confidence:
    """Multiply the four factors over the components that are present; at least one must be.

    weights: those of the present components, in the same order.
    """
    agreed = agreement([part.score for part in present], weights)
    fresh = sum(
        [weight * part.freshness for weight, part in zip(weights, present, strict=True)]
    ) / sum(weights)
    known = None if record is None else record.factor
    used = UNPROVEN_RECORD if known is None else known
    return Confidence(
        value=agreed * coverage * fresh * used,
        agreement=agreed,
        completeness=coverage,
        freshness=fresh,
        record=known,
        record_reason=Reason.UNPROVEN if known is None else None,
    )
