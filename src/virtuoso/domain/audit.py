"""Who changed what: rows chained by hash, so that none can be changed or taken out unseen."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from virtuoso.domain.time import Millis

GENESIS: Final = "0" * 64
"""What the first row is chained to."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did or tried. Nothing in it is a secret."""

    at: Millis
    process: str
    actor: str
    client: str
    """The address it came from."""
    action: str
    """Such as `PUT /api/config`, or `sign_in`."""
    outcome: str
    """`asked` before it is done, then what became of it."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An entry in its place. `hash` covers the entry, its number and all rows before it."""

    number: int
    entry: AuditEntry
    previous: str
    hash: str


def chained(entry: AuditEntry, number: int, previous: str) -> AuditRow:
    """Put an entry behind the row whose hash is `previous`."""
    return AuditRow(number, entry, previous, _hash(entry, number, previous))


def first_broken(rows: Iterable[AuditRow], previous: str = GENESIS) -> int | None:
    """The number of the first row that is not what was written, or None when all are.

    `previous`: the hash before the first of them. Rows cut off at the end cannot be seen.
    """
    number: int | None = None
    for row in rows:
        expected = row.number if number is None else number + 1
        if (row.number, row.previous, row.hash) != (
            expected,
            previous,
            _hash(row.entry, expected, previous),
        ):
            return row.number
        number, previous = row.number, row.hash
    return None


def _hash(entry: AuditEntry, number: int, previous: str) -> str:
    content = json.dumps(
        {"number": number, "previous": previous, **asdict(entry)},
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(content.encode()).hexdigest()
