"""An ascending array of which the first `count` values are in use."""

from numba import njit

from virtuoso.indicators.state import Floats


@njit(cache=True)
def first_at_least(ordered: Floats, count: int, value: float) -> int:
    """How many of the first `count` values of an ascending array are below `value`."""
    start, left = 0, count
    while left > 0:
        half = (left + 1) >> 1
        # added, not branched on: which way a search turns cannot be predicted
        start += half if ordered[start + half - 1] < value else 0
        left -= half
    return start


@njit(cache=True)
def first_above(ordered: Floats, count: int, value: float) -> int:
    """How many of the first `count` values of an ascending array are not above `value`."""
    start, left = 0, count
    while left > 0:
        half = (left + 1) >> 1
        start += half if ordered[start + half - 1] <= value else 0
        left -= half
    return start


@njit(cache=True)
def turn_left(part: Floats, value: float) -> None:
    """Drop the first element, move the others down and put `value` last."""
    last = part.size - 1
    for i in range(last):
        part[i] = part[i + 1]
    part[last] = value


@njit(cache=True)
def turn_right(part: Floats, value: float) -> None:
    """Drop the last element, move the others up and put `value` first."""
    for i in range(part.size - 1, 0, -1):
        part[i] = part[i - 1]
    part[0] = value


@njit(cache=True)
def insert(ordered: Floats, count: int, value: float) -> None:
    """Put a value into the first `count` values of an ascending array."""
    turn_right(ordered[first_above(ordered, count, value) : count + 1], value)


@njit(cache=True)
def remove(ordered: Floats, count: int, value: float) -> None:
    """Take a value that is there out of the first `count` values of an ascending array."""
    turn_left(ordered[first_at_least(ordered, count, value) : count], 0.0)


@njit(cache=True)
def share_below(ordered: Floats, count: int, value: float) -> float:
    """Mid-rank F = (L + E/2)/n of `value` among the first `count` values, 0..1."""
    below = first_at_least(ordered, count, value)
    through = first_above(ordered, count, value)
    return 0.5 * (below + through) / count
