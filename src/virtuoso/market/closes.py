"""The closes of every market on one grid, for what is computed across markets."""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.indicators.state import Floats

WINDOW = 1_000
"""Closes kept of each market."""


class Closes:
    """The last closes of one timeframe, market by market, in the order in which they were added."""

    def __init__(self, timeframe: Timeframe, window: int = WINDOW) -> None:
        self._timeframe = timeframe
        self._window = window
        self._rows: dict[Instrument, int] = {}
        self._logs = np.full((0, window), np.nan)
        self._times: NDArray[np.int64] = np.zeros((0, window), dtype=np.int64)
        self.newest: Millis | None = None
        """The newest close time of any market."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """The markets, in the order of the rows."""
        return tuple(self._rows)

    def replace(self, instrument: Instrument, candles: Sequence[Candle]) -> None:
        """Take a market's closed candles instead of what was known of it."""
        row = self._row(instrument)
        self._logs[row], self._times[row] = np.nan, 0
        for candle in candles[-self._window :]:
            self.append(instrument, candle)

    def append(self, instrument: Instrument, candle: Candle) -> None:
        """Add a market's closed candle."""
        at = candle.close_time
        place = at // self._timeframe.ms % self._window
        row = self._row(instrument)
        if self._times[row, place] > at:
            return  # older than what the grid holds there
        self._logs[row, place], self._times[row, place] = log(candle.close), at
        if self.newest is None or at > self.newest:
            self.newest = at

    def keep(self, instruments: Sequence[Instrument]) -> None:
        """Forget every market that is not among these."""
        kept = [each for each in self._rows if each in set(instruments)]
        rows = [self._rows[each] for each in kept]
        self._logs, self._times = self._logs[rows], self._times[rows]
        self._rows = {each: number for number, each in enumerate(kept)}

    def logs(self) -> Floats:
        """Natural logs of the closes, shape (markets, window), oldest first, NaN where none is."""
        if self.newest is None:
            return np.full((len(self._rows), self._window), np.nan)
        last = self.newest // self._timeframe.ms
        numbers = np.arange(last - self._window + 1, last + 1)
        places = numbers % self._window
        due = numbers * self._timeframe.ms
        rows = len(self._rows)
        return np.where(self._times[:rows, places] == due, self._logs[:rows, places], np.nan)

    def _row(self, instrument: Instrument) -> int:
        row = self._rows.get(instrument)
        if row is not None:
            return row
        row = self._rows[instrument] = len(self._rows)
        if row == len(self._logs):
            more = max(row, 16)
            self._logs = np.vstack([self._logs, np.full((more, self._window), np.nan)])
            self._times = np.vstack([self._times, np.zeros((more, self._window), dtype=np.int64)])
        return row
