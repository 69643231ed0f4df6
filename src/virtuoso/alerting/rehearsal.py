"""A rule over what was recorded: how often it would have fired, and what followed."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from statistics import median
from typing import Final, TypeAlias

from virtuoso.alerting.conditions import comparisons
from virtuoso.alerting.numbers import NUMBERS, Readings
from virtuoso.alerting.rules import Rule
from virtuoso.alerting.watch import Firing, Watch
from virtuoso.domain.errors import RuleError
from virtuoso.domain.time import HOUR, MINUTE, Millis

HORIZONS: Final = (Millis(5 * MINUTE), Millis(HOUR), Millis(4 * HOUR))
PRICE: Final = "price"
LATEST: Final = Millis(2 * MINUTE)
"""A price so much after the horizon still counts as the price at its end."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The numbers of one recorded instant."""

    at: Millis
    shared: Readings
    symbols: Mapping[str, Readings]


@dataclass(frozen=True, slots=True)
class Followed:
    """What the price did over one horizon after the firings, and after every moment."""

    horizon_ms: Millis
    n: int
    """Firings with a price then and a price at the end of the horizon."""
    up: int
    """Of these, after how many the price was higher."""
    median: float | None
    """Median log return after a firing; None without one."""
    base_n: int
    """All moments of the symbols that were looked at, for comparison."""
    base_up: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rule would have done. `begin` and `end` are None when nothing was recorded."""

    begin: Millis | None
    end: Millis | None
    moments: int
    firings: tuple[Firing, ...]
    followed: tuple[Followed, ...]
    moves: tuple[tuple[float | None, ...], ...]
    """Log return after each firing, over each horizon; None where no price is known."""
    prices: tuple[float | None, ...]
    """The price at each firing."""


def rehearse(
    rule: Rule, moments: Iterable[Moment], horizons: Sequence[Millis] = HORIZONS
) -> Rehearsal:
    """Hold a rule against recorded moments, oldest first.

    The very watch that runs live looks at them, so a wait or a cooldown shorter than their
    distance is as long as that distance. Raises RuleError for a number that is not recorded.
    """
    missing = sorted(
        {each.number for each in comparisons(rule.when) if not NUMBERS[each.number].recorded}
    )
    if missing:
        message = f"rule {rule.id} cannot be rehearsed: {missing[0]} is not kept in history"
        raise RuleError(message, "when")
    watch = Watch([replace(rule, enabled=True)])
    firings: list[Firing] = []
    prices: dict[str, tuple[list[Millis], list[float]]] = {}
    begin = end = None
    count = 0
    for moment in moments:
        begin = moment.at if begin is None else begin
        end = moment.at
        count += 1
        found = watch.look(moment.at, moment.shared, moment.symbols)
        firings.extend(each for each in found if isinstance(each, Firing))
        for symbol in rule.symbols or moment.symbols:
            price = moment.symbols.get(symbol, {}).get(PRICE)
            if isinstance(price, float) and price > 0.0:
                times, values = prices.setdefault(symbol, ([], []))
                times.append(moment.at)
                values.append(price)
    followed = tuple(_followed(firings, prices, horizon) for horizon in horizons)
    moves = tuple(
        tuple(_after(prices, firing, horizon) for horizon in horizons) for firing in firings
    )
    known = tuple(_price_at(prices, firing) for firing in firings)
    return Rehearsal(begin, end, count, tuple(firings), followed, moves, known)


Prices: TypeAlias = Mapping[str, tuple[list[Millis], list[float]]]


def _after(prices: Prices, firing: Firing, horizon: Millis) -> float | None:
    if firing.subject not in prices:
        return None
    return _move(*prices[firing.subject], firing.at, horizon)


def _price_at(prices: Prices, firing: Firing) -> float | None:
    times, values = prices.get(firing.subject, ([], []))
    place = bisect_left(times, firing.at)
    return values[place] if place < len(times) and times[place] == firing.at else None


def _followed(
    firings: Sequence[Firing],
    prices: Prices,
    horizon: Millis,
) -> Followed:
    after = [move for firing in firings if (move := _after(prices, firing, horizon)) is not None]
    base = [
        move
        for times, values in prices.values()
        for at in times
        if (move := _move(times, values, at, horizon)) is not None
    ]
    return Followed(
        horizon_ms=horizon,
        n=len(after),
        up=sum(move > 0.0 for move in after),
        median=median(after) if after else None,
        base_n=len(base),
        base_up=sum(move > 0.0 for move in base),
    )


def _move(times: list[Millis], values: list[float], at: Millis, horizon: Millis) -> float | None:
    """Log return from the price at `at` to the first one at the end of the horizon."""
    start = bisect_left(times, at)
    stop = bisect_left(times, at + horizon)
    if start == len(times) or stop == len(times) or times[start] - at > LATEST:
        return None
    if times[stop] - at - horizon > LATEST:
        return None
    return log(values[stop] / values[start])
