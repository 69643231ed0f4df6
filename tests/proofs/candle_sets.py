"""The recorded candles, market by market, with the longer timeframes that follow from them."""

import csv
import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import log
from pathlib import Path
from typing import Final

import numpy as np

from virtuoso.components.base.candle_component import CandleSettings
from virtuoso.domain.time import Timeframe
from virtuoso.market.candles import Bars

COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class CandleSet:
    """One folder of recorded candles of one length."""

    folder: str
    pattern: str
    minutes: int
    built: tuple[Timeframe, ...]
    """The timeframes that are built of them; empty where the candles are taken as they are."""

    @property
    def settings(self) -> CandleSettings:
        """The weights of the timeframes: the usual ones where candles are built.

        Candles taken as they are stand alone, in the place of the longest timeframe: no formula
        knows how long its candles are.
        """
        return CandleSettings() if self.built else CandleSettings(timeframes={Timeframe.H4: 1.0})

    def markets(self, recordings: Path) -> "Iterator[RecordedMarket]":
        """Give its markets, in the order of their names."""
        for path in sorted((recordings / "candles" / self.folder).glob(self.pattern)):
            yield RecordedMarket(self, path)


SETS: Final = (
    CandleSet("binance_usdm_1m", "*-1m-*.csv.gz", 1, (Timeframe.M1, Timeframe.M5, Timeframe.M30)),
    CandleSet("binance_usdm_5m", "*-5m.csv.gz", 5, (Timeframe.M5, Timeframe.M30, Timeframe.H4)),
    CandleSet("bybit_linear_5m", "*-5m.csv.gz", 5, (Timeframe.M5, Timeframe.M30, Timeframe.H4)),
    CandleSet(
        "bybit_linear_5m_older", "*-5m-*.csv.gz", 5, (Timeframe.M5, Timeframe.M30, Timeframe.H4)
    ),
    CandleSet("binance_usdm_15m", "*-15m.csv.gz", 15, (Timeframe.M30, Timeframe.H4)),
    CandleSet("binance_usdm_1h", "*-1h.csv.gz", 60, ()),
    CandleSet("binance_usdm_alts", "*-1h.csv.gz", 60, ()),
    CandleSet("binance_usdm_alts", "*-4h.csv.gz", 240, ()),
)


@dataclass(frozen=True)
class RecordedMarket:
    """The candles of one file."""

    candle_set: CandleSet
    path: Path

    @property
    def name(self) -> str:
        """Such as `bybit_linear_5m/BTCUSDT-5m`."""
        return f"{self.candle_set.folder}/{self.path.name.removesuffix('.csv.gz')}"

    @cached_property
    def whole(self) -> Mapping[Timeframe, Bars]:
        """Every timeframe of all that was recorded."""
        return self.first(None)

    def first(self, count: int | None) -> dict[Timeframe, Bars]:
        """Every timeframe of the first so many recorded candles."""
        recorded = read_bars(self.path, self.candle_set.minutes * 60_000, count)
        if not self.candle_set.built:
            return {Timeframe.H4: recorded}
        return {
            timeframe: longer(recorded, self.candle_set.minutes * 60_000, timeframe.ms)
            for timeframe in self.candle_set.built
        }


def read_bars(path: Path, length_ms: int, count: int | None = None) -> Bars:
    """Read the first `count` candles of a file, with the logs that `market.candles` takes."""
    numbers: list[float] = []
    closes: list[int] = []
    with gzip.open(path, "rt") as lines:
        rows = csv.reader(lines)
        head = next(rows)
        at, *prices, volume = (head.index(column) for column in COLUMNS)
        for row in rows:
            if len(closes) == count:
                break
            closes.append(int(row[at]) + length_ms)
            numbers += [log(float(row[price])) for price in prices]
            numbers.append(float(row[volume]))
    table = np.ascontiguousarray(np.array(numbers).reshape(-1, 5).T)
    return Bars(table, np.array(closes, dtype=np.int64))


def longer(bars: Bars, length_ms: int, wanted_ms: int) -> Bars:
    """Join candles into longer ones; those that are not whole are left out."""
    each = wanted_ms // length_ms
    if each == 1:
        return bars
    first = int(np.argmax((bars.close_time - length_ms) % wanted_ms == 0))
    count = (len(bars) - first) // each
    parts = bars.table[:, first : first + count * each].reshape(5, count, each)
    table = np.stack(
        [
            parts[0, :, 0],
            parts[1].max(axis=1),
            parts[2].min(axis=1),
            parts[3, :, -1],
            parts[4].sum(axis=1),
        ]
    )
    return Bars(table, bars.close_time[first + each - 1 : first + count * each : each].copy())
