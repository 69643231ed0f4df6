"""A score in sentences: templates over its numbers, nothing that is not in them.

Section 5 of docs/scoring.md, "Explanation texts".
"""

from dataclasses import dataclass
from typing import Final

from virtuoso.domain.scores import Absent, ComponentName, ConfluenceScore, Direction, Reason

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
    return str(name).replace("_", " ")


def explain(score: ConfluenceScore, direction: Direction | None = None) -> tuple[str, ...]:
    """Say what the score is made of, then what is missing.

    Clauses without content are left out. `direction` labels the sentence where it is known.
    """
    sentences = [_led(score, direction)]
    for name in ComponentName:
        part = score.components.get(name)
        if isinstance(part, Absent):
            sentences.append(f"{component_label(name)}: no value ({part.reason}).")
    return tuple(sentences)


def _led(score: ConfluenceScore, direction: Direction | None) -> str:
    if score.score is None:
        return f"No score: {100.0 * score.coverage:.0f} % was seen ({score.reason})."
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
