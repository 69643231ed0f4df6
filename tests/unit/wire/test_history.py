"""The past as it is served: what was shown live, to the last digit."""

from virtuoso.domain.history import KeptPart, KeptScore
from virtuoso.domain.scores import ComponentName, Reason
from virtuoso.domain.time import Millis
from virtuoso.testing.history_rows import BITCOIN, kept_score
from virtuoso.wire.history import component_points, recorded_score

SCORE = 41.62


def row_of(points: tuple[float | None, ...]) -> KeptScore:
    """A kept score with these points, in the order of the board."""
    parts = {
        name: KeptPart(None, None, Reason.WARMING_UP)
        if each is None
        else KeptPart(50 + each, each, None)
        for name, each in zip(ComponentName, points, strict=True)
    }
    return kept_score(Millis(0), BITCOIN, SCORE)._replace(components=parts)


def test_contributions_of_the_past_add_up_to_its_score() -> None:
    """As the live ones do: each rounded alone, these would add up to -8.40 instead of -8.38."""
    exact = (None, None, -5.2753, 1.0848, -1.0848, -3.1047)
    row = row_of(exact)
    (point,) = component_points([row])
    shown = [each for each in point.points if each is not None]
    assert round(sum(shown), 10) == round(SCORE - 50, 10)
    assert point.points[:2] == (None, None)
    for each, known in zip(point.points, exact, strict=True):
        assert known is None or (each is not None and abs(each - known) <= 0.01)
    board = recorded_score(row).contributions
    assert tuple(getattr(board, name) for name in ComponentName) == point.points
