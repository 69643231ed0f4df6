"""What a component is: members that answer with a number or a reason, pooled into 0..100.

A component is a table of `Member` lines (name, family, weight) and the code that keeps each
member's reading current. Adding a sub-statistic is one indicator, one line of the table, one
golden value. The pool is section 3 of docs/scoring.md.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, TypeAlias

from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, MemberScore, Reason
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.indicators.normal import normal_score
from virtuoso.indicators.pool import pool_of_sums
from virtuoso.market.candles import Bars, Closing
from virtuoso.market.market import Market

COMPLETENESS_FLOOR = 0.5
"""A component of which less than this share of its weight is present is absent."""


@dataclass(frozen=True, slots=True)
class Member:
    """One line of a component's table."""

    name: str
    family: str
    weight: float
    """Family weight x member share; the timeframe's or window's share is multiplied in."""


class Reading(NamedTuple):
    """A member at one instant: x and its 0..100 score, or the reason why there is none."""

    x: float | None
    score: float | None
    as_of: Millis | None
    reason: Reason | None = None
    have: int | None = None
    need: int | None = None
    late_ms: int = 0
    """By how much the latest of its feeds is overdue."""
    freshness: float = 1.0
    """.5^(late / half-life) of the feed that is most overdue for its kind."""


Why: TypeAlias = tuple[Reason, int | None, int | None]
"""Why there is no number, with what there is and what it takes."""


@dataclass(frozen=True, slots=True)
class Due:
    """When a feed's next value is due, and how fast a value fades once it is overdue."""

    half_life_ms: int
    stale_after_ms: int

    def freshness(self, late_ms: int) -> float:
        """Give phi of section 6: 1 when on time, halved each half-life."""
        return float(0.5 ** (late_ms / self.half_life_ms)) if late_ms > 0 else 1.0


DUE_BOOK = Due(half_life_ms=2 * SECOND, stale_after_ms=10 * SECOND)
DUE_TRADES = Due(half_life_ms=10 * SECOND, stale_after_ms=50 * SECOND)
DUE_TICKER = Due(half_life_ms=5 * SECOND, stale_after_ms=25 * SECOND)
DUE_OPEN_INTEREST = Due(half_life_ms=5 * MINUTE, stale_after_ms=25 * MINUTE)
DUE_RATIO = Due(half_life_ms=10 * MINUTE, stale_after_ms=50 * MINUTE)
DUE_FUNDING = Due(half_life_ms=10 * MINUTE, stale_after_ms=50 * MINUTE)


def due_candle(timeframe: Timeframe) -> Due:
    """Half-life min(T, 5 min), absent when late by five of them."""
    half_life = min(timeframe.ms, 5 * MINUTE)
    return Due(half_life_ms=half_life, stale_after_ms=5 * half_life)


class Component(Protocol):
    """One of the six views. Holds carried state for one market; `Market` holds the facts."""

    name: ClassVar[ComponentName]

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Take a timeframe's closed candles, oldest first, however many."""
        ...

    def close_all(self, closing: Closing) -> None:
        """Take one closed candle each of several timeframes: the bits of `close`, in one call."""
        ...

    def restart(self, timeframe: Timeframe) -> None:
        """Forget what was carried for a timeframe; its history will be given again by `close`."""
        ...

    def second(self, at: Millis, market: Market) -> None:
        """Take one grid second: everything received at or before `at` is in `market`."""
        ...

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score of closed candles and the stream, as of the last grid second."""
        ...

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the score as if every forming candle closed now; stores nothing."""
        ...


def pool(
    name: ComponentName, rho: float, members: Sequence[tuple[Member, Reading]]
) -> ComponentScore | Absent:
    """Pool members into a component score (section 3, "Pool P").

    Weights of all members sum to 1. Absent with the reason of the largest missing weight (ties:
    table order) when less than COMPLETENESS_FLOOR of the weight is present.
    """
    scored = tuple(_member_score(member, reading) for member, reading in members)
    used = [reading for _, reading in members if reading.score is not None]
    return pool_scores(
        name,
        rho,
        scored,
        late_ms=max((reading.late_ms for reading in used), default=0),
        freshness=min((reading.freshness for reading in used), default=1.0),
    )


def _member_score(member: Member, reading: Reading) -> MemberScore:
    score = reading.score
    return MemberScore(
        name=member.name,
        family=member.family,
        weight=member.weight,
        x=reading.x,
        score=score,
        z=None if score is None else normal_score(score),
        as_of=reading.as_of,
        reason=None if score is not None else reading.reason or Reason.NO_FEED,
        have=reading.have,
        need=reading.need,
    )


def pool_scores(
    name: ComponentName,
    rho: float,
    scored: tuple[MemberScore, ...],
    *,
    late_ms: int,
    freshness: float,
) -> ComponentScore | Absent:
    """Pool member scores as `pool` does; `late_ms` and `freshness` speak for the present ones."""
    total = known = summed = squares = 0.0
    as_of: Millis | None = None
    # what `pool_rows` adds up of arrays: an array of a few members costs more
    for item in scored:
        weight = item.weight
        total += weight
        if item.z is not None:
            known += weight
            summed += weight * item.z
            squares += weight * weight
            if item.as_of is not None and (as_of is None or item.as_of < as_of):
                as_of = item.as_of
    made = pool_of_sums(total, known, summed, squares, rho)
    return component_of(name, made, as_of, scored, late_ms=late_ms, freshness=freshness)


def component_of(
    name: ComponentName,
    made: Sequence[float],
    as_of: Millis | None,
    members: Collection[MemberScore],
    *,
    late_ms: int,
    freshness: float,
    why: Callable[[], Why] | None = None,
) -> ComponentScore | Absent:
    """Give the component of a pool, or its absence when too little of it is there.

    made: completeness, Y, z and score. as_of: the oldest of the present members. why: gives
    `largest_missing` of the members when too few are there; without it they are read for that.
    """
    completeness, mean, z, score = made
    if completeness < COMPLETENESS_FLOOR - 1e-12 or as_of is None:
        if why is None:
            missing = largest_missing((m.reason, m.weight, m.have, m.need) for m in members)
        else:
            missing = why()
        reason, have, need = missing
        return Absent(name, reason, completeness, members, have, need)
    return ComponentScore(name, score, z, mean, completeness, as_of, late_ms, freshness, members)


def largest_missing(
    members: Iterable[tuple[Reason | None, float, int | None, int | None]],
) -> Why:
    """Give the reason that the largest missing weight has, with the counts of its first member.

    members: reason, None for those that are there, weight, and the counts of that reason.
    """
    missing: dict[Reason, float] = {}
    first: dict[Reason, Why] = {}
    for reason, weight, have, need in members:
        if reason is None:
            continue
        if reason in missing:
            missing[reason] += weight
        else:
            missing[reason] = weight
            first[reason] = (reason, have, need)
    if not missing:
        return Reason.NO_FEED, None, None
    return first[max(missing, key=lambda each: missing[each])]
