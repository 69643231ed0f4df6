"""How the crowd is positioned, and the other way round: contrarian on crowding.

Section 3.6 of docs/scoring.md. Horizons: 8 h, 24 h. Label: "crowding, contrarian".
"""

from collections.abc import Sequence
from math import inf, log
from typing import ClassVar, Final, TypeVar

from virtuoso.components.base.component import (
    DUE_FUNDING,
    DUE_OPEN_INTEREST,
    DUE_RATIO,
    DUE_TICKER,
    Due,
    Member,
    Reading,
    pool,
)
from virtuoso.components.base.stream_component import Feed, both, feed_at
from virtuoso.domain.market_data import FundingRate, TickerField
from virtuoso.domain.scores import Absent, ComponentName, ComponentScore, Reason
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis, Timeframe
from virtuoso.indicators.trailing_rank import Ranked, RankKind, TrailingRank
from virtuoso.market.candles import Bars, Closing
from virtuoso.market.derivatives import Series
from virtuoso.market.market import Market

T = TypeVar("T")

DAYS_A_YEAR: Final = 365
TICKER_DUE_MS: Final = 2 * SECOND
POLL_DUE_MS: Final = MINUTE
OPEN_INTEREST_DUE_MS: Final = 6 * MINUTE
DELIVERY_DUE_MS: Final = MINUTE

BASIS_FIELDS: Final = (TickerField.MARK_PRICE, TickerField.INDEX_PRICE)

FUNDING, BASIS, LONG_SHORT, OI_QUADRANT = "funding", "basis", "long_short", "oi_quadrant"


class Sentiment:
    """Funding, basis, account ratio and open interest, each against its own past."""

    name: ClassVar[ComponentName] = ComponentName.SENTIMENT
    rho: ClassVar[float] = 0.10
    table: ClassVar[Sequence[Member]] = (
        Member(FUNDING, "carry", 1.0 / 6.0),
        Member(BASIS, "carry", 1.0 / 6.0),
        Member(LONG_SHORT, "accounts", 1.0 / 3.0),
        Member(OI_QUADRANT, "open_interest", 1.0 / 3.0),
    )

    def __init__(self, not_offered: frozenset[str] = frozenset()) -> None:
        """`not_offered`: members for which the venue has no data."""
        self._not_offered = not_offered
        self._funding = _Follower(200, RankKind.VALUES, 60)
        self._basis = _Follower(1_000, RankKind.VALUES, 250)
        self._ratios = _Follower(500, RankKind.VALUES, 100)
        self._interest = _Follower(200, RankKind.SIZES, 100, 50)
        self._ratio_seen: tuple[Millis, int] | None = None
        self._ratio_ranked: Ranked | None = None
        self._readings: tuple[Reading, ...] = ()
        self._rested_on: tuple[object, ...] = ()
        """The newest facts when the readings were made."""
        self._due: float = inf
        """Until when the readings follow from the same facts."""
        self._result: ComponentScore | Absent = Absent(self.name, Reason.NO_FEED, 0.0)

    def close(self, timeframe: Timeframe, bars: Bars) -> None:
        """Nothing: the hour's return is read from the market when its open interest is known."""

    def close_all(self, closing: Closing) -> None:
        """Nothing either."""

    def restart(self, timeframe: Timeframe) -> None:
        """Forget the open interest of hours whose return came from candles that were replaced."""
        if timeframe is Timeframe.M30:
            self._interest.restart()
            self._rested_on = ()

    def second(self, at: Millis, market: Market) -> None:
        """Take one grid second: what settled, closed or was polled since the last one."""
        rests_on = _newest_facts(market) if _ticker_is_here(at, market) else ()
        if rests_on and rests_on == self._rested_on and at <= self._due:
            return
        self._rested_on, self._due = rests_on, inf
        readings = (
            self._read_funding(at, market),
            self._read_basis(at, market),
            self._read_ratio(at, market),
            self._read_interest(at, market),
        )
        if readings != self._readings:
            self._readings = readings
            self._result = pool(self.name, self.rho, list(zip(self.table, readings, strict=True)))

    def score(self, at: Millis, market: Market) -> ComponentScore | Absent:  # noqa: ARG002
        """Give the score as of the last grid second."""
        return self._result

    def live(self, at: Millis, market: Market) -> ComponentScore | Absent:
        """Give the same: nothing here is still forming."""
        return self.score(at, market)

    def _read_funding(self, at: Millis, market: Market) -> Reading:
        series, follower = market.derivatives.funding, self._funding
        follower.push_all(
            [(settled_at, _yearly(rate)) for settled_at, rate in follower.fresh(series)]
        )
        last = series.last
        if last is None or not last.interval_hours:
            return self._without(FUNDING)
        due_at = last.settled_at + round(last.interval_hours * HOUR) + DELIVERY_DUE_MS
        return _contrarian(follower.ranked, self._feed(at, due_at, DUE_FUNDING, last.settled_at))

    def _read_basis(self, at: Millis, market: Market) -> Reading:
        series, follower = market.derivatives.basis, self._basis
        follower.push_all(
            [(minute, _log_ratio(each.mark, each.index)) for minute, each in follower.fresh(series)]
        )
        last = series.last_at
        if last is None:
            return self._without(BASIS)
        feed = self._feed(at, last + MINUTE + TICKER_DUE_MS, DUE_TICKER, last)
        for field in BASIS_FIELDS:
            known = market.derivatives.ticker.get(field)
            if known is not None:
                due_at = known.received_at + TICKER_DUE_MS
                feed = both(feed, feed_at(at, due_at, DUE_TICKER, known.confirmed_at))
        return _contrarian(follower.ranked, feed)

    def _read_ratio(self, at: Millis, market: Market) -> Reading:
        series, follower = market.derivatives.ratios, self._ratios
        last = market.derivatives.ratio
        if last is None:
            return self._without(LONG_SHORT)
        follower.push_all(
            [
                (hour, _log_ratio(ratio.long_share, ratio.short_share))
                for hour, ratio in follower.fresh(series)
                if hour < last.at
            ]
        )
        key = (last.at, follower.pushes)
        if self._ratio_seen != key:
            self._ratio_seen = key
            self._ratio_ranked = follower.peek(_log_ratio(last.long_share, last.short_share))
        due_at = last.at + market.derivatives.ratio_every + POLL_DUE_MS
        return _contrarian(self._ratio_ranked, self._feed(at, due_at, DUE_RATIO, last.at))

    def _read_interest(self, at: Millis, market: Market) -> Reading:
        derivatives, follower = market.derivatives, self._interest
        observed = derivatives.open_interest_at
        if observed is None:
            return self._without(OI_QUADRANT)
        self._follow_interest(market)
        feed = self._feed(
            at,
            observed + derivatives.open_interest_every + POLL_DUE_MS,
            DUE_OPEN_INTEREST,
            observed,
        )
        hour = follower.at
        if hour is None:
            return Reading(None, None, observed, Reason.WARMING_UP, 0, follower.need)
        own = self._feed(at, hour + HOUR + OPEN_INTEREST_DUE_MS, DUE_OPEN_INTEREST, hour)
        return _reading(follower.ranked, both(feed, own))

    def _follow_interest(self, market: Market) -> None:
        """Rank every hour of which open interest and return are known by now."""
        series, follower = market.derivatives.open_interest, self._interest
        candles = market.candles[Timeframe.M30]
        closed_to = candles.last_close
        pending = follower.fresh(series)
        if not pending or closed_to is None or pending[0][0] > closed_to:
            return
        closes = {each.close_time: each.close for each in candles.closed}
        for hour, contracts in pending:
            if hour > closed_to:
                return
            before = series.at(Millis(hour - HOUR))
            now, then = closes.get(hour), closes.get(Millis(hour - HOUR))
            if before is None or now is None or then is None or min(before, contracts) <= 0.0:
                follower.skip(hour)
                continue
            change = log(contracts / before)
            move = (now > then) - (now < then)
            follower.push(hour, move * (max(change, 0.0) + 0.5 * max(-change, 0.0)))

    def _feed(self, at: Millis, due_at: int, due: Due, as_of: Millis) -> Feed:
        """Judge an input, and remember when the next one is due."""
        self._due = min(self._due, due_at)
        return feed_at(at, due_at, due, as_of)

    def _without(self, member: str) -> Reading:
        is_offered = member not in self._not_offered
        return Reading(None, None, None, Reason.NO_FEED if is_offered else Reason.NOT_APPLICABLE)


def _newest_facts(market: Market) -> tuple[object, ...]:
    """Give what changes whenever anything new is known that the readings rest on."""
    known = market.derivatives
    return (
        known.funding.last_at,
        known.funding.version,
        known.basis.last_at,
        known.basis.version,
        known.ratio,
        known.ratio_every,
        known.ratios.last_at,
        known.ratios.version,
        known.open_interest_at,
        known.open_interest_every,
        known.open_interest.last_at,
        known.open_interest.version,
        market.candles.series[Timeframe.M30].last_close,
    )


def _ticker_is_here(at: Millis, market: Market) -> bool:
    """Whether mark and index are on time, and newer than the minute of them that was ranked."""
    ranked = market.derivatives.basis.last_at
    for field in BASIS_FIELDS:
        known = market.derivatives.ticker.get(field)
        if known is None or at > known.received_at + TICKER_DUE_MS:
            return False
        if ranked is not None and known.confirmed_at < ranked:
            return False
    return True


class _Follower:
    """Follows a series and ranks each of its values among those before it."""

    def __init__(self, window: int, kind: RankKind, minimum: int, minimum_sizes: int = 1) -> None:
        self._size = (window, kind, minimum, minimum_sizes)
        self._rank = TrailingRank(*self._size)
        self._version = 0
        self._taken_to: Millis | None = None
        self.need = minimum
        self.at: Millis | None = None
        """Time of the value that was ranked last."""
        self.ranked: Ranked | None = None
        self.pushes = 0

    def restart(self) -> None:
        """Forget every value; the series is followed from its beginning again."""
        self._rank = TrailingRank(*self._size)
        self._taken_to = self.at = self.ranked = None
        self.pushes += 1

    def fresh(self, series: Series[T]) -> list[tuple[Millis, T]]:
        """Give what was not pushed or skipped yet; everything when the past was filled in."""
        if series.version != self._version:
            self._version = series.version
            self.restart()
        return series.after(self._taken_to)

    def push(self, at: Millis, x: float | None) -> None:
        """Rank a value, then keep it."""
        self.ranked = self._rank.push(x)
        self.at = self._taken_to = at
        self.pushes += 1

    def push_all(self, rows: Sequence[tuple[Millis, float | None]]) -> None:
        """Push values, oldest first: a whole past in one call."""
        if rows:
            self.ranked = self._rank.push_all([x for _, x in rows])
            self.at = self._taken_to = rows[-1][0]
            self.pushes += len(rows)

    def skip(self, at: Millis) -> None:
        """Leave a value out."""
        self._taken_to = at

    def peek(self, x: float | None) -> Ranked:
        """Rank a value and keep nothing."""
        return self._rank.peek(x)


def _log_ratio(above: float, below: float) -> float | None:
    return log(above / below) if min(above, below) > 0.0 else None


def _yearly(rate: FundingRate) -> float | None:
    """Give a funding rate as a fraction a year."""
    hours = rate.interval_hours
    return None if not hours else rate.rate * 24.0 / hours * DAYS_A_YEAR


def _reading(ranked: Ranked | None, feed: Feed, score: float | None = None) -> Reading:
    """Join a rank with the state of its feed; `score` replaces that of the rank."""
    if ranked is None:
        return Reading(None, None, feed.as_of, feed.reason or Reason.NO_FEED)
    reason = feed.reason or ranked.reason
    own = ranked.score if score is None else score
    return Reading(
        x=ranked.x,
        score=None if reason else own,
        as_of=feed.as_of,
        reason=reason,
        have=ranked.have,
        need=ranked.need,
        late_ms=feed.late_ms,
        freshness=feed.freshness,
    )


def _contrarian(ranked: Ranked | None, feed: Feed) -> Reading:
    """Turn a level's rank round: the fuller one side is, the lower the score."""
    known = None if ranked is None else ranked.score
    return _reading(ranked, feed, None if known is None else 100.0 - known)
