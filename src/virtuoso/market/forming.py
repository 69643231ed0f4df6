"""The intervals of one market that are still open, as their minutes have made them so far."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Self

from virtuoso.domain.market_data import Candle, FormingCandle
from virtuoso.domain.time import Millis, Timeframe


class OpenInterval(NamedTuple):
    """The closed minutes of one longer interval, added up while it is still open."""

    timeframe: Timeframe
    start: Millis
    end: Millis
    open: float
    high: float
    low: float
    close: float
    volume: float
    taker_buys: float | None

    @classmethod
    def of(cls, timeframe: Timeframe, first: Candle) -> Self:
        """Begin with the first minute."""
        return cls(
            timeframe,
            first.open_time,
            first.close_time,
            first.open,
            first.high,
            first.low,
            first.close,
            first.volume,
            first.taker_buy_volume,
        )

    def and_then(self, minute: Candle) -> Self:
        """Give the interval with the next minute."""
        buys, more = self.taker_buys, minute.taker_buy_volume
        return self._replace(
            end=minute.close_time,
            high=max(self.high, minute.high),
            low=min(self.low, minute.low),
            close=minute.close,
            volume=self.volume + minute.volume,
            taker_buys=None if buys is None or more is None else buys + more,
        )

    @property
    def from_its_start(self) -> bool:
        """No minute is missing at the front."""
        return self.start % self.timeframe.ms == 0

    @property
    def over(self) -> bool:
        """The last minute of the interval is in."""
        return self.end % self.timeframe.ms == 0

    def candle(self) -> Candle:
        """Give the interval as a closed candle; only when it is over and from its start."""
        return Candle(
            timeframe=self.timeframe,
            open_time=self.start,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            taker_buy_volume=self.taker_buys,
        )

    def forming(self, minute: FormingCandle | None) -> FormingCandle:
        """Give the interval as it stands, with the forming minute where it follows."""
        follows = minute is not None and minute.open_time == self.end
        last = minute if follows else None
        return FormingCandle(
            timeframe=self.timeframe,
            open_time=self.start,
            open=self.open,
            high=self.high if last is None else max(self.high, last.high),
            low=self.low if last is None else min(self.low, last.low),
            close=self.close if last is None else last.close,
            volume=self.volume if last is None else self.volume + last.volume,
        )


class Forming(Mapping[Timeframe, FormingCandle]):
    """The open intervals of all timeframes at one instant, made when they are first read.

    A timeframe is not in it where its interval would not follow the last closed candle.
    """

    __slots__ = ("_found", "_intervals", "_minute")

    def __init__(
        self,
        minute: FormingCandle | None,
        intervals: Sequence[tuple[Timeframe, Millis, OpenInterval | None]],
    ) -> None:
        """`intervals`: per whole timeframe when its last candle closed, and what followed it."""
        self._minute = minute
        self._intervals = intervals
        self._found: dict[Timeframe, FormingCandle] | None = None

    def _all(self) -> dict[Timeframe, FormingCandle]:
        if self._found is None:
            self._found = {}
            for timeframe, last_close, interval in self._intervals:
                candle = self._form(timeframe, last_close, interval)
                if candle is not None:
                    self._found[timeframe] = candle
        return self._found

    def _form(
        self, timeframe: Timeframe, last_close: Millis, interval: OpenInterval | None
    ) -> FormingCandle | None:
        minute = self._minute
        if interval is not None:
            return interval.forming(minute) if interval.start == last_close else None
        if minute is None or minute.open_time != last_close:
            return None
        if timeframe is Timeframe.M1:
            return minute
        return FormingCandle(
            timeframe,
            minute.open_time,
            minute.open,
            minute.high,
            minute.low,
            minute.close,
            minute.volume,
        )

    def __getitem__(self, timeframe: Timeframe) -> FormingCandle:
        return self._all()[timeframe]

    def __iter__(self) -> Iterator[Timeframe]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
