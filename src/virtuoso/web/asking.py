"""Asks the engine over the broker: what serves knows nothing of settings and rules itself."""

import asyncio
import secrets
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.ports import Broker, Clock
from virtuoso.wire.asking import Answered, Question, Subject
from virtuoso.wire.codec import Codec

log = structlog.get_logger()

MOST_WAITING: Final = 20
PAUSE_S: Final = 1.0

Q = TypeVar("Q", bound=Question)


class NoAnswerError(Exception):
    """The engine did not answer in time, or too many questions wait."""


class Asking(Generic[Q]):
    """Asks about one subject; `run` must run for answers to be heard."""

    def __init__(
        self,
        subject: Subject[Q],
        broker: Broker,
        codec: Codec,
        clock: Clock,
        deadline_s: float | None = None,
    ) -> None:
        """`deadline_s`: another one than the subject's."""
        self._subject = subject
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._deadline_s = subject.deadline_s if deadline_s is None else deadline_s
        self._waiting: dict[str, asyncio.Future[Answered]] = {}
        self._epoch = f"web-{secrets.token_hex(4)}"
        self._seq = 0

    async def run(self) -> None:
        """Hear answers for ever."""
        while True:
            try:
                async for message in self._broker.subscribe(self._subject.answered_on):
                    self._take(message)
            except VirtuosoError as error:
                log.warning("answers_not_heard", subject=self._subject.name, error=str(error))
            await asyncio.sleep(PAUSE_S)

    def _take(self, message: bytes) -> None:
        try:
            answer = self._codec.decode(self._subject.answered_on, message, Answered)
        except ValueRefusedError as error:
            log.warning("answer_refused", subject=self._subject.name, error=str(error))
            return
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(self, question: Q) -> Answered:
        """Ask, and wait for the answer. Raises NoAnswerError."""
        if len(self._waiting) >= MOST_WAITING:
            raise NoAnswerError
        self._seq += 1
        sent = msgspec.structs.replace(
            question,
            epoch=self._epoch,
            seq=self._seq,
            now=self._clock.now(),
            id=secrets.token_hex(12),
        )
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[sent.id] = future
        try:
            async with asyncio.timeout(self._deadline_s):
                message = self._codec.encode(self._subject.asked_on, sent)
                await self._broker.publish(self._subject.asked_on, message)
                return await future
        except (TimeoutError, VirtuosoError) as error:
            raise NoAnswerError from error
        finally:
            del self._waiting[sent.id]
