"""Takes questions from the broker, one at a time, and answers where their subject is in force."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeAlias, TypeVar

import structlog

from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Broker, Clock
from virtuoso.wire.asking import Answered, Question, Subject
from virtuoso.wire.codec import Codec

log = structlog.get_logger()

MARGIN_S: Final = 1.0
"""So much sooner than who asks gives up, so that an answer still arrives."""
OLDEST_MS: Final = 30 * SECOND
"""A question that was under way for longer is not answered: whoever asked has gone."""
REMEMBERED: Final = 1_000
"""Questions that are not answered twice, whoever repeats them."""
PAUSE_S: Final = 1.0

Answer: TypeAlias = tuple[int, bytes, int]
"""Status and body as HTTP has them, and the version in force."""

Q = TypeVar("Q", bound=Question)


class Answering(Generic[Q]):
    """Runs beside the engine."""

    def __init__(
        self,
        subject: Subject[Q],
        answer: Callable[[Q], Awaitable[Answer]],
        broker: Broker,
        codec: Codec,
        clock: Clock,
        epoch: str,
    ) -> None:
        """`answer` says what is answered; `epoch` is the engine's."""
        self._subject = subject
        self._answer = answer
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._epoch = epoch
        self._seen: deque[str] = deque(maxlen=REMEMBERED)
        self._seq = 0

    async def run(self) -> None:
        """Answer for ever."""
        while True:
            async for message in self._broker.subscribe(self._subject.asked_on):
                await self.take(message)
            await asyncio.sleep(PAUSE_S)

    async def take(self, message: bytes) -> None:
        """Answer one question, unless it is none, is old or was answered."""
        subject = self._subject
        try:
            question = self._codec.decode(subject.asked_on, message, subject.question)
        except ValueRefusedError as error:
            log.warning("question_refused", subject=subject.name, error=str(error))
            return
        told = log.bind(subject=subject.name, action=question.action)
        if question.id in self._seen or abs(self._clock.now() - question.now) > OLDEST_MS:
            told.warning("question_is_old")
            return
        self._seen.append(question.id)
        try:
            async with asyncio.timeout(subject.deadline_s - MARGIN_S):
                status, body, version = await self._answer(question)
        except TimeoutError:
            told.warning("question_took_too_long")
            return
        except VirtuosoError as error:
            told.warning("question_failed", error=str(error))
            return
        if question.action in subject.changes:
            told.info("change_asked", actor=question.actor, status=status, version=version)
        self._seq += 1
        answer = Answered(
            self._epoch, self._seq, self._clock.now(), question.id, status, body, version
        )
        await self._broker.publish(
            subject.answered_on, self._codec.encode(subject.answered_on, answer)
        )
