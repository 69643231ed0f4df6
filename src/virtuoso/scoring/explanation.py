"""A score in sentences: templates over its numbers, nothing that is not in them.

Section 5 of docs/scoring.md, "Explanation texts".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from virtuoso.domain.scores import Absent, ComponentName, ConfluenceScore, Direction, Reason
from virtuoso.scoring.account import Account, Missing, Pressure
from virtuoso.scoring.sensitivity import WhatIf

CONTRADICTED: Final = "The record contradicts the score."


@dataclass(frozen=True, slots=True)
class Followed:
    """What followed scores like this one, counted."""

    component: ComponentName
    band: str
    """Such as `60-80`."""
    horizon: str
    """Such as `1h`."""
    n: int
    n_eff: float
    up_rate: float
    low: float
    high: float
    """Share of cases in which the price rose, with its interval, 0..1."""
    base_rate: float
    """The same over all scores."""
    mean_bp: float
    cost_bp: float
    above_50: bool
    """Whether the band lies above 50."""
    reason: Reason | None = None
    """`too_few` or `unproven` where nothing may be read from it."""
    since: str | None = None
    """From when on it is unproven."""

    @property
    def verdict(self) -> str:
        """What may be read from it."""
        if self.reason is Reason.TOO_FEW:
            return f"collecting, n = {self.n}"
        if self.reason is Reason.UNPROVEN:
            return f"unproven since {self.since}" if self.since else "unproven"
        if self.low <= self.base_rate <= self.high:
            return "no measured edge"
        rose_more = self.low > self.base_rate
        return "same way, small" if rose_more is self.above_50 else "contrary, small"


def component_label(name: ComponentName) -> str:
    """Give a component's name as it reads in a sentence."""
    return _words(name)


def _words(name: str | None) -> str:
    """Give a reason's or a member's name as it reads in a sentence."""
    return str(name).replace("_", " ")


def explain(score: ConfluenceScore, direction: Direction | None = None) -> tuple[str, ...]:
    """Say what the score is made of, then what is missing.

    Clauses without content are left out. `direction` labels the sentence where it is known.
    """
    sentences = [_led(score, direction)]
    for name in ComponentName:
        part = score.components.get(name)
        if isinstance(part, Absent):
            sentences.append(f"{component_label(name)}: no value ({_words(part.reason)}).")
    return tuple(sentences)


def _led(score: ConfluenceScore, direction: Direction | None) -> str:
    if score.score is None:
        return f"No score: {100.0 * score.coverage:.0f} % was seen ({_words(score.reason)})."
    sign = 1.0 if score.score >= 50.0 else -1.0
    ordered = sorted(score.contributions, key=lambda each: -sign * each.points)
    shown = [
        (each.points * sign, f"{component_label(each.component)} ({each.points:+.1f})")
        for each in ordered
        if f"{abs(each.points):.1f}" != "0.0"
    ]
    leaders = [text for points, text in shown if points > 0.0][:2]
    against = [text for points, text in shown if points < 0.0][-1:]
    word = "upward" if score.score > 50.0 else "downward"
    if f"{score.score:.0f}" == "50":
        word = "balanced"
    text = f"{direction or 'Score'} {score.score:.0f}: {word} pressure"
    if leaders:
        text += f", led by {' and '.join(leaders)}"
    if against:
        text += f"; against it {against[0]}"
    return f"{text}."


def explain_account(account: Account) -> tuple[str, ...]:
    """Say what presses up, what down, what is missing at what cost, and what matters most."""
    sentences = []
    if account.up:
        sentences.append(f"Up {account.points_up:+.1f}: {_listed(account.up)}.")
    if account.down:
        sentences.append(f"Down {account.points_down:+.1f}: {_listed(account.down)}.")
    if account.missing:
        seen, floor = 100.0 * account.coverage, 100.0 * account.coverage_floor
        missing = "; ".join(_missing(each) for each in account.missing)
        sentences.append(
            f"Seen {seen:.1f} % of the weight ({floor:.0f} % needed); lost: {missing}."
        )
    neutral, absent = account.neutral, account.absent
    if neutral is not None and neutral.score is not None and neutral.change is not None:
        before = neutral.score - neutral.change
        sentences.append(
            f"Most depends on {_input(neutral)}: were it 50, the score would be "
            f"{neutral.score:.1f} instead of {before:.1f}."
        )
    if absent is not None:
        sentences.append(f"Without {_input(absent)} {_lost(absent)}.")
    return tuple(sentences)


def _listed(pressures: Sequence[Pressure]) -> str:
    return ", ".join(
        f"{component_label(each.component)} {_words(each.member)} ({each.points:+.1f})"
        for each in pressures
    )


def _missing(missing: Missing) -> str:
    what = component_label(missing.component)
    if missing.members:
        count = len(missing.members)
        what += f" {_words(missing.members[0])}" if count == 1 else f" in {count} sub-scores"
    why = _words(missing.reason)
    if missing.have is not None and missing.need is not None:
        why += f", {missing.have} of {missing.need}"
    cost = f"{100.0 * missing.coverage:.1f} %"
    if missing.confidence is not None:
        cost += f" and {missing.confidence:.1f} points of confidence"
    return f"{what} ({why}) {cost}"


def _input(found: WhatIf) -> str:
    return f"{component_label(found.component)} {_words(found.member or '')}".rstrip()


def _lost(found: WhatIf) -> str:
    if found.score is None:
        return f"there would be no score: {100.0 * found.coverage:.1f} % would be seen"
    return f"it would be {found.score:.1f} ({found.change or 0.0:+.1f})"


def explain_outlook(followed: Followed) -> str:
    """Say what followed such scores, with its interval and what trading it would have cost."""
    verdict = followed.verdict
    if followed.reason is not None:
        return f"After {component_label(followed.component)} {followed.band}: {verdict}."
    text = (
        f"After {component_label(followed.component)} {followed.band} "
        f"(n_eff {followed.n_eff:.0f}), the next {followed.horizon} was up "
        f"{100.0 * followed.up_rate:.1f} % [{100.0 * followed.low:.1f}, "
        f"{100.0 * followed.high:.1f}], mean {followed.mean_bp:+.1f} bp before about "
        f"{followed.cost_bp:.0f} bp cost. {verdict[0].upper()}{verdict[1:]}."
    )
    return f"{text} {CONTRADICTED}" if verdict.startswith("contrary") else text
