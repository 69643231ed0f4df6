"""What a cache server is to us: bytes by key, each with the rest of its life written before it.

    0xC1 'L' [8 bytes: end of life, milliseconds UTC] [4 bytes: whole life, milliseconds] value

Servers count lives in seconds, or do not tell them. With the end written beside the value a tier
above can keep it for exactly as long as is left. The server still decides whether a value lives,
so that clocks which disagree cost promotions and never the tier. The plain keys carry no such
mark: people read them.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from virtuoso.adapters.cache.server_memory import ServerMemory
from virtuoso.domain.errors import CacheRefusedError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock
from virtuoso.wire.keys import PLAIN

MAGIC: Final = b"\xc1L"
_LIFE: Final = struct.Struct(">2sQI")
_LIFE_SIZE: Final = _LIFE.size
_unpack: Final = _LIFE.unpack_from
SKEW_MS: Final = 3 * SECOND
"""A server that serves a value for longer than this after its end has another clock."""
UNKNOWN_LIFE_MS: Final = SECOND
"""What is left of a life nobody can tell."""
LONGEST_LIFE_MS: Final = 24 * 3_600 * SECOND
LONGEST_KEY: Final = 200
NAMES_REMEMBERED: Final = 10_000


class Held(msgspec.Struct, frozen=True, gc=False):
    """A value, and for how long it may be kept."""

    value: bytes
    left_ms: int


class Lived(NamedTuple):
    """A value that shall live so long from now."""

    value: bytes
    life_ms: int


def with_life(key: str, value: bytes, life_ms: int, now: int) -> bytes:
    """Write the end of its life before a value."""
    return value if key in PLAIN else _LIFE.pack(MAGIC, now + life_ms, life_ms) + value


def without_life(stored: bytes, now: int) -> Held | None:
    """The value and the rest of its life; None when that is over."""
    if len(stored) < _LIFE_SIZE or not stored.startswith(MAGIC):
        return Held(stored, UNKNOWN_LIFE_MS)
    _, end, life_ms = _unpack(stored)
    left = end - now
    if left > 0:
        return Held(stored[_LIFE_SIZE:], min(left, life_ms))
    return Held(stored[_LIFE_SIZE:], UNKNOWN_LIFE_MS) if left <= -SKEW_MS else None


def is_key(key: str) -> bool:
    """Whether a server can take this key: short, printable ASCII, no blanks."""
    return 0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable() and " " not in key


def checked(key: str) -> str:
    """The key. Raises CacheRefusedError when no server could take it."""
    if not is_key(key):
        message = f"expected a key of at most {LONGEST_KEY} printable characters, found {key!r:.60}"
        raise CacheRefusedError(message)
    return key


class SharedCache(ABC):
    """A cache server, behind the port `Cache`, and what tiers ask of it besides.

    Every call ends within the tier's deadline, with CacheUnavailableError when the server is lost,
    hung or talks garbage, with CacheRefusedError when it answered no.
    """

    name: str

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: dict[str, bytes] = {}

    @abstractmethod
    async def fetch(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """What is there of these keys, in one round trip."""

    @abstractmethod
    async def store(self, values: Mapping[str, Lived]) -> None:
        """Store every value; one without a life is removed."""

    @abstractmethod
    async def refill(self, values: Mapping[str, Lived]) -> None:
        """Store those of which there is nothing; what is there may be newer, and stays."""

    @abstractmethod
    async def probe(self) -> None:
        """Return when the server answers. Raises CacheUnavailableError when it does not."""

    @abstractmethod
    async def memory(self) -> ServerMemory:
        """How much of its memory is in use. Raises CacheError."""

    @abstractmethod
    async def close(self) -> None:
        """Release connections."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None when it is missing or its life is over."""
        found = (await self.fetch((key,))).get(key)
        return None if found is None else found.value

    async def set(self, key: str, value: bytes, ttl_ms: int) -> None:
        """Store a value for `ttl_ms` milliseconds; without a life it is only removed."""
        await self.store({key: Lived(value, ttl_ms)})

    async def multi_get(self, keys: Sequence[str]) -> Mapping[str, bytes | None]:
        """All keys in one round trip; a missing one is None."""
        found = await self.fetch(keys)
        return {key: found[key].value if key in found else None for key in keys}

    async def multi_set(self, values: Mapping[str, bytes], ttl_ms: int) -> None:
        """Store all values for `ttl_ms` milliseconds."""
        await self.store({key: Lived(value, ttl_ms) for key, value in values.items()})

    def forget(self, keys: Collection[str]) -> None:  # noqa: B027 - a server forgets nothing
        """Nothing: this is where they are shared."""

    def _opened(self, stored: Iterable[tuple[str, bytes]]) -> Mapping[str, Held]:
        now = self._clock.now()
        return {
            key: held for key, value in stored if (held := without_life(value, now)) is not None
        }

    def _name(self, key: str) -> bytes | None:
        """The key as a server takes it; None when none could."""
        name = self._names.get(key)
        if name is None:
            if not is_key(key):
                return None
            if len(self._names) >= NAMES_REMEMBERED:
                self._names.clear()
            name = self._names[key] = key.encode()
        return name
