"""The newest of every symbol as one reader knows it, with ages that are true. Pure.

Ages are made from the engine's clock, carried on by the reader's monotonic one; never from the
reader's wall clock. Monotonic times are handed in, in seconds.
"""

from typing import Final

from virtuoso.wire.board import Limits, Notice, RowSymbol, ScoreRow
from virtuoso.wire.client import Heartbeat, MarketUpdate, ServerMessage, Snapshot, Update
from virtuoso.wire.symbols import SymbolRecord

SILENCE_S: Final = 3.0
"""Without a heartbeat for so long everything must be taken for stale."""


class Board:
    """Applies messages in the order in which `Client.follow` gives them."""

    def __init__(self) -> None:
        self.symbols: dict[str, RowSymbol] = {}
        self.rows: dict[str, ScoreRow] = {}
        """By symbol, in the form `rows`."""
        self.records: dict[str, SymbolRecord] = {}
        """By symbol, in the form `records`."""
        self.limits: Limits | None = None
        self.notices: tuple[Notice, ...] = ()
        self._names: dict[int, str] = {}
        self._engine_now = 0
        self._anchored_s = 0.0
        self._beat_s: float | None = None
        self._engine_ms = 0

    def apply(self, message: ServerMessage, at_s: float) -> None:
        """Take a message that came at the monotonic time `at_s`."""
        if isinstance(message, Snapshot):
            self.limits, self.notices = message.limits, message.notices
            self.symbols = {each.symbol: each for each in message.symbols}
            self._names = {each.row: each.symbol for each in message.symbols}
            self.records.clear()
            self.rows = {self._names[row.row]: row for row in message.rows}
            self._engine_now, self._anchored_s = message.now, at_s
        elif isinstance(message, Update):
            self.rows.update((self._names[row.row], row) for row in message.rows)
            self.notices = self.notices if message.notices is None else message.notices
        elif isinstance(message, MarketUpdate):
            self.records[message.symbol] = message.data
        elif isinstance(message, Heartbeat):
            self._beat_s, self._engine_ms = at_s, message.engine_ms
            # the clock of a silent engine stands still on the server; ages must go on rising here
            if self.limits is None or message.engine_ms <= self.limits.heartbeat_ms:
                self._engine_now, self._anchored_s = message.now, at_s

    def lost(self) -> None:
        """The connection was lost: nothing is vouched for until the next heartbeat."""
        self._beat_s = None

    def now(self, at_s: float) -> int:
        """The engine's clock, milliseconds UTC."""
        return self._engine_now + round(1_000 * max(0.0, at_s - self._anchored_s))

    def dead(self, at_s: float) -> bool:
        """Whether everything must be taken for stale, whatever its state says."""
        if self._beat_s is None or self.limits is None:
            return True
        silent_s = at_s - self._beat_s
        return silent_s > SILENCE_S or self._engine_ms > self.limits.heartbeat_ms

    def age_ms(self, as_of: int | None, at_s: float) -> int | None:
        """The age of a number by its `as_of`; None where it has none."""
        return None if as_of is None else max(0, self.now(at_s) - as_of)
