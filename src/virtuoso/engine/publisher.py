"""Writes each cycle to the cache and tells the readers what changed."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import structlog

from virtuoso.domain.errors import CacheError
from virtuoso.engine.last_good import LastGoodKeeper
from virtuoso.ports import Broker, Cache
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState, ScoreRow
from virtuoso.wire.codec import Codec
from virtuoso.wire.processes import EngineStatus
from virtuoso.wire.pushes import Alert, AlertsChanged, Beat, BoardReplaced, Push, RowsChanged

log = structlog.get_logger()

PLAIN_LOG_EVERY = 30
"""Cycles between two lines that say by hand-readable words what was published."""


async def _always() -> bool:
    return True


class Publisher:
    """The one writer of the engine's keys."""

    def __init__(
        self,
        cache: Cache,
        broker: Broker,
        ttl_ms: int,
        codec: Codec | None = None,
        may_write: Callable[[], Awaitable[bool]] = _always,
        last_good: LastGoodKeeper | None = None,
        mirror: LastGoodKeeper | None = None,
    ) -> None:
        """`may_write` is asked before each publication: another process may have taken over.

        `mirror` keeps the last good snapshot where it is found with every cache dead.
        """
        self._cache = cache
        self._broker = broker
        self._ttl_ms = ttl_ms
        self.codec = codec or Codec()
        """How everything that is published is encoded."""
        self._board: BoardState | None = None
        self._rows: dict[int, ScoreRow] = {}
        self._cycles = 0
        self._may_write = may_write
        self._keepers = [each for each in (last_good, mirror) if each is not None]
        self._alerts = 0
        """Changes of alerts that were told."""
        self.failures = 0
        self.withheld = 0
        """Publications that were not made, because this process was not known to be the writer."""

    async def publish(
        self, board: BoardState, documents: Mapping[str, bytes], status: EngineStatus
    ) -> None:
        """Store everything first, then announce it, so that a reader finds what it is told of."""
        if not await self._may_write():
            self.withheld += 1
            # whoever reads us next has missed this: let them have everything
            self._board = None
            return
        values = dict(documents)
        values[keys.BOARD] = self.codec.encode(keys.BOARD, board)
        values[keys.ENGINE] = self.codec.encode(keys.ENGINE, status)
        try:
            for life_ms, part in self._by_life(values).items():
                await self._cache.multi_set(part, life_ms)
        except CacheError as error:
            self.failures += 1
            log.warning("cache_write_failed", error=str(error))
        for keeper in self._keepers:
            keeper.note(board, values)
        push = self._push(board, tuple(documents))
        await self._broker.publish(keys.PUSH, self.codec.encode(keys.PUSH, push))
        self._cycles += 1
        if self._cycles % PLAIN_LOG_EVERY == 1 and board.rows:
            scored = sum(1 for row in board.rows if row.score is not None)
            ttl = self._ttl_ms // 1_000
            log.info("Computed confluence scores for %d symbols", scored)
            log.info("Cache SET for key: %s with TTL: %ds", keys.SYMBOLS_PLAIN, ttl)

    async def announce(self, alerts: Sequence[Alert]) -> None:
        """Tell readers at once of alerts that are kept; the documents follow within a second."""
        board = self._board
        if board is None or not await self._may_write():
            return
        self._alerts += len(alerts)
        push = AlertsChanged(
            epoch=board.epoch,
            seq=board.seq,
            now=board.now,
            source=board.source,
            number=self._alerts,
            alerts=tuple(alerts),
        )
        await self._broker.publish(keys.PUSH, self.codec.encode(keys.PUSH, push))

    def looks(self) -> AsyncIterator[bytes]:
        """What the processes that serve say of what is looked at."""
        return self._broker.subscribe(keys.LOOKED)

    async def publish_beside(self, documents: Mapping[str, bytes]) -> None:
        """Store documents that somebody waits for, before the next cycle; not announced."""
        if not documents or not await self._may_write():
            return
        try:
            for life_ms, part in self._by_life(documents).items():
                await self._cache.multi_set(part, life_ms)
        except CacheError as error:
            self.failures += 1
            log.warning("cache_write_failed", error=str(error))

    def _by_life(self, values: Mapping[str, bytes]) -> Mapping[int, Mapping[str, bytes]]:
        """Sort the values by how long they live; the settings name the shortest life."""
        found: dict[int, dict[str, bytes]] = {}
        for key, value in values.items():
            found.setdefault(keys.life_ms(key, self._ttl_ms), {})[key] = value
        return found

    def _push(self, board: BoardState, documents: tuple[str, ...]) -> Push:
        """Say as little as a reader needs to be up to date."""
        before = self._board
        self._board = board
        changed = tuple(row for row in board.rows if self._rows.get(row.row) != row)
        self._rows = {row.row: row for row in board.rows}
        if (
            before is None
            or before.epoch != board.epoch
            or before.symbols != board.symbols
            or before.limits != board.limits
            or before.replay != board.replay
        ):
            return BoardReplaced(board)
        if not changed and before.notices == board.notices and not documents:
            return Beat(board.epoch, board.seq, board.now, board.source)
        return RowsChanged(
            epoch=board.epoch,
            seq=board.seq,
            previous=before.seq,
            now=board.now,
            source=board.source,
            rows=changed,
            documents=documents,
            notices=board.notices,
        )
