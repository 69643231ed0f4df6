"""Follows the engine from another place: pushes while they come, the cache when they do not."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Final, Literal, Protocol, TypeVar

import msgspec
import structlog
from cachetools import LRUCache

from virtuoso.domain.errors import CacheError, ValueRefusedError, VirtuosoError
from virtuoso.ports import Broker, Cache, Clock
from virtuoso.wire import keys
from virtuoso.wire.asked import Asked
from virtuoso.wire.board import BoardState, Notice
from virtuoso.wire.codec import Codec
from virtuoso.wire.dependencies import stale_after
from virtuoso.wire.documents import Served, degraded, etag_of, judged, nothing, quoted
from virtuoso.wire.looking import Looking
from virtuoso.wire.messages import Document
from virtuoso.wire.processes import EngineStatus, LastGood
from virtuoso.wire.pushes import AlertsChanged, Beat, BoardReplaced, Push, RowsChanged
from virtuoso.wire.reader import BoardReader, Step
from virtuoso.wire.records import iso

log = structlog.get_logger()

HOT: Final = (keys.SYMBOLS, keys.DASHBOARD, keys.MOBILE)
"""The documents that are held ready; all others are read when somebody asks."""

READ_DEADLINE_S: Final = 1.0
AHEAD_AT_ONCE: Final = 10
"""Documents that are read together before somebody asks for them again."""
KEPT_DOCUMENTS: Final = 1_000
RENEWAL_MS: Final = 5_000
"""Each second makes the hot documents anew. At this age a price is stale, whatever the document
says, and one that cannot be read any more must not go on calling it live."""

PATIENCE_S: Final = 0.3
"""What a first reader waits at most for the engine to make what nobody looked at before."""
LOOK_S: Final = 0.01
PRESENT_MS: Final = 2_500
"""Age up to which a document that is made each second is the newest there is."""

M = TypeVar("M")


class Listener(Protocol):
    """Whoever passes the board on, told of each change at once; it must not wait."""

    def rows_changed(self, numbers: Sequence[int]) -> None:
        """Say that these rows, or the notices when there are none, have new values."""
        ...

    def board_replaced(self) -> None:
        """Everything may be different: symbols, row numbers, limits, epoch."""
        ...


class NewsListener(Protocol):
    """Whoever passes on what is not of the board; it must not wait either."""

    def documents_changed(self, keys: Collection[str]) -> None:
        """Say that these cache keys were written anew."""
        ...

    def alerts_changed(self, push: AlertsChanged) -> None:
        """Pass on alerts that fired, or whose state changed."""
        ...


class Follower:
    """Keeps the board, the engine's status and the hot documents, and judges them by the clock.

    `run` must be running for it to live; `tick` and `receive` are its two halves. Nothing here
    goes back in sequence within an epoch, and a new epoch replaces everything.
    """

    def __init__(
        self,
        cache: Cache,
        broker: Broker,
        clock: Clock,
        hot: Sequence[str] = HOT,
        tick_s: float = 1.0,
        codec: Codec | None = None,
    ) -> None:
        self._codec = codec or Codec()
        self._cache = cache
        self._broker = broker
        self._clock = clock
        self._hot = tuple(hot)
        self._tick_s = tick_s
        self._listeners: list[Listener] = []
        self._news_listeners: list[NewsListener] = []
        self._documents: dict[str, Document] = {}
        self._others: LRUCache[str, Document] = LRUCache(maxsize=KEPT_DOCUMENTS)
        self._renewed_ms: dict[str, int] = {}
        self._rendered: LRUCache[str, tuple[Document, Served]] = LRUCache(maxsize=KEPT_DOCUMENTS)
        self._hot_served: dict[str, tuple[Document, Served]] = {}
        self._looking = Looking(broker, self._codec, clock)
        self._asked = Asked(clock)
        self._started_ms = clock.monotonic_ms()
        self._pushed_ms: int | None = None
        self._missed = False
        self._reading: Literal["pushes", "cache"] = "pushes"
        self._reading_since = clock.now()
        self.reader = BoardReader(self._started_ms)
        self.engine: EngineStatus | None = None
        self.cache_error: str | None = None
        """What the cache answered last, when that was an error."""
        self.cache_good_at: int | None = None
        """Wall time of the last answer of the cache."""
        self.undecodable = 0
        """Values and messages that did not decode, and were taken as missing."""
        self.refused: dict[str, int] = {}
        """The same by reason, as `codec.Refusal` names them."""
        self.missed_pushes = 0
        self.ready = 0
        """Answers from a document that was held ready."""
        self.not_ready = 0
        """Answers that one should have been held ready for, and none was."""

    def listen(self, listener: Listener) -> None:
        """Tell this listener of every change from now on."""
        self._listeners.append(listener)

    def listen_to_news(self, listener: NewsListener) -> None:
        """Tell this listener of documents and alerts from now on."""
        self._news_listeners.append(listener)

    async def run(self) -> None:
        """Follow for ever; ends only by cancellation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_pushes())
            tasks.create_task(self._run_ticks())

    async def _run_pushes(self) -> None:
        while True:
            try:
                async for message in self._broker.subscribe(keys.PUSH):
                    await self.receive(message)
            except VirtuosoError as error:
                log.warning("push_channel_failed", error=str(error))
            await asyncio.sleep(self._tick_s)

    async def _run_ticks(self) -> None:
        while True:
            await self.tick()
            await asyncio.sleep(self._tick_s)

    @property
    def reading(self) -> Literal["pushes", "cache"]:
        """Where the board comes from at the moment."""
        return self._reading

    @property
    def reading_since(self) -> int:
        """Wall time at which that began."""
        return self._reading_since

    @property
    def push_ms(self) -> int:
        """How long ago the last push came, or since when one is waited for."""
        last = self._started_ms if self._pushed_ms is None else self._pushed_ms
        return self._clock.monotonic_ms() - last

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The engine's notices, and ours when the pushes do not come through."""
        if self._reading == "pushes":
            return self.reader.notices
        ours = Notice(
            "reading_cache",
            "The engine's pushes do not arrive: the board is read from the cache each second",
            self._reading_since,
        )
        return (*self.reader.notices, ours)

    def engine_ms(self) -> int:
        """How long ago the engine was heard of last."""
        return self.reader.engine_ms(self._clock.monotonic_ms())

    def engine_silent(self) -> bool:
        """Whether the engine must be taken for dead."""
        return self.reader.silent(self._clock.monotonic_ms())

    def engine_now(self) -> int:
        """The engine's clock, as `BoardReader.now` carries it on."""
        return self.reader.now(self._clock.monotonic_ms())

    def restore(self, value: bytes) -> bool:
        """Take the last good snapshot, until the engine says something; False when it is not one.

        It shows as what it is, old: nothing of it tells that the engine lives.
        """
        last = self._decode(keys.LAST_GOOD, value, LastGood)
        if last is None or self.reader.board is not None:
            return False
        board = self._decode(keys.BOARD, last.values.get(keys.BOARD), BoardState)
        if board is None:
            return False
        self._take_board(board)
        for key in self._hot:
            if (document := self._decode(key, last.values.get(key), Document)) is not None:
                self._take_document(key, document)
        log.info("last_good_restored", epoch=last.epoch, made=iso(last.now))
        return True

    async def receive(self, message: bytes) -> None:
        """Take one message of the push channel."""
        try:
            push = self._codec.decode_push(keys.PUSH, message)
        except ValueRefusedError as error:
            self._refuse(error)
            log.warning("push_undecodable", error=str(error))
            return
        at_ms = self._clock.monotonic_ms()
        epoch = self.reader.epoch
        step = self.reader.apply(push, at_ms)
        if step is not Step.IGNORED:
            self._pushed_ms = at_ms
            self._say_where_from("pushes")
        wanted: tuple[str, ...] = ()
        ahead: tuple[str, ...] = ()
        if isinstance(push, RowsChanged):
            stale = stale_after(push.documents)
            self._cache.forget(stale)
            wanted = tuple(key for key in push.documents if key in self._hot)
            ahead = self._asked.among(stale)
        if step is Step.REPLACED:
            self._cache.forget(self._hot)
            if epoch != self.reader.epoch:
                log.info("epoch_changed", before=epoch, now=self.reader.epoch)
            self._missed = False
            self._tell_board()
            await self._read(self._hot)
        elif step is Step.MISSED and not isinstance(push, BoardReplaced):
            await self._catch_up(push, at_ms)
        elif step is Step.ROWS and isinstance(push, RowsChanged):
            self._tell_rows([row.row for row in push.rows])
            if wanted:
                await self._read(wanted)
            await self._read_ahead(ahead)
        if step is not Step.IGNORED:
            self._tell_news(push)

    def _tell_news(self, push: Push) -> None:
        """Pass on what a push says beside the board, if it is of the epoch that is held."""
        if isinstance(push, RowsChanged) and push.documents:
            for listener in self._news_listeners:
                listener.documents_changed(push.documents)
        elif isinstance(push, AlertsChanged) and push.epoch == self.reader.epoch:
            for listener in self._news_listeners:
                listener.alerts_changed(push)

    async def _catch_up(self, push: RowsChanged | Beat | AlertsChanged, at_ms: int) -> None:
        """Read the board, because something before this message was lost.

        Where the cache cannot help, the rows of the message are still newer than ours; the board
        is asked for again at each tick until it comes.
        """
        self.missed_pushes += 1
        await self._read((keys.BOARD, *self._hot))
        needed = push.previous if isinstance(push, RowsChanged) else push.seq
        self._missed = self.reader.epoch != push.epoch or self.reader.seq < needed
        if self.reader.epoch == push.epoch:
            self.reader.hear(push.now, at_ms)
        if isinstance(push, RowsChanged) and self.reader.merge(push) is Step.ROWS:
            self._tell_rows([row.row for row in push.rows])

    async def tick(self) -> None:
        """Look at the clock and the cache; once a second."""
        wanted = [keys.ENGINE]
        silent = self.push_ms >= self.reader.heartbeat_ms
        if silent or self._missed or self.reader.board is None:
            wanted += [keys.BOARD, *self._hot]
        else:
            wanted += [key for key in self._hot if key not in self._documents]
        await self._read(wanted)
        if silent:
            self._say_where_from("cache")

    def _say_where_from(self, reading: Literal["pushes", "cache"]) -> None:
        if reading == self._reading:
            return
        self._reading = reading
        self._reading_since = self._clock.now()
        log.warning("board_source_changed", reading=reading)
        self._tell_rows([])

    async def _read(self, wanted: Sequence[str]) -> None:
        """Read keys in one round trip and take what they hold."""
        values: dict[str, bytes | None] = dict.fromkeys(wanted)
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                values |= await self._cache.multi_get(wanted)
        except (CacheError, TimeoutError) as error:
            if self.cache_error is None:
                log.warning("cache_failed", error=str(error))
            self.cache_error = str(error) or f"no answer within {READ_DEADLINE_S:g} s"
            return
        self.cache_error = None
        self.cache_good_at = self._clock.now()
        if (status := self._decode(keys.ENGINE, values.get(keys.ENGINE), EngineStatus)) is not None:
            self._take_status(status)
        if (board := self._decode(keys.BOARD, values.get(keys.BOARD), BoardState)) is not None:
            self._take_board(board)
        for key in self._hot:
            if (document := self._decode(key, values.get(key), Document)) is not None:
                self._take_document(key, document)

    async def _read_ahead(self, wanted: Sequence[str]) -> None:
        """Have the cache read what will be asked for again, as long as it answers.

        In small parts: a tier is judged by how long its answers take, and others ask too.
        """
        for first in range(0, len(wanted), AHEAD_AT_ONCE):
            if self.cache_error is not None:
                return
            await self._read(wanted[first : first + AHEAD_AT_ONCE])

    def _decode(self, key: str, value: bytes | None, kind: type[M]) -> M | None:
        if value is None:
            return None
        try:
            return self._codec.decode(key, value, kind)
        except ValueRefusedError as error:
            self._refuse(error)
            log.warning("cache_value_undecodable", kind=kind.__name__, error=str(error))
            return None

    def _refuse(self, error: ValueRefusedError) -> None:
        self.undecodable += 1
        self.refused[error.reason] = self.refused.get(error.reason, 0) + 1

    def _take_status(self, status: EngineStatus) -> None:
        if self.reader.left(status.epoch):
            return
        before = self.engine
        if before is not None and before.epoch == status.epoch:
            if (status.now, status.seq) <= (before.now, before.seq):
                return
            # Two different readings of a running epoch: somebody writes, so the engine lives.
            if status.epoch == self.reader.epoch:
                self.reader.hear(status.now, self._clock.monotonic_ms())
        self.engine = status
        if self.reader.epoch is not None and status.epoch != self.reader.epoch:
            self._missed = True

    def _take_board(self, board: BoardState) -> None:
        held, rows, notices = self.reader.board, self.reader.rows, self.reader.notices
        if self.reader.take(board) is Step.IGNORED:
            return
        self._missed = False
        same = held is not None and (held.epoch, held.symbols, held.limits, held.replay) == (
            (board.epoch, board.symbols, board.limits, board.replay)
        )
        if not same:
            self._tell_board()
            return
        changed = [row.row for row in board.rows if rows.get(row.row) != row]
        if changed or notices != board.notices:
            self._tell_rows(changed)

    def _take_document(self, key: str, document: Document) -> None:
        held = self._documents.get(key)
        if self.reader.left(document.epoch):
            return
        if held is not None and held.epoch == document.epoch and document.seq <= held.seq:
            return
        self._documents[key] = document
        self._renewed_ms[key] = self._clock.monotonic_ms()

    def _tell_rows(self, numbers: Sequence[int]) -> None:
        for listener in self._listeners:
            listener.rows_changed(numbers)

    def _tell_board(self) -> None:
        for listener in self._listeners:
            listener.board_replaced()

    def hot(self, key: str) -> Served:
        """A hot document as it may be shown now, without waiting for anything."""
        document = self._documents.get(key)
        if document is None:
            self.not_ready += 1
            return self._nothing(key)
        self.ready += 1
        at_ms = self._clock.monotonic_ms()
        reason = self._doubt(document, at_ms)
        if reason is None and at_ms - self._renewed_ms[key] > RENEWAL_MS:
            reason = f"the engine has not renewed this document since {iso(document.now)}"
        known = self._hot_served.get(key)
        if known is None or known[0] is not document or known[1].reason != reason:
            known = self._hot_served[key] = (document, self._render(key, document, reason))
        return known[1]

    async def document(self, key: str) -> Served:
        """Any document: a hot one at once, another read from the cache, or the last one known."""
        if key in self._hot:
            return self.hot(key)
        self._asked.note(key)
        return await self._document(key, self._cache.get)

    async def _again(self, key: str) -> bytes | None:
        """Read for somebody whose question was counted already."""
        return (await self._cache.multi_get((key,)))[key]

    async def _document(self, key: str, get: Callable[[str], Awaitable[bytes | None]]) -> Served:
        held = self._others.get(key)
        found: Document | None = None
        failed = False
        try:
            async with asyncio.timeout(READ_DEADLINE_S):
                found = self._decode(key, await get(key), Document)
        except (CacheError, TimeoutError) as error:
            failed = True
            self.cache_error = str(error) or f"no answer within {READ_DEADLINE_S:g} s"
        if found is not None and not self.reader.left(found.epoch):
            older = held is not None and held.epoch == found.epoch and found.seq < held.seq
            if not older:
                self._others[key] = held = found
        if held is None:
            return self._nothing(key)
        reason = self._doubt(held, self._clock.monotonic_ms())
        if reason is None and found is None:
            why = "the cache does not answer" if failed else "it is no longer in the cache"
            reason = f"this document is from {iso(held.now)}: {why}"
        return self._render(key, held, reason)

    async def looked_at(self, key: str, symbol: str, patience_s: float = PATIENCE_S) -> Served:
        """A document that is made for who looks at it: the engine is told, and waited for a moment.

        Where it does not answer in time the last one known is given, judged by its age.
        """
        told = await self._looking.look(symbol)
        ends = asyncio.get_running_loop().time() + (0.0 if self.engine_silent() else patience_s)
        served = await self.document(key)
        while True:
            held = self._others.get(key)
            age_ms = None if held is None else self.engine_now() - held.now
            if age_ms is not None and age_ms <= PRESENT_MS:
                return served
            if asyncio.get_running_loop().time() >= ends:
                break
            await asyncio.sleep(LOOK_S)
            served = await self._document(key, self._again)
        if not told:
            self._looking.forget(symbol)
        if held is None or served.status != 200 or served.reason is not None:
            return served
        since = f"the engine has not renewed this document since {iso(held.now)}"
        with suppress(msgspec.DecodeError):
            body = judged(served.body, self.engine_now(), since)
            return Served(200, body, etag_of(body), since)
        return self._nothing(key)

    def _doubt(self, document: Document, at_ms: int) -> str | None:
        """Why a document cannot be taken as the present state, or None."""
        if self.reader.silent(at_ms):
            since = max(self.reader.engine_now, document.now)
            return f"the engine has been silent since {iso(since)}"
        if document.epoch != self.reader.epoch:
            return f"the engine was restarted: this document is from {iso(document.now)}, before it"
        return None

    def _render(self, key: str, document: Document, reason: str | None) -> Served:
        """Make the answer, once per document and reason."""
        known = self._rendered.get(key)
        if known is not None and known[0] is document and known[1].reason == reason:
            return known[1]
        served = Served(200, document.body, quoted(document.etag), None)
        if reason is not None:
            with suppress(msgspec.DecodeError):
                body = degraded(document.body, reason)
                served = Served(200, body, etag_of(body), reason)
        if served.reason != reason:
            self.undecodable += 1
            return self._nothing(key)
        self._rendered[key] = (document, served)
        return served

    def why_nothing(self) -> tuple[str, ...]:
        """Why there is nothing to show, in sentences."""
        reasons: list[str] = []
        if self.cache_error is not None:
            reasons.append(f"the cache does not answer: {self.cache_error}")
        if self.reader.board is None:
            reasons.append("the engine has not published anything yet")
        elif self.engine_silent():
            reasons.append(f"the engine has been silent since {iso(self.reader.engine_now)}")
        else:
            reasons.append("the engine has not published this document yet")
        return tuple(reasons)

    def _nothing(self, key: str) -> Served:
        reasons = self.why_nothing()
        return Served(503, nothing(key, iso(self._clock.now()), reasons), "", reasons[0])
