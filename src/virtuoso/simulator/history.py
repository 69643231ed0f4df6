"""The past of every symbol, up to the minute in which the venue starts.

The far past is made in long steps and the near past in short ones; every longer candle is merged
from the shorter ones, so that all timeframes agree where they overlap. 166 days of single
minutes would take a hundred times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from virtuoso.simulator.candles import (
    CLOSE,
    HIGH,
    HOUR,
    KEPT,
    LOW,
    MINUTE,
    OPEN,
    TURNOVER,
    VOLUME,
    Candles,
    CandleSeries,
    merged,
)
from virtuoso.simulator.factors import Factors, Floats, Integers, Past
from virtuoso.simulator.listings import Listing

_MINUTES = 3_060
_FIVES = 5_460
_HOURS = 3_600
"""Steps of 1, 5 and 60 minutes: 2 days, then 19, then 150, together 1,026 candles of 4 hours."""
_KEEP: Final[Mapping[int, int]] = {
    MINUTE: 3_000,
    5 * MINUTE: 1_600,
    30 * MINUTE: 1_600,
    4 * HOUR: 1_100,
}
FIVE_MINUTES = 5 * MINUTE


@dataclass(frozen=True, slots=True)
class Histories:
    """What is known when the venue starts. Arrays have one column a symbol."""

    trades: Candles
    mark: Candles
    index: Candles
    log_price: Floats
    """ln of the fair price at the start, in USDT."""
    ends: Integers
    """When each step of the past ended, oldest first."""
    premium: Floats
    """ln(perpetual / index) at those times."""
    five_minute_times: Integers
    """Times of the two series that follow, 5 minutes apart."""
    interest: Floats
    """ln(open interest / usual)."""
    accounts: Floats
    """ln(long share / short share), beside its usual value."""


def build(
    listings: tuple[Listing, ...], factors: Factors, start_ms: int, generator: np.random.Generator
) -> Histories:
    """Make the past of all symbols up to the minute that `start_ms` falls into."""
    ends, lengths = _steps(start_ms // MINUTE * MINUTE)
    past = factors.past(ends, lengths / MINUTE)
    now_log_price = np.log([listing.price for listing in listings])
    now_log_price = now_log_price + 0.02 * generator.standard_normal(len(listings))
    path = np.cumsum(past.returns, axis=0)
    path = path - path[-1] + now_log_price
    units = np.array([listing.tick for listing in listings])
    finest = np.array([10.0**-listing.price_scale for listing in listings])
    uniforms = generator.random((2, *path.shape))
    trade_rows = _price_rows(path, past.noise, uniforms, units)
    _add_volumes(trade_rows, path, past, lengths, listings, generator)
    index_path = path - past.premium
    mark_path = index_path + past.basis
    five = ends % FIVE_MINUTES == 0
    five &= lengths <= FIVE_MINUTES

    def candles(rows: Integers) -> Candles:
        return _candles(ends - lengths, lengths, rows)

    return Histories(
        trades=candles(trade_rows),
        mark=candles(_price_rows(mark_path, past.noise, uniforms, finest)),
        index=candles(_price_rows(index_path, past.noise, uniforms, finest)),
        log_price=path[-1],
        ends=ends,
        premium=past.premium,
        five_minute_times=ends[five],
        interest=past.interest[five],
        accounts=past.accounts[five],
    )


def _steps(until: int) -> tuple[Integers, Integers]:
    """Lay the steps out so that each zone begins where the next longer candle does."""
    minutes_from = (until - _MINUTES * MINUTE) // KEPT[2] * KEPT[2]
    fives_from = (minutes_from - _FIVES * KEPT[1]) // KEPT[3] * KEPT[3]
    hours_from = fives_from - _HOURS * HOUR
    starts = np.concatenate(
        [
            np.arange(hours_from, fives_from, HOUR),
            np.arange(fives_from, minutes_from, KEPT[1]),
            np.arange(minutes_from, until, MINUTE),
        ]
    )
    ends = np.append(starts[1:], until)
    return ends, ends - starts


def _price_rows(path: Floats, noise: Floats, uniforms: Floats, units: Floats) -> Integers:
    """Turn closing prices into candles, with the extremes of a random walk between two closes."""
    closes = path
    opens = np.vstack([path[:1], path[:-1]])
    spread = (closes - opens) ** 2
    # the law of the maximum of a Brownian bridge: P(max > m) = exp(-2 (m - o)(m - c) / variance)
    swing = [np.sqrt(spread - 2.0 * noise**2 * np.log1p(-uniform)) for uniform in uniforms]
    highs = (opens + closes + swing[0]) / 2
    lows = (opens + closes - swing[1]) / 2
    rows = np.zeros((*path.shape, 6), dtype=np.int64)
    close_units = np.maximum(np.rint(np.exp(closes) / units), 1)
    rows[..., CLOSE] = close_units
    rows[1:, :, OPEN] = close_units[:-1]
    rows[0, :, OPEN] = close_units[0]
    ends = rows[..., (OPEN, CLOSE)]
    rows[..., HIGH] = np.maximum(np.rint(np.exp(highs) / units), ends.max(axis=-1))
    rows[..., LOW] = np.maximum(np.minimum(np.rint(np.exp(lows) / units), ends.min(axis=-1)), 1)
    return rows


def _add_volumes(
    rows: Integers,
    path: Floats,
    past: Past,
    lengths: Integers,
    listings: tuple[Listing, ...],
    generator: np.random.Generator,
) -> None:
    """Fill in volume and turnover; the average price lies between low and high."""
    step = np.array([listing.step for listing in listings])
    a_minute = np.array([listing.daily_turnover / 1_440 for listing in listings])
    wanted = a_minute * (lengths / MINUTE)[:, None] * past.activity
    wanted *= np.exp(0.25 * generator.standard_normal(path.shape) - 0.25**2 / 2)
    steps = np.maximum(np.rint(wanted / (np.exp(path) * step)), 1).astype(np.int64)
    low, high = rows[..., LOW], rows[..., HIGH]
    middle = (rows[..., OPEN] + rows[..., CLOSE]) / 2
    average = middle + 0.1 * (high - low) * generator.standard_normal(path.shape)
    average = np.clip(average, low, high)
    money = np.rint(steps * average).astype(np.int64)
    rows[..., VOLUME] = steps
    rows[..., TURNOVER] = np.clip(money, steps * low, steps * high)


def _candles(starts: Integers, lengths: Integers, rows: Integers) -> Candles:
    series = []
    for length in KEPT:
        openings = starts // length * length
        fine = (lengths <= length) & (openings >= openings[-1] - _KEEP[length] * length)
        openings = openings[fine]
        firsts = np.flatnonzero(np.diff(openings, prepend=openings[0] - 1))
        # the newest candle of this length is still forming unless it ends with the last step
        whole = openings[firsts] + length <= starts[-1] + lengths[-1]
        closed = merged(rows[fine], firsts)[whole]
        series.append(CandleSeries(length, openings[firsts][whole], closed, _KEEP[length]))
    return Candles(tuple(series), int(starts[-1] + lengths[-1]))
