"""The SCORE: six views joined so that agreement of look-alikes adds no certainty.

Section 5 of docs/scoring.md: `Z = sum w z / sqrt(w' rho w)`, `score = 100*PHI(Z)`, and the exact
share that every component and every member has in `score - 50`.

Non Nobis Domine.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from functools import partial
from math import pi, sqrt
from typing import Final, NamedTuple

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.rounding import rounded_parts
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    Contribution,
    Lazy,
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


class _Blend(NamedTuple):
    """How the views that are there are joined, whatever they say."""

    weights: Sequence[float]
    shares: Sequence[float]
    """Weights renormalised over these views."""
    spread: float
    """D, the standard deviation of the weighted sum when each z has variance 1."""

    def z_of(self, present: Sequence[ComponentScore]) -> float:
        """Give Z of these views."""
        parts = zip(self.shares, present, strict=True)
        return sum([share * part.z for share, part in parts]) / self.spread


def _blend_of(weights: Sequence[float], places: Sequence[int], rho: Floats) -> _Blend:
    """places: of the views in rho."""
    total = sum(weights)
    shares = [weight / total for weight in weights]
    rows = rho.tolist()
    placed = list(zip(places, shares, strict=True))
    spread = sqrt(sum([a * b * rows[i][j] for i, a in placed for j, b in placed]))
    return _Blend(weights, shares, spread)


class Composite:
    """Joins the six views of an instrument, again and again, by one definition and one rho.

    What follows only from which views there are, and not from what they say, is worked out once.
    """

    def __init__(self, definition: Definition, rho: Floats) -> None:
        """rho: shape (6, 6), in the order of ComponentName; it must not be written to."""
        self.definition = definition
        self.rho = rho
        self._weights = definition.ordered_weights
        self._total = sum(self._weights)
        self._blends: dict[tuple[int, ...], _Blend] = {}

    def score(
        self,
        *,
        instrument: Instrument,
        at: Millis,
        components: Mapping[ComponentName, ComponentScore | Absent],
        record: Record | None = None,
    ) -> ConfluenceScore:
        """Give the score; null, with a reason, when the coverage is under the definition's floor.

        components: all six, each with its score or without.
        """
        present, coverage, blend = self._blend(components)
        if blend is None:
            return ConfluenceScore(
                instrument=instrument,
                at=at,
                score=None,
                z=None,
                reason=largest_missing(components, self.definition.weights),
                coverage=coverage,
                as_of=None,
                components=components,
                contributions=(),
                confidence=None,
                definition=self.definition.hash,
            )
        z = blend.z_of(present)
        score = 100.0 * phi(z)
        return ConfluenceScore(
            instrument=instrument,
            at=at,
            score=score,
            z=z,
            reason=None,
            coverage=coverage,
            as_of=min(
                [
                    part.as_of
                    for part, share in zip(present, blend.shares, strict=True)
                    if share > 0.0  # what weighs nothing is not needed
                ]
            ),
            components=components,
            contributions=Lazy(
                partial(_contributions, present, blend.shares, blend.spread, z, score)
            ),
            confidence=confidence(present, blend.weights, coverage, record),
            definition=self.definition.hash,
        )

    def value(self, components: Mapping[ComponentName, ComponentScore | Absent]) -> float | None:
        """Give the number of `score` alone: where nobody asks what it is made of."""
        present, _, blend = self._blend(components)
        return None if blend is None else 100.0 * phi(blend.z_of(present))

    def _blend(
        self, components: Mapping[ComponentName, ComponentScore | Absent]
    ) -> tuple[Sequence[ComponentScore], float, _Blend | None]:
        """Give the views that have a score, in the order of ComponentName, the coverage, the blend.

        Coverage is what was seen of all weight, 0..1; under the definition's floor nothing blends.
        """
        present: list[ComponentScore] = []
        places: list[int] = []
        seen = 0.0
        for place, name in enumerate(NAMES):
            part = components[name]
            if isinstance(part, ComponentScore):
                present.append(part)
                places.append(place)
                seen += self._weights[place] * part.completeness
        coverage = seen / self._total
        if coverage < self.definition.coverage_floor - _ROUNDING:
            return present, coverage, None
        key = tuple(places)
        blend = self._blends.get(key)
        if blend is None:
            weights = [self._weights[place] for place in places]
            if sum(weights) <= 0.0:
                return present, coverage, None
            blend = self._blends[key] = _blend_of(weights, places, self.rho)
        return present, coverage, blend


def composite(
    *,
    instrument: Instrument,
    at: Millis,
    components: Mapping[ComponentName, ComponentScore | Absent],
    rho: Floats,
    definition: Definition,
    record: Record | None = None,
) -> ConfluenceScore:
    """Join six views once; see `Composite`."""
    return Composite(definition, rho).score(
        instrument=instrument, at=at, components=components, record=record
    )


def _contributions(
    present: Sequence[ComponentScore],
    shares: Sequence[float],
    spread: float,
    z: float,
    score: float,
) -> tuple[Contribution, ...]:
    slope = _SLOPE_AT_ZERO if abs(z) < SMALL else (score - 50.0) / z
    scales = [slope * share / spread for share in shares]
    points = [scale * part.z for scale, part in zip(scales, present, strict=True)]
    shown = rounded_parts(points, round(score, 2) - 50.0)
    return tuple(
        Contribution(
            component=part.name,
            weight=share,
            points=added,
            shown=rounded,
            members=_MemberPoints(part, added, scale),
        )
        for part, share, added, rounded, scale in zip(
            present, shares, points, shown, scales, strict=True
        )
    )


class _MemberPoints(Mapping[str, float]):
    """The points of a component's members by name, worked out when one is first read."""

    __slots__ = ("_given", "_points")

    def __init__(self, part: ComponentScore, points: float, scale: float) -> None:
        self._given = part, points, scale
        self._points: dict[str, float] | None = None

    def _all(self) -> dict[str, float]:
        if self._points is None:
            self._points = _member_points(*self._given)
        return self._points

    def __getitem__(self, name: str) -> float:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def items(self) -> ItemsView[str, float]:
        return self._all().items()  # what Mapping gives looks each of a hundred up again

    def __repr__(self) -> str:
        return repr(self._all())


def _member_points(part: ComponentScore, points: float, scale: float) -> dict[str, float]:
    """Split a component's points over its present members, in proportion to weight x z.

    scale: points per unit of the component's z.
    """
    weight = squares = 0.0
    for each in part.members:
        if each.z is not None:
            weight += each.weight
            squares += each.weight * each.weight
    if weight <= 0.0:
        return {}
    if abs(part.pooled) >= SMALL:
        per_unit = points / part.pooled
    else:
        squares /= weight * weight
        rho = COMPONENT_RHO[part.name]
        per_unit = scale / sqrt(squares + rho * (1.0 - squares))
    per_weight = per_unit / weight
    return {
        each.name: per_weight * each.weight * each.z for each in part.members if each.z is not None
    }


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
