"""The cache that `virtuoso run` has: tiers without a server."""

from virtuoso.adapters.cache.near import ITEMS, Near
from virtuoso.adapters.cache.tiered import TieredCache
from virtuoso.ports import Clock
from virtuoso.wire.codec import Codec, Inspector


def own_memory(clock: Clock, items: int = ITEMS, inspector: Inspector | None = None) -> TieredCache:
    """Room for so many values in this process, and no other tier."""
    return TieredCache(Near(clock, items), (), clock, inspector or Codec())
