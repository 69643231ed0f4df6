"""Rows of polled series: in order, each stamp once, and only those that can be true."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from virtuoso.domain.market_data import FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import HOUR, SECOND, Millis

_OFF_GRID_MS: Final = 2 * SECOND
_LARGEST_RATE: Final = 0.05
_SHARES_OFF: Final = 0.001


def to_funding(rows: Iterable[tuple[int, float]]) -> list[FundingRate]:
    """Settled rates by time. The interval is the time since the settlement before, in hours.

    Stamps jitter by some milliseconds, intervals change: never join on equality.
    """
    settled = sorted({at: rate for at, rate in rows if abs(rate) <= _LARGEST_RATE}.items())
    hours: list[float | None] = [None]
    for (before, _), (at, _) in pairwise(settled):
        length = round((at - before) / HOUR)
        hours.append(float(length) if 1 <= length <= 8 else None)
    return [
        FundingRate(Millis(at), rate, interval)
        for (at, rate), interval in zip(settled, hours, strict=False)
    ]


def to_open_interest(rows: Iterable[tuple[int, float]], step: int = HOUR) -> list[OpenInterest]:
    """Rows by time, `step` ms apart."""
    kept = {at: contracts for at, contracts in rows if _is_on_grid(at, step)}
    return [OpenInterest(Millis(at), contracts) for at, contracts in sorted(kept.items())]


def to_ratios(rows: Iterable[tuple[int, float, float]], step: int = HOUR) -> list[LongShortRatio]:
    """Rows by time, `step` ms apart; shares that do not add up to one are left out."""
    kept = {
        at: (long, short)
        for at, long, short in rows
        if _is_on_grid(at, step) and abs(long + short - 1) <= _SHARES_OFF
    }
    return [LongShortRatio(Millis(at), *shares) for at, shares in sorted(kept.items())]


def _is_on_grid(at: int, step: int) -> bool:
    past = at % step
    return min(past, step - past) <= _OFF_GRID_MS
