"""Which way the score points, with hysteresis and three confirmations.

Section 6 of docs/scoring.md, "Direction".
"""

from dataclasses import dataclass
from typing import Final

from virtuoso.domain.scores import Direction
from virtuoso.domain.time import MINUTE, Millis
from virtuoso.indicators.normal import phi
from virtuoso.scoring.definition import DirectionRule

LONGEST_NULL_MS: Final = 5 * MINUTE
"""A direction of which nothing was seen for longer is null."""


@dataclass(frozen=True, slots=True)
class DirectionChange:
    """A change that was confirmed."""

    at: Millis
    before: Direction | None
    after: Direction | None
    """None: nothing was seen for too long."""


def propose(state: Direction, score: float, rule: DirectionRule) -> Direction:
    """Give the direction that a score of 0..100 proposes to one that is in `state` now."""
    if score >= 50.0 + rule.enter:
        return Direction.BULLISH
    if score <= 50.0 - rule.enter:
        return Direction.BEARISH
    if state is Direction.BULLISH and score > 50.0 + rule.leave:
        return Direction.BULLISH
    if state is Direction.BEARISH and score < 50.0 - rule.leave:
        return Direction.BEARISH
    return Direction.NEUTRAL


class DirectionTracker:
    """Follows Z second by second and evaluates each full minute."""

    def __init__(self, rule: DirectionRule | None = None) -> None:
        self.rule = rule or DirectionRule()
        """May change at any time: the next full minute is judged by it."""
        self.direction: Direction | None = None
        """None before the first minute with a score, and when there was none for too long."""
        self.minute_score: float | None = None
        """S of the last full minute, 0..100; None when too few of its seconds had a score."""
        self._sum = 0.0
        self._count = 0
        self._minute_end: int | None = None
        self._scored_at: int | None = None
        self._proposed: Direction | None = None
        self._times = 0

    def second(self, at: Millis, z: float | None) -> DirectionChange | None:
        """Take Z of a grid second, None when there was no score. Gives a change it confirmed."""
        before = self.direction
        end = -(-at // MINUTE) * MINUTE
        if self._minute_end is not None and end > self._minute_end:
            self._evaluate(self._minute_end)
            if end - MINUTE > self._minute_end:
                self._evaluate(end - MINUTE)
        self._minute_end = end
        if z is not None:
            self._sum += z
            self._count += 1
        if at == end:
            self._evaluate(end)
            self._minute_end = end + MINUTE
        if self.direction is before:
            return None
        return DirectionChange(at, before, self.direction)

    def _evaluate(self, at: int) -> None:
        """Judge the minute that ended at `at`, then begin the next."""
        enough = self._count >= self.rule.minimum_seconds
        # nine decimals, as everywhere before a comparison: 70 must be 70
        score = round(100.0 * phi(self._sum / self._count), 9) if enough else None
        self._sum, self._count = 0.0, 0
        self.minute_score = score
        if score is None:
            self._proposed, self._times = None, 0
            if self._scored_at is not None and at - self._scored_at > LONGEST_NULL_MS:
                self.direction = None
            return
        self._scored_at = at
        state = self.direction or Direction.NEUTRAL
        self.direction = state
        proposed = propose(state, score, self.rule)
        if proposed is state:
            self._proposed, self._times = None, 0
            return
        self._times = self._times + 1 if proposed is self._proposed else 1
        self._proposed = proposed
        if self._times >= self.rule.confirmations:
            self.direction = proposed
            self._proposed, self._times = None, 0
