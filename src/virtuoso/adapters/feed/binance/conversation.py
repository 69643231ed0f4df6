"""What is said over one websocket: which streams are asked for, and what comes of them."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from virtuoso.adapters.feed.binance import frames
from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.intake import Intake, Received, Sink
from virtuoso.adapters.feed.binance.parse import read_data, read_envelope
from virtuoso.adapters.feed.binance.settings import BinanceSettings
from virtuoso.adapters.feed.binance.silence import Silence, Silent, never_a_word
from virtuoso.adapters.feed.binance.subscriptions import BUSY, CANARY, Category, StreamName
from virtuoso.adapters.feed.binance.topics import Topics
from virtuoso.adapters.feed.connection import (
    LARGEST_SAMPLE,
    SEND_SECONDS,
    ConversationEndedError,
    Outbox,
    Socket,
    describe_failure,
)
from virtuoso.adapters.feed.reading import Reading, until_answered
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import BINANCE, Instrument
from virtuoso.domain.market_data import Alive, FrameRefused
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

STREAMS_A_REQUEST: Final = 60
REQUEST_PAUSE_SECONDS: Final = 0.2
"""Half the rate of messages at which the venue cuts a connection off."""
_ANSWER_SECONDS: Final = 5.0
_LOOK_AGAIN_SECONDS: Final = 5.0
"""How often streams that were set aside are thought of again."""
_FRAMES_AT_ONCE: Final = 50
"""After so many frames without a pause the other tasks of the process get their turn."""
_SILENCE_WITHOUT_BUSY_MS: Final = 1 * SECOND
"""How much longer a connection may be silent whose canary was refused."""
_STREAM_IN_FRAME: Final = re.compile(rb'"stream"\s*:\s*"([^"\\]{1,60})"')


class SilentConnectionError(ConversationEndedError):
    """A connection is open and gives nothing."""


@dataclass(frozen=True, slots=True)
class GroupContext:
    """What the conversations of one group have in common."""

    settings: BinanceSettings
    clock: Clock
    outbox: Outbox
    intake: Intake
    topics: Topics
    wanted: Callable[[Category], Sequence[StreamName]]
    """The streams that a connection of this category should carry now, the most needed first."""
    told: Callable[[], frozenset[Instrument]]
    """The instruments that are reported as connected."""
    mend: Callable[[Silent], Awaitable[None]]
    """What is to be done about a stream that fell silent."""


class Conversation:
    """One websocket of a group; each of its jobs ends it with ConversationEndedError."""

    def __init__(self, context: GroupContext, category: Category, ws: Socket, sink: Sink) -> None:
        self.speaks_for_group = sink is context.intake
        """Whether what is silent here is silent for the group."""
        self.settled: Final = asyncio.Event()
        """Set while everything that is wanted is subscribed to."""
        self.first_data_ms: int | None = None
        """Monotonic time of the first market data."""
        self.idle: Final = asyncio.Event()
        """Set while no frame is being handed on."""
        self.idle.set()
        self._context = context
        self._category = category
        self._sink = sink
        self._ws = ws
        self._reading = Reading(ws)
        self._clock = context.clock
        self._outbox = context.outbox
        self._silence = Silence(int(context.settings.first_word_seconds * SECOND))
        self._silence_ms = int(context.settings.silence_seconds * SECOND)
        self._names: dict[str, StreamName] = {}
        """What is subscribed to, or was a moment ago."""
        self._held: set[str] = set()
        """What the venue acknowledged."""
        self._renewals: set[str] = set()
        self._changed = asyncio.Event()
        self._is_retired = False
        self._requests = 0
        self._answers: dict[int, asyncio.Future[frames.Envelope]] = {}
        self._last_data_ms: int | None = None
        """Monotonic time of the last market data; before them of the first acknowledgement."""

    def reconsider(self) -> None:
        """What is wanted has changed."""
        self._changed.set()

    def renew(self, text: str) -> None:
        """Unsubscribe from a stream and subscribe to it anew."""
        if text in self._held:
            self._renewals.add(text)
            self._changed.set()

    def is_renewing(self, text: str) -> bool:
        """Whether a stream is about to be subscribed to anew."""
        return text in self._renewals

    def retire(self) -> None:
        """Take no further frame: another conversation goes on from here."""
        self._is_retired = True

    async def read(self) -> None:
        """Take frames until the venue closes, or sends what cannot be read."""
        taken = 0
        while (message := await self._reading.take()) is not None:
            if self._is_retired:
                continue
            if message.type is aiohttp.WSMsgType.ERROR:
                await self._refuse(b"", f"unreadable websocket message: {message.data}")
            self.idle.clear()
            try:
                await self._take(message.data)
            finally:
                self.idle.set()
            taken += 1
            if taken % _FRAMES_AT_ONCE == 0:
                # frames that are here already do not make the reader wait
                await asyncio.sleep(0)
        reason = "the venue closed the connection"
        if (error := self._ws.exception()) is not None:
            reason = describe_failure(error)
        raise ConversationEndedError(reason)

    async def watch(self) -> None:
        """End the conversation when nothing comes; have single streams mended."""
        before = self._clock.monotonic_ms()
        while True:
            await asyncio.sleep(self._context.settings.watch_seconds)
            now = self._clock.monotonic_ms()
            if now - before > SECOND or self._outbox.waiting_readers:
                # it was this process that stood still: what lies in the socket is not read yet
                self._last_data_ms = None if self._last_data_ms is None else now
                self._silence.forgive(now)
            before = now
            last = self._last_data_ms
            if last is not None and now - last > self._silence_ms:
                await self._reading.catch_up()
                if self._last_data_ms == last:
                    await self._end_silent(now - last)
            if not self.speaks_for_group or self._is_retired:
                continue  # it is not the one that speaks for the group
            if self._category is Category.MARKET:
                await self._context.intake.tell_lost_trades()
            for silent in self._silence.find(now):
                await self._context.mend(silent)

    async def keep_subscribed(self) -> None:
        """Subscribe to what is wanted and not here, unsubscribe from what is here and unwanted."""
        while True:
            self._changed.clear()
            wanted = self._wanted()
            gone = [each for each in self._held if each not in wanted or each in self._renewals]
            new = [each for each in wanted if each not in self._held]
            if gone:
                await self._unsubscribe(gone[:STREAMS_A_REQUEST])
            elif new:
                self.settled.clear()
                await self._subscribe(new[:STREAMS_A_REQUEST])
            else:
                self.settled.set()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                        await self._changed.wait()
                continue
            await asyncio.sleep(REQUEST_PAUSE_SECONDS)

    def _wanted(self) -> dict[str, StreamName | None]:
        """The streams to ask for; the canary stands for no instrument of ours."""
        names = self._context.wanted(self._category)
        wanted: dict[str, StreamName | None] = {}
        if self._category is Category.PUBLIC and not any(
            each.instrument.symbol in BUSY for each in names
        ):
            wanted[CANARY] = None
        for name in names:
            if not self._context.topics.is_set_aside(name.text):
                wanted[name.text] = name
                self._names[name.text] = name
        return wanted

    async def _subscribe(self, texts: list[str]) -> None:
        """Subscribe to streams; one that is refused is set aside."""
        waiting = [texts]
        while waiting:
            batch = waiting.pop(0)
            answer = await self._request("SUBSCRIBE", batch)
            if answer.code is None and not bytes(answer.error):
                self._acknowledge(batch)
            elif len(batch) == 1:
                await self._set_aside(batch[0], answer.msg or bytes(answer.error).decode())
            else:  # the answer does not name the culprit: find out by halves
                half = len(batch) // 2
                waiting += [batch[:half], batch[half:]]
            if waiting:
                await asyncio.sleep(REQUEST_PAUSE_SECONDS)

    def _acknowledge(self, texts: list[str]) -> None:
        now = self._clock.monotonic_ms()
        if self._last_data_ms is None:
            self._last_data_ms = now
        self._held.update(texts)
        for text in texts:
            if (name := self._names.get(text)) is not None:
                self._silence.acknowledge(name, now)

    async def _set_aside(self, text: str, reason: str) -> None:
        name = self._names.get(text)
        if name is not None:
            await self._context.topics.refuse(name, f"the venue refuses it: {reason}")
        elif text == CANARY:
            self._held.add(CANARY)  # not to be asked for again
            self._silence_ms += _SILENCE_WITHOUT_BUSY_MS

    async def _unsubscribe(self, texts: list[str]) -> None:
        for text in texts:
            self._silence.forget(text)
        await self._request("UNSUBSCRIBE", texts)
        self._held.difference_update(texts)
        self._renewals.difference_update(texts)

    async def _request(self, method: str, texts: list[str]) -> frames.Envelope:
        """Send a request and wait for its answer."""
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[frames.Envelope] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = {"method": method, "params": texts, "id": number}
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._ws.send_str(msgspec.json.encode(request).decode())
            return await until_answered(self._reading, answer, _ANSWER_SECONDS)
        except TimeoutError as error:
            msg = f"no answer to {method} within {_ANSWER_SECONDS:g} s"
            raise ConversationEndedError(msg) from error
        finally:
            del self._answers[number]

    async def _take(self, frame: str | bytes) -> None:
        """Read one frame and hand on what is in it."""
        receive_time = self._clock.now()
        try:
            envelope = read_envelope(frame)
            text = envelope.stream
            if text is None:
                await self._take_answer(envelope)
                return
            now = self._note_data()
            name = self._names.get(text)
            if name is None:
                if text != CANARY:
                    await self._note_unknown(frame, f"unknown stream {text:.60}")
                return
            fact = read_data(envelope, self._context.intake.by_symbol, receive_time)
        except UnreadableFrameError as error:
            await self._refuse(_sample(frame), str(error))
            return
        about = fact.symbol if isinstance(fact, Depth) else fact and fact.instrument.symbol
        if fact is None or about != name.instrument.symbol:
            if str(name.instrument.symbol) in self._context.intake.by_symbol:
                await self._note_unknown(
                    frame, f"nothing of {name.instrument.symbol} in {text:.60}"
                )
            return  # else it was given up a moment ago
        self._silence.hear(text, fact, now)
        if self._context.topics.is_troubled(text):
            await self._context.topics.speaks(text)
        await self._sink.take(Received(name, frame, fact), receive_time)

    def _note_data(self) -> int:
        """Take note that the venue speaks; the monotonic time at which it did."""
        now = self._clock.monotonic_ms()
        self._last_data_ms = now
        if self.first_data_ms is None:
            self.first_data_ms = now
        return now

    async def _take_answer(self, envelope: frames.Envelope) -> None:
        if envelope.id is None and envelope.code is None and not bytes(envelope.error):
            msg = "expected a stream or the id of a request, found neither"
            raise UnreadableFrameError(msg)
        waiting = None if envelope.id is None else self._answers.get(envelope.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(envelope)
        await self._outbox.put([Alive(BINANCE, self._context.told(), self._clock.now())])

    async def _end_silent(self, quiet_ms: int) -> None:
        """Give the connection up. Raises SilentConnectionError."""
        if self.first_data_ms is not None:
            msg = f"no data for {quiet_ms / SECOND:.1f} s"
            raise SilentConnectionError(msg)
        msg = never_a_word(quiet_ms)
        if self.speaks_for_group:
            for name in self._silence.never_spoke():
                await self._context.topics.silence(name, msg)
        raise SilentConnectionError(msg)

    async def _note_unknown(self, frame: str | bytes, reason: str) -> None:
        refused = FrameRefused(
            BINANCE, reason, _sample(frame), recycled=False, receive_time=self._clock.now()
        )
        await self._outbox.put([refused])

    async def _refuse(self, sample: bytes, reason: str) -> None:
        """Report a frame that cannot be read, and end the conversation."""
        refused = FrameRefused(
            BINANCE, reason, sample, recycled=True, receive_time=self._clock.now()
        )
        await self._outbox.put([refused])
        if (found := _STREAM_IN_FRAME.search(sample)) is not None:
            name = self._names.get(found[1].decode(errors="replace"))
            if name is not None:
                await self._context.topics.strike(name)
        msg = f"unreadable frame: {reason}"[:200]
        raise ConversationEndedError(msg)


def _sample(frame: str | bytes) -> bytes:
    return (frame.encode() if isinstance(frame, str) else frame)[:LARGEST_SAMPLE]
