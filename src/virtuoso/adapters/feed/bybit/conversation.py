"""What is said over one websocket of Bybit, from its opening to its end."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import aiohttp
import msgspec
import structlog

from virtuoso.adapters.feed.bybit.memory import Memory
from virtuoso.adapters.feed.bybit.parse import (
    Answer,
    DataFrame,
    TopicName,
    UnknownTopic,
    read_frame,
)
from virtuoso.adapters.feed.bybit.silence import BEGINS_WITH_SNAPSHOT, Silence, Silent
from virtuoso.adapters.feed.bybit.topics import CANARIES, TOPICS_A_REQUEST, topics_of
from virtuoso.adapters.feed.connection import (
    LARGEST_SAMPLE,
    SEND_SECONDS,
    ConversationEndedError,
    Socket,
    describe_failure,
)
from virtuoso.adapters.feed.ladder import Step
from virtuoso.adapters.feed.reading import Reading, until_answered
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain.instruments import BYBIT, Instrument
from virtuoso.domain.market_data import Alive, Connected, Disconnected, FrameRefused, Topic
from virtuoso.domain.time import SECOND, Millis

_log = structlog.get_logger(__name__)

_RECONSIDER_SECONDS: Final = 1.0
"""How often it is looked whether a topic that was set aside may be asked for again."""
_LIVELY_MS: Final = SECOND
"""A topic is judged only while its neighbours gave data so lately."""
_STALLED_MS: Final = SECOND

_REFUSAL: Final = re.compile(r"error:(already subscribed|handler not found),topic:(\S+)")
_TOPIC_IN_FRAME: Final = re.compile(rb'"topic"\s*:\s*"([^"\\]{1,60})"')


class SilentConnectionError(ConversationEndedError):
    """No data came although they should: the other end may be at another address by now."""


class Conversation:
    """Four jobs side by side; each ends the conversation with ConversationEndedError.

    `recycle` is called with a reason when another conversation should follow, and with the step
    that asked for it.
    """

    def __init__(self, memory: Memory, ws: Socket, recycle: Callable[[str, Step], None]) -> None:
        self._memory = memory
        self._ws = ws
        self._reading = Reading(ws)
        self._recycle = recycle
        self._clock = memory.clock
        self._outbox = memory.outbox
        self._patience = memory.settings.patience
        self._silence = Silence(self._patience)
        self._topics: Mapping[str, TopicName] = {}
        self._acknowledged: set[str] = set()
        self._known: set[str] = set()
        """Whatever was ever asked for here: its frames may still be on their way."""
        self._changed = asyncio.Event()
        self._renewals: dict[str, None] = {}
        self._renewing: str | None = None
        self._requests = 0
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self._last_data_ms: int | None = None
        self._looked_ms = self._clock.monotonic_ms()
        self._stood_still_ms = self._patience.stood_still * SECOND
        self._pong: asyncio.Future[None] | None = None
        self._restless: set[str] = set()
        """Troubled topics, of which the next word may be the first one."""

    # what others ask for

    def reconsider(self) -> None:
        """The instruments have changed."""
        self._changed.set()

    def renew(self, instrument: Instrument, topic: Topic) -> None:
        """Take the next step against topics of this kind, unless one is being taken."""
        for text, name in self._topics.items():
            if name.instrument != instrument or name.topic is not topic:
                continue
            beginning = self._is_renewing(text) or self._silence.is_beginning(text)
            if text in self._acknowledged and not beginning:
                self._take_step(text, "cannot be trusted")

    # the four jobs

    async def read(self) -> None:
        """Take frames until the venue closes, or sends what cannot be read."""
        self._outbox.readers += 1
        try:
            await self._read_on()
        finally:
            self._outbox.readers -= 1
        error = self._ws.exception()
        reason = "the venue closed the connection" if error is None else describe_failure(error)
        raise ConversationEndedError(reason)

    async def _read_on(self) -> None:
        take, clock, outbox = self._reading.take, time.perf_counter, self._outbox
        until = clock() + outbox.reading_seconds
        while (message := await take()) is not None:
            if message.type is aiohttp.WSMsgType.ERROR:
                await self._refuse(b"", f"unreadable websocket message: {message.data}")
            more = self._take(message.data)
            if more is not None:
                await more
            if clock() > until:
                # what lies in the buffer is handed over without ever leaving this loop
                await asyncio.sleep(0)
                until = clock() + outbox.reading_seconds

    async def ping(self) -> None:
        """Ask for a sign of life now and then, and insist on it."""
        await asyncio.sleep(self._patience.ping)
        while True:
            self._pong = asyncio.get_running_loop().create_future()
            await self._send({"op": "ping"})
            next_ping = asyncio.ensure_future(asyncio.sleep(self._patience.ping))
            try:
                await until_answered(self._reading, self._pong, self._patience.ping)
                await next_ping
            except TimeoutError as error:
                msg = f"no answer to a ping within {self._patience.ping:g} s"
                raise SilentConnectionError(msg) from error
            finally:
                next_ping.cancel()

    async def watch(self) -> None:
        """End the conversation when no data come although they should; mend single topics."""
        while True:
            await asyncio.sleep(self._patience.look)
            now = self._clock.monotonic_ms()
            self._check_awake(now)
            if now - self._looked_ms > _STALLED_MS or self._outbox.waiting_readers:
                # it was this process that stood still: what lies in the socket is not read yet
                self._last_data_ms = None if self._last_data_ms is None else now
                self._silence.forgive(now)
            self._looked_ms = now
            if self._last_data_ms is None:
                continue
            quiet = now - self._last_data_ms
            if quiet > self._silence_ms():
                last = self._last_data_ms
                await self._reading.catch_up()
                if self._last_data_ms == last:
                    raise SilentConnectionError(self._describe_quiet(quiet))
                continue
            if quiet < _LIVELY_MS:
                for silent in self._silence.find(now):
                    await self._mend(silent, now)

    async def keep_subscribed(self) -> None:
        """Subscribe to what is wanted and to nothing else, for ever; renew what is asked for."""
        self._memory.troubles.begin()
        while True:
            self._changed.clear()
            leaving = await self._admit()
            wanted = self._wanted()
            leaving |= self._acknowledged - set(wanted)
            await self._leave([text for text in self._acknowledged if text in leaving])
            missing = [text for text in wanted if text not in self._acknowledged]
            if missing and missing[0] in CANARIES:
                await self._join(missing[:1])
                missing = missing[1:]
            for first in range(0, len(missing), TOPICS_A_REQUEST):
                await self._join(missing[first : first + TOPICS_A_REQUEST])
            while self._renewals:
                await self._renew(next(iter(self._renewals)))
            await self._until_changed()

    # subscribing

    async def _until_changed(self) -> None:
        try:
            async with asyncio.timeout(_RECONSIDER_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _admit(self) -> set[str]:
        """Tell who has come and who is gone; give the topics of the latter."""
        memory, admitted = self._memory, dict(self._memory.admitted)
        gone = [each for each, number in memory.told.items() if admitted.get(each) != number]
        new = {each for each, number in admitted.items() if memory.told.get(each) != number}
        if not gone and not new:
            return set()
        memory.told = admitted
        self._topics = {
            name.text: name for each in admitted for name in topics_of(each, memory.settings)
        }
        now = self._clock.now()
        if gone:
            await self._outbox.put([Disconnected(BYBIT, frozenset(gone), "no longer watched", now)])
        if new:
            await self._outbox.put([Connected(BYBIT, frozenset(new), now)])
        for name in self._topics.values():
            if name.instrument in new:
                await memory.troubles.admit(name)
        return {name.text for each in gone for name in topics_of(each, memory.settings)}

    def _wanted(self) -> list[str]:
        """What should be subscribed to, a canary first."""
        is_set_aside = self._memory.troubles.is_set_aside
        wanted = [text for text in self._topics if not is_set_aside(text)]
        if not any(text in self._topics for text in CANARIES) and not is_set_aside(CANARIES[0]):
            wanted.insert(0, CANARIES[0])
        return wanted

    async def _leave(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._silence.forget(text)
            self._renewals.pop(text, None)
        for first in range(0, len(texts), TOPICS_A_REQUEST):
            batch = list(texts[first : first + TOPICS_A_REQUEST])
            answer = await self._request("unsubscribe", batch)
            if not answer.success:
                _log.warning("unsubscribe_refused", reason=answer.message[:200])
            self._acknowledged.difference_update(batch)

    async def _renew(self, text: str) -> None:
        """Unsubscribe, wait for the answer, subscribe the topic alone."""
        self._renewals.pop(text, None)
        if text not in self._acknowledged or text not in self._topics:
            return
        self._renewing = text
        try:
            await self._leave([text])
            await self._join([text])
        finally:
            self._renewing = None

    async def _join(self, texts: Sequence[str]) -> None:
        """Subscribe to topics; one that is refused is set aside and the others sent again."""
        waiting = [list(texts)]
        while waiting:
            batch = waiting.pop()
            if not batch:
                continue
            self._expect(batch)
            answer = await self._request("subscribe", batch)
            if answer.success:
                await self._note_acknowledged(batch)
                continue
            refusal = _REFUSAL.match(answer.message)
            named = refusal[2] if refusal else batch[0] if len(batch) == 1 else None
            if named not in batch:  # the answer names none of ours: find out by halves
                half = len(batch) // 2
                waiting += [batch[:half], batch[half:]]
                continue
            if refusal is not None and refusal[1] == "already subscribed":
                await self._note_acknowledged([named])
            else:
                self._silence.forget(named)
                name = self._topics.get(named)
                await self._memory.troubles.refuse(named, name, answer.message)
            waiting.append([text for text in batch if text != named])

    def _expect(self, texts: Iterable[str]) -> None:
        for text in texts:
            self._known.add(text)
            if (name := self._topics.get(text)) is not None:
                self._silence.expect(name)
            if self._memory.troubles.is_troubled(text):
                self._restless.add(text)

    async def _note_acknowledged(self, texts: Sequence[str]) -> None:
        now = self._clock.monotonic_ms()
        for text in texts:
            self._acknowledged.add(text)
            self._silence.acknowledge(text, now)
        if self._last_data_ms is None:
            self._last_data_ms = now
        for text in texts:
            if (name := self._topics.get(text)) is not None:
                await self._memory.troubles.accept(name)

    async def _request(self, op: str, texts: Sequence[str]) -> Answer:
        """Send a request and wait for its answer."""
        self._requests += 1
        number = str(self._requests)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            await self._send({"op": op, "req_id": number, "args": texts})
            return await until_answered(self._reading, answer, self._patience.answer)
        except TimeoutError as error:
            msg = f"no answer to {op} within {self._patience.answer:g} s"
            raise SilentConnectionError(msg) from error
        finally:
            del self._answers[number]

    async def _send(self, request: Mapping[str, object]) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._ws.send_str(msgspec.json.encode(request).decode())

    # silence

    def _silence_ms(self) -> float:
        has_canary = not self._acknowledged.isdisjoint(CANARIES)
        patience = self._patience
        return SECOND * (patience.silence if has_canary else patience.silence_without_canary)

    def _describe_quiet(self, quiet_ms: int) -> str:
        if self._memory.first_data_ms is None:
            return f"subscribed, and no data within {quiet_ms / SECOND:.1f} s: a wrong address?"
        return f"no data for {quiet_ms / SECOND:.1f} s"

    def _check_awake(self, now_ms: int) -> None:
        """What waited in the socket while this process stood still must not pass for new."""
        stood_still = now_ms - self._looked_ms
        if stood_still > self._stood_still_ms:
            msg = f"this computer slept or stood still for {stood_still / SECOND:.0f} s"
            raise ConversationEndedError(msg)

    async def _mend(self, silent: Silent, now_ms: int) -> None:
        """Tell of a topic that fell silent, and take the next step against it."""
        text = silent.name.text
        if self._is_renewing(text) or text not in self._topics:
            return
        troubles, ladder = self._memory.troubles, self._memory.ladder
        await troubles.silence(silent.name, silent.reason)
        self._restless.add(text)
        if ladder.is_exhausted(text):
            self._silence.pause(text, now_ms + int(self._patience.renew_again * SECOND))
        self._take_step(text, silent.reason)

    def _take_step(self, text: str, reason: str) -> None:
        step = self._memory.ladder.climb(text, self._clock.monotonic_ms())
        if step is Step.RENEW:
            self._renewals[text] = None
            self._changed.set()
        else:
            self._recycle(f"{text} had to be renewed again within a minute: {reason}", step)

    def _is_renewing(self, text: str) -> bool:
        return text in self._renewals or text == self._renewing

    # receiving

    def _take(self, frame: str | bytes) -> Awaitable[None] | None:
        """Read one frame and hand on what is in it; gives what must be waited for, mostly nothing.

        No coroutine, because there are thousands of frames a second.
        """
        now, receive_time = self._clock.monotonic_ms(), self._clock.now()
        if now - self._looked_ms > self._stood_still_ms:
            self._check_awake(now)
        try:
            read = read_frame(frame, self._topics, receive_time)
        except UnreadableFrameError as error:
            return self._refuse(_sample(frame), str(error))
        if type(read) is DataFrame:
            self._last_data_ms = now
            if self._memory.first_data_ms is None:
                self._memory.first_data_ms = now
            self._silence.hear(read, now)
            if self._restless and read.name.text in self._restless:
                return self._take_troubled(read, receive_time, frame)
            if self._outbox.put_frame_now("", receive_time, frame, read.events):
                return None
            return self._outbox.room()
        if isinstance(read, Answer):
            return self._take_answer(read)
        if isinstance(read, UnknownTopic):
            self._note_data(now)
            if read.text not in self._known:
                return self._note_unknown(frame, read.text)
        return None

    async def _take_troubled(
        self, read: DataFrame, receive_time: Millis, frame: str | bytes
    ) -> None:
        """Take a frame of a topic that had trouble."""
        await self._take_back(read)
        await self._outbox.put_frame("", receive_time, frame, read.events)

    async def _take_back(self, frame: DataFrame) -> None:
        """A troubled topic gives data; what begins with a snapshot must begin anew."""
        text = frame.name.text
        if frame.name.topic in BEGINS_WITH_SNAPSHOT and not frame.is_snapshot:
            if text in self._acknowledged and not self._is_renewing(text):
                self._renewals[text] = None
                self._changed.set()
            return
        self._restless.discard(text)
        await self._memory.troubles.speaks(text)

    def _note_data(self, now_ms: int) -> None:
        self._last_data_ms = now_ms
        if self._memory.first_data_ms is None:
            self._memory.first_data_ms = now_ms

    async def _take_answer(self, answer: Answer) -> None:
        waiting = self._answers.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
        if answer.message == "pong" and self._pong is not None and not self._pong.done():
            self._pong.set_result(None)
        told = frozenset(self._memory.told)
        if told:
            await self._outbox.put([Alive(BYBIT, told, self._clock.now())])

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
            name = self._topics.get(found[1].decode(errors="replace"))
            if name is not None:
                await self._memory.troubles.strike(name)
        msg = f"unreadable frame: {reason}"[:200]
        raise ConversationEndedError(msg)


def _sample(frame: str | bytes) -> bytes:
    return (frame.encode(errors="replace") if isinstance(frame, str) else frame)[:LARGEST_SAMPLE]
