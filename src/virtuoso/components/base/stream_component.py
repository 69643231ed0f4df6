"""A component of which members are scored once a second, from what streams in."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import isnan
from typing import ClassVar, NamedTuple

import numpy as np

from virtuoso.components.base.component import (
    Due,
    Member,
    Why,
    component_of,
    largest_missing,
)
from virtuoso.domain.scores import (
    Absent,
    ComponentName,
    ComponentScore,
    Lazy,
    MemberScore,
    Reason,
)
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.indicators.normal import normal_score
from virtuoso.indicators.pool import PRESENT, new_pool
from virtuoso.indicators.state import Floats, Integers
from virtuoso.indicators.stream_window import (
    NO_VALUE,
    TOO_FEW,
    WARMING_UP,
    StreamLimits,
    StreamWindows,
    WindowState,
)
from virtuoso.market.candles import Bars, Closing
from virtuoso.market.market import Market


class Feed(NamedTuple):
    """The state of one input at a grid second; a tuple, because it is made so often."""

    as_of: Millis | None = None
    reason: Reason | None = None
    """Why it cannot be used; None while it can."""
    late_ms: int = 0
    freshness: float = 1.0


def feed_at(at: Millis, due_at: int, due: Due, as_of: Millis | None) -> Feed:
    """Judge an input whose next value was due at `due_at`."""
    late = at - due_at
    if late <= 0:
        return Feed(as_of)
    if late >= due.stale_after_ms:
        return Feed(as_of=as_of, reason=Reason.STALE, late_ms=late, freshness=due.freshness(late))
    return Feed(as_of=as_of, late_ms=late, freshness=due.freshness(late))


def both(first: Feed, second: Feed) -> Feed:
    """Join two inputs that are both needed: the oldest, the latest, the first reason."""
    one, other = first.as_of, second.as_of
    return Feed(
        as_of=other if one is None else one if other is None else min(one, other),
        reason=first.reason or second.reason,
        late_ms=max(first.late_ms, second.late_ms),
        freshness=min(first.freshness, second.freshness),
    )


class Fact(NamedTuple):
    """x of one member at a grid second, or the reason why there is none: never both.

    What has an x is ranked and scored, so that of a feed with a reason there is none.
    """

    feed: Feed
    x: float | None = None
    reason: Reason | None = None
    have: int | None = None
    need: int | None = None


def filling(feed: Feed, at: Millis, since: Millis, seconds: int, *, broken: bool) -> Fact | None:
    """Say that a window of `seconds` is not full yet; None when it is.

    `broken`: it was emptied by a hole, not by the start.
    """
    if at - since >= seconds * SECOND:
        return None
    have = max(0, at - since) // SECOND
    return Fact(feed, None, Reason.GAP if broken else Reason.WARMING_UP, have, seconds)


class _Taken(NamedTuple):
    """What a component's windows made of one second."""

    limits: StreamLimits
    facts: Sequence[Fact]
    why: Integers
    """Shape (3, members): codes, and how many values, and values other than zero, each window held
    before it."""

    def missing(self) -> Iterator[tuple[Reason | None, int | None, int | None]]:
        """Give why each member has no score, None where it has one, and the counts it has."""
        limits = self.limits
        for fact, code, count, size in zip(self.facts, *self.why.tolist(), strict=True):
            reason = fact.reason or fact.feed.reason
            if code == WARMING_UP:
                yield Reason.WARMING_UP, count, limits.minimum
            elif code == TOO_FEW:
                yield Reason.TOO_FEW, size, limits.minimum_sizes
            elif code == NO_VALUE and reason is None:
                yield Reason.NO_FEED, fact.have, fact.need
            else:
                yield reason, fact.have, fact.need


class StreamComponent:
    """Ranks the facts of each grid second against the last 24 hours, and pools them.

    A subclass gives its name, rho and table, and `facts`, one for each line of the table.
    """

    name: ClassVar[ComponentName]
    rho: ClassVar[float]
    table: ClassVar[Sequence[Member]]

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self._windows = StreamWindows(len(self.table), limits)
        self._weights = np.array([[line.weight for line in self.table]])
        self._pool = new_pool(1)
        self._result: ComponentScore | Absent = Absent(self.name, Reason.NO_FEED, 0.0)

    def facts(self, at: Millis, market: Market) -> Sequence[Fact]:
        """Give x of every member, in the order of the table."""
        raise NotImplementedError

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Nothing: the stream is followed second by second."""

    def close_all(self, closing: Closing) -> None:
        """Nothing either."""

    def restart(self, timeframe: Timeframe) -> None:
        """Nothing: no candle is carried."""

    def second(self, at: Millis, market: Market) -> None:
        """Take one grid second: everything received at or before `at` is in `market`."""
        facts = self.facts(at, market)
        windows = self._windows
        xs = np.array([np.nan if fact.x is None else fact.x for fact in facts])
        windows.take(at, xs, (self._weights, self.rho, self._pool))
        scores = windows.scores
        as_of: Millis | None = None
        late_ms, freshness = 0, 1.0
        judged: Feed | None = None
        for fact, score in zip(facts, scores.tolist(), strict=True):
            feed = fact.feed
            if feed is judged or isnan(score):
                continue
            judged = feed  # most members have their feed in common
            late_ms, freshness = max(late_ms, feed.late_ms), min(freshness, feed.freshness)
            if feed.as_of is not None and (as_of is None or feed.as_of < as_of):
                as_of = feed.as_of
        taken = _Taken(windows.limits, facts, windows.why)
        self._result = component_of(
            self.name,
            self._pool[:PRESENT].tolist(),
            as_of,
            Lazy(partial(self._members, taken, xs, scores)),
            late_ms=late_ms,
            freshness=freshness,
            why=partial(self._why, taken),
        )

    @classmethod
    def _members(cls, taken: _Taken, xs: Floats, scores: Floats) -> tuple[MemberScore, ...]:
        """Make the members of one second.

        Of the class, because a result that knew its component would be a cycle with it.
        """
        rows = zip(
            cls.table, taken.facts, xs.tolist(), scores.tolist(), taken.missing(), strict=True
        )
        members = []
        for line, fact, x, score, (reason, have, need) in rows:
            is_scored = reason is None
            members.append(
                MemberScore(
                    name=line.name,
                    family=line.family,
                    weight=line.weight,
                    x=None if isnan(x) else x,
                    score=score if is_scored else None,
                    z=normal_score(score) if is_scored else None,
                    as_of=fact.feed.as_of,
                    reason=reason,
                    have=have,
                    need=need,
                )
            )
        return tuple(members)

    @classmethod
    def _why(cls, taken: _Taken) -> Why:
        """Say why the most of this second is missing, without making its members."""
        return largest_missing(
            (reason, line.weight, have, need)
            for line, (reason, have, need) in zip(cls.table, taken.missing(), strict=True)
        )

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:  # noqa: ARG002
        """Give the score as of the last grid second."""
        return self._result

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the same: a stream has nothing that is still forming."""
        return self.score(at, market)

    def snapshot(self) -> WindowState:
        """Give the windows as plain arrays."""
        return self._windows.snapshot()

    def restore(self, state: WindowState) -> None:
        """Take windows of an earlier run. Raises WireError when they are not of this component."""
        self._windows.restore(state)
