"""Candles for tests: drawn at random, read from recordings, turned upside down."""

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from virtuoso.domain.instruments import Instrument, Symbol, Venue
from virtuoso.domain.market_data import Candle
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.candles import Bars
from virtuoso.market.market import Market

MIDNIGHT = 1_700_006_400_000
"""2023-11-15 00:00 UTC: a multiple of every timeframe."""


def random_candles(
    seed: int, count: int, timeframe: Timeframe = Timeframe.M5, start: int = MIDNIGHT
) -> list[Candle]:
    """Draw a walk with fat tails, ticks of 0.5 and now and then a candle without a trade."""
    draw = np.random.default_rng(seed)
    close = np.exp(np.cumsum(draw.standard_t(3, count) * 1e-3))
    opening = np.concatenate(([1.0], close[:-1]))
    high = np.maximum(opening, close) * (1.0 + draw.exponential(5e-4, count))
    low = np.minimum(opening, close) * (1.0 - draw.exponential(5e-4, count))
    volume = draw.lognormal(3.0, 1.0, count).round(3)
    quiet = draw.random(count) < 0.02
    candles = []
    last = 20_000.0
    for i in range(count):
        o, h, v, c = (
            round(20_000.0 * float(each[i]) * 2) / 2 for each in (opening, high, low, close)
        )
        if quiet[i]:
            o = h = v = c = last
        candles.append(
            Candle(
                timeframe,
                Millis(start + i * timeframe.ms),
                open=o,
                high=max(o, h, v, c),
                low=min(o, h, v, c),
                close=c,
                volume=0.0 if quiet[i] else float(volume[i]),
            )
        )
        last = c
    return candles


def read_candles(path: Path, timeframe: Timeframe, count: int | None = None) -> list[Candle]:
    """Read the first `count` candles of a recorded csv.gz file."""
    with gzip.open(path, "rt") as lines:
        return [
            Candle(
                timeframe,
                Millis(int(row["ts"])),
                open=float(row["open"]),
                high=float(row["high"]),
                low=float(row["low"]),
                close=float(row["close"]),
                volume=float(row["volume"]),
            )
            for row in islice(csv.DictReader(lines), count)
        ]


def scaled(candles: Iterable[Candle], price: float, quantity: float) -> list[Candle]:
    """The same candles in other units."""
    return [
        replace(
            each,
            open=each.open * price,
            high=each.high * price,
            low=each.low * price,
            close=each.close * price,
            volume=each.volume * quantity,
        )
        for each in candles
    ]


def market_of(histories: Mapping[Timeframe, Sequence[Candle]]) -> Market:
    """A market that holds these closed candles and nothing else."""
    market = Market(Instrument(Venue("bybit"), Symbol("BTCUSDT")))
    for timeframe, candles in histories.items():
        market.candles.replace(timeframe, candles)
    return market


def mirrored(bars: Bars) -> Bars:
    """The same candles with every log price negated."""
    table = np.stack([-bars.open, -bars.low, -bars.high, -bars.close, bars.volume])
    return Bars(table, bars.close_time)
