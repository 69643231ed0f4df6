"""The members of a candle component, made from what its kernel left.

It knows nothing of the component: a result that did would be a cycle with it.
"""

from collections.abc import Sequence
from math import isnan

from virtuoso.components.base.candle_sheet import Newest, Ranking
from virtuoso.domain.scores import MemberScore, Reason
from virtuoso.indicators.normal_scores import normal_scores


def members_of(
    lines: Sequence[tuple[str, str, float]],
    ranking: Ranking,
    newest: Newest,
    reasons: Sequence[Reason | None],
    counts: Sequence[tuple[int, Sequence[int]]],
) -> tuple[MemberScore, ...]:
    """Make the members of all timeframes. `counts` may be empty when every score is there."""
    closes = newest.closes
    width = len(lines) // len(closes)
    x, scores = newest.own.reshape(2, -1)
    values, ranked, z = x.tolist(), scores.tolist(), normal_scores(scores).tolist()
    members = []
    for i, (name, family, weight) in enumerate(lines):
        row, line = divmod(i, width)
        score, as_of = ranked[i], closes[row]
        if not isnan(score):
            member = MemberScore(name, family, weight, values[i], score, z[i], as_of, None)
        else:
            known = None if isnan(values[i]) else values[i]
            reason, have, need = reasons[row], None, None
            if reason is None:
                reason, have, need = _why(ranking, known, counts[row], line)
            member = MemberScore(name, family, weight, known, None, None, as_of, reason, have, need)
        members.append(member)
    return tuple(members)


def _why(
    ranking: Ranking, x: float | None, counts: tuple[int, Sequence[int]], line: int
) -> tuple[Reason, int | None, int | None]:
    """Say why a member could not be ranked: the reason, what there is and what it takes."""
    seen, sizes = counts
    if seen < ranking.minimum:
        return Reason.WARMING_UP, seen, ranking.minimum
    if x is not None:
        return Reason.TOO_FEW, sizes[line], ranking.minimum_sizes
    return Reason.TOO_FEW, None, None
