"""What a benchmark hands back: one row per ratio."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio between two things measured in one interleaved run."""

    name: str
    what: str
    reference: str
    ratio: float
    target: str
    spread: str
    """Smallest and largest ratio of the rounds."""
