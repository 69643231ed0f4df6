"""No number leaves that is none: NaN and infinity are found before anything is encoded.

JSON has no word for them, and the encoder would write null without saying why.
"""

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import msgspec
import structlog

log = structlog.get_logger()

_SUSPECT: Final[Callable[[bytes], object]] = re.compile(
    rb"\xcb[\x7f\xff][\xf0-\xff]", re.DOTALL
).search
"""How a float without a finite value begins in msgpack; hardly anything else does."""

SHOWN: Final = 5


def is_suspect(packed: bytes) -> bool:
    """Whether a message in msgpack may hold a number that is not finite."""
    return _SUSPECT(packed) is not None


def without_nonfinite(message: msgspec.Struct) -> object:
    """The message in plain values: what is not finite is null, and its `reasons` say which."""
    found: list[str] = []
    plain = _cleaned(msgspec.to_builtins(message), "", found)
    if not found:
        return message
    report(type(message).__name__, found)
    if isinstance(plain, dict) and "reasons" in plain:
        few = ", ".join(found[:SHOWN]) + (", ..." if len(found) > SHOWN else "")
        plain["reasons"] = [*plain["reasons"], f"left out, because it is no number: {few}"]
        if plain.get("status") == "success":
            plain["status"] = "degraded"
    return plain


def report(kind: str, found: list[str]) -> None:
    """Say aloud that a number was none; tests put their own in the place of this, which fails."""
    log.error("number_not_finite", message=kind, fields=found[:SHOWN])


def _cleaned(value: Any, path: str, found: list[str]) -> Any:  # noqa: ANN401 (plain values)
    if isinstance(value, float):
        if isfinite(value):
            return value
        found.append(path)
        return None
    if isinstance(value, dict):
        return {
            key: _cleaned(each, f"{path}.{key}" if path else str(key), found)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(each, f"{path}[{at}]", found) for at, each in enumerate(value)]
    return value
