"""What people changed: versions of the settings, and a chain of everything that was done."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from virtuoso.domain.time import Millis

FIRST_LINK = "0" * 64
"""What the first entry is chained to."""


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """One version of the settings, as a whole."""

    number: int
    """From 1 on, without a hole."""
    at: Millis
    by: str
    text: str
    """TOML, complete and without a secret."""
    comment: str = ""
    undoes: int | None = None
    """The version that it goes back from."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something somebody did, before it stands in the chain."""

    at: Millis
    who: str
    action: str
    """Such as `settings.change`, `alert.acknowledge`, `login`."""
    target: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ChainedDeed:
    """A deed with its place in the chain: whoever changes one must change all after it."""

    number: int
    """From 1 on, without a hole."""
    deed: Deed
    previous: str
    """Hash of the entry before it."""
    hash: str
    """SHA-256 of number, previous hash and deed as canonical JSON."""


def link(number: int, deed: Deed, previous: str) -> ChainedDeed:
    """Put a deed behind the entry whose hash is `previous`."""
    content = [
        number,
        previous,
        deed.at,
        deed.who,
        deed.action,
        deed.target,
        dict(deed.details),
    ]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return ChainedDeed(number, deed, previous, hashlib.sha256(text.encode()).hexdigest())


def first_break(
    entries: Iterable[ChainedDeed], number: int = 0, previous: str = FIRST_LINK
) -> int | None:
    """Give the number at which a chain, oldest first, is broken; None when it is whole.

    `number` and `previous` are those of the entry before the first one given.
    """
    for entry in entries:
        number += 1
        if entry.number != number or entry != link(number, entry.deed, previous):
            return number
        previous = entry.hash
    return None
