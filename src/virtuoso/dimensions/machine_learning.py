"""The lens `machine_learning`: a measured probability, once there is one that was proven."""

from virtuoso.domain.scores import DimensionName, DimensionScore, Reason


def machine_learning() -> DimensionScore:
    """Absent: no model has shown skill with a lower bound above zero, so none is shown."""
    return DimensionScore(DimensionName.MACHINE_LEARNING, None, Reason.UNPROVEN, None)
