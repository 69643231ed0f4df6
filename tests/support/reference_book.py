"""A subscriber's book, kept by the letter of the venue's documentation and nothing else."""

from typing import Any


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
