"""A saved version of the settings: what differs from the file, who wanted it, when and why."""

import hashlib
import json
from dataclasses import asdict, dataclass

from virtuoso.domain.time import Millis


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """`values` replaces what the file says, key by key; each version holds all of it."""

    number: int
    at: Millis
    author: str
    actor: str
    """What was shown for it: a token's last characters, or a session."""
    reason: str
    values: str
    """Canonical JSON: dotted keys such as `scoring.coverage_floor`, and their values."""
    restored_from: int | None = None

    @property
    def check(self) -> str:
        """SHA-256 over all of it: a file that was cut or touched does not fit."""
        content = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode()).hexdigest()
