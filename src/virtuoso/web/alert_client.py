"""Asks the engine about alerts and rules over the broker; what serves decides nothing itself."""

import asyncio
import secrets
from typing import Final

import structlog

from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.ports import Broker, Clock
from virtuoso.web.config_client import NoAnswerError
from virtuoso.wire import keys
from virtuoso.wire.alerts import AlertAction, AlertAnswer, AlertRequest
from virtuoso.wire.codec import Codec

log = structlog.get_logger()

DEADLINE_S: Final = 10.0
MOST_WAITING: Final = 20
PAUSE_S: Final = 1.0


class AlertClient:
    """`run` must run for answers to be heard."""

    def __init__(
        self, broker: Broker, codec: Codec, clock: Clock, deadline_s: float = DEADLINE_S
    ) -> None:
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._deadline_s = deadline_s
        self._waiting: dict[str, asyncio.Future[AlertAnswer]] = {}
        self._epoch = f"web-{secrets.token_hex(4)}"
        self._seq = 0

    async def run(self) -> None:
        """Hear answers for ever."""
        while True:
            try:
                async for message in self._broker.subscribe(keys.ALERT_ANSWER):
                    self._take(message)
            except VirtuosoError as error:
                log.warning("alert_channel_failed", error=str(error))
            await asyncio.sleep(PAUSE_S)

    def _take(self, message: bytes) -> None:
        try:
            answer = self._codec.decode(keys.ALERT_ANSWER, message, AlertAnswer)
        except ValueRefusedError as error:
            log.warning("alert_answer_refused", error=str(error))
            return
        waiting = self._waiting.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(
        self,
        action: AlertAction,
        actor: str = "",
        target: str = "",
        body: bytes = b"",
        version: int | None = None,
    ) -> AlertAnswer:
        """Ask, and wait for the answer. Raises NoAnswerError."""
        if len(self._waiting) >= MOST_WAITING:
            raise NoAnswerError
        self._seq += 1
        name = secrets.token_hex(12)
        request = AlertRequest(
            self._epoch, self._seq, self._clock.now(), name, action, actor, target, version, body
        )
        future: asyncio.Future[AlertAnswer] = asyncio.get_running_loop().create_future()
        self._waiting[name] = future
        try:
            async with asyncio.timeout(self._deadline_s):
                message = self._codec.encode(keys.ALERT_ASK, request)
                await self._broker.publish(keys.ALERT_ASK, message)
                return await future
        except (TimeoutError, VirtuosoError) as error:
            raise NoAnswerError from error
        finally:
            del self._waiting[name]
