"""What ended signals are worth: counts with their denominators, rates and means with intervals.

Rates have Wilson intervals on the effective number, means day-block bootstrap intervals; formulas
and limits: docs/signals.md. Pure: the same results give the same numbers, the drawing included.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from statistics import median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from virtuoso.domain.fees import NO_FEES, Fees, after_fees, fee_at
from virtuoso.domain.scores import Direction, Reason
from virtuoso.domain.signals import OPEN, STOP_RANGES, Outcome, SignalResult
from virtuoso.domain.time import DAY
from virtuoso.domain.words import Word

Z95: Final = 1.959963984540054
LEAST: Final = 30
LEAST_DAYS: Final = 10
"""Under either nothing but counts is said."""
MEASURED: Final = 300
MEASURED_DAYS: Final = 30
"""From both on, of effective signals and days, a rate is called measured."""
DRAWS: Final = 1_000
SEED: Final = 20_240_101
ALL: Final = "*"
"""Every symbol together."""


class Standing(Word):
    """How much a statistic rests on."""

    TOO_FEW = "too_few"
    EARLY = "early"
    """There is an interval, and it is wide."""
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its 95 % interval, or neither and why."""

    n: int
    """Signals it was counted over: the denominator."""
    value: float | None
    low: float | None
    high: float | None
    reason: Reason | None
    hits: int | None = None
    """Of a rate: the numerator."""
    n_eff: float | None = None
    """Of a rate: n after days on which signals ended alike are counted as less."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Signals of one symbol (or all), direction and horizon, of one method."""

    symbol: str
    direction: Direction
    horizon_ms: int
    method: str
    n: int
    """Signals that ended."""
    open: int
    """Signals that have not ended, and count nowhere else."""
    days: int
    """Distinct days (UTC) on which those that ended were opened."""
    outcomes: Mapping[Outcome, int]
    """Of n."""
    without_stop: int
    """Of n: nothing to measure them by."""
    lost: int
    """Of n: ended as `lost_data`, without a result."""
    first_target: Interval
    """How many reached the first target before the stop."""
    mean_r: Interval
    """Before any cost."""
    mean_r_after_fees: Interval
    """Of those whose venue's fee is known."""
    median_r: float | None
    best_excursion: float | None
    """Median, a log return."""
    worst_excursion: float | None
    standing: Standing


def record(results: Iterable[SignalResult], fees: Fees = NO_FEES) -> list[Cell]:
    """Count results by symbol, direction, horizon and method, and all symbols together.

    fees: by venue, what a taker pays each way.
    """
    groups: dict[tuple[str, Direction, int, str], list[SignalResult]] = {}
    for each in results:
        for symbol in (ALL, each.symbol):
            key = (symbol, each.direction, each.horizon_ms, each.method)
            groups.setdefault(key, []).append(each)
    return [_cell(key, group, fees) for key, group in sorted(groups.items())]


def _cell(key: tuple[str, Direction, int, str], group: Sequence[SignalResult], fees: Fees) -> Cell:
    over = [each for each in group if each.state not in OPEN]
    judged = [
        each for each in over if each.has_stop and each.outcome not in {None, Outcome.LOST_DATA}
    ]
    results = [(each.r, _day(each)) for each in judged if each.r is not None]
    after = [(_after_fees(each, fees), _day(each)) for each in judged]
    paid = [(r, day) for r, day in after if r is not None]
    days = {_day(each) for each in over}
    reached = [(each.targets_hit > 0, _day(each)) for each in judged]
    first = rate(reached)
    return Cell(
        *key,
        n=len(over),
        open=len(group) - len(over),
        days=len(days),
        outcomes=Counter(each.outcome for each in over if each.outcome is not None),
        without_stop=sum(not each.has_stop for each in over),
        lost=sum(each.outcome is Outcome.LOST_DATA for each in over),
        first_target=first,
        mean_r=mean([r for r, _ in results], [day for _, day in results]),
        mean_r_after_fees=_paid_mean(paid, len(results)),
        median_r=median([r for r, _ in results]) if _enough(results) else None,
        best_excursion=_median(each.best_excursion for each in judged),
        worst_excursion=_median(each.worst_excursion for each in judged),
        standing=_standing(first, len({day for _, day in reached})),
    )


def _after_fees(each: SignalResult, fees: Fees) -> float | None:
    risk = None if each.atr is None else STOP_RANGES * each.atr
    return after_fees(each.r, risk, fee_at(fees, each.venue))


def _paid_mean(paid: Sequence[tuple[float, int]], results: int) -> Interval:
    if results and not paid:
        return Interval(0, None, None, None, Reason.NO_FEED)
    return mean([r for r, _ in paid], [day for _, day in paid])


def _day(each: SignalResult) -> int:
    return each.opened_at // DAY


def _enough(found: Sequence[tuple[object, int]]) -> bool:
    return len(found) >= LEAST and len({day for _, day in found}) >= LEAST_DAYS


def _median(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return median(known) if len(known) >= LEAST else None


def _standing(first: Interval, days: int) -> Standing:
    if first.value is None or first.n_eff is None:
        return Standing.TOO_FEW
    if first.n_eff >= MEASURED and days >= MEASURED_DAYS:
        return Standing.MEASURED
    return Standing.EARLY


def rate(found: Sequence[tuple[bool, int]]) -> Interval:
    """Give the share of hits, by (hit, day), with its Wilson interval.

    n_eff = n / max(1, V / (p (1 - p) / n)), V the variance of the share over days as clusters:
    signals of one day that ended alike are less than so many.
    """
    n, hits = len(found), sum(hit for hit, _ in found)
    if not _enough(found):
        return Interval(n, None, None, None, Reason.TOO_FEW, hits)
    share = hits / n
    by_day: dict[int, float] = {}
    for hit, day in found:
        by_day[day] = by_day.get(day, 0.0) + (hit - share)
    spread = share * (1.0 - share) / n
    clustered = sum(each * each for each in by_day.values()) / (n * n)
    effect = max(1.0, clustered / spread) if spread > 0.0 else 1.0
    n_eff = n / effect
    low, high = wilson(share, n_eff)
    return Interval(n, share, low, high, None, hits, n_eff)


def wilson(share: float, n: float) -> tuple[float, float]:
    """Give the 95 % score interval of a share seen in n (Wilson, 1927)."""
    square = Z95 * Z95
    middle = (share + square / (2.0 * n)) / (1.0 + square / n)
    half = Z95 * sqrt(share * (1.0 - share) / n + square / (4.0 * n * n)) / (1.0 + square / n)
    # at no hits, or nothing but hits, the bound is the share itself
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def mean(values: Sequence[float], days: Sequence[int]) -> Interval:
    """Give the mean with the 2.5 and 97.5 percentiles of 1,000 draws of whole days."""
    n = len(values)
    distinct = sorted(set(days))
    if n < LEAST or len(distinct) < LEAST_DAYS:
        return Interval(n, None, None, None, Reason.TOO_FEW)
    place = {day: number for number, day in enumerate(distinct)}
    sums, counts = np.zeros(len(distinct)), np.zeros(len(distinct))
    for value, day in zip(values, days, strict=True):
        sums[place[day]] += value
        counts[place[day]] += 1.0
    drawn = _times_drawn(len(distinct))
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(n, float(sums.sum() / n), float(low), float(high), None)


@lru_cache(maxsize=4)
def _times_drawn(count: int) -> NDArray[np.float64]:
    """Give how often each of `count` days is in each draw, shape (DRAWS, count)."""
    rows = np.arange(DRAWS)[:, None] * count
    places = (draws(DRAWS, count) + rows).ravel()
    return np.bincount(places, minlength=DRAWS * count).astype(np.float64).reshape(DRAWS, count)


def draws(times: int, count: int) -> NDArray[np.int64]:
    """Give numbers below `count`, shape (times, count): SplitMix64 from a fixed seed."""
    with np.errstate(over="ignore"):
        step = np.uint64(0x9E3779B97F4A7C15)
        state = np.uint64(SEED) + step * np.arange(1, times * count + 1, dtype=np.uint64)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state % np.uint64(count)).astype(np.int64).reshape(times, count)
