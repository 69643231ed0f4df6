"""The past of every symbol, up to the moment in which the venue starts.

The far past is made in long steps and the near past in short ones; every longer candle is merged
from the shorter ones, so that all timeframes agree where they overlap. 166 days of single
minutes would take a hundred times as long.

Of all symbols only the last day or so is written down at once, for the tickers; what came before
is written when somebody asks for it, always the same.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias

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
    PastRows,
    merged,
)
from virtuoso.simulator.factors import Factors, Floats, Integers, Past, SmallFloats
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
_AT_ONCE_MINUTES = 1_500
"""Written at the start, of all symbols: more than the day that tickers look back."""
_KEPT_PASTS = 48
"""Symbols whose whole past is kept once written, for each kind of candle."""
FIVE_MINUTES = 5 * MINUTE
MARK_FOLLOWS = 0.5
"""The part of a venue's own basis that is in its mark price."""
TRADES_AN_ORDER = 2.5
"""How many makers a taker usually meets."""
_NORMALS = 3

Kind: TypeAlias = Literal["trades", "mark", "index"]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened before the start, before any venue wrote it down. Rows are steps."""

    ends: Integers
    lengths: Integers
    """Milliseconds. The last step may be a part of a minute."""
    past: Past
    path: Floats
    """ln of the fair price at the end of each step, in USDT."""
    seeds: tuple[np.random.SeedSequence, ...]
    """One for each symbol: of how far its price went up and down within each step."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How one venue differs from the story."""

    shift: Floats
    """ln(its contract / the story's): not 0 where a contract is on another number of coins."""
    basis: SmallFloats
    """ln of its price against the fair one, shape (steps, symbols)."""
    scale: int
    """Decimals of its mark and index prices."""


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
    premium: SmallFloats
    """ln(perpetual / index) at those times."""
    five_minute_times: Integers
    """Times of the two series that follow, 5 minutes apart."""
    interest: SmallFloats
    """ln(open interest / usual)."""
    accounts: SmallFloats
    """ln(long share / short share), beside its usual value."""


def tell(
    listings: tuple[Listing, ...],
    factors: Factors,
    start_ms: int,
    generator: np.random.Generator,
    unseen_ms: int = MINUTE,
) -> Story:
    """Make the past of all symbols up to the minute that `start_ms` falls into.

    Up to `unseen_ms` before the start if that is less: the story then ends within the minute.
    """
    ends, lengths = _steps(start_ms // MINUTE * MINUTE)
    rest = (start_ms - unseen_ms) // 1_000 * 1_000 - int(ends[-1])
    if rest > 0:
        ends, lengths = np.append(ends, ends[-1] + rest), np.append(lengths, rest)
    past = factors.past(ends, lengths / MINUTE)
    now_log_price = np.log([listing.price for listing in listings])
    now_log_price = now_log_price + 0.02 * generator.standard_normal(len(listings))
    path = np.cumsum(past.returns, axis=0, dtype=np.float64)
    path += now_log_price - path[-1]
    seeds = np.random.SeedSequence(generator.integers(2**63)).spawn(len(listings))
    return Story(ends, lengths, past, path, tuple(seeds))


def build(
    story: Story,
    listings: tuple[Listing, ...],
    generator: np.random.Generator,
    deviation: Deviation | None = None,
) -> Histories:
    """Write the past down as one venue did.

    With a deviation, candles of trades have the columns COUNT, TAKER_VOLUME and TAKER_TURNOVER.
    """
    ends, lengths, past = story.ends, story.lengths, story.past
    seeds = np.random.SeedSequence(generator.integers(2**63)).spawn(len(listings))
    writer = _Writer(story, listings, deviation, tuple(seeds))
    five = (ends % FIVE_MINUTES == 0) & (lengths <= FIVE_MINUTES)
    shift = 0.0 if deviation is None else deviation.shift + deviation.basis[-1]
    return Histories(
        trades=writer.candles("trades"),
        mark=writer.candles("mark"),
        index=writer.candles("index"),
        log_price=story.path[-1] + shift,
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


class _Writer:
    """Writes the candles of one venue: any symbols, any last part of the past, always the same."""

    def __init__(
        self,
        story: Story,
        listings: tuple[Listing, ...],
        deviation: Deviation | None,
        seeds: tuple[np.random.SeedSequence, ...],
    ) -> None:
        self._story = story
        self._listings = listings
        self._deviation = deviation
        self._seeds = seeds
        self._starts = story.ends - story.lengths
        # one step more than is written, whose close is the first opening
        newest_minute = int(story.ends[-1]) // MINUTE * MINUTE
        tail_from = (newest_minute - _AT_ONCE_MINUTES * MINUTE) // KEPT[3] * KEPT[3]
        self._tail = len(self._starts) - int(np.searchsorted(self._starts, tail_from))

    def candles(self, kind: Kind) -> Candles:
        """Write the last part of all symbols, and leave the rest for later."""
        rows = self._rows(kind, range(len(self._listings)), self._tail)
        story, tail = self._story, slice(-self._tail, None)
        series = _series(self._starts[tail], story.lengths[tail], rows)
        last = int(story.ends[-1])
        oldest = {length: int(each.starts[0]) for length, each in zip(KEPT, series, strict=True)}
        forming = rows[-1] if last % MINUTE else None
        return Candles(series, last, forming, self._past(kind, oldest))

    def _past(self, kind: Kind, oldest: Mapping[int, int]) -> Callable[[int], PastRows]:
        """Return a function that writes what came before of one symbol: by length of candle."""

        @lru_cache(maxsize=_KEPT_PASTS)
        def write(symbol: int) -> PastRows:
            rows = self._rows(kind, (symbol,), len(self._starts))
            series = _series(self._starts, self._story.lengths, rows)
            result = {}
            for each in series:
                before = each.starts < oldest[each.length]
                result[each.length] = (each.starts[before], each.rows[before, 0])
            return result

        return write

    def _rows(self, kind: Kind, symbols: Sequence[int], last: int) -> Integers:
        """Write the last steps of some symbols: shape (last, symbols, 6 or 9)."""
        story, deviation = self._story, self._deviation
        columns, part = list(symbols), slice(-last, None)
        # one step more, for the opening of the first
        wider = slice(-last - 1, None)
        path = story.path[wider][:, columns]
        listings = [self._listings[symbol] for symbol in columns]
        units = np.array([listing.tick for listing in listings])
        if kind != "trades":
            path = path - story.past.premium[wider][:, columns]
            if kind == "mark":
                path = path + story.past.basis[wider][:, columns]
            units = np.array([10.0**-listing.price_scale for listing in listings])
        if deviation is not None:
            basis = deviation.basis[wider][:, columns]
            follows = {"trades": 1.0, "mark": MARK_FOLLOWS, "index": 0.0}[kind]
            path = path + deviation.shift[columns] + follows * basis
            if kind != "trades":
                units = np.full(len(columns), 10.0**-deviation.scale)
        if len(path) == last:
            path = np.vstack([path[:1], path])
        noise = story.past.noise[part][:, columns].astype(np.float64)
        uniforms = _drawn([story.seeds[symbol] for symbol in columns], last, 2, normal=False)
        rows = _price_rows(path, noise, uniforms, units)
        if kind == "trades":
            normals = _drawn([self._seeds[symbol] for symbol in columns], last, _NORMALS)
            activity = story.past.activity[part][:, columns].astype(np.float64)
            lengths = story.lengths[part]
            _add_volumes(rows, path[1:], activity, lengths, listings, normals)
            if deviation is not None:
                push = (path[1:] - path[:-1]) / np.maximum(noise, 1e-12)
                rows = _with_takers(rows, push, listings, normals[2])
        return rows


def _drawn(
    seeds: Sequence[np.random.SeedSequence], last: int, kinds: int, *, normal: bool = True
) -> Floats:
    """Draw for the last steps: shape (kinds, last, symbols); more steps change none of them."""
    result = np.empty((kinds, last, len(seeds)))
    for column, seed in enumerate(seeds):
        generator = np.random.Generator(np.random.PCG64(seed))
        shape = (last, kinds)
        drawn = generator.standard_normal(shape) if normal else generator.random(shape)
        # from the newest step backwards
        result[:, :, column] = drawn[::-1].T
    return result


def _price_rows(path: Floats, noise: Floats, uniforms: Floats, units: Floats) -> Integers:
    """Turn closing prices into candles, with the extremes of a random walk between two closes."""
    opens, closes = path[:-1], path[1:]
    spread = (closes - opens) ** 2
    # the law of the maximum of a Brownian bridge: P(max > m) = exp(-2 (m - o)(m - c) / variance)
    swing = [np.sqrt(spread - 2.0 * noise**2 * np.log1p(-uniform)) for uniform in uniforms]
    highs = (opens + closes + swing[0]) / 2
    lows = (opens + closes - swing[1]) / 2
    rows = np.zeros((*closes.shape, 6), dtype=np.int64)
    prices = np.maximum(np.rint(np.exp(path) / units), 1)
    rows[..., CLOSE] = prices[1:]
    rows[..., OPEN] = prices[:-1]
    ends = rows[..., (OPEN, CLOSE)]
    rows[..., HIGH] = np.maximum(np.rint(np.exp(highs) / units), ends.max(axis=-1))
    rows[..., LOW] = np.maximum(np.minimum(np.rint(np.exp(lows) / units), ends.min(axis=-1)), 1)
    return rows


def _add_volumes(
    rows: Integers,
    path: Floats,
    activity: Floats,
    lengths: Integers,
    listings: Sequence[Listing],
    normals: Floats,
) -> None:
    """Fill in volume and turnover; the average price lies between low and high."""
    step = np.array([listing.step for listing in listings])
    a_minute = np.array([listing.daily_turnover / 1_440 for listing in listings])
    wanted = a_minute * (lengths / MINUTE)[:, None] * activity
    wanted *= np.exp(0.25 * normals[0] - 0.25**2 / 2)
    steps = np.maximum(np.rint(wanted / (np.exp(path) * step)), 1).astype(np.int64)
    low, high = rows[..., LOW], rows[..., HIGH]
    middle = (rows[..., OPEN] + rows[..., CLOSE]) / 2
    average = middle + 0.1 * (high - low) * normals[1]
    average = np.clip(average, low, high)
    money = np.rint(steps * average).astype(np.int64)
    rows[..., VOLUME] = steps
    rows[..., TURNOVER] = np.clip(money, steps * low, steps * high)


def _with_takers(
    rows: Integers, push: Floats, listings: Sequence[Listing], normals: Floats
) -> Integers:
    """Add how many trades there were, and what takers bought: more while the price rose."""
    volume, turnover = rows[..., VOLUME], rows[..., TURNOVER]
    share = np.clip(0.5 + 0.1 * np.tanh(push) + 0.05 * normals, 0.05, 0.95)
    usual = np.array([each.daily_turnover / 86_400 / each.orders_per_second for each in listings])
    usual = usual / np.array([each.tick * each.step for each in listings])
    bought = np.rint(volume * share).astype(np.int64)
    paid = bought * (turnover / np.maximum(volume, 1))
    taken = np.zeros((*volume.shape, 3), dtype=np.int64)
    taken[..., 0] = np.clip(np.rint(turnover / usual * TRADES_AN_ORDER), 1, volume)
    taken[..., 1] = bought
    taken[..., 2] = np.minimum(np.rint(paid).astype(np.int64), turnover)
    return np.concatenate([rows, taken], axis=-1)


def _series(starts: Integers, lengths: Integers, rows: Integers) -> tuple[CandleSeries, ...]:
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
    return tuple(series)
