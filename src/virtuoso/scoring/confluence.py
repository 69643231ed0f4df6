"""The SCORE: six views joined so that agreement of look-alikes adds no certainty.

Section 5 of docs/scoring.md: `Z = sum w z / sqrt(w' rho w)`, `score = 100*PHI(Z)`, and the exact
share that every component and every member has in `score - 50`.

Non Nobis Domine.
"""

from collections.abc import Mapping, Sequence
from math import floor, pi, sqrt
from typing import Final

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    Contribution,
    Reason,
)
from virtuoso.domain.time import Millis
from virtuoso.indicators.normal import phi
from virtuoso.indicators.state import Floats
from virtuoso.scoring.confidence import Record, confidence
from virtuoso.scoring.correlation import NAMES
from virtuoso.scoring.definition import COMPONENT_RHO, Definition

SMALL: Final = 1e-9
"""Below this a quotient is replaced by its limit."""

_SLOPE_AT_ZERO: Final[float] = 100.0 / sqrt(2.0 * pi)
_ROUNDING: Final = 1e-12


def composite(
    *,
    instrument: Instrument,
    at: Millis,
    components: Mapping[ComponentName, ComponentScore | Absent],
    rho: Floats,
    definition: Definition,
    record: Record | None = None,
) -> ConfluenceScore:
    """Join the six views of one instrument at one instant.

    rho: shape (6, 6), in the order of ComponentName. The score is null, with a reason, when the
    coverage is under the definition's floor.
    """
    weights = definition.weights
    present = {name: part for name in NAMES if isinstance(part := components[name], ComponentScore)}
    coverage = sum(weights[name] * part.completeness for name, part in present.items()) / sum(
        weights.values()
    )
    weight = sum(weights[name] for name in present)
    if coverage < definition.coverage_floor - _ROUNDING or weight <= 0.0:
        return ConfluenceScore(
            instrument=instrument,
            at=at,
            score=None,
            z=None,
            reason=largest_missing(components, weights),
            coverage=coverage,
            as_of=None,
            components=components,
            contributions=(),
            confidence=None,
            definition=definition.hash,
        )
    shares = {name: weights[name] / weight for name in present}
    spread = _spread(shares, rho)
    z = sum(share * present[name].z for name, share in shares.items()) / spread
    score = 100.0 * phi(z)
    return ConfluenceScore(
        instrument=instrument,
        at=at,
        score=score,
        z=z,
        reason=None,
        coverage=coverage,
        as_of=min(part.as_of for part in present.values()),
        components=components,
        contributions=_contributions(present, shares, spread, z, score),
        confidence=confidence(present, weights, coverage, record),
        definition=definition.hash,
    )


def _spread(shares: Mapping[ComponentName, float], rho: Floats) -> float:
    """Give D, the standard deviation of the weighted sum when each z has variance 1."""
    rows = rho.tolist()
    own = [(NAMES.index(name), share) for name, share in shares.items()]
    return sqrt(sum(a * b * rows[i][j] for i, a in own for j, b in own))


def _contributions(
    present: Mapping[ComponentName, ComponentScore],
    shares: Mapping[ComponentName, float],
    spread: float,
    z: float,
    score: float,
) -> tuple[Contribution, ...]:
    slope = _SLOPE_AT_ZERO if abs(z) < SMALL else (score - 50.0) / z
    points = {name: slope * share * present[name].z / spread for name, share in shares.items()}
    shown = rounded_parts(list(points.values()), round(score, 2) - 50.0)
    return tuple(
        Contribution(
            component=name,
            weight=shares[name],
            points=added,
            shown=part,
            members=_member_points(present[name], added, slope * shares[name] / spread),
        )
        for (name, added), part in zip(points.items(), shown, strict=True)
    )


def _member_points(part: ComponentScore, points: float, scale: float) -> dict[str, float]:
    """Split a component's points over its present members, in proportion to weight x z.

    scale: points per unit of the component's z.
    """
    members = [(each, each.z) for each in part.members if each.z is not None]
    weight = sum(each.weight for each, _ in members)
    if abs(part.pooled) >= SMALL:
        per_unit = points / part.pooled
    else:
        squares = sum((each.weight / weight) ** 2 for each, _ in members)
        rho = COMPONENT_RHO[part.name]
        per_unit = scale / sqrt(squares + rho * (1.0 - squares)) if members else 0.0
    return {each.name: per_unit * each.weight / weight * z for each, z in members}


def rounded_parts(parts: Sequence[float], shown_total: float) -> list[float]:
    """Round parts to 2 decimals so that they add up to `shown_total` (largest remainder).

    parts: their sum rounds to `shown_total`. The hundredths that are left go to the largest
    remainders, ties to the first.
    """
    hundredths = [floor(part * 100.0) for part in parts]
    left = round(shown_total * 100.0) - sum(hundredths)
    order = sorted(range(len(parts)), key=lambda i: hundredths[i] - parts[i] * 100.0)
    for i in order[: max(left, 0)]:
        hundredths[i] += 1
    return [each / 100.0 for each in hundredths]


def largest_missing(
    components: Mapping[ComponentName, ComponentScore | Absent],
    weights: Mapping[ComponentName, float],
) -> Reason:
    """Give the reason behind most of the missing weight; ties to the first in order.

    An absent component is missing as a whole, a present one by what its members miss.
    """
    missing: dict[Reason, float] = {}
    for name in NAMES:
        part, weight = components[name], weights[name]
        if isinstance(part, Absent):
            missing[part.reason] = missing.get(part.reason, 0.0) + weight
            continue
        for member in part.members:
            if member.reason is not None:
                missing[member.reason] = missing.get(member.reason, 0.0) + weight * member.weight
    return max(missing, key=lambda reason: missing[reason], default=Reason.NO_FEED)
