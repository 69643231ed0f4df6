"""Numbers as the venue writes them: integers of a small unit, printed as decimal text."""

from decimal import Decimal
from functools import lru_cache

_KEPT_TEXTS = 65_536
"""Best prices and round sizes are written again and again."""


@lru_cache(maxsize=_KEPT_TEXTS)
def padded(units: int, scale: int) -> str:
    """Write `units * 10**-scale` with exactly `scale` decimals: `padded(150, 3)` is "0.150"."""
    if scale == 0:
        return str(units)
    if units < 0:
        return "-" + padded(-units, scale)
    whole, part = divmod(units, 10**scale)
    return f"{whole}.{part:0{scale}d}"


def trimmed(units: int, scale: int) -> str:
    """Write `units * 10**-scale` without closing zeros: `trimmed(150, 3)` is "0.15"."""
    text = padded(units, scale)
    return text.rstrip("0").rstrip(".") if scale else text


def rescaled(units: int, scale: int, to: int) -> int:
    """Turn units of `10**-scale` into units of `10**-to`, rounded half up."""
    if to >= scale:
        return units * int(10 ** (to - scale))
    divisor = int(10 ** (scale - to))
    return (units + divisor // 2) // divisor


def parsed(text: str) -> tuple[int, int]:
    """Read decimal text as (units, scale): `parsed("0.10")` is (10, 2)."""
    sign, digits, exponent = Decimal(text).as_tuple()
    if sign or not isinstance(exponent, int) or exponent > 0:
        message = f"expected a decimal number like 0.10, found {text!r}"
        raise ValueError(message)
    return int("".join(map(str, digits))), -exponent
