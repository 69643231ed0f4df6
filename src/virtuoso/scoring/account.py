"""A score accounted for: what presses up, what down, what is missing and what that costs.

Section 5 of docs/scoring.md, "Account". Everything here is sums over the score's own numbers, and
the suppositions of `sensitivity`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from virtuoso.domain.scores import Absent, ComponentName, ConfluenceScore, MemberScore, Reason
from virtuoso.scoring.correlation import NAMES
from virtuoso.scoring.definition import Definition
from virtuoso.scoring.sensitivity import Case, Formula, Suppositions, WhatIf

STRONGEST: Final = 5
"""Members that are named in each direction."""


@dataclass(frozen=True, slots=True)
class Pressure:
    """What one member adds to score - 50."""

    component: ComponentName
    member: str
    points: float


@dataclass(frozen=True, slots=True)
class Missing:
    """A component, or some members of one that is there, without a value for one reason."""

    component: ComponentName
    members: tuple[str, ...]
    """Empty: the whole component."""
    reason: Reason
    have: int | None
    need: int | None
    """Of the first of them, where a count is the reason."""
    coverage: float
    """Share of the score's weight that is lost, 0..1; all of them add up to 1 - coverage."""
    confidence: float | None
    """Points of 0..100 by which confidence would be higher if it were there and the agreement, the
    freshness and the record stayed as they are; None without a score."""


@dataclass(frozen=True, slots=True)
class Account:
    """One score taken apart in four questions."""

    points_up: float
    """Sum over the members that press up."""
    points_down: float
    """Sum over those that press down, 0 or less; both add up to score - 50."""
    up: tuple[Pressure, ...]
    """The strongest, strongest first."""
    down: tuple[Pressure, ...]
    missing: tuple[Missing, ...]
    """The costliest first."""
    neutral: WhatIf | None
    """The member that changes the score most when it says 50; None without a score."""
    absent: WhatIf | None
    """The member that changes the score most when it is not there."""
    without: tuple[WhatIf, ...]
    """The score without each component that is there."""
    coverage: float
    coverage_floor: float
    """Under it there is no score."""


def account(score: ConfluenceScore, formula: Formula) -> Account:
    """Account for a score by the formula that it was made with."""
    points = [
        (added, each.component, member)
        for each in score.contributions
        for member, added in each.members.items()
    ]
    up = [each for each in points if each[0] > 0.0]
    down = [each for each in points if each[0] < 0.0]
    supposed = None if score.score is None else Suppositions(score, formula)
    return Account(
        points_up=sum(each[0] for each in up),
        points_down=sum(each[0] for each in down),
        up=_strongest(up, -1.0),
        down=_strongest(down, 1.0),
        missing=_missing(score, formula.definition),
        neutral=None if supposed is None else supposed.largest(Case.NEUTRAL),
        absent=None if supposed is None else supposed.largest(Case.ABSENT),
        without=() if supposed is None else supposed.without(),
        coverage=score.coverage,
        coverage_floor=formula.definition.coverage_floor,
    )


def _strongest(points: list[tuple[float, ComponentName, str]], sign: float) -> tuple[Pressure, ...]:
    """Name the strongest; of equals the first in table order."""
    found = sorted(points, key=lambda each: sign * each[0])[:STRONGEST]
    return tuple(Pressure(component, member, added) for added, component, member in found)


def _missing(score: ConfluenceScore, definition: Definition) -> tuple[Missing, ...]:
    """List what is missing, the costliest first; ties in table order."""
    whole = sum(definition.ordered_weights)
    confidence = score.confidence
    per_share = None if confidence is None else 100.0 * confidence.value / score.coverage
    found: list[Missing] = []
    for name in NAMES:
        part, share = score.components[name], definition.weights[name] / whole
        if share <= 0.0:
            continue  # nobody asked for it
        if isinstance(part, Absent):
            cost = None if per_share is None else per_share * share
            found.append(Missing(name, (), part.reason, part.have, part.need, share, cost))
            continue
        if part.completeness >= 1.0:
            continue
        total = sum(each.weight for each in part.members)
        for reason, members in _by_reason(part.members).items():
            lost = share * sum(each.weight for each in members) / total
            first = members[0]
            names = tuple(each.name for each in members)
            if lost <= 0.0:
                continue
            cost = None if per_share is None else per_share * lost
            found.append(Missing(name, names, reason, first.have, first.need, lost, cost))
    return tuple(sorted(found, key=lambda each: -each.coverage))


def _by_reason(members: Iterable[MemberScore]) -> dict[Reason, list[MemberScore]]:
    found: dict[Reason, list[MemberScore]] = {}
    for each in members:
        if each.reason is not None:
            found.setdefault(each.reason, []).append(each)
    return found
