"""What is checked of a decoded frame before the library sees it.

The library takes NaN, negative quantities and skipped updates into its books without a word.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from virtuoso.adapters.feed.unreadable import UnreadableFrameError

_DEEPEST: Final = 6
_SIDES: Final = frozenset({"b", "a", "bids", "asks"})
_PRICE_KEYS: Final = ("p", "price", "px")
_QUANTITY_KEYS: Final = ("s", "q", "size", "qty", "amount", "quantity", "sz")


def check_frame(frame: object) -> None:
    """Refuse a frame with a number that no market has. Raises UnreadableFrameError.

    A book is recognised by its sides: lists under `b`, `a`, `bids` or `asks`, of rows that begin
    with price and quantity or name them. Other numbers must be finite; what they mean is judged
    when they were mapped.
    """
    _check(frame, 0)


def _check(part: object, depth: int) -> None:
    if isinstance(part, float):
        if not math.isfinite(part):
            _refuse("a finite number", part)
    elif isinstance(part, dict):
        _go_deeper(depth)
        for key, inner in part.items():
            if key in _SIDES and isinstance(inner, list):
                for level in inner:
                    _check_level(level)
            else:
                _check(inner, depth + 1)
    elif isinstance(part, list):
        _go_deeper(depth)
        for inner in part:
            _check(inner, depth + 1)


def _go_deeper(depth: int) -> None:
    if depth > _DEEPEST:
        msg = f"expected a frame of at most {_DEEPEST} levels, found deep nesting"
        raise UnreadableFrameError(msg)


def _check_level(level: object) -> None:
    """Look at one row of a book."""
    if isinstance(level, list):
        if len(level) < 2:
            _refuse("a price and a quantity", level)
        price, quantity = level[0], level[1]
    elif isinstance(level, dict):
        price = _first_of(level, _PRICE_KEYS)
        quantity = _first_of(level, _QUANTITY_KEYS)
        if price is None or quantity is None:
            return  # words we do not know: the book is judged whole, at the door
    else:
        _refuse("a row of a book", level)
    if not _number(price) > 0:
        _refuse("a price above 0", price)
    if not _number(quantity) >= 0:
        _refuse("a quantity of 0 or more", quantity)


def _first_of(level: Mapping[str, object], keys: tuple[str, ...]) -> object | None:
    return next((level[key] for key in keys if key in level), None)


def _number(value: object) -> float:
    """Read a number; NaN, which passes no comparison, when it is none or not finite."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return math.nan
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan


def _refuse(expected: str, found: object) -> None:
    msg = f"expected {expected}, found {str(found)[:40]!r}"
    raise UnreadableFrameError(msg)


class Continuity(StrEnum):
    """What a frame does to a book."""

    NONE = "none"
    """It is no book frame, or it follows the one before."""
    EARLY = "early"
    """A change before anything it could change: to be left out."""
    BROKEN = "broken"
    """Updates were lost: the book cannot be trusted any more."""


class SequenceRule(Protocol):
    """A venue's own rule for which update follows which; one for each connection."""

    def judge(self, frame: object) -> Continuity:
        """See whether a frame follows what was seen before."""
        ...


class BybitSequence:
    """`u` rises by one from the snapshot on; whatever has a topic has data.

    The library takes a push without data for a sign that nothing changed.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def judge(self, frame: object) -> Continuity:
        """See whether a frame follows what was seen before."""
        topic = frame.get("topic") if isinstance(frame, dict) else None
        if not isinstance(frame, dict) or not isinstance(topic, str):
            return Continuity.NONE
        data: Any = frame.get("data")
        if not isinstance(data, (dict, list)):
            _refuse("data under a topic", data)
        if not topic.startswith("orderbook."):
            return Continuity.NONE
        update = int(data["u"])
        if frame.get("type") == "snapshot":
            self._last[topic] = update
            return Continuity.NONE
        last = self._last.get(topic)
        if last is None:
            return Continuity.EARLY
        if update != last + 1:
            del self._last[topic]
            return Continuity.BROKEN
        self._last[topic] = update
        return Continuity.NONE


class BinanceSequence:
    """Each event names in `pu` the last update of the event before it.

    The library begins a book with a REST snapshot and checks that bridge itself.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def judge(self, frame: object) -> Continuity:
        """See whether a frame follows what was seen before."""
        event: Any = frame.get("data", frame) if isinstance(frame, dict) else None
        if not isinstance(event, dict) or event.get("e") != "depthUpdate":
            return Continuity.NONE
        symbol, last = str(event["s"]), self._last.get(str(event["s"]))
        self._last[symbol] = int(event["u"])
        if last is not None and int(event["pu"]) != last:
            del self._last[symbol]
            return Continuity.BROKEN
        return Continuity.NONE
