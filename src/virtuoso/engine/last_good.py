"""Keeps the last snapshot that was good where it outlives this process, the servers' lives, all."""

import asyncio
from collections.abc import Mapping
from typing import Final

import structlog

from virtuoso.domain.errors import CacheError
from virtuoso.domain.time import Millis
from virtuoso.ports import Keepsake
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState
from virtuoso.wire.codec import Codec
from virtuoso.wire.processes import LastGood, PartHealth

log = structlog.get_logger()

KEEP_EVERY_S: Final = 10.0
WANTED: Final = (keys.BOARD, keys.SYMBOLS, keys.DASHBOARD, keys.MOBILE)


class LastGoodKeeper:
    """Takes what is published, and keeps the newest of it now and then.

    A board without a single score is not good: it never replaces one that had some.
    """

    def __init__(
        self, keepsake: Keepsake, codec: Codec, keep_every_s: float = KEEP_EVERY_S
    ) -> None:
        self._keepsake = keepsake
        self._codec = codec
        self._keep_every_s = keep_every_s
        self._values: dict[str, bytes] = {}
        self._board: BoardState | None = None
        self._kept: BoardState | None = None
        self.kept_at: Millis | None = None
        self.error: str | None = None
        """What was answered last, when that was an error."""

    def note(self, board: BoardState, values: Mapping[str, bytes]) -> None:
        """Take what one cycle published; returns at once."""
        if all(row.score is None for row in board.rows):
            return
        if self._board is None or self._board.epoch != board.epoch:
            self._values.clear()
        self._values.update((key, values[key]) for key in WANTED if key in values)
        self._board = board

    async def run(self) -> None:
        """Keep for ever; ends only by cancellation, and keeps a last time then."""
        try:
            while True:
                await asyncio.sleep(self._keep_every_s if self._kept else 1.0)
                await self.keep()
        finally:
            await self.keep()

    async def keep(self) -> None:
        """Keep what is new."""
        board = self._board
        if board is None or board is self._kept or len(self._values) < len(WANTED):
            return
        self._kept = board
        last = LastGood(board.epoch, board.seq, board.now, dict(self._values))
        try:
            await self._keepsake.keep(self._codec.encode(keys.LAST_GOOD, last))
        except CacheError as error:
            if self.error is None:
                log.warning("last_good_not_kept", error=str(error))
            self.error = str(error)
            return
        self.error = None
        self.kept_at = Millis(board.now)

    def part(self) -> PartHealth:
        """Health of what is kept."""
        if self.error is not None:
            return PartHealth("last_good", "warn", self.error[:300], None, self.kept_at)
        text = "nothing kept yet" if self.kept_at is None else "the last good snapshot is kept"
        return PartHealth("last_good", "pass", text, None, self.kept_at)
