"""Which documents somebody asked for lately: they are read again before somebody asks again."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.wire import keys

LATELY_MS: Final = 30 * SECOND
"""As long as a document lives where it is shared."""
MOST: Final = 100
"""Keys that are remembered; one more takes the place of that asked for longest ago."""


class Asked:
    """Remembers keys for a while, those alone that a process may keep in its memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: OrderedDict[str, int] = OrderedDict()

    def note(self, key: str) -> None:
        """Somebody asked for this."""
        if not keys.kind_of(key).near_ms:
            return
        self._until[key] = self._clock.monotonic_ms() + LATELY_MS
        self._until.move_to_end(key)
        if len(self._until) > MOST:
            self._until.popitem(last=False)

    def among(self, written: Collection[str]) -> tuple[str, ...]:
        """Those of these keys that were asked for lately."""
        now = self._clock.monotonic_ms()
        return tuple(key for key, until in self._until.items() if until > now and key in written)
