"""How a new connection takes over from an old one without a gap.

Update ids and trade numbers are the venue's, the same on every connection. The new connection keeps
its books and trades back until it has what the old one gave last; then the old one is no longer
listened to, and what is kept beyond that point follows.
"""

from collections import deque
from typing import Final

from virtuoso.adapters.feed.binance.frames import Depth
from virtuoso.adapters.feed.binance.intake import Intake, Received
from virtuoso.adapters.feed.binance.subscriptions import Kind
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Candle, Liquidation
from virtuoso.domain.time import SECOND, Millis
from virtuoso.ports import Clock

_NUMBERED: Final = (Kind.DEPTH, Kind.TRADES)
_MOST_KEPT: Final = 2_000
"""Frames kept of one stream; the old connection takes away what both have."""
_QUIET_MS: Final = SECOND
"""A stream that gave neither connection anything for so long is at the same place on both."""


class Hold:
    """What a new connection brings before it takes over.

    Closed candles and liquidations are handed on at once, from both connections: a repeated one is
    recognised by its content. Of the other streams that are not numbered the last frame is kept.
    """

    def __init__(self, intake: Intake, clock: Clock) -> None:
        self._intake = intake
        self._clock = clock
        self._numbered: dict[tuple[Instrument, Kind], deque[Received]] = {}
        self._newest: dict[str, Received] = {}
        self._met: set[tuple[Instrument, Kind]] = set()
        """Numbered streams of which both connections gave the same piece."""
        self._seen: dict[tuple[Instrument, Kind], tuple[int | None, int]] = {}
        """What the old connection gave last when it was looked at, and since when it is that."""
        self._is_leading = False
        self._ahead: set[tuple[Instrument, Kind]] = set()
        """Numbered streams that have given more than the old connection did."""

    async def take(self, received: Received, receive_time: Millis) -> None:
        """Keep a frame, or hand it on."""
        name, _, fact = received
        is_numbered = name.kind in _NUMBERED
        if self._is_leading:
            if not is_numbered or self._is_news(received):
                await self._intake.take(received, receive_time)
        elif is_numbered:
            key = (name.instrument, name.kind)
            kept = self._numbered.setdefault(key, deque(maxlen=_MOST_KEPT))
            kept.append(received)
            self._prune(key, kept)
        elif not isinstance(fact, Depth) and isinstance(fact.data, Candle | Liquidation):
            await self._intake.take(received, receive_time)
        else:
            self._newest[name.text] = received

    def is_complete(self) -> bool:
        """Whether nothing would be lost if the old connection ended now.

        Of each numbered stream both connections gave the same piece, or neither gave anything for
        a while: what the old one has yet to give may be older than the new one's first.
        """
        now = self._clock.monotonic_ms()
        have_met = [
            self._has_met((instrument, kind), now)
            for instrument in self._intake.by_symbol.values()
            for kind in _NUMBERED
        ]
        return all(have_met)

    async def release(self) -> None:
        """Hand on what is kept, and from then on what comes.

        Call it when the old connection is no longer listened to. What that one gave already and
        this one has yet to give is left out then, too.
        """
        while self._numbered or self._newest:
            waiting = [received for kept in self._numbered.values() for received in kept]
            waiting += self._newest.values()
            self._numbered.clear()
            self._newest.clear()
            for received in waiting:
                if received.name.kind not in _NUMBERED or self._is_news(received):
                    await self._hand_on(received)
        self._is_leading = True

    async def _hand_on(self, received: Received) -> None:
        now = self._clock.now()
        name, frame, fact = received
        if self._intake.bridge(name.instrument) is None:
            return  # given up meanwhile
        if not isinstance(fact, Depth):
            # it stands in line behind what the old connection gave: so do its times
            fact = fact._replace(receive_time=now)
        await self._intake.take(Received(name, frame, fact), now)

    def _has_met(self, key: tuple[Instrument, Kind], now_ms: int) -> bool:
        kept = self._numbered.get(key)
        if kept is not None:
            self._prune(key, kept)
        given = self._given(key)
        seen, since = self._seen.get(key, (None, now_ms))
        if key not in self._seen or seen != given:
            self._seen[key] = (given, now_ms)
            since = now_ms
        if key in self._met:
            return True
        is_quiet = now_ms - since >= _QUIET_MS
        return is_quiet and (not kept or given is None)

    def _is_news(self, received: Received) -> bool:
        """Whether the old connection did not give this."""
        key = (received.name.instrument, received.name.kind)
        if key not in self._ahead:
            newest = self._given(key)
            if newest is not None and _numbers(received)[0] <= newest:
                return False
            self._ahead.add(key)
        return True

    def _given(self, key: tuple[Instrument, Kind]) -> int | None:
        """The number up to which a stream was handed on."""
        instrument, kind = key
        if kind is Kind.TRADES:
            return self._intake.trade_ids.last(instrument)
        bridge = self._intake.bridge(instrument)
        return None if bridge is None else bridge.newest

    def _prune(self, key: tuple[Instrument, Kind], kept: deque[Received]) -> None:
        """Take away what the old connection gave as well."""
        newest = self._given(key)
        if newest is None:
            return
        while kept:
            last, previous = _numbers(kept[0])
            if last > newest:
                if previous <= newest:
                    self._met.add(key)
                return
            kept.popleft()
            self._met.add(key)


def _numbers(received: Received) -> tuple[int, int]:
    """The number of a frame, and that of the one before it."""
    fact = received.fact
    if isinstance(fact, Depth):
        return fact.last, fact.previous
    number = int(fact.data.id)  # type: ignore[union-attr]
    return number, number - 1
