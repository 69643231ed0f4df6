"""Books kept by the letter of the venues' documentation and nothing else."""

from typing import Any, Final

from virtuoso.domain.market_data import BookDelta, BookSnapshot

LARGEST: Final = 1e15


class ReferenceBook:
    """Applies snapshots and deltas of one `orderbook` topic, and refuses what breaks the rules."""

    def __init__(self) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.update_id: int | None = None
        self.sequence = 0
        self.gaps = 0

    def apply(self, frame: dict[str, Any]) -> None:
        """Apply one frame; a gap in `u` is counted and the book forgotten."""
        data = frame["data"]
        if frame["type"] == "snapshot":
            self.bids, self.asks = {}, {}
        elif self.update_id is None or data["u"] != self.update_id + 1:
            self.gaps += 1
            self.update_id = None
            return
        assert data["seq"] >= self.sequence
        self.update_id, self.sequence = data["u"], data["seq"]
        for side, levels in ((self.bids, data["b"]), (self.asks, data["a"])):
            for price, size in levels:
                if float(size) == 0:
                    del side[float(price)]
                else:
                    side[float(price)] = float(size)

    def best(self, depth: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Return the best levels of both sides, best first."""
        bids = sorted(self.bids.items(), reverse=True)[:depth]
        return bids, sorted(self.asks.items())[:depth]


class EventBook:
    """The book's rules in their plainest form: two dicts, sorted when read; empty while unsynced.

    Takes what decoders give, of either venue.
    """

    def __init__(self, most_levels: int = 1_000) -> None:
        self.bids: dict[float, float] = {}
        self.asks: dict[float, float] = {}
        self.sequence: int | None = None
        """None while there is no book."""
        self._most = most_levels
        self._cross: int | None = None
        self._depth: int | None = None

    @property
    def synced(self) -> bool:
        """Whether there is a book."""
        return self.sequence is not None

    def forget(self) -> None:
        """Nothing is known any more."""
        self.bids, self.asks, self.sequence = {}, {}, None

    def apply(self, data: BookSnapshot | BookDelta) -> None:
        """Apply an update whole, or forget everything."""
        if isinstance(data, BookSnapshot):
            self.bids, self.asks = dict(data.bids), dict(data.asks)
            self.sequence, self._cross, self._depth = data.sequence, data.cross_sequence, data.depth
            sound = list(data.bids) == self.levels()[0] and list(data.asks) == self.levels()[1]
            sound = sound and all(
                0 < number < LARGEST
                for side in (data.bids, data.asks)
                for level in side
                for number in level
            )
        elif self.sequence is None:
            return
        else:
            sound = self._follows(data)
            for side, changes in ((self.bids, data.bids), (self.asks, data.asks)):
                for price, quantity in changes:
                    sound = sound and 0 < price < LARGEST and 0 <= quantity < LARGEST
                    side[price] = quantity
                for price in [price for price, quantity in side.items() if quantity == 0]:
                    del side[price]
            self.sequence = data.sequence
        crossed = self.bids and self.asks and max(self.bids) > min(self.asks)
        too_deep = self._depth is not None and max(len(self.bids), len(self.asks)) > self._depth
        if not sound or crossed or too_deep:
            self.forget()
        elif self._depth is None:
            bids, asks = self.levels()
            self.bids, self.asks = dict(bids[: self._most]), dict(asks[: self._most])

    def _follows(self, data: BookDelta) -> bool:
        if data.restart or data.previous != self.sequence or data.sequence < data.previous:
            return False
        if data.cross_sequence is not None:
            if self._cross is not None and data.cross_sequence < self._cross:
                return False
            self._cross = data.cross_sequence
        return True

    def levels(self) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Both sides, best first."""
        return sorted(self.bids.items(), reverse=True), sorted(self.asks.items())
