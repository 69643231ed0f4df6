"""Which topics of a connection give nothing, and since when: refused, unreadable, or silent."""

from collections.abc import Iterable
from typing import Final

import structlog

from virtuoso.adapters.feed.bybit.parse import TopicName
from virtuoso.adapters.feed.bybit.settings import Patience
from virtuoso.adapters.feed.connection import Outbox, Strikes
from virtuoso.domain.market_data import Topic, TopicRefused, TopicRestored, TopicSilent
from virtuoso.domain.time import SECOND
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_LONGEST_REASON: Final = 200
_UNREADABLE: Final = "unreadable frames, time and again"
_MAY_BE_SILENT: Final = frozenset({Topic.TRADES, Topic.CANDLES, Topic.LIQUIDATIONS})


class Troubles:
    """The topics in trouble; each trouble and each recovery is told."""

    def __init__(self, patience: Patience, outbox: Outbox, clock: Clock) -> None:
        self._ask_again_ms = int(patience.ask_again * SECOND)
        self._outbox = outbox
        self._clock = clock
        self._strikes = Strikes(clock)
        self._refused: dict[str, int] = {}
        """Until when (monotonic) a topic that the venue refused is not asked for."""
        self._troubled: dict[str, TopicName] = {}
        self._told: set[str] = set()
        """Those of which the present connection has told."""

    def is_set_aside(self, text: str) -> bool:
        """Whether a topic is not to be asked for at present."""
        until = self._refused.get(text)
        if until is not None and self._clock.monotonic_ms() < until:
            return True
        return self._strikes.is_set_aside(text)

    def is_troubled(self, text: str) -> bool:
        """Whether this topic gave nothing when it was last heard of."""
        return text in self._troubled

    async def refuse(self, text: str, name: TopicName | None, reason: str) -> None:
        """The venue will not give this topic: do not ask for it for a while.

        Without a name it is a topic that nobody but us asked for.
        """
        _log.warning("topic_refused", topic=text, reason=reason)
        self._refused[text] = self._clock.monotonic_ms() + self._ask_again_ms
        if name is not None:
            await self._tell_refused(name, reason)

    async def strike(self, name: TopicName) -> None:
        """A frame of this topic could not be read; time and again, and it is set aside."""
        if self._strikes.add(name.text):
            _log.warning("topic_set_aside", topic=name.text)
            await self._tell_refused(name, _UNREADABLE)

    async def admit(self, name: TopicName) -> None:
        """A topic is to be carried from now on: if it is set aside, tell so once more."""
        if self._strikes.is_set_aside(name.text):
            await self._tell_refused(name, _UNREADABLE)

    async def accept(self, name: TopicName) -> None:
        """The venue agrees to give a topic; one that may have nothing to say is well with that."""
        was_refused = self._refused.pop(name.text, None) is not None
        if was_refused and name.topic in _MAY_BE_SILENT:
            await self.speaks(name.text)

    async def silence(self, name: TopicName, reason: str) -> None:
        """A topic should speak, and does not. Told once, until it speaks."""
        if name.text in self._told:
            return
        _log.warning("topic_silent", topic=name.text, reason=reason)
        self._troubled[name.text] = name
        self._told.add(name.text)
        silent = TopicSilent(
            name.instrument, name.topic, reason[:_LONGEST_REASON], self._clock.now()
        )
        await self._outbox.put([silent])

    async def speaks(self, text: str) -> None:
        """A troubled topic gives data again."""
        name = self._troubled.pop(text, None)
        self._told.discard(text)
        if name is None or any(
            other[1:3] == name[1:3] for other in self._troubled.values()
        ):  # another topic of the same kind, a candle of another interval, is still silent
            return
        _log.info("topic_restored", topic=text)
        await self._outbox.put([TopicRestored(name.instrument, name.topic, self._clock.now())])

    def begin(self) -> None:
        """A new connection is open: ask it for what the one before refused, and tell anew."""
        for text in self._refused:
            self._refused[text] = 0
        self._told.clear()

    def forget(self, texts: Iterable[str]) -> None:
        """These topics are given up."""
        for text in texts:
            self._troubled.pop(text, None)
            self._refused.pop(text, None)
            self._told.discard(text)

    async def _tell_refused(self, name: TopicName, reason: str) -> None:
        self._troubled[name.text] = name
        self._told.add(name.text)
        refused = TopicRefused(
            name.instrument, name.topic, reason[:_LONGEST_REASON], self._clock.now()
        )
        await self._outbox.put([refused])
