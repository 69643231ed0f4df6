"""The numbers that a frame may hold, for msgspec in its lax mode.

A lax decoder reads "NaN" and "Infinity" as floats; the bounds refuse them, as they do negatives.
"""

from typing import Annotated, TypeAlias

import msgspec

from virtuoso.domain.time import Millis

Price: TypeAlias = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
Quantity: TypeAlias = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Time: TypeAlias = Annotated[Millis, msgspec.Meta(ge=0, lt=10_000_000_000_000)]
"""Milliseconds UTC, up to the year 2286."""
Sequence: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Level: TypeAlias = tuple[Price, Quantity]


def optional_number(text: str) -> float | None:
    """Read a field that may be empty: None means that the venue has no value.

    Raises ValueError when it is not a number. NaN and infinity pass: the door refuses the field.
    """
    return float(text) if text else None
