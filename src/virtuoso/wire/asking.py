"""What is asked of the engine over the broker, and how it answers: one form for every subject."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question. The first four are filled in by who sends it; `id` is in its answer."""

    epoch: str = ""
    """Of who asks."""
    seq: int = 0
    now: int = 0
    id: str = ""
    action: str
    actor: str = ""
    """What was shown for it; never a secret."""
    version: int | None = None
    """What is asked about, as whoever asks has seen it."""
    body: bytes = b""
    """JSON, as it was sent."""


class Answered(msgspec.Struct, frozen=True):
    """What the engine says: a status and a body as HTTP has them."""

    epoch: str
    seq: int
    now: int
    id: str
    status: int
    body: bytes
    version: int = 0
    """In force; 0 when nothing was ever changed."""


Q = TypeVar("Q", bound=Question)


@dataclass(frozen=True, slots=True)
class Subject(Generic[Q]):
    """What is asked about: its channels, its kind of question, and how long both sides wait."""

    name: str
    asked_on: str
    answered_on: str
    question: type[Q]
    changes: frozenset[str]
    """Actions that are written to the log."""
    deadline_s: float
    """Of who asks; who answers gives up a second before."""
