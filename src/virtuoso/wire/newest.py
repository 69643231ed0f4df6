"""Never back: which of two values under one key is the newer one."""

from typing import Final

import msgspec

from virtuoso.wire.codec import Stamp

KEYS_REMEMBERED: Final = 10_000
SILENCE_MS: Final = 5_000
"""An epoch that was not renewed for so long makes way for one whose clock is behind it."""


class _Seen(msgspec.Struct, frozen=True, gc=False):
    stamp: Stamp
    at_ms: int
    left: str | None
    """The epoch that this one replaced."""


class Newest:
    """The newest value seen of each key, by epoch and sequence. Pure: times come in.

    Bounded: of too many keys the one that came first is forgotten.

    Within an epoch the sequence decides. Another epoch is newer when its value was made later, or
    when the one that is held has fallen silent; an epoch that was left for it does not return.
    """

    def __init__(self, keys: int = KEYS_REMEMBERED) -> None:
        self._seen: dict[str, _Seen] = {}
        self._keys = keys

    def take(self, key: str, stamp: Stamp | None, at_ms: int) -> bool:
        """Note a value, unless it is older than what was seen: then False, and it is a miss."""
        if stamp is None:
            return True
        seen = self._seen.get(key)
        if seen is None:
            self._seen[key] = _Seen(stamp, at_ms, None)
            if len(self._seen) > self._keys:
                del self._seen[next(iter(self._seen))]
            return True
        held = seen.stamp
        if stamp.epoch == held.epoch:
            if stamp.seq < held.seq:
                return False
            if stamp.seq > held.seq:
                self._seen[key] = _Seen(stamp, at_ms, seen.left)
            return True
        if stamp.epoch == seen.left:
            return False
        if stamp.made <= held.made and at_ms - seen.at_ms < SILENCE_MS:
            return False
        self._seen[key] = _Seen(stamp, at_ms, held.epoch)
        return True
