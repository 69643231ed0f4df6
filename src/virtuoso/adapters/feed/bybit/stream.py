"""BybitFeed: connect, subscribe, keep alive, and hand on what comes."""

import asyncio
import math
import random
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec
import structlog

from virtuoso.adapters.feed.bybit.parse import (
    INTERVALS,
    Answer,
    DataFrame,
    TopicName,
    UnknownTopic,
    read_frame,
)
from virtuoso.adapters.feed.connection import (
    LARGEST_SAMPLE,
    SEND_SECONDS,
    Batch,
    Connection,
    ConversationEndedError,
    Outbox,
    Socket,
    Strikes,
    drain,
    open_session,
    open_socket,
    until_one_ends,
)
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.errors import SettingsError
from virtuoso.domain.instruments import BYBIT, Instrument, Symbol, Venue
from virtuoso.domain.market_data import (
    Alive,
    Connected,
    FrameRefused,
    Topic,
    TopicRefused,
)
from virtuoso.domain.scores import Source
from virtuoso.domain.time import MINUTE, SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_TOPICS_A_REQUEST: Final = 50
_INSTRUMENTS_A_CONNECTION: Final = 50
_CHARACTERS_A_CONNECTION: Final = 18_000
_BUSY: Final = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))
"""Instruments whose best prices never rest: a connection that carries one is never silent."""

_PING_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 5.0
_WATCH_SECONDS: Final = 0.25
_SILENCE_MS: Final = 3 * SECOND
_SILENCE_WITHOUT_BUSY_MS: Final = 4 * SECOND
_BEGIN_WITH_SNAPSHOT: Final = frozenset({Topic.BOOK, Topic.TICKER})
_SNAPSHOT_MS: Final = 2 * SECOND
_RENEWAL_WINDOW_MS: Final = MINUTE

_REFUSAL: Final = re.compile(r"error:(already subscribed|handler not found),topic:(\S+)")
_TOPIC_IN_FRAME: Final = re.compile(rb'"topic"\s*:\s*"([^"\\]{1,60})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class BybitSettings:
    """Where the stream is and what to ask of it."""

    url: str = "wss://stream.bybit.com/v5/public/linear"
    book_depth: int = 200
    """50 or 200 levels a side."""
    candle_intervals: tuple[str, ...] = ("1",)
    """Of 1, 5, 30 and 240 minutes; the longer ones may be made of the first."""

    def __post_init__(self) -> None:
        if self.book_depth not in {50, 200}:
            msg = f"expected a book depth of 50 or 200, found {self.book_depth}"
            raise SettingsError(msg)
        if not self.candle_intervals or not set(self.candle_intervals) <= set(INTERVALS):
            msg = f"expected candle intervals of {', '.join(INTERVALS)}, found " + ", ".join(
                self.candle_intervals
            )
            raise SettingsError(msg)


def topics_of(instrument: Instrument, settings: BybitSettings) -> list[TopicName]:
    """The topics of one instrument."""
    symbol = instrument.symbol
    depth = settings.book_depth
    return [
        TopicName(f"orderbook.1.{symbol}", Topic.QUOTE, instrument, 1),
        TopicName(f"orderbook.{depth}.{symbol}", Topic.BOOK, instrument, depth),
        TopicName(f"publicTrade.{symbol}", Topic.TRADES, instrument),
        TopicName(f"tickers.{symbol}", Topic.TICKER, instrument),
        *(
            TopicName(f"kline.{interval}.{symbol}", Topic.CANDLES, instrument)
            for interval in settings.candle_intervals
        ),
        TopicName(f"allLiquidation.{symbol}", Topic.LIQUIDATIONS, instrument),
    ]


def pack(instruments: Iterable[Instrument], settings: BybitSettings) -> list[list[Instrument]]:
    """Share instruments out over connections, by count and by the text of their topics."""
    groups: list[list[Instrument]] = []
    characters = 0
    for instrument in sorted(instruments):
        length = sum(len(name.text) for name in topics_of(instrument, settings))
        if (
            not groups
            or len(groups[-1]) == _INSTRUMENTS_A_CONNECTION
            or characters + length > _CHARACTERS_A_CONNECTION
        ):
            groups.append([])
            characters = 0
        groups[-1].append(instrument)
        characters += length
    return groups


class BybitFeed:
    """The public stream of Bybit's linear perpetuals, or of a simulator that speaks like it."""

    def __init__(
        self,
        settings: BybitSettings,
        clock: Clock,
        rng: random.Random,
        source: Source = Source.BYBIT,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._source = source
        self._connections: dict[Instrument, BybitConnection] = {}

    @property
    def venue(self) -> Venue:
        """Bybit."""
        return BYBIT

    @property
    def source(self) -> Source:
        """Bybit, or the simulator."""
        return self._source

    async def events(self, instruments: Collection[Instrument]) -> AsyncIterator[Batch]:
        """Connect, subscribe and yield a batch a frame, for ever. Raises SettingsError."""
        strangers = [each.symbol for each in instruments if each.venue != BYBIT]
        if strangers or not instruments:
            msg = f"expected instruments of bybit, found {strangers or 'none'}"
            raise SettingsError(msg)
        outbox = Outbox()
        async with open_session() as session:
            connections = [
                BybitConnection(group, self._settings, session, outbox, self._clock, self._rng)
                for group in pack(instruments, self._settings)
            ]
            self._connections = {
                instrument: connection
                for connection in connections
                for instrument in connection.instruments
            }
            batches = drain(outbox, [connection.run() for connection in connections])
            try:
                async for batch in batches:
                    yield batch
            finally:
                self._connections = {}
                await batches.aclose()

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Unsubscribe and subscribe one topic alone; within a minute again: recycle."""
        connection = self._connections.get(instrument)
        if connection is not None:
            connection.renew(instrument, topic)

    def recycle(self, instrument: Instrument, reason: str) -> None:
        """Close and reopen the connection that carries this instrument."""
        connection = self._connections.get(instrument)
        if connection is not None:
            connection.recycle(reason)


class BybitConnection:
    """One connection's topics, and what is remembered of them from one conversation to the next."""

    def __init__(
        self,
        instruments: Collection[Instrument],
        settings: BybitSettings,
        session: aiohttp.ClientSession,
        outbox: Outbox,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self.clock: Final = clock
        self.outbox: Final = outbox
        self.topics: Final[Mapping[str, TopicName]] = {
            name.text: name for each in instruments for name in topics_of(each, settings)
        }
        symbols = {instrument.symbol for instrument in instruments}
        self.canary: Final = None if symbols & set(_BUSY) else f"orderbook.1.{_BUSY[0]}"
        """A busy topic of a foreign instrument, subscribed to as a sign of life only."""
        self._url = settings.url
        self._session = session
        self.kept: Final = Connection(BYBIT, instruments, outbox, clock, rng)
        self._conversation: Conversation | None = None
        self.strikes: Final = Strikes(clock)
        self._renewed: dict[str, int] = {}
        self._recycled_for_renewal: int | None = None

    @property
    def instruments(self) -> frozenset[Instrument]:
        """What this connection carries."""
        return self.kept.instruments

    async def run(self) -> None:
        """Keep the connection, for ever."""
        await self.kept.run(self._converse)

    def recycle(self, reason: str) -> None:
        """Close and reopen the connection."""
        self.kept.recycle(reason)

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Renew the topics of this kind; a second time within a minute, recycle instead.

        Recycled once, further renewals of that minute stay with their topic: one instrument's
        trouble must not take the data of its neighbours away for good.
        """
        conversation = self._conversation
        if conversation is None:
            return  # not connected: everything will be subscribed anew anyway
        now = self.clock.monotonic_ms()
        for text, name in self.topics.items():
            if name.instrument != instrument or name.topic is not topic:
                continue
            if conversation.is_renewing(text):
                continue
            last, self._renewed[text] = self._renewed.get(text), now
            again = last is not None and now - last < _RENEWAL_WINDOW_MS
            recycled = self._recycled_for_renewal
            if again and (recycled is None or now - recycled >= _RENEWAL_WINDOW_MS):
                self._recycled_for_renewal = now
                self.recycle(f"{text} had to be renewed twice within a minute")
            else:
                conversation.ask_renewal(text)

    async def refuse_topic(self, text: str, reason: str) -> None:
        """Tell that a topic will give nothing."""
        name = self.topics.get(text)
        _log.warning("topic_refused", topic=text, reason=reason)
        if name is not None:
            refused = TopicRefused(name.instrument, name.topic, reason, self.clock.now())
            await self.outbox.put([refused])

    async def _converse(self) -> None:
        async with open_socket(self._session, self._url) as ws:
            await self.outbox.put([Connected(BYBIT, self.instruments, self.clock.now())])
            conversation = Conversation(self, ws)
            self._conversation = conversation
            try:
                await until_one_ends(
                    conversation.read(),
                    conversation.subscribe(),
                    conversation.ping(),
                    conversation.watch(),
                    self.kept.recycled(),
                )
            finally:
                self._conversation = None


class Conversation:
    """What is said over one websocket; each job ends it with ConversationEndedError."""

    def __init__(self, connection: BybitConnection, ws: Socket) -> None:
        self._connection = connection
        self._ws = ws
        self._clock = connection.clock
        self._outbox = connection.outbox
        self._requests = 0
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._renewals: asyncio.Queue[str] = asyncio.Queue()
        self._renewing: set[str] = set()
        self._snapshot_due: dict[str, float] = {}
        """Topics that begin with a snapshot and lack it, and until when (monotonic) it may take."""
        self._asked_twice: set[str] = set()
        self._last_data_ms: int | None = None
        self._pong_due = False
        self._silence_ms = _SILENCE_MS

    def is_renewing(self, text: str) -> bool:
        """Whether a renewal of this topic is under way."""
        return text in self._renewing or text in self._snapshot_due

    def ask_renewal(self, text: str) -> None:
        """Have a topic subscribed anew."""
        self._renewing.add(text)
        self._renewals.put_nowait(text)

    async def read(self) -> None:
        """Take frames until the venue closes, or sends what cannot be read."""
        async for message in self._ws:
            if message.type is aiohttp.WSMsgType.ERROR:
                await self._refuse(b"", f"unreadable websocket message: {message.data}")
            await self._take(message.data)
        reason = "the venue closed the connection"
        if (error := self._ws.exception()) is not None:
            reason = f"{type(error).__name__}: {error}"[:200]
        raise ConversationEndedError(reason)

    async def ping(self) -> None:
        """Ask for a sign of life now and then, and insist on it."""
        while True:
            await asyncio.sleep(_PING_SECONDS)
            if self._pong_due:
                msg = f"no answer to a ping within {_PING_SECONDS:g} s"
                raise ConversationEndedError(msg)
            self._pong_due = True
            await self._send({"op": "ping"})

    async def watch(self) -> None:
        """End the conversation when no data come although they should."""
        before = self._clock.monotonic_ms()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = self._clock.monotonic_ms()
            if now - before > SECOND or self._outbox.waiting_readers:
                # it was this process that stood still: what lies in the socket is not read yet
                self._last_data_ms = None if self._last_data_ms is None else now
            before = now
            if self._last_data_ms is not None and now - self._last_data_ms > self._silence_ms:
                msg = f"no data for {(now - self._last_data_ms) / SECOND:.1f} s"
                raise ConversationEndedError(msg)

    async def subscribe(self) -> None:
        """Subscribe to everything, then renew what is asked for, or what got no snapshot."""
        connection = self._connection
        texts = [text for text in connection.topics if not connection.strikes.is_set_aside(text)]
        if connection.canary is not None:
            await self._subscribe([connection.canary])
        for first in range(0, len(texts), _TOPICS_A_REQUEST):
            await self._subscribe(texts[first : first + _TOPICS_A_REQUEST])
        while True:
            text = await self._next_renewal()
            if text is not None:
                await self._renew(text)
            await self._chase_snapshots()

    async def _next_renewal(self) -> str | None:
        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                return await self._renewals.get()
        except TimeoutError:
            return None

    async def _renew(self, text: str) -> None:
        """Unsubscribe, wait for the answer, subscribe the topic alone."""
        await self._request("unsubscribe", [text])
        await self._subscribe([text])
        self._renewing.discard(text)

    async def _chase_snapshots(self) -> None:
        now = self._clock.monotonic_ms()
        for text in [text for text, due in self._snapshot_due.items() if due <= now]:
            if text not in self._asked_twice:
                self._asked_twice.add(text)
                await self._renew(text)
                continue
            if self._connection.strikes.add(text):
                await self._connection.refuse_topic(text, "no snapshot, time and again")
            msg = f"no snapshot of {text} within 2 s, twice"
            raise ConversationEndedError(msg)

    async def _subscribe(self, texts: list[str]) -> None:
        """Subscribe to topics; one that is refused is set aside and the others sent again."""
        waiting = [texts]
        while waiting:
            batch = waiting.pop()
            if not batch:
                continue
            for text in batch:
                if self._wants_snapshot(text):
                    self._snapshot_due[text] = math.inf
            answer = await self._request("subscribe", batch)
            if answer.success:
                due = self._clock.monotonic_ms() + _SNAPSHOT_MS
                for text in batch:
                    if text in self._snapshot_due:  # it may have come before this line ran
                        self._snapshot_due[text] = due
                if self._last_data_ms is None:
                    self._last_data_ms = self._clock.monotonic_ms()
                continue
            refusal = _REFUSAL.match(answer.message)
            named = refusal[2] if refusal else batch[0] if len(batch) == 1 else None
            if named in batch:
                if refusal is None or refusal[1] != "already subscribed":
                    self._snapshot_due.pop(named, None)
                    await self._connection.refuse_topic(named, answer.message[:200])
                    if named == self._connection.canary:
                        self._silence_ms = _SILENCE_WITHOUT_BUSY_MS
                waiting.append([text for text in batch if text != named])
            else:  # the answer names none of ours: find out by halves
                half = len(batch) // 2
                waiting += [batch[:half], batch[half:]]

    def _wants_snapshot(self, text: str) -> bool:
        name = self._connection.topics.get(text)
        return name is not None and name.topic in _BEGIN_WITH_SNAPSHOT

    async def _request(self, op: str, texts: list[str]) -> Answer:
        """Send a request and wait for its answer."""
        self._requests += 1
        number = str(self._requests)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._send({"op": op, "req_id": number, "args": texts})
                return await answer
        except TimeoutError as error:
            msg = f"no answer to {op} within {_ANSWER_SECONDS:g} s"
            raise ConversationEndedError(msg) from error
        finally:
            del self._answers[number]

    async def _send(self, request: Mapping[str, object]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._ws.send_str(msgspec.json.encode(request).decode())

    async def _take(self, frame: str | bytes) -> None:
        """Read one frame and hand on what is in it."""
        connection = self._connection
        try:
            read = read_frame(frame, connection.topics, self._clock.now())
        except UnreadableFrameError as error:
            await self._refuse(_sample(frame), str(error))
            return
        match read:
            case DataFrame(name=name, is_snapshot=is_snapshot, events=events):
                self._note_data()
                if is_snapshot and name.text in self._snapshot_due:
                    del self._snapshot_due[name.text]
                    self._asked_twice.discard(name.text)
                if events:
                    await self._outbox.put(events)
            case Answer():
                await self._take_answer(read)
            case UnknownTopic(text=text):
                self._note_data()
                if text != connection.canary:
                    await self._note_unknown(frame, text)

    def _note_data(self) -> None:
        now = self._clock.monotonic_ms()
        self._last_data_ms = now
        kept = self._connection.kept
        if kept.first_data_ms is None:
            kept.first_data_ms = now

    async def _take_answer(self, answer: Answer) -> None:
        waiting = self._answers.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        if answer.message == "pong":
            self._pong_due = False
        instruments = self._connection.instruments
        await self._outbox.put([Alive(BYBIT, instruments, self._clock.now())])

    async def _note_unknown(self, frame: str | bytes, text: str) -> None:
        refused = FrameRefused(
            BYBIT,
            f"unknown topic {text:.60}",
            _sample(frame),
            recycled=False,
            receive_time=self._clock.now(),
        )
        await self._outbox.put([refused])

    async def _refuse(self, sample: bytes, reason: str) -> None:
        """Report a frame that cannot be read, and end the conversation."""
        refused = FrameRefused(BYBIT, reason, sample, recycled=True, receive_time=self._clock.now())
        await self._outbox.put([refused])
        if (found := _TOPIC_IN_FRAME.search(sample)) is not None:
            text = found[1].decode(errors="replace")
            if text in self._connection.topics and self._connection.strikes.add(text):
                await self._connection.refuse_topic(text, "unreadable frames, time and again")
        msg = f"unreadable frame: {reason}"[:200]
        raise ConversationEndedError(msg)


def _sample(frame: str | bytes) -> bytes:
    return (frame.encode() if isinstance(frame, str) else frame)[:LARGEST_SAMPLE]
