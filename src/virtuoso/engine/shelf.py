"""What lies in the cache of an engine's documents, and what of it must be written again."""

from typing import Final

from virtuoso.domain.time import SECOND
from virtuoso.wire.codec import Codec
from virtuoso.wire.messages import Document

REPEAT_MS: Final = 15 * SECOND
"""After so long a document is written again in any case, long before its life is over: cycles of an
engine that is behind take longer."""


class Shelf:
    """Encodes documents into what is published, and knows what each was made of."""

    def __init__(self, codec: Codec) -> None:
        self.now = 0
        """Of the cycle that is put together, on the venue's clock."""
        self._codec = codec
        self._marks: dict[str, object] = {}
        """What each document was made of."""
        self._kept: dict[str, bytes] = {}
        self._written: dict[str, tuple[int, bytes]] = {}
        """What lies in the cache of all that is not made for readers alone, and since when."""

    def mark(self, key: str, mark: object) -> bool:
        """Note what a document is made of; whether that is something else than before."""
        if self._marks.get(key) == mark:
            return False
        self._marks[key] = mark
        return True

    def put(self, found: dict[str, bytes], key: str, document: Document) -> bytes:
        """Encode a document where its turn is, so that the publisher has nothing long to do."""
        found[key] = value = self._codec.encode(key, document)
        self._written[key] = (self.now, value)
        return value

    def put_to_keep(self, found: dict[str, bytes], key: str, document: Document) -> None:
        """Do so with one that `again` may be asked for."""
        self._kept[key] = self.put(found, key, document)

    def put_for_readers(self, found: dict[str, bytes], key: str, document: Document) -> None:
        """Encode what is made only while somebody reads it."""
        found[key] = self._codec.encode(key, document)

    def again(self, found: dict[str, bytes], key: str) -> None:
        """Write what was kept as it was, if it was."""
        value = self._kept.get(key)
        if value is not None:
            found[key] = value
            self._written[key] = (self.now, value)

    def repeat(self, found: dict[str, bytes]) -> None:
        """Write again what would not be there any more: it says itself how old it is."""
        for key, (at, value) in self._written.items():
            if not 0 <= self.now - at < REPEAT_MS and key not in found:
                found[key] = value
                self._written[key] = (self.now, value)

    def forget(self, key: str) -> None:
        """Know nothing of a document any more."""
        self._marks.pop(key, None)
        self._kept.pop(key, None)
        self._written.pop(key, None)
