"""What is known of a perpetual beside its trades: ticker, funding, open interest, ratios, basis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Generic, NamedTuple, TypeVar

from virtuoso.domain.market_data import (
    Candle,
    FundingRate,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    Ticker,
    TickerField,
)
from virtuoso.domain.time import HOUR, MINUTE, SECOND, Millis

FUNDING_KEPT: Final = 201
HOURS_KEPT: Final = 501
MINUTES_KEPT: Final = 1_001
"""Each one more than the window in which the newest value is ranked."""

BASIS_FRESH_MS: Final = 5 * SECOND
"""A minute's close of mark and index is taken from the ticker only when confirmed that lately."""

USUAL_INTERVALS: Final = (1.0, 2.0, 4.0, 8.0)
"""Hours between settlements; another distance between two rates means that one is missing."""

T = TypeVar("T")


class TickerValue(NamedTuple):
    """One field of the ticker with its times; a tuple, because each message makes all anew."""

    value: float | None
    """None: the venue says that it has no value."""
    changed_at: Millis
    """Venue time of the last message that carried the field."""
    confirmed_at: Millis
    """Venue time of the last message that carried it or left it unchanged."""
    received_at: Millis
    """When that message came."""


@dataclass(frozen=True, slots=True)
class MarkAndIndex:
    """Mark and index price at a minute's close."""

    mark: float
    index: float


class Series(Generic[T]):
    """Values at rising times, at most `kept` of them."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._values: dict[Millis, T] = {}
        self._last: Millis | None = None
        self.version = 0
        """Rises when a value was put in before the newest one: whoever follows starts anew."""

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[tuple[Millis, T]]:
        return iter(self._values.items())

    def __contains__(self, at: Millis) -> bool:
        return at in self._values

    @property
    def last_at(self) -> Millis | None:
        """Time of the newest value."""
        return self._last

    @property
    def last(self) -> T | None:
        """The newest value."""
        return None if self._last is None else self._values[self._last]

    def at(self, at: Millis) -> T | None:
        """Give the value of exactly that time."""
        return self._values.get(at)

    def after(self, at: Millis | None) -> list[tuple[Millis, T]]:
        """Give the values later than `at`, oldest first; all when it is None."""
        if self._last is None or (at is not None and at >= self._last):
            return []
        if at is None:
            return list(self._values.items())
        # from the newest back: asked each second, and hardly ever is there more than one
        later = list(takewhile(lambda item: item[0] > at, reversed(self._values.items())))
        return later[::-1]

    def add(self, rows: Sequence[tuple[Millis, T]]) -> None:
        """Take values in any order; one at a time that is known already is left as it was."""
        fresh = {at: value for at, value in rows if at not in self._values}
        if self._last is not None and len(self._values) >= self._kept:
            oldest = next(iter(self._values))
            fresh = {at: value for at, value in fresh.items() if at > oldest}
        if not fresh:
            return
        if self._last is not None and min(fresh) < self._last:
            self.version += 1
        merged = sorted({**self._values, **fresh}.items(), key=lambda item: item[0])
        self._values = dict(merged[-self._kept :])
        self._last = merged[-1][0]


class Derivatives:
    """The merged ticker and the slow series of one perpetual."""

    def __init__(self) -> None:
        self.funding: Series[FundingRate] = Series(FUNDING_KEPT)
        """Settled rates by time of settlement; each with its interval."""
        self.open_interest: Series[float] = Series(HOURS_KEPT)
        """Contracts at full hours."""
        self.open_interest_at: Millis | None = None
        self.open_interest_every = HOUR
        """Time of the newest observation of any minute, and the distance between them in ms."""
        self.open_interest_now: OpenInterest | None = None
        """The newest observation that was polled, of any minute."""
        self.ratios: Series[LongShortRatio] = Series(HOURS_KEPT)
        """Account ratios at full hours."""
        self.ratio: LongShortRatio | None = None
        """The newest account ratio of any minute."""
        self.ratio_every = HOUR
        """Distance between account ratios in ms."""
        self.basis: Series[MarkAndIndex] = Series(MINUTES_KEPT)
        """Mark and index by the minute's close."""
        self.price_before: TickerValue | None = None
        """The last price of a ticker that was forgotten: no older price may be shown after it."""
        self._ticker: dict[TickerField, TickerValue] = {}
        self._has_whole = False

    @property
    def ticker(self) -> Mapping[TickerField, TickerValue]:
        """The merged ticker; a field that was not received since the connection is not there."""
        return self._ticker

    def value(self, field: TickerField) -> float | None:
        """Give a field's value, None when it was not received or the venue has none."""
        known = self._ticker.get(field)
        return None if known is None else known.value

    def take_ticker(self, event: MarketEvent[Ticker]) -> bool:
        """Merge a ticker message. False for a change without a whole ticker before it.

        A change confirms every field it leaves out; a message that is whole by itself speaks only
        of the fields it carries.
        """
        ticker, at, received = event.data, event.event_time, event.receive_time
        if not ticker.whole:
            if not self._has_whole:
                return False
            for field, known in self._ticker.items():
                if field not in ticker.values:
                    self._ticker[field] = TickerValue(known.value, known.changed_at, at, received)
        self._has_whole = self._has_whole or ticker.whole
        for field, value in ticker.values.items():
            self._ticker[field] = TickerValue(value, at, at, received)
        return True

    def forget_ticker(self) -> None:
        """Drop every field: the connection is gone and none of them can be trusted."""
        self.price_before = self._ticker.get(TickerField.LAST_PRICE, self.price_before)
        self._ticker.clear()
        self._has_whole = False

    def add_funding(self, rates: Sequence[FundingRate]) -> None:
        """Take settled rates, as fetched at the start or polled after a settlement.

        A rate without an interval takes the distance to the one before it, if it is a usual one;
        one whose interval stays unknown is left out.
        """
        before = {at: rate.interval_hours for at, rate in self.funding}
        rows = []
        for rate in sorted(rates, key=lambda each: each.settled_at):
            hours = rate.interval_hours
            if hours is None and before:
                last = max((at for at in before if at < rate.settled_at), default=None)
                distance = 0.0 if last is None else round((rate.settled_at - last) / HOUR, 3)
                hours = distance if distance in USUAL_INTERVALS else None
                if hours is None and last is not None:
                    hours = before[last]
            before[rate.settled_at] = hours
            if hours is not None and hours > 0:
                settled = FundingRate(rate.settled_at, rate.rate, hours)
                rows.append((rate.settled_at, settled))
        self.funding.add(rows)

    def add_open_interest(self, rows: Sequence[OpenInterest], every_ms: int = HOUR) -> None:
        """Take observations, oldest first, `every_ms` apart; those of full hours make the series.

        Contracts of one definition only: both sides or one side, never mixed.
        """
        for row in rows:
            if self.open_interest_at is None or row.at >= self.open_interest_at:
                self.open_interest_at, self.open_interest_every = row.at, every_ms
        self.open_interest.add([(row.at, row.contracts) for row in rows if row.at % HOUR == 0])

    def note_open_interest(self, row: OpenInterest) -> None:
        """Take an observation between the hours, as polled for a venue whose ticker has none."""
        known = self.open_interest_now
        if known is None or row.at > known.at:
            self.open_interest_now = row

    def add_ratios(self, rows: Sequence[LongShortRatio], every_ms: int = HOUR) -> None:
        """Take account ratios, oldest first, `every_ms` apart; full hours make the series."""
        for row in rows:
            if self.ratio is None or row.at >= self.ratio.at:
                self.ratio, self.ratio_every = row, every_ms
        self.ratios.add([(row.at, row) for row in rows if row.at % HOUR == 0])

    def add_basis(self, mark: Sequence[Candle], index: Sequence[Candle]) -> None:
        """Take closed 1m candles of the mark and of the index price, where both have the minute."""
        indexes = {each.close_time: each.close for each in index}
        self.basis.add(
            [
                (each.close_time, MarkAndIndex(each.close, indexes[each.close_time]))
                for each in mark
                if each.close_time in indexes
            ]
        )

    def second(self, at: Millis) -> None:
        """Note mark and index when grid second `at` closes a minute and both are fresh."""
        if at % MINUTE:
            return
        mark = self._ticker.get(TickerField.MARK_PRICE)
        index = self._ticker.get(TickerField.INDEX_PRICE)
        if mark is None or index is None or mark.value is None or index.value is None:
            return
        if at - min(mark.received_at, index.received_at) <= BASIS_FRESH_MS:
            self.basis.add([(at, MarkAndIndex(mark.value, index.value))])
