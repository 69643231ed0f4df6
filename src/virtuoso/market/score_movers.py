"""The markets whose score changed most over a window, from what was observed of their scores.

Section 7 of docs/scoring.md. A change is one market's newest kept score less the one it had a
window before; where there was none, there is no change.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from virtuoso.domain.scores import Reason
from virtuoso.domain.time import Millis

SHOWN: Final = 5
"""Markets that are named in each direction."""

History: TypeAlias = Sequence[tuple[Millis, float | None]]
"""(venue time, score) at equal steps, oldest first; None where there was no score."""


@dataclass(frozen=True, slots=True)
class ScoreMove:
    """How one market's score changed."""

    symbol: str
    score: float
    """0..100, the newest kept."""
    before: float
    """0..100."""
    since: Millis
    """Venue time of `before`."""

    @property
    def change(self) -> float:
        """Points."""
        return self.score - self.before


@dataclass(frozen=True, slots=True)
class ScoreMovers:
    """Those that rose and those that fell most over one window."""

    as_of: Millis | None
    """Time of the newest scores; None when nothing was kept yet."""
    risers: tuple[ScoreMove, ...]
    fallers: tuple[ScoreMove, ...]
    compared: int
    """Markets with a score at both ends."""
    reason: Reason | None
    """Why nothing can be compared."""


def score_movers(
    histories: Mapping[str, History],
    window_ms: int | None,
    step_ms: int,
    alike_since: Mapping[str, Millis] | None = None,
) -> ScoreMovers:
    """Find the movers of a window; None: since the first score that is kept of each market.

    A market counts when its newest kept score is of the newest step of all, and it had a score a
    window before, give or take a step. Reasons: `no_feed` when nothing was kept, `warming_up` when
    no market was observed for so long, `too_few` when no market had a score at both ends.
    alike_since: from when on a market's scores were made by one definition; those before are no
    measure for those after, and count as not observed.
    """
    newest = max((history[-1][0] for history in histories.values() if history), default=None)
    if newest is None:
        return ScoreMovers(None, (), (), 0, Reason.NO_FEED)
    moves: list[ScoreMove] = []
    is_old = False
    for symbol, history in histories.items():
        if not history:
            continue
        at, score = history[-1]
        since = Millis(0) if alike_since is None else alike_since.get(symbol, Millis(0))
        is_old = is_old or _reaches(max(history[0][0], since), newest, window_ms, step_ms)
        if score is None or at <= newest - step_ms:
            continue
        if window_ms is None:
            found = _first(history, since)
        else:
            found = _near(history, at - window_ms, step_ms)
        if found is not None and since <= found[0] < at:
            moves.append(ScoreMove(symbol, score, found[1], found[0]))
    reason = None
    if not moves:
        reason = Reason.TOO_FEW if is_old else Reason.WARMING_UP
    return ScoreMovers(
        as_of=newest,
        risers=_strongest(each for each in moves if each.change > 0.0),
        fallers=_strongest(each for each in moves if each.change < 0.0),
        compared=len(moves),
        reason=reason,
    )


def change_over(
    history: History, window_ms: int | None, step_ms: int, alike_since: Millis
) -> ScoreMove | Reason:
    """One market's move from its score a window ago to its newest; None: since its first one.

    Reasons as in `score_movers`. Scores before `alike_since` count as not observed.
    """
    if not history:
        return Reason.NO_FEED
    at, score = history[-1]
    if score is None:
        return Reason.TOO_FEW
    found = (
        _first(history, alike_since)
        if window_ms is None
        else _near(history, at - window_ms, step_ms)
    )
    if found is not None and alike_since <= found[0] < at:
        return ScoreMove("", score, found[1], found[0])
    observed = _reaches(max(history[0][0], alike_since), at, window_ms, step_ms)
    return Reason.TOO_FEW if observed else Reason.WARMING_UP


def _reaches(first: Millis, newest: Millis, window_ms: int | None, step_ms: int) -> bool:
    """Whether a market was observed for the whole window, or for a step where there is none."""
    back = step_ms if window_ms is None else window_ms - step_ms
    return first <= newest - back


def _near(history: History, wanted: int, step_ms: int) -> tuple[Millis, float] | None:
    """Give the first kept score within a step of a time; None when there is none."""
    place = bisect_left(history, wanted - step_ms, key=lambda each: each[0])
    if place == len(history):
        return None
    at, score = history[place]
    return None if score is None or at > wanted + step_ms else (at, score)


def _first(history: History, since: Millis) -> tuple[Millis, float] | None:
    """Give the first score that is kept from a time on."""
    return next(((at, score) for at, score in history if score is not None and at >= since), None)


def _strongest(moves: Iterable[ScoreMove]) -> tuple[ScoreMove, ...]:
    """Name the largest changes first; of equals by symbol."""
    return tuple(sorted(moves, key=lambda each: (-abs(each.change), each.symbol))[:SHOWN])
