"""Which streams of a group give nothing, and since when: refused, unreadable, or silent."""

from typing import Final

import structlog

from virtuoso.adapters.feed.binance.subscriptions import StreamName
from virtuoso.adapters.feed.connection import Outbox, Strikes
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Topic, TopicRefused, TopicRestored, TopicSilent
from virtuoso.domain.time import MINUTE
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_ASK_AGAIN_MS: Final = 10 * MINUTE
"""After so long a stream that was refused is asked for again."""


class Topics:
    """The troubled streams of a group; each trouble and each recovery is told."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._strikes = Strikes(clock)
        self._refused: dict[str, int] = {}
        """Until when (monotonic) a stream is not asked for."""
        self._troubled: dict[str, StreamName] = {}

    def is_set_aside(self, text: str) -> bool:
        """Whether a stream is not to be asked for at present."""
        until = self._refused.get(text)
        return until is not None and self._clock.monotonic_ms() < until

    def is_troubled(self, text: str) -> bool:
        """Whether it was told of this stream that it gives nothing."""
        return text in self._troubled

    async def refuse(self, name: StreamName, reason: str) -> None:
        """The venue will not give this stream: do not ask for it for a while."""
        _log.warning("topic_refused", topic=name.text, reason=reason)
        self._refused[name.text] = self._clock.monotonic_ms() + _ASK_AGAIN_MS
        self._troubled[name.text] = name
        await self._outbox.put(
            [TopicRefused(name.instrument, name.topic, reason[:200], self._clock.now())]
        )

    async def strike(self, name: StreamName) -> None:
        """A frame of this stream could not be read; time and again, and it is set aside."""
        if self._strikes.add(name.text):
            await self.refuse(name, "unreadable frames, time and again")

    async def silence(self, name: StreamName, reason: str) -> None:
        """A stream should speak, and does not."""
        _log.warning("topic_silent", topic=name.text, reason=reason)
        self._troubled[name.text] = name
        await self._outbox.put(
            [TopicSilent(name.instrument, name.topic, reason[:200], self._clock.now())]
        )

    async def speaks(self, text: str) -> None:
        """A troubled stream speaks again; its topic is well when none of its streams is silent."""
        name = self._troubled.pop(text, None)
        self._refused.pop(text, None)
        if name is None or self._is_any_troubled(name.instrument, name.topic):
            return
        await self._outbox.put([TopicRestored(name.instrument, name.topic, self._clock.now())])

    def forget(self, instrument: Instrument) -> None:
        """An instrument is given up."""
        for text, name in list(self._troubled.items()):
            if name.instrument == instrument:
                del self._troubled[text]
                self._refused.pop(text, None)

    def _is_any_troubled(self, instrument: Instrument, topic: Topic) -> bool:
        return any(
            each.instrument == instrument and each.topic is topic
            for each in self._troubled.values()
        )
