"""Asks the engine about the settings over the broker; what serves knows nothing of them itself."""

import asyncio
import secrets
from typing import Final

import structlog

from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.ports import Broker, Clock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.config import Action, ConfigAnswer, ConfigRequest

log = structlog.get_logger()

DEADLINE_S: Final = 5.0
MOST_WAITING: Final = 20
PAUSE_S: Final = 1.0


class NoAnswerError(Exception):
    """The engine did not answer in time, or too many questions wait."""


class ConfigClient:
    """`run` must run for answers to be heard."""

    def __init__(
        self, broker: Broker, codec: Codec, clock: Clock, deadline_s: float = DEADLINE_S
    ) -> None:
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._deadline_s = deadline_s
        self._waiting: dict[str, asyncio.Future[ConfigAnswer]] = {}
        self._epoch = f"web-{secrets.token_hex(4)}"
        self._seq = 0

    async def run(self) -> None:
        """Hear answers for ever."""
        while True:
            try:
                async for message in self._broker.subscribe(keys.CONFIG_ANSWER):
                    self._take(message)
            except VirtuosoError as error:
                log.warning("config_channel_failed", error=str(error))
            await asyncio.sleep(PAUSE_S)

    def _take(self, message: bytes) -> None:
        try:
            answer = self._codec.decode(keys.CONFIG_ANSWER, message, ConfigAnswer)
        except ValueRefusedError as error:
            log.warning("config_answer_refused", error=str(error))
            return
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(
        self,
        action: Action,
        actor: str = "",
        body: bytes = b"",
        version: int | None = None,
        number: int | None = None,
    ) -> ConfigAnswer:
        """Ask, and wait for the answer. Raises NoAnswerError."""
        if len(self._waiting) >= MOST_WAITING:
            raise NoAnswerError
        self._seq += 1
        request = ConfigRequest(
            self._epoch,
            self._seq,
            self._clock.now(),
            secrets.token_hex(12),
            action,
            actor,
            version,
            number,
            body,
        )
        future: asyncio.Future[ConfigAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = future
        try:
            async with asyncio.timeout(self._deadline_s):
                message = self._codec.encode(keys.CONFIG_ASK, request)
                await self._broker.publish(keys.CONFIG_ASK, message)
                return await future
        except (TimeoutError, VirtuosoError) as error:
            raise NoAnswerError from error
        finally:
            del self._waiting[request.id]
