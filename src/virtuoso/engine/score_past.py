"""The recent past of one market's score, and by what definitions it was made."""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from operator import itemgetter

from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis

SCORE_STEP_MS = 10 * SECOND
"""Distance between two kept scores."""
SCORES_KEPT = 2_160
SCORE_NEAR_MS = 15 * SECOND
"""How far the older of two compared scores may lie from where it is wanted: what is recalled after
a restart has a row each half minute."""
DAY_STEP_MS = 5 * MINUTE
DAY_KEPT = 300
"""Of each five minutes one score is kept for 25 hours."""
DEFINITIONS_KEPT = 50

_time_of = itemgetter(0)


class ScorePast:
    """Scores of the last hours and of the last day, on the venue's clock, oldest first."""

    def __init__(self, definition: str) -> None:
        """`definition`: the hash of the one that scores are made by at first."""
        self.samples: deque[tuple[Millis, float | None]] = deque(maxlen=SCORES_KEPT)
        """(venue time, score) every SCORE_STEP_MS; what was recalled has wider steps."""
        self.day: deque[tuple[Millis, float | None]] = deque(maxlen=DAY_KEPT)
        """(venue time, score) every DAY_STEP_MS."""
        self.recalled = 0
        """How often a past was put before them."""
        self.definitions: deque[tuple[Millis, str]] = deque(maxlen=DEFINITIONS_KEPT)
        """(venue time, hash): by what the scores since then were made, 0 for the first."""
        self.definitions.append((Millis(0), definition))

    @property
    def scored_alike_since(self) -> Millis:
        """Venue time since which the kept scores are of one definition, and can be compared."""
        return self.definitions[-1][0]

    def redefined(self, now: Millis, definition: str, *, unscored: bool) -> None:
        """Know the hash of the definition from now on; `unscored`: nothing was scored by others."""
        if unscored:
            self.definitions.clear()
            now = Millis(0)
        self.definitions.append((now, definition))

    def note(self, at: Millis, now: Millis, score: float | None) -> None:
        """Keep the score of grid second `at`, `now` on the venue's clock, if it is one to keep."""
        if at % SCORE_STEP_MS == 0:
            self.samples.append((now, score))
        if at % DAY_STEP_MS == 0:
            self.day.append((now, score))

    def recall(
        self,
        near: Sequence[tuple[Millis, float | None, str]],
        day: Sequence[tuple[Millis, float | None, str]],
    ) -> None:
        """Put what was kept of an earlier run before what this one knows: (time, score, hash).

        `near`: of the last hours; `day`: of each five minutes of the last day. Oldest first.
        """
        first = self.samples[0][0] if self.samples else None
        before = [each for each in near if first is None or each[0] < first]
        kept = [(at, score) for at, score, _ in before]
        room = SCORES_KEPT - len(self.samples)
        self.samples = deque([*kept[-room:], *self.samples] if room else self.samples, SCORES_KEPT)
        first = self.day[0][0] if self.day else None
        older = [(at, score) for at, score, _ in day if first is None or at < first]
        self.day = deque([*older, *self.day][-DAY_KEPT:], DAY_KEPT)
        changes: list[tuple[Millis, str]] = []
        for at, _, definition in sorted((*day, *before)):
            if not changes or changes[-1][1] != definition:
                changes.append((at, definition))
        ours = list(self.definitions)
        if changes:
            changes[0] = (Millis(0), changes[0][1])
            newest = max((*day, *before))[0]
            if ours[0][0] == 0 and changes[-1][1] == ours[0][1]:
                ours = ours[1:]
            elif ours[0][0] == 0:
                ours[0] = (Millis(newest + 1), ours[0][1])
            self.definitions = deque([*changes, *ours][-DEFINITIONS_KEPT:], DEFINITIONS_KEPT)
        self.recalled += 1

    def change_1h(self, score: float | None, now: Millis) -> float | None:
        """Compare a score with that of an hour ago; None where no such score can be compared."""
        if score is None:
            return None
        wanted = now - HOUR
        if self.scored_alike_since > wanted:
            return None  # measured with another rule, it is no change of the market
        samples = self.samples
        # each second of each market: not through all of them from the oldest on
        place = bisect_left(samples, wanted - SCORE_NEAR_MS, key=_time_of)
        if place == len(samples) or samples[place][0] > wanted + SCORE_NEAR_MS:
            return None
        before = samples[place][1]
        return None if before is None else score - before
