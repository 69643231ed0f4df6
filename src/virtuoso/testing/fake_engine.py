"""An engine that publishes what a test says, in the order the real one does."""

from collections.abc import Mapping, Sequence

import msgspec

from virtuoso.domain.instruments import Symbol
from virtuoso.domain.scores import Source
from virtuoso.domain.time import Timeframe
from virtuoso.ports import Broker, Cache, Clock
from virtuoso.testing import wire_messages as make
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState, ScoreRow
from virtuoso.wire.codec import Codec
from virtuoso.wire.pushes import Beat, BoardReplaced, Push, RowsChanged

TTL_MS = 30_000


class FakeEngine:
    """Writes board, documents and status to the cache, then pushes what changed."""

    def __init__(
        self,
        cache: Cache,
        broker: Broker,
        clock: Clock,
        symbols: Sequence[str] = make.SYMBOLS,
        ttl_ms: int = TTL_MS,
        *,
        details: bool = True,
        codec: Codec | None = None,
    ) -> None:
        self._codec = codec or Codec()
        self._cache = cache
        self._broker = broker
        self._clock = clock
        self._ttl_ms = ttl_ms
        self._details = details
        self.board = make.a_board(symbols=symbols, seq=0, now=clock.now())

    async def start(self, epoch: str = "one", rows: Sequence[ScoreRow] | None = None) -> None:
        """Begin an epoch with a whole board."""
        self.board = msgspec.structs.replace(
            self.board,
            epoch=epoch,
            seq=1,
            now=self._clock.now(),
            rows=self.board.rows if rows is None else tuple(rows),
        )
        await self.write()
        await self._push(BoardReplaced(self.board))

    async def publish(self, *rows: ScoreRow) -> None:
        """One cycle in which these rows changed."""
        held = {row.row: row for row in self.board.rows} | {row.row: row for row in rows}
        previous = self.board.seq
        self.board = msgspec.structs.replace(
            self.board, seq=previous + 1, now=self._clock.now(), rows=tuple(held.values())
        )
        documents = await self.write()
        changed = RowsChanged(
            self.board.epoch,
            self.board.seq,
            previous,
            self.board.now,
            Source.SIMULATOR,
            rows,
            documents,
        )
        await self._push(changed)

    async def beat(self) -> None:
        """Say that the engine lives."""
        self.board = msgspec.structs.replace(self.board, now=self._clock.now())
        status = self._codec.encode(keys.ENGINE, make.engine_status(self.board))
        await self._cache.set(keys.ENGINE, status, self._ttl_ms)
        board = self.board
        await self._push(Beat(board.epoch, board.seq, board.now, board.source))

    async def write(self) -> tuple[str, ...]:
        """Put everything into the cache; give the keys of the documents."""
        documents = {
            key: self._codec.encode(key, make.published(self.board, body))
            for key, body in documents_of(self.board, details=self._details).items()
        }
        state = {
            keys.BOARD: self._codec.encode(keys.BOARD, self.board),
            keys.ENGINE: self._codec.encode(keys.ENGINE, make.engine_status(self.board)),
        }
        await self._cache.multi_set({**documents, **state}, self._ttl_ms)
        return tuple(documents)

    async def _push(self, push: Push) -> None:
        await self._broker.publish(keys.PUSH, self._codec.encode(keys.PUSH, push))


def documents_of(board: BoardState, *, details: bool) -> Mapping[str, msgspec.Struct]:
    """The hot documents of a board by key, and with `details` those of each symbol."""
    documents: dict[str, msgspec.Struct] = {
        keys.SYMBOLS: make.symbols_document(board),
        keys.DASHBOARD: make.dashboard_document(board),
        keys.MOBILE: make.mobile_document(board),
    }
    for each in board.symbols if details else ():
        symbol = Symbol(each.symbol)
        documents[keys.symbol_detail(symbol)] = make.symbol_detail(board, symbol)
        documents[keys.score_history(symbol)] = make.score_history_document(board, symbol)
        key = keys.candles(symbol, Timeframe.M5)
        documents[key] = make.candles_document(board, symbol, "5m")
    return documents
