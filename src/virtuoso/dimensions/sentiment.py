"""The lens `sentiment`: how the crowd is positioned; 100 = long and paying, not a forecast."""

from typing import Final

from virtuoso.dimensions.base import Components, absent, members_of, oldest
from virtuoso.domain.scores import ComponentName, DimensionName, DimensionScore

NEEDED: Final = 2
"""Of the three inputs."""
MEMBERS: Final = ("funding", "basis", "long_short")


def sentiment(components: Components) -> DimensionScore:
    """Average where funding, basis and account ratio stand among their own past values.

    Value: 100 x mean F (T2, not inverted; the component scores 100 x (1 - F)). Parts: 100 x F.
    """
    members = {each.name: each for each in members_of(components, ComponentName.SENTIMENT)}
    crowding = [
        (name, None if each is None or each.score is None else 100.0 - each.score, each)
        for name in MEMBERS
        for each in [members.get(name)]
    ]
    values = [value for _, value, _ in crowding if value is not None]
    if len(values) < NEEDED:
        reasons = (None if each is None else each.reason for _, _, each in crowding)
        parts = tuple((name, value) for name, value, _ in crowding)
        return absent(DimensionName.SENTIMENT, reasons, parts)
    return DimensionScore(
        DimensionName.SENTIMENT,
        sum(values) / len(values),
        None,
        oldest(each.as_of for _, value, each in crowding if value is not None and each),
        tuple((name, value) for name, value, _ in crowding),
    )
