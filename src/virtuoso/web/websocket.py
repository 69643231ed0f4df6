"""The socket `/ws`: each client gets the newest of what it asked for, at its own pace.

A row is encoded once however many read it. A client's mailbox holds row numbers, not messages, so
it cannot grow and the newest value always wins. Who takes nothing is cut off, and nobody waits.
`Heartbeat.now` is the engine's clock carried on by our monotonic time while the engine is heard;
once it is silent, `now` stands still at the limit, so that no reader makes an age from a clock
that nobody vouches for. The browser adds its own time since the heartbeat came.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec
import structlog

from virtuoso.ports import Clock
from virtuoso.web.options import WebOptions
from virtuoso.wire.client import (
    ClientMessage,
    FirstPaint,
    Heartbeat,
    MarketUpdate,
    Ping,
    Pong,
    Refused,
    Resync,
    Snapshot,
    Subscribe,
    Unsubscribe,
    Update,
)
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import BoardState, Notice, RowSymbol, to_json
from virtuoso.wire.records import iso, record_of

log = structlog.get_logger()

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

ABORT: Final = "virtuoso.abort"
"""The scope extension by which `web.server` lets us drop a connection that takes nothing."""

GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008
UNKNOWN_LISTED: Final = 100
REPLIES_WAITING: Final = 20
TIMINGS_KEPT: Final = 200
LONGEST_PAINT_MS: Final = 600_000.0
NO_ROWS: Final = '"rows":[]'

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(
    Subscribe | Unsubscribe | Resync | Ping | FirstPaint
)


class PageTiming(NamedTuple):
    """What a page said of its own start."""

    at: int
    first_paint_ms: float
    first_row_ms: float


class Fragments:
    """Rows as JSON text, each encoded when it is first needed and kept until it changes."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._rows: dict[int, str] = {}
        self._records: dict[int, str] = {}
        self._symbols: tuple[BoardState | None, dict[int, RowSymbol]] = (None, {})
        self.encodings = 0
        """How many rows were encoded so far, in either form."""

    def forget(self, numbers: Collection[int]) -> None:
        """Drop the text of rows that changed."""
        for number in numbers:
            self._rows.pop(number, None)
            self._records.pop(number, None)

    def clear(self) -> None:
        """Drop everything."""
        self._rows.clear()
        self._records.clear()

    def row(self, number: int) -> str:
        """A row as a JSON array."""
        text = self._rows.get(number)
        if text is None:
            text = to_json(self._follower.reader.rows[number]).decode()
            self._rows[number] = text
            self.encodings += 1
        return text

    def record(self, number: int, board: BoardState) -> str:
        """A row as a whole MarketUpdate message."""
        text = self._records.get(number)
        if text is None:
            row = self._follower.reader.rows[number]
            symbol = self._symbols_of(board)[number]
            message = MarketUpdate(
                symbol=symbol.symbol,
                data=record_of(row, symbol),
                timestamp=iso(self._follower.reader.engine_now),
                epoch=board.epoch,
                seq=self._follower.reader.seq,
                as_of=row.as_of,
                source=symbol.source,
            )
            text = to_json(message).decode()
            self._records[number] = text
            self.encodings += 1
        return text

    def _symbols_of(self, board: BoardState) -> dict[int, RowSymbol]:
        """The board's symbols by row number, arranged once a board."""
        if self._symbols[0] is not board:
            self._symbols = (board, {each.row: each for each in board.symbols})
        return self._symbols[1]


class Mailbox:
    """What one client has yet to be told: which rows, or everything. Never more than the board."""

    def __init__(self) -> None:
        self.wanted: frozenset[int] = frozenset()
        self.rows: set[int] = set()
        self.snapshot = False
        self.notices = False
        self.replies: deque[str] = deque(maxlen=REPLIES_WAITING)
        self.news = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether there is anything of the board to send."""
        return self.snapshot or self.notices or bool(self.rows)

    def put_rows(self, numbers: frozenset[int], *, notices: bool) -> None:
        """Note changed rows; those nobody here asked for do not count."""
        mine = numbers & self.wanted
        if mine or notices:
            self.rows |= mine
            self.notices |= notices
            self.news.set()

    def put_snapshot(self) -> None:
        """Note that everything must be sent anew."""
        self.snapshot = True
        self.news.set()

    def put_reply(self, reply: msgspec.Struct) -> None:
        """Queue an answer to something the client said."""
        self.replies.append(to_json(reply).decode())
        self.news.set()


class TakesNothingError(Exception):
    """A client did not take a message within the deadline."""


class Client:
    """One socket: its subscription, its mailbox and its place in the sequence."""

    def __init__(self, hub: "Hub", client_ip: str, receive: Receive, send: Send) -> None:
        self.ip = client_ip
        self.mailbox = Mailbox()
        self._hub = hub
        self._receive = receive
        self._send = send
        self._symbols: frozenset[str] | None = frozenset()
        self._unknown: tuple[str, ...] = ()
        self._form: Literal["rows", "records"] = "records"
        self._hz = 4.0
        self._seq = 0
        self._notices: tuple[Notice, ...] = ()
        self._subscribed = False
        self._said_no_board = False
        self._heard: deque[int] = deque(maxlen=hub.options.max_messages_per_second)

    def choose_rows(self) -> None:
        """Find the rows of the subscribed symbols on the board of now."""
        reader = self._hub.follower.reader
        every = () if reader.board is None else reader.board.symbols
        symbols = [each for each in every if each.row in reader.rows]
        if self._symbols is None:
            chosen, self._unknown = [each.row for each in symbols], ()
        else:
            chosen = [each.row for each in symbols if each.symbol in self._symbols]
            unknown = self._symbols - {each.symbol for each in symbols}
            self._unknown = tuple(sorted(unknown))[:UNKNOWN_LISTED]
        self.mailbox.wanted = frozenset(chosen)
        self.mailbox.rows &= self.mailbox.wanted

    def board_replaced(self) -> None:
        """Start over, if this client asked for anything."""
        self.choose_rows()
        if self._subscribed:
            self.mailbox.put_snapshot()

    def rows_changed(self, numbers: frozenset[int], notices: tuple[Notice, ...]) -> None:
        """Note what is new for this client."""
        changed = self._subscribed and notices != self._notices
        self.mailbox.put_rows(numbers, notices=changed)

    async def listen(self) -> tuple[int, str] | None:
        """Take what the client says until it goes (None) or must go (a close code and why)."""
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return None
            if message["type"] != "websocket.receive":
                continue
            now = self._hub.clock.monotonic_ms()
            if len(self._heard) == self._heard.maxlen and now - self._heard[0] < 1_000:
                return POLICY_VIOLATION, f"more than {self._heard.maxlen} messages a second"
            self._heard.append(now)
            text = message.get("text")
            if text is None:
                self._refuse("not_text", "expected JSON in a text message, found a binary one")
                continue
            try:
                said = _decoder.decode(text)
            except (msgspec.DecodeError, RecursionError):
                known = "subscribe, unsubscribe, resync, ping, timing"
                self._refuse("not_understood", f"expected one of {known}, found something else")
                continue
            self._answer(said)

    def _refuse(self, code: str, text: str) -> None:
        self.mailbox.put_reply(Refused(code, text))

    def _answer(self, said: ClientMessage) -> None:
        if isinstance(said, Ping):
            self.mailbox.put_reply(Pong(said.id))
        elif isinstance(said, Resync):
            if self._subscribed:
                self.mailbox.put_snapshot()
        elif isinstance(said, Subscribe):
            options = self._hub.options
            self._symbols = None if said.symbols is None else frozenset(said.symbols)
            self._form = said.form
            self._hz = min(options.max_hz, max(options.min_hz, said.hz))
            self._subscribed = True
            self.choose_rows()
            self.mailbox.put_snapshot()
        elif isinstance(said, Unsubscribe):
            self._unsubscribe(said.symbols)
        else:
            self._hub.note_timing(said)

    def _unsubscribe(self, symbols: tuple[str, ...] | None) -> None:
        if symbols is None:
            self._symbols = frozenset()
        else:
            board = self._hub.follower.reader.board
            every = frozenset() if board is None else {each.symbol for each in board.symbols}
            held = every if self._symbols is None else self._symbols
            self._symbols = frozenset(held) - frozenset(symbols)
        self.choose_rows()

    async def talk(self) -> None:
        """Send what is due, for ever. Raises TakesNothingError."""
        loop = asyncio.get_running_loop()
        beat_s = self._hub.options.heartbeat_s
        next_frame = loop.time()
        next_beat = loop.time() + beat_s
        while True:
            self.mailbox.news.clear()
            while self.mailbox.replies:
                await self._put(self.mailbox.replies.popleft())
            if self.mailbox.full and loop.time() >= next_frame:
                await self._send_news()
                next_frame = loop.time() + 1 / self._hz
            if loop.time() >= next_beat:
                await self._send_heartbeat()
                next_beat = loop.time() + beat_s
            due = min(next_beat, next_frame) if self.mailbox.full else next_beat
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self.mailbox.news.wait()

    async def _send_news(self) -> None:
        board = self._hub.follower.reader.board
        if board is None:
            await self._say_no_board()
        elif self.mailbox.snapshot:
            await self._send_snapshot(board)
        elif self._form == "rows" or not self.mailbox.rows:
            await self._send_update(board)
        else:
            await self._send_records(board)

    async def _say_no_board(self) -> None:
        """Explain once why no snapshot comes; the first board brings one."""
        self.mailbox.snapshot = self.mailbox.notices = False
        if not self._said_no_board:
            self._said_no_board = True
            reasons = "; ".join(self._hub.follower.why_nothing())
            await self._put(to_json(Refused("no_board", reasons)).decode())

    async def _send_snapshot(self, board: BoardState) -> None:
        follower, mailbox = self._hub.follower, self.mailbox
        self._seq = follower.reader.seq
        self._notices = follower.notices
        head = Snapshot(
            epoch=board.epoch,
            seq=self._seq,
            now=follower.engine_now(),
            source=board.source,
            limits=board.limits,
            cells=(),
            symbols=tuple(each for each in board.symbols if each.row in mailbox.wanted),
            rows=(),
            notices=self._notices,
            replay=board.replay,
            unknown=self._unknown,
        )
        text = self._with_rows(head, sorted(mailbox.wanted))
        mailbox.snapshot = mailbox.notices = False
        mailbox.rows = set(mailbox.wanted) if self._form == "records" else set()
        await self._put(text)
        if mailbox.rows:
            await self._send_records(board)

    async def _send_update(self, board: BoardState) -> None:
        follower, mailbox = self._hub.follower, self.mailbox
        previous, self._seq = self._seq, follower.reader.seq
        notices = follower.notices
        head = Update(
            epoch=board.epoch,
            seq=self._seq,
            previous=previous,
            now=follower.engine_now(),
            source=board.source,
            rows=(),
            notices=notices if notices != self._notices else None,
        )
        self._notices = notices
        text = self._with_rows(head, sorted(mailbox.rows))
        mailbox.rows = set()
        mailbox.notices = False
        await self._put(text)

    async def _send_records(self, board: BoardState) -> None:
        """Send each changed row as a message of its own, its newest value at that moment."""
        rows, self.mailbox.rows = self.mailbox.rows, set()
        self._seq = self._hub.follower.reader.seq
        texts = [self._hub.fragments.record(number, board) for number in sorted(rows)]
        for text in texts:
            await self._put(text)

    def _with_rows(self, head: msgspec.Struct, numbers: Sequence[int]) -> str:
        """Put ready rows into a message. A quote inside a string is escaped, so this finds it."""
        rows = ",".join(map(self._hub.fragments.row, numbers))
        return to_json(head).decode().replace(NO_ROWS, f'"rows":[{rows}]', 1)

    async def _send_heartbeat(self) -> None:
        """Send the engine's time. Its `seq` is the last one this client was sent."""
        follower = self._hub.follower
        board = follower.reader.board
        if board is None:
            return
        beat = Heartbeat(
            epoch=board.epoch,
            seq=self._seq,
            now=follower.engine_now(),
            source=board.source,
            engine_ms=follower.engine_ms(),
        )
        await self._put(to_json(beat).decode())

    async def _put(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._hub.options.send_deadline_s):
                await self._send({"type": "websocket.send", "text": text})
        except TimeoutError as error:
            raise TakesNothingError from error
        self._hub.sent += 1

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye. Raises TakesNothingError when the client does not even take that."""
        try:
            async with asyncio.timeout(self._hub.options.send_deadline_s):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except TimeoutError as error:
            raise TakesNothingError from error


class Hub:
    """All socket clients of this process."""

    def __init__(self, follower: Follower, clock: Clock, options: WebOptions) -> None:
        self.follower = follower
        self.clock = clock
        self.options = options
        self.fragments = Fragments(follower)
        self.clients: set[Client] = set()
        self.accepted = 0
        self.refused = 0
        self.evicted = 0
        self.sent = 0
        self._by_ip: Counter[str] = Counter()
        self._closing = asyncio.Event()
        self._empty = asyncio.Event()
        self._timings: dict[str, deque[PageTiming]] = {
            page: deque(maxlen=TIMINGS_KEPT) for page in ("desktop", "mobile")
        }
        follower.listen(self)

    def rows_changed(self, numbers: Sequence[int]) -> None:
        """Pass changed rows to every mailbox."""
        self.fragments.forget(numbers)
        changed = frozenset(numbers)
        notices = self.follower.notices
        for client in self.clients:
            client.rows_changed(changed, notices)

    def board_replaced(self) -> None:
        """Send everybody a new snapshot."""
        self.fragments.clear()
        for client in self.clients:
            client.board_replaced()

    def note_timing(self, timing: FirstPaint) -> None:
        """Keep what a page measured of its own start, unless it cannot be."""
        figures = (timing.first_paint_ms, timing.first_row_ms)
        if all(0 <= figure <= LONGEST_PAINT_MS for figure in figures):
            self._timings[timing.page].append(PageTiming(self.clock.now(), *figures))

    def timings(self, page: str) -> tuple[PageTiming, ...]:
        """The last page starts, oldest first."""
        return tuple(self._timings[page])

    def counters(self) -> dict[str, int]:
        """Figures for the monitor."""
        return {
            "clients": len(self.clients),
            "accepted": self.accepted,
            "refused": self.refused,
            "evicted": self.evicted,
            "sent": self.sent,
            "encodings": self.fragments.encodings,
        }

    def why_full(self, client_ip: str) -> str | None:
        """Why one more client from this address cannot be taken, or None."""
        if self._closing.is_set():
            return "the server is closing"
        if len(self.clients) >= self.options.max_clients:
            return f"all {self.options.max_clients} places are taken"
        if self._by_ip[client_ip] >= self.options.max_clients_per_ip:
            return f"all {self.options.max_clients_per_ip} places of this address are taken"
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one accepted socket to its end."""
        client_ip = (scope.get("client") or ("",))[0]
        client = Client(self, client_ip, receive, send)
        client.choose_rows()
        self.clients.add(client)
        self._by_ip[client_ip] += 1
        self.accepted += 1
        self._empty.clear()
        abort: Callable[[], None] = scope["extensions"].get(ABORT, lambda: None)
        try:
            await self._converse(client)
        except TakesNothingError:
            self.evicted += 1
            deadline_s = self.options.send_deadline_s
            log.warning("client_evicted", client_ip=client_ip, deadline_s=deadline_s)
            abort()
        except OSError:
            log.debug("client_gone", client_ip=client_ip)
        finally:
            self.clients.discard(client)
            self._by_ip[client_ip] -= 1
            if not self._by_ip[client_ip]:
                del self._by_ip[client_ip]
            if not self.clients:
                self._empty.set()

    async def _converse(self, client: Client) -> None:
        """Run both directions until one of them ends, and close politely where there is a why."""
        listening = asyncio.create_task(client.listen())
        talking = asyncio.create_task(client.talk())
        closing = asyncio.create_task(self._closing.wait())
        tasks = {listening, talking, closing}
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if talking in done:
            talking.result()
        farewell = listening.result() if listening in done else None
        if farewell is None and closing in done and listening not in done:
            farewell = (GOING_AWAY, "the server is closing")
        if farewell is not None:
            await client.close(*farewell)

    async def close(self) -> None:
        """Send every client away with code 1001; returns when they are gone or were cut off."""
        self._closing.set()
        if not self.clients:
            return
        deadline_s = 2 * self.options.send_deadline_s
        with suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
