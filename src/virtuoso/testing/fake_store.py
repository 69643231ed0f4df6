"""A store that keeps rows in memory, and has no room when a test says so."""

from collections.abc import Collection, Sequence

from virtuoso.domain.history import HistoryRow, Newest, StoreState
from virtuoso.domain.scores import Source


class FakeStore:
    """Takes everything while it is not `full`."""

    def __init__(self, newest: Newest | None = None) -> None:
        self.rows: list[HistoryRow] = []
        self.definitions: dict[str, str] = {}
        self.full = False
        self.error: str | None = None
        self.compacted = 0
        self._newest = newest or Newest({}, {}, {}, None, ())

    def put(self, rows: Sequence[HistoryRow]) -> bool:
        """Take rows, unless it is full."""
        if self.full:
            return False
        self.rows.extend(rows)
        return True

    def define(self, definition: str, text: str) -> None:
        """Take a definition."""
        self.definitions[definition] = text

    @property
    def state(self) -> StoreState:
        """How it fares, as a test says."""
        return StoreState("memory", 0, 100, len(self.rows), 0, None, self.error, None)

    async def newest(self, sources: Collection[Source]) -> Newest:  # noqa: ARG002 - as the port has it
        """What it was made with."""
        return self._newest

    async def compact(self) -> int:
        """Count that it was asked."""
        self.compacted += 1
        return 0

    async def flush(self) -> None:
        """Nothing waits."""

    async def close(self) -> None:
        """Nothing is open."""
