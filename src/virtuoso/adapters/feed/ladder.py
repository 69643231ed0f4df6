"""What is done about a topic that cannot be trusted, from gentle to rough. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from virtuoso.domain.time import MINUTE


class Step(StrEnum):
    """One rung."""

    RENEW = "renew"
    RECYCLE = "recycle"
    RESOLVE = "resolve"
    """Recycle, and ask the name server for the address again."""


class Ladder:
    """Renew a topic, then recycle its connection, then ask for the address anew.

    The steps of one topic count while they follow each other within a minute. One that has been
    through all of them is only renewed for a while, and no two topics recycle their connection
    within a minute: the neighbours live, and must not be taken along time and again.
    """

    _STEPS: Final = (Step.RENEW, Step.RECYCLE, Step.RESOLVE)
    _WINDOW_MS: Final = MINUTE
    _EXHAUSTED_MS: Final = 10 * MINUTE

    def __init__(self) -> None:
        self._taken: dict[str, tuple[int, int]] = {}
        """How many steps a topic has taken, and when it took the last one."""
        self._shared: dict[Step, int] = {}
        """When a topic last took a step that concerns its neighbours."""

    def climb(self, topic: str, now_ms: int) -> Step:
        """Take the next step of a topic."""
        taken, last = self._taken.get(topic, (0, now_ms))
        exhausted = taken >= len(self._STEPS)
        if now_ms - last > (self._EXHAUSTED_MS if exhausted else self._WINDOW_MS):
            taken, exhausted = 0, False
        self._taken[topic] = (taken + 1, now_ms)
        step = Step.RENEW if exhausted else self._STEPS[taken]
        if step is Step.RENEW:
            return step
        before = self._shared.get(step)
        if before is not None and now_ms - before <= self._WINDOW_MS:
            return Step.RENEW
        self._shared[step] = now_ms
        return step

    def is_exhausted(self, topic: str) -> bool:
        """Whether a topic has been through all steps in vain."""
        taken, _ = self._taken.get(topic, (0, 0))
        return taken > len(self._STEPS)

    def forget(self, topics: Iterable[str]) -> None:
        """These topics are given up."""
        for topic in topics:
            self._taken.pop(topic, None)
