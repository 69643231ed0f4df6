"""All socket clients of this process: their places, what they share, heartbeats and the end.

`Heartbeat.now` is the engine's clock carried on by our monotonic time while the engine is heard;
once it is silent, `now` stands still at the limit, so that no reader makes an age from a clock
that nobody vouches for. The browser adds its own time since the heartbeat came.
"""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

import structlog

from virtuoso.ports import Clock
from virtuoso.web.options import WebOptions
from virtuoso.web.socket.alerts import Alerts
from virtuoso.web.socket.client import Client
from virtuoso.web.socket.conversation import Close, ErrorCode, Message, Receive, listen
from virtuoso.web.socket.figures import Figures
from virtuoso.web.socket.line import LINE, Line, frame
from virtuoso.web.socket.pace import Pace
from virtuoso.web.socket.published import Published
from virtuoso.web.socket.shelf import Shelf
from virtuoso.web.socket.signals import Frames, Place
from virtuoso.web.socket.subscriptions import Subscriptions
from virtuoso.web.socket.view import Moment
from virtuoso.wire.board import Notice
from virtuoso.wire.client import PROTOCOL, FirstPaint, Heartbeat, Hello, Refused, SocketLimits
from virtuoso.wire.follower import Follower
from virtuoso.wire.messages import to_json
from virtuoso.wire.pushes import AlertsChanged

log = structlog.get_logger()

Scope: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

TIMINGS_KEPT: Final = 200
LONGEST_PAINT_MS: Final = 600_000.0
PATIENCE: Final = 10
"""So many send deadlines long something may wait for a client that takes it, but slowly."""
LOOKS: Final = 4
"""How often in a send deadline is looked who takes nothing."""
REMIND_BEATS: Final = 5
"""Heartbeats between two reminders that there is no board."""


class PageTiming(NamedTuple):
    """What a page said of its own start."""

    at: int
    first_paint_ms: float
    first_row_ms: float


class Hub:
    """Every socket client of this process."""

    def __init__(self, follower: Follower, clock: Clock, options: WebOptions) -> None:
        self.follower = follower
        self.clock = clock
        self.options = options
        self.figures = Figures()
        self.clients: dict[Client, Send] = {}
        self._shelf = Shelf(follower)
        self._alerts = Alerts()
        self._published = Published(follower, self._poke_for)
        self._subscriptions = Subscriptions(
            follower, options, self._shelf, self._alerts, self._published, self
        )
        self._paces = {
            hz: Pace(1 / hz, self._serve, self.figures.delivered) for hz in options.rhythms
        }
        self._numbers = itertools.count(1)
        self._moment: Moment | None = None
        self._notices: tuple[Notice, ...] = ()
        self._by_ip: Counter[str] = Counter()
        self._closing = False
        self._empty = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._beats = 0
        self._timings: dict[str, deque[PageTiming]] = {
            page: deque(maxlen=TIMINGS_KEPT) for page in ("desktop", "mobile")
        }
        follower.listen(self)
        follower.listen_to_news(self)

    # --- what the follower says

    def rows_changed(self, numbers: Sequence[int]) -> None:
        """Note changed rows; without any, it is the notices that changed."""
        self.figures.changes += self._shelf.note(numbers)
        self._poke()

    def board_replaced(self) -> None:
        """Send everybody a new snapshot."""
        self._shelf.begin()
        reader = self.follower.reader
        another = reader.epoch != self._alerts.epoch
        self._alerts.begin(reader.epoch or "", reader.engine_now)
        for client in self.clients:
            client.start_over()
            client.told_no_board = False
            if another:
                client.alerts_sent = None
        # what was written with a new board is not announced beside it
        self._published.look_again()
        self._poke()

    def documents_changed(self, keys: Collection[str]) -> None:
        """Read those of them that somebody asked for."""
        self._published.written(keys)

    def alerts_changed(self, push: AlertsChanged) -> None:
        """Pass alerts on at once."""
        self._alerts.begin(push.epoch, push.now)
        if not self._alerts.take(push):
            for client in self.clients:
                client.alerts_sent = None
        for client in self.clients:
            client.deliver_alerts()
        self._poke()

    # --- what clients ask for

    def place(self, client: Client, hz: float) -> None:
        """Serve this client in the rhythm that is nearest below `hz`."""
        for pace in self._paces.values():
            pace.clients.discard(client)
        slowest = self.options.rhythms[-1]
        chosen = next((each for each in self.options.rhythms if each <= hz), slowest)
        self._paces[chosen].clients.add(client)

    def serve_now(self, client: Client) -> None:
        """Serve it at once, whatever its rhythm."""
        moment = self.moment()
        if moment is None and client.view is not None and not client.told_no_board:
            client.told_no_board = True
            client.reply(self._no_board())
        if not client.deliver(moment):
            self._poke_for((client,))

    def note_timing(self, timing: FirstPaint) -> None:
        """Keep what a page measured of its own start, unless it cannot be."""
        figures = (timing.first_paint_ms, timing.first_row_ms)
        if all(0 <= figure <= LONGEST_PAINT_MS for figure in figures):
            self._timings[timing.page].append(PageTiming(self.clock.now(), *figures))

    def resumed(self) -> None:
        """Count a client that went on without a snapshot."""
        self.figures.resumed += 1

    # --- what clients are sent

    def alerts_after(self, number: int | None) -> tuple[bytes, int | None]:
        """The frames of alerts after this one (None: of everything), and the newest number."""
        if not self._alerts.epoch:
            return b"", None
        frames = None if number is None else self._alerts.after(number)
        return self._alerts.held() if frames is None else frames, self._alerts.number

    def signals_after(self, place: Place | None) -> Frames:
        """The next frames of signals for who stands at this place (None: at the beginning)."""
        return self._published.signals.after(place)

    def document(self, name: str) -> bytes | None:
        """The newest frame of a document; None while there is none."""
        return self._published.frame_of(name)

    def count(self, frames: bytes, messages: int) -> None:
        """Note what was sent."""
        self.figures.sent += messages
        self.figures.bytes += len(frames)

    def moment(self) -> Moment | None:
        """What everything that is sent now has in common; None while there is no board."""
        reader = self.follower.reader
        board = reader.board
        if board is None:
            return None
        notices = self.follower.notices
        if notices != self._notices:
            self._notices = notices
        now, seq, held = self.follower.engine_now(), reader.seq, self._moment
        if held is None or (held.seq, held.now) != (seq, now) or held.board is not board:
            held = None
        if held is None or held.notices is not self._notices:
            held = self._moment = Moment(board, seq, now, self._notices)
        return held

    def _serve(self, clients: Collection[Client]) -> bool:
        """Serve some clients of one rhythm; whether one of them could not take all."""
        moment = self.moment()
        behind = False
        for client in clients:
            if client in self.clients:
                behind |= not client.deliver(moment)
        return behind

    def _poke(self) -> None:
        for pace in self._paces.values():
            pace.poke()

    def _poke_for(self, clients: Collection[Client]) -> None:
        for pace in self._paces.values():
            if not pace.clients.isdisjoint(clients):
                pace.poke()

    def _no_board(self) -> Refused:
        return Refused(ErrorCode.NO_BOARD, "; ".join(self.follower.why_nothing()))

    # --- what happens by itself

    def _begin_timers(self) -> None:
        loop = asyncio.get_running_loop()
        self._repeat(0, loop.time(), self.options.heartbeat_s, self._beat)
        self._repeat(1, loop.time(), self.options.send_deadline_s / LOOKS, self._evict)

    def _repeat(self, place: int, at: float, every_s: float, work: Callable[[], None]) -> None:
        """Do something at equal distances, for as long as there are clients."""

        def run() -> None:
            if self.clients:
                work()
                self._repeat(place, max(due, loop.time() - every_s), every_s, work)

        loop = asyncio.get_running_loop()
        due = at + every_s
        timer = loop.call_at(due, run)
        self._timers[place : place + 1] = [timer]

    def _beat(self) -> None:
        """Send the engine's time, or why there is none."""
        self._beats += 1
        board = self.follower.reader.board
        if board is None:
            if self._beats % REMIND_BEATS == 0:
                for client in self.clients:
                    if client.view is not None:
                        client.reply(self._no_board())
            return
        engine_ms = self.follower.engine_ms()
        now = self.follower.engine_now()
        frames: dict[int, bytes] = {}
        for client in self.clients:
            seq = client.seq
            if seq not in frames:
                beat = Heartbeat(board.epoch, seq, now, board.source, engine_ms)
                frames[seq] = frame(to_json(beat))
            client.beat(frames[seq])
        if self.follower.reading == "cache" or self.follower.engine_silent():
            self._published.look_again()

    def _evict(self) -> None:
        """Cut off whoever takes nothing, or far too slowly, or lets too much pile up."""
        now = asyncio.get_running_loop().time()
        deadline_s = self.options.send_deadline_s
        for client in tuple(self.clients):
            nothing_s, waits_s = client.waits(now)
            if client.line.waiting() > self.options.max_waiting_bytes:
                self._cut_off(client, "too_much_waits")
            elif nothing_s >= deadline_s:
                self._cut_off(client, "takes_nothing")
            elif waits_s >= PATIENCE * deadline_s:
                self._cut_off(client, "too_slow")

    def _cut_off(self, client: Client, reason: str) -> None:
        self.figures.evicted[reason] += 1
        log.warning(
            "client_evicted",
            client=client.number,
            client_ip=client.ip,
            reason=reason,
            waiting=client.line.waiting(),
        )
        client.line.abort()
        self._dismiss(client)

    # --- coming and going

    def why_full(self, client_ip: str) -> str | None:
        """Why one more client from this address cannot be taken, or None."""
        if self._closing:
            return "the server is closing"
        if len(self.clients) >= self.options.max_clients:
            return f"all {self.options.max_clients} places are taken"
        if self._by_ip[client_ip] >= self.options.max_clients_per_ip:
            return f"all {self.options.max_clients_per_ip} places of this address are taken"
        return None

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one accepted socket to its end."""
        line: Line = scope["extensions"][LINE]
        client_ip = (scope.get("client") or ("",))[0]
        client = Client(next(self._numbers), client_ip, line, self)
        self._admit(client, send)
        try:
            client.reply(self._hello(client))
            most = self.options.max_messages_per_second
            farewell = await listen(client, receive, self._subscriptions, self.clock, most)
            if farewell is not None and client in self.clients:
                await self._say_goodbye(client, send, *farewell)
        except OSError:
            log.debug("client_gone", client=client.number, client_ip=client_ip)
        finally:
            self._dismiss(client)

    def _hello(self, client: Client) -> Hello:
        ours = self.options
        limits = SocketLimits(
            message_bytes=ours.max_message_bytes,
            messages_per_second=ours.max_messages_per_second,
            symbols=ours.max_symbols,
            details=ours.max_details,
            waiting_bytes=ours.max_waiting_bytes,
            send_deadline_ms=round(1_000 * ours.send_deadline_s),
        )
        beat_ms = round(1_000 * ours.heartbeat_s)
        return Hello(client.number, PROTOCOL, beat_ms, ours.rhythms, limits)

    def _admit(self, client: Client, send: Send) -> None:
        first = not self.clients
        self.clients[client] = send
        self._by_ip[client.ip] += 1
        self.figures.accepted += 1
        self._empty.clear()
        if first:
            self._stop_timers()
            self._begin_timers()

    def _dismiss(self, client: Client) -> None:
        """Forget a client; it may have been forgotten already."""
        if self.clients.pop(client, None) is None:
            return
        self._subscriptions.drop(client)
        for pace in self._paces.values():
            pace.clients.discard(client)
        self._by_ip[client.ip] -= 1
        if not self._by_ip[client.ip]:
            del self._by_ip[client.ip]
        if not self.clients:
            self._stop_timers()
            self._empty.set()

    def _stop_timers(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    async def _say_goodbye(self, client: Client, send: Send, code: int, reason: str) -> None:
        """Close politely; who does not even take that is cut off."""
        try:
            async with asyncio.timeout(self.options.send_deadline_s):
                await send({"type": "websocket.close", "code": int(code), "reason": reason})
        except TimeoutError:
            self._cut_off(client, "takes_no_goodbye")
        except OSError:
            log.debug("client_gone", client=client.number, client_ip=client.ip)

    async def close(self) -> None:
        """Send every client away with code 1001; returns when they are gone or were cut off."""
        self._closing = True
        self._stop_timers()
        for pace in self._paces.values():
            pace.stop()
        await self._published.close()
        if not self.clients:
            return
        goodbye = Close.GOING_AWAY, "the server is closing"
        leaving = [
            self._say_goodbye(client, send, *goodbye) for client, send in self.clients.items()
        ]
        await asyncio.gather(*leaving)
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.send_deadline_s):
                await self._empty.wait()

    # --- what others want to know

    def timings(self, page: str) -> tuple[PageTiming, ...]:
        """The last page starts, oldest first."""
        return tuple(self._timings[page])

    @property
    def refused(self) -> int:
        """Handshakes that were refused."""
        return self.figures.refused

    @refused.setter
    def refused(self, count: int) -> None:
        self.figures.refused = count

    @property
    def evicted(self) -> int:
        """Clients that were cut off."""
        return self.figures.evicted.total()

    @property
    def encodings(self) -> int:
        """How often a row was encoded."""
        return self._shelf.encodings.made

    def counters(self) -> dict[str, int]:
        """Figures for the monitor."""
        figures = self.figures
        return {
            "clients": len(self.clients),
            "accepted": figures.accepted,
            "refused": figures.refused,
            "evicted": figures.evicted.total(),
            "sent": figures.sent,
            "encodings": self._shelf.encodings.made,
            "changes": figures.changes,
            "bytes": figures.bytes,
            "resumed": figures.resumed,
            "delivery_us_p50": figures.delivery_us(0.5),
            "delivery_us_p95": figures.delivery_us(0.95),
            "delivery_us_p99": figures.delivery_us(0.99),
        }
