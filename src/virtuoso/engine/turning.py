"""What is noted of a score at the second that confirmed a change of direction."""

from collections.abc import Mapping

from virtuoso.domain.history import KeptPart
from virtuoso.domain.scores import Absent, ComponentName, ConfluenceScore, Reason
from virtuoso.scoring.direction import DirectionChange
from virtuoso.signals.turns import Turn


def parts_of(score: ConfluenceScore) -> Mapping[ComponentName, KeptPart]:
    """Give each component's score with what it added, or why it has none."""
    points = {each.component: each.points for each in score.contributions}
    return {
        name: KeptPart(None, None, part.reason)
        if isinstance(part, Absent)
        else KeptPart(part.score, points.get(name), None)
        for name, part in score.components.items()
    }


def turn_of(
    change: DirectionChange,
    decided_on: float | None,
    score: ConfluenceScore,
    middle: tuple[float | None, float | None],
    log_range: float | Reason,
) -> Turn:
    """Make a turn. `middle`: price and spread, None while the market is not heard."""
    confidence = score.confidence
    return Turn(
        at=change.at,
        before=change.before,
        after=change.after,
        decided_on=decided_on,
        score=score.score,
        coverage=score.coverage,
        confidence=None if confidence is None else confidence.value,
        definition=score.definition,
        components=parts_of(score),
        mid=middle[0],
        spread_bp=middle[1],
        atr=log_range,
    )
