"""Which symbols somebody looks at: their books and trades are published, nobody else's.

At 500 symbols a book of 50 levels for each, every second, would cost as much as the scores. So the
processes that serve say what is looked at, and say it again while it is (ADR 0041).
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import structlog

from virtuoso.domain.errors import ValueRefusedError, VirtuosoError
from virtuoso.ports import Clock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.market import Looked

log = structlog.get_logger()

LOOKED_FOR_MS: Final = 15_000
"""How long a symbol is published after it was asked for last."""
MOST: Final = 50
"""Symbols published at once; one more takes the place of that asked for longest ago."""
AGAIN_S: Final = 1.0


class Readers:
    """Hears what is looked at. `came` is set when a symbol is new among them."""

    def __init__(
        self, looks: Callable[[], AsyncIterator[bytes]], codec: Codec, clock: Clock
    ) -> None:
        self._looks = looks
        self._codec = codec
        self._clock = clock
        self._until: OrderedDict[str, int] = OrderedDict()
        self._new: set[str] = set()
        self.came = asyncio.Event()
        self.refused = 0
        """Messages that were none."""

    async def run(self) -> None:
        """Listen for ever; ends only by cancellation."""
        while True:
            with suppress(VirtuosoError):
                async for message in self._looks():
                    self.receive(message)
            await asyncio.sleep(AGAIN_S)

    def receive(self, message: bytes) -> None:
        """Take one message of the channel."""
        try:
            looked = self._codec.decode(keys.LOOKED, message, Looked)
        except ValueRefusedError as error:
            self.refused += 1
            log.warning("look_undecodable", error=str(error))
            return
        until = self._clock.monotonic_ms() + LOOKED_FOR_MS
        known = self.symbols()
        for symbol in looked.symbols[:MOST]:
            self._until[symbol] = until
            self._until.move_to_end(symbol)
            if symbol not in known:
                self._new.add(symbol)
                self.came.set()
        while len(self._until) > MOST:
            self._until.popitem(last=False)

    def symbols(self) -> frozenset[str]:
        """What is looked at now."""
        now = self._clock.monotonic_ms()
        for symbol in [each for each, until in self._until.items() if until <= now]:
            del self._until[symbol]
        return frozenset(self._until)

    def take_new(self) -> frozenset[str]:
        """What somebody began to look at since this was asked last."""
        new = frozenset(self._new) & self.symbols()
        self._new.clear()
        self.came.clear()
        return new
