"""Takes questions about the settings from the broker, one at a time, and answers them there."""

import asyncio
from collections import deque
from typing import Final

import structlog

from virtuoso.apps.config_editor import ConfigEditor
from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.domain.time import SECOND
from virtuoso.ports import Broker, Clock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.config import ConfigAnswer, ConfigRequest

log = structlog.get_logger()

DEADLINE_S: Final = 4.0
OLDEST_MS: Final = 30 * SECOND
"""A question that was under way for longer is not answered: whoever asked has gone."""
REMEMBERED: Final = 1_000
"""Questions that are not answered twice, whoever repeats them."""
PAUSE_S: Final = 1.0


class ConfigService:
    """Runs beside the engine."""

    def __init__(
        self, editor: ConfigEditor, broker: Broker, codec: Codec, clock: Clock, epoch: str
    ) -> None:
        self._editor = editor
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._epoch = epoch
        self._seen: deque[str] = deque(maxlen=REMEMBERED)
        self._seq = 0

    async def run(self) -> None:
        """Answer for ever."""
        while True:
            async for message in self._broker.subscribe(keys.CONFIG_ASK):
                await self._take(message)
            await asyncio.sleep(PAUSE_S)

    async def _take(self, message: bytes) -> None:
        try:
            request = self._codec.decode(keys.CONFIG_ASK, message, ConfigRequest)
        except ValueRefusedError as error:
            log.warning("config_question_refused", error=str(error))
            return
        if request.id in self._seen or abs(self._clock.now() - request.now) > OLDEST_MS:
            log.warning("config_question_is_old", action=request.action)
            return
        self._seen.append(request.id)
        try:
            async with asyncio.timeout(DEADLINE_S):
                status, body, version = await self._editor.answer(request)
        except TimeoutError:
            log.warning("config_question_took_too_long", action=request.action)
            return
        except VirtuosoError as error:
            log.warning("config_question_failed", action=request.action, error=str(error))
            return
        if request.action in {"save", "restore"}:
            log.info(
                "config_change",
                action=request.action,
                actor=request.actor,
                status=status,
                version=version,
            )
        self._seq += 1
        answer = ConfigAnswer(
            self._epoch, self._seq, self._clock.now(), request.id, status, body, version
        )
        await self._broker.publish(
            keys.CONFIG_ANSWER, self._codec.encode(keys.CONFIG_ANSWER, answer)
        )
