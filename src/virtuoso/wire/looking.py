"""Tells the engine which symbols somebody looks at here, as often as it needs to hear it."""

from typing import Final

from virtuoso.ports import Broker, Clock
from virtuoso.wire import keys
from virtuoso.wire.codec import Codec
from virtuoso.wire.market import Looked

TELL_EVERY_MS: Final = 5_000
"""Of one symbol; the engine forgets it after thrice that."""
REMEMBERED: Final = 1_000


class Looking:
    """Says each symbol at the first look and then every few seconds while it is looked at."""

    def __init__(self, broker: Broker, codec: Codec, clock: Clock) -> None:
        self._broker = broker
        self._codec = codec
        self._clock = clock
        self._told_ms: dict[str, int] = {}
        self._said = 0

    async def look(self, symbol: str) -> bool:
        """Somebody looks at this symbol. True when the engine was told just now."""
        now = self._clock.monotonic_ms()
        told = self._told_ms.get(symbol)
        if told is not None and now - told < TELL_EVERY_MS:
            return False
        self._told_ms[symbol] = now
        if len(self._told_ms) > REMEMBERED:
            self._told_ms = {
                each: at for each, at in self._told_ms.items() if now - at < TELL_EVERY_MS
            }
        self._said += 1
        message = Looked("", self._said, self._clock.now(), (symbol,))
        await self._broker.publish(keys.LOOKED, self._codec.encode(keys.LOOKED, message))
        return True

    def forget(self, symbol: str) -> None:
        """Tell the engine again at the next look: it does not seem to have heard."""
        self._told_ms.pop(symbol, None)
