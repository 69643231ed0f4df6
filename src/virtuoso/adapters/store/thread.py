"""The one thread that writes. What must not be lost goes first; rows of history wait in a queue.

The loop never waits for a disk: rows are handed over and forgotten, calls are awaited with a
deadline. A second thread ends whatever takes too long.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from virtuoso.adapters.store.database import DEADLINE_S, Place, sever, translated
from virtuoso.domain.errors import (
    StoreDamagedError,
    StoreError,
    StoreRefusedError,
    StoreUnavailableError,
)
from virtuoso.domain.history import HistoryRow

log = structlog.get_logger()

BATCH: Final = 2_000
"""Rows of one transaction: some 50 ms of writing, for which a call may have to wait."""
CALLS: Final = 1_000
"""Calls that may wait."""
RETRY_S: Final = (0.25, 2.0)
"""First and longest pause after a failure."""
CALL_DEADLINE_S: Final = 2 * DEADLINE_S
"""How long a call waits for its turn and its answer."""
BULK_DEADLINE_S: Final = 30.0
"""A batch, or a piece of care, that takes longer is ended."""

T = TypeVar("T")


@dataclass(slots=True)
class _Call(Generic[T]):
    work: Callable[[Connection], T]
    answer: Future[T]
    is_care: bool = False


@dataclass(slots=True)
class Counts:
    """What became of the rows so far."""

    written: int = 0
    lost: int = 0
    refused: int = 0
    error: str | None = None
    failed_at: float | None = None
    """Seconds of the performance counter since which nothing can be written."""
    last_written: float | None = None
    """Seconds of the performance counter."""
    waiting: int = 0


@dataclass(slots=True)
class _Under:
    """What is under way on a connection, for the thread that watches the time."""

    connection: Connection
    until: float
    ended: bool = False


class Watchman:
    """Ends what takes too long: one thread for all connections of a store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[int, _Under] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-watchman", daemon=True)
        self._thread.start()

    def begin(self, connection: Connection, seconds: float) -> int:
        """Watch a connection from now on; gives a number for `end`."""
        under = _Under(connection, time.perf_counter() + seconds)
        with self._lock:
            self._known[id(under)] = under
        return id(under)

    def end(self, number: int) -> None:
        """Watch it no more."""
        with self._lock:
            self._known.pop(number, None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        self._thread.join(1)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            now = time.perf_counter()
            with self._lock:
                for each in self._known.values():
                    if now >= each.until and not each.ended:
                        each.ended = True
                        # under the lock, so that it cannot be the next one's statement
                        sever(each.connection)


class WriteThread:
    """Does one thing at a time with the database: a call, a batch of rows, a piece of care."""

    def __init__(
        self,
        place: Place,
        bulk: Engine,
        ledger: Engine,
        write: Callable[[Connection, Sequence[HistoryRow]], None],
        room: int,
        mend: Callable[[str], None] | None = None,
    ) -> None:
        """`write` puts rows into their tables; `room`: rows that may wait.

        `mend` is called on the thread when the database turns out to be damaged.
        """
        self._mend = mend
        self.counts = Counts()
        self.room = room
        self._place = place
        self._bulk = bulk
        self._ledger = ledger
        self._write = write
        self._batches: deque[Sequence[HistoryRow]] = deque()
        self._calls: deque[_Call[Any]] = deque()
        self._care: deque[_Call[Any]] = deque()
        self._wake = threading.Condition()
        self._writing = 0
        self._closing = False
        self._pause = 0.0
        self._retry_at = 0.0
        self.watchman = Watchman()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def put(self, rows: Sequence[HistoryRow]) -> bool:
        """Queue rows; False when there is no room."""
        with self._wake:
            if self._closing or self.counts.waiting + len(rows) > self.room:
                self.counts.lost += len(rows)
                return False
            self._batches.append(rows)
            self.counts.waiting += len(rows)
            self._wake.notify()
        return True

    async def call(self, work: Callable[[Connection], T], *, care: bool = False) -> T:
        """Do something in a transaction of its own, committed when this returns.

        `care`: it waits for everything else, and may take its time. Raises StoreError.
        """
        queue = self._care if care else self._calls
        answer: Future[T] = Future()
        with self._wake:
            if self._closing or len(queue) >= CALLS:
                msg = f"expected {self._place} to take a call, found it busy or closed"
                raise StoreUnavailableError(msg)
            queue.append(_Call(work, answer, care))
            self._wake.notify()
        try:
            async with asyncio.timeout(BULK_DEADLINE_S * 2 if care else CALL_DEADLINE_S):
                return await asyncio.wrap_future(answer)
        except TimeoutError as error:
            msg = f"expected {self._place} to answer within {CALL_DEADLINE_S:g} s, found it slow"
            raise StoreUnavailableError(msg) from error

    async def flush(self, seconds: float) -> None:
        """Wait until nothing waits. Raises StoreUnavailableError."""
        deadline = time.perf_counter() + seconds
        while self.counts.waiting:
            if time.perf_counter() > deadline:
                msg = f"expected {self._place} to take what waits, found {self.counts.error}"
                raise StoreUnavailableError(msg)
            await asyncio.sleep(0.005)

    def close(self, seconds: float = 5.0) -> None:
        """Write what waits while the deadline lasts, then end. Blocks."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(seconds)
        self.watchman.close()

    def _run(self) -> None:
        while True:
            job = self._next()
            if job is None:
                return
            if isinstance(job, _Call):
                self._answer(job)
            else:
                self._write_batch(job)

    def _next(self) -> _Call[Any] | Sequence[HistoryRow] | None:
        """Wait for work; None: it is time to end."""
        with self._wake:
            while True:
                if self._calls:
                    return self._calls.popleft()
                wait = self._retry_at - time.perf_counter()
                if self._batches and (wait <= 0 or self._closing):
                    return self._gather()
                if self._care and not self._batches:
                    return self._care.popleft()
                if self._closing:
                    return None
                self._wake.wait(wait if self._batches else None)

    def _gather(self) -> Sequence[HistoryRow]:
        rows: list[HistoryRow] = []
        while self._batches and (not rows or len(rows) + len(self._batches[0]) <= BATCH):
            rows.extend(self._batches.popleft())
        return rows

    def _answer(self, call: _Call[Any]) -> None:
        if not call.answer.set_running_or_notify_cancel():
            return
        engine = self._bulk if call.is_care else self._ledger
        seconds = BULK_DEADLINE_S if call.is_care else DEADLINE_S
        try:
            result = self._transact(engine, call.work, seconds)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever called
            self._note(error)
            call.answer.set_exception(error)
        else:
            if not self._batches:
                self._healed()
            call.answer.set_result(result)

    def _transact(self, engine: Engine, work: Callable[[Connection], T], seconds: float) -> T:
        with translated(self._place), engine.connect() as connection:
            number = self.watchman.begin(connection, seconds)
            try:
                with connection.begin():
                    return work(connection)
            except BaseException:
                # whatever state it is in, the next one begins anew
                connection.invalidate()
                raise
            finally:
                self.watchman.end(number)

    def _write_batch(self, rows: Sequence[HistoryRow]) -> None:
        try:
            self._transact(self._bulk, lambda link: self._write(link, rows), BULK_DEADLINE_S)
        except StoreRefusedError as error:
            # asking again would be answered the same, for ever
            log.warning("store_refused_rows", rows=len(rows), error=str(error))
            with self._wake:
                self.counts.refused += len(rows)
                self.counts.lost += len(rows)
                self.counts.waiting -= len(rows)
        except StoreError as error:
            self._note(error)
            with self._wake:
                self._pause = min(max(2 * self._pause, RETRY_S[0]), RETRY_S[1])
                self._retry_at = time.perf_counter() + self._pause
                if self._closing:
                    self.counts.lost += len(rows)
                    self.counts.waiting -= len(rows)
                else:
                    self._batches.appendleft(rows)
        else:
            with self._wake:
                self.counts.last_written = time.perf_counter()
                self.counts.written += len(rows)
                self.counts.waiting -= len(rows)
                self._pause = self._retry_at = 0.0
            self._healed()

    def _healed(self) -> None:
        if self.counts.error is None:
            return
        self.counts.error = self.counts.failed_at = None
        log.info("store_writes_again", waiting=self.counts.waiting)

    def _note(self, error: BaseException) -> None:
        if isinstance(error, StoreRefusedError) or not isinstance(error, StoreError):
            return
        if self.counts.error is None:
            self.counts.failed_at = time.perf_counter()
            log.warning("store_not_written", error=str(error))
        self.counts.error = str(error)
        if isinstance(error, StoreDamagedError) and self._mend is not None:
            try:
                self._mend(str(error))
            except (StoreError, OSError) as trouble:
                log.warning("store_not_mended", error=str(trouble))
