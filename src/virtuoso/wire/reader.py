"""What a reader of the board holds: rows, sequence, epoch, and when the engine was last heard of.

Pure: messages and monotonic times come in, the state comes out. `wire.follower` does the waiting.
"""

from collections import deque
from enum import Enum
from typing import Final

from virtuoso.wire.board import BoardState, Notice, ScoreRow
from virtuoso.wire.pushes import AlertsChanged, Beat, BoardReplaced, Push, RowsChanged

HEARTBEAT_MS: Final = 3_000
"""Silence after which the engine is taken for dead, until a board brings its own limit."""

EPOCHS_REMEMBERED: Final = 16


class Step(Enum):
    """What a message did to the board a reader holds."""

    IGNORED = "ignored"
    """Older than what is held, or of an epoch that was left."""
    BEAT = "beat"
    ROWS = "rows"
    REPLACED = "replaced"
    MISSED = "missed"
    """Something before this message was lost: read the whole board."""


class BoardReader:
    """The newest board known. Its sequence never goes back; an epoch once left never returns."""

    def __init__(self, created_ms: int) -> None:
        self._created_ms = created_ms
        self._heard_ms: int | None = None
        self._left: deque[str] = deque(maxlen=EPOCHS_REMEMBERED)
        self.board: BoardState | None = None
        """As it came last in one piece; its rows, sequence and time may be older than ours."""
        self.rows: dict[int, ScoreRow] = {}
        self.seq = 0
        self.engine_now = 0
        """The engine's clock when it was last heard of."""
        self.notices: tuple[Notice, ...] = ()

    @property
    def epoch(self) -> str | None:
        """Which run of the engine this is; None before the first board."""
        return None if self.board is None else self.board.epoch

    @property
    def heartbeat_ms(self) -> int:
        """Silence after which the engine is taken for dead."""
        return HEARTBEAT_MS if self.board is None else self.board.limits.heartbeat_ms

    def left(self, epoch: str) -> bool:
        """Whether this epoch is over, as far as this reader has seen."""
        return epoch in self._left

    def apply(self, push: Push, at_ms: int) -> Step:
        """Take a message of the push channel that came at the monotonic time `at_ms`."""
        if isinstance(push, BoardReplaced):
            step = self.take(push.board)
            if step is Step.REPLACED:
                self.hear(push.board.now, at_ms)
            return step
        if self.left(push.epoch):
            return Step.IGNORED
        if push.epoch != self.epoch:
            return Step.MISSED
        self.hear(push.now, at_ms)
        if isinstance(push, Beat | AlertsChanged):
            return Step.MISSED if push.seq > self.seq else Step.BEAT
        if push.seq <= self.seq:
            return Step.IGNORED
        if push.previous != self.seq:
            return Step.MISSED
        return self.merge(push)

    def merge(self, push: RowsChanged) -> Step:
        """Put newer rows in their places, even when rows between were lost."""
        if push.epoch != self.epoch or push.seq <= self.seq:
            return Step.IGNORED
        self.rows.update((row.row, row) for row in push.rows)
        self.seq = push.seq
        self.notices = push.notices
        return Step.ROWS

    def take(self, board: BoardState) -> Step:
        """Take a whole board, pushed or read from the cache, unless it is older than what is held.

        That a board lies in the cache says nothing of the engine: `hear` is for the caller.
        """
        if self.left(board.epoch):
            return Step.IGNORED
        if self.board is not None:
            if board.epoch != self.board.epoch:
                self._left.append(self.board.epoch)
                self._heard_ms = None
                self.engine_now = 0
            elif board.seq < self.seq:
                return Step.IGNORED
        self.board = board
        self.rows = {row.row: row for row in board.rows}
        self.seq = board.seq
        self.notices = board.notices
        self.engine_now = max(self.engine_now, board.now)
        return Step.REPLACED

    def hear(self, engine_now: int, at_ms: int) -> None:
        """Note a sign of life of the engine, with what its clock said."""
        self.engine_now = max(self.engine_now, engine_now)
        self._heard_ms = at_ms if self._heard_ms is None else max(self._heard_ms, at_ms)

    def engine_ms(self, at_ms: int) -> int:
        """How long ago the engine was heard of; over the limit when it never was."""
        if self._heard_ms is None:
            return self.heartbeat_ms + 1 + max(0, at_ms - self._created_ms)
        return max(0, at_ms - self._heard_ms)

    def silent(self, at_ms: int) -> bool:
        """Whether the engine must be taken for dead, and everything for stale."""
        return self._heard_ms is None or at_ms - self._heard_ms > self.heartbeat_ms

    def now(self, at_ms: int) -> int:
        """The engine's clock, carried on by our monotonic time while the engine is alive.

        Once it is silent the clock stands still at the limit: a reader adds its own time to the
        last heartbeat, and an age must never be made from a clock that nobody vouches for.
        """
        return self.engine_now + min(self.engine_ms(at_ms), self.heartbeat_ms)
