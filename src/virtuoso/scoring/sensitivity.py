"""What the score would be if one sub-score said nothing, or were not there: by recomputation.

Section 5 of docs/scoring.md, "What would change it most". Whatever is claimed here comes out of the
pool and the composite that made the score: sums only choose which member that is done for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan, sqrt
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from virtuoso.components.base import COMPLETENESS_FLOOR, pool_scores
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    ConfluenceScore,
    MemberScore,
    Reason,
)
from virtuoso.domain.words import Word
from virtuoso.indicators.normal import Z_LIMIT, phi
from virtuoso.indicators.state import Floats
from virtuoso.scoring.confluence import composite, largest_missing
from virtuoso.scoring.correlation import NAMES
from virtuoso.scoring.definition import COMPONENT_RHO, Definition

_ROUNDING: Final = 1e-12


class Case(Word):
    """What is supposed of an input."""

    NEUTRAL = "neutral"
    """It says 50: nothing presses. Weights, completeness and coverage stay."""
    ABSENT = "absent"
    """It has no value: weights are renormalised, completeness and coverage fall."""


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """What a score was made with, beside its parts."""

    definition: Definition
    rho: Floats
    """Shape (6, 6), in the order of ComponentName."""

    def __eq__(self, other: object) -> bool:
        """The same weights and rules, and the same correlations."""
        if not isinstance(other, Formula):
            return NotImplemented
        return self.definition == other.definition and np.array_equal(self.rho, other.rho)

    __hash__ = None  # type: ignore[assignment] # the correlations are an array


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The score under a supposition about one input."""

    component: ComponentName
    member: str | None
    """None: the component as a whole."""
    case: Case
    score: float | None
    """0..100; None when there would be none."""
    change: float | None
    """Points: `score` less the score as it is; None with it."""
    coverage: float
    """0..1, under the supposition."""
    reason: Reason | None
    """Why there would be no score."""


def recomputed(
    score: ConfluenceScore,
    formula: Formula,
    component: ComponentName,
    member: str | None,
    case: Case,
) -> ConfluenceScore:
    """Compute the score anew with one present member, or one whole component, changed.

    formula: the one that the score was made with.
    """
    part = score.components[component]
    if isinstance(part, ComponentScore):
        changed = (
            _without_component(part, case) if member is None else _repooled(part, member, case)
        )
        components = {**score.components, component: changed}
    else:
        components = dict(score.components)
    return composite(
        instrument=score.instrument,
        at=score.at,
        components=components,
        rho=formula.rho,
        definition=formula.definition,
    )


def what_if(
    score: ConfluenceScore,
    formula: Formula,
    component: ComponentName,
    member: str | None,
    case: Case,
) -> WhatIf:
    """Say what `recomputed` gives, and how far that is from the score; the score must be there."""
    found = recomputed(score, formula, component, member, case)
    change = None
    if found.score is not None and score.score is not None:
        change = found.score - score.score
    return WhatIf(component, member, case, found.score, change, found.coverage, found.reason)


class Suppositions:
    """Every supposition about the inputs of one score that is there."""

    def __init__(self, score: ConfluenceScore, formula: Formula) -> None:
        """Take a score with its formula. Raises ValueError when there is no score."""
        if score.score is None or score.z is None:
            msg = f"expected a score to suppose things about, found none ({score.reason})"
            raise ValueError(msg)
        self._score = score
        self._z = score.z
        self._formula = formula
        self._present = [
            part for name in NAMES if isinstance(part := score.components[name], ComponentScore)
        ]
        self._without = self._without_each()
        self._inputs = _Inputs.of(self._present)

    def largest(self, case: Case) -> WhatIf:
        """Find the present member whose supposition changes the score most, and recompute it.

        To lose the score is more than any change; of equals it is one.
        """
        zs = self._neutral_zs() if case is Case.NEUTRAL else self._absent_zs()
        found = _farthest(zs, self._z)
        component = self._present[self._inputs.places[found]].name
        member = self._inputs.names[found]
        return what_if(self._score, self._formula, component, member, case)

    def without(self) -> tuple[WhatIf, ...]:
        """Give the score without each component that is there."""
        score = self._score
        before, found = score.score or 0.0, []
        for part, z in zip(self._present, self._without, strict=True):
            coverage = max(score.coverage - self._seen(part), 0.0)
            after = reason = change = None
            if isnan(z):
                components = {**score.components, part.name: _without_component(part, Case.ABSENT)}
                reason = largest_missing(components, self._formula.definition.weights)
            else:
                after = 100.0 * phi(z)
                change = after - before
            found.append(WhatIf(part.name, None, Case.ABSENT, after, change, coverage, reason))
        return tuple(found)

    def _seen(self, part: ComponentScore) -> float:
        """Give the share of the coverage that a component brings."""
        whole = sum(self._formula.definition.ordered_weights)
        return self._formula.definition.weights[part.name] / whole * part.completeness

    def _without_each(self) -> list[float]:
        """Give Z without each present component, NaN where there would be no score.

        Sums without one term, in place of six composites: the weights' scale cancels out.
        """
        weights = [self._formula.definition.weights[part.name] for part in self._present]
        places = [NAMES.index(part.name) for part in self._present]
        rows = self._formula.rho.tolist()
        alike = [
            sum(rows[i][j] * weight for j, weight in zip(places, weights, strict=True))
            for i in places
        ]
        total = sum(w * part.z for w, part in zip(weights, self._present, strict=True))
        square = sum(w * each for w, each in zip(weights, alike, strict=True))
        floor = self._formula.definition.coverage_floor - _ROUNDING
        self._scales = [weight / sqrt(square) for weight in weights]
        found = []
        for part, weight, each in zip(self._present, weights, alike, strict=True):
            left = square - 2.0 * weight * each + weight * weight
            if self._score.coverage - self._seen(part) < floor or left <= 0.0:
                found.append(nan)
            else:
                found.append((total - weight * part.z) / sqrt(left))
        return found

    def _neutral_zs(self) -> Floats:
        """Give Z for each member, were it 50."""
        inputs = self._inputs
        own = _clipped(inputs.others / (inputs.weight * _deviation(inputs.squares, inputs)))
        return self._moved(own)

    def _absent_zs(self) -> Floats:
        """Give Z for each member, were it not there; NaN where there would be no score."""
        inputs = self._inputs
        left = inputs.weight - inputs.weights
        gone = left / inputs.everything < COMPLETENESS_FLOOR - _ROUNDING
        left = np.where(gone, 1.0, left)
        squares = (inputs.squares * inputs.weight**2 - inputs.weights**2) / left**2
        own = _clipped(inputs.others / (left * _deviation(np.where(gone, 0.0, squares), inputs)))
        whole = sum(self._formula.definition.ordered_weights)
        shares = np.array(
            [self._formula.definition.weights[part.name] / whole for part in self._present]
        )
        lost = shares[inputs.places] * inputs.weights / inputs.everything
        floor = self._formula.definition.coverage_floor - _ROUNDING
        zs = self._moved(own)
        zs[self._score.coverage - lost < floor] = np.nan
        zs[gone] = np.array(self._without)[inputs.places[gone]]
        return zs

    def _moved(self, own: Floats) -> Floats:
        """Give Z for each member when its component's z becomes `own`."""
        before = np.array([part.z for part in self._present])[self._inputs.places]
        moved: Floats = self._z + np.array(self._scales)[self._inputs.places] * (own - before)
        return moved


def _without_component(part: ComponentScore, case: Case) -> ComponentScore | Absent:
    if case is Case.ABSENT:
        return Absent(part.name, Reason.NO_FEED, 0.0)
    return part._replace(score=50.0, z=0.0, pooled=0.0)


def _repooled(part: ComponentScore, name: str, case: Case) -> ComponentScore | Absent:
    members = tuple([_supposed(each, case) if each.name == name else each for each in part.members])
    rho = COMPONENT_RHO[part.name]
    return pool_scores(part.name, rho, members, late_ms=part.late_ms, freshness=part.freshness)


def _supposed(member: MemberScore, case: Case) -> MemberScore:
    if member.score is None:
        return member
    if case is Case.NEUTRAL:
        return member._replace(score=50.0, z=0.0)
    return member._replace(x=None, score=None, z=None, reason=Reason.NO_FEED)


class _Inputs(NamedTuple):
    """The present members of all present components, each array of shape (members,)."""

    names: list[str]
    places: NDArray[np.int64]
    """Of the member's component among the present ones."""
    weights: Floats
    weight: Floats
    """Sum of the weights that are present in its component."""
    squares: Floats
    """S2 of its component."""
    others: Floats
    """Sum of weight x z in its component, without its own."""
    everything: Floats
    """Sum of the weights of its component, whether there or not."""
    rho: Floats
    """Of its component's pool."""

    @classmethod
    def of(cls, present: Sequence[ComponentScore]) -> Self:
        known = [[each for each in part.members if each.z is not None] for part in present]
        members = [each for some in known for each in some]
        places = np.repeat(np.arange(len(known)), [len(some) for some in known])
        weights = np.array([each.weight for each in members])
        pressed = weights * np.array([each.z for each in members], dtype=np.float64)
        weight = np.bincount(places, weights).astype(np.float64)[places]
        shown = np.array([part.completeness for part in present])
        return cls(
            names=[each.name for each in members],
            places=places,
            weights=weights,
            weight=weight,
            squares=np.bincount(places, weights * weights)[places] / weight**2,
            others=np.bincount(places, pressed)[places] - pressed,
            everything=weight / shown[places],
            rho=np.array([COMPONENT_RHO[part.name] for part in present])[places],
        )


def _deviation(squares: Floats, inputs: _Inputs) -> Floats:
    """Give D_c of the pool of each member's component."""
    deviation: Floats = np.sqrt(squares + inputs.rho * (1.0 - squares))
    return deviation


def _clipped(z: Floats) -> Floats:
    return np.minimum(np.maximum(z, -Z_LIMIT), Z_LIMIT)


def _farthest(zs: Floats, z: float) -> int:
    """Give the place of the Z whose score is farthest from PHI(z); the first NaN beats all.

    PHI rises with Z, so that only the lowest and the highest Z can be the farthest.
    """
    lost = np.isnan(zs)
    if lost.any():
        return int(lost.argmax())
    low, high = int(zs.argmin()), int(zs.argmax())
    return high if phi(float(zs[high])) - phi(z) > phi(z) - phi(float(zs[low])) else low
