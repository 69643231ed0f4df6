"""Closed 1m candles by REST, soon after each minute.

The unified stream of candles tells neither when one is closed nor when it was sent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import structlog

from virtuoso.adapters.feed.ccxt.contracts import Contract
from virtuoso.adapters.feed.ccxt.history import SETTLED_MS
from virtuoso.adapters.feed.ccxt.mapping import to_closed_candles, volume_factor
from virtuoso.adapters.feed.ccxt.venues import Dialect
from virtuoso.adapters.feed.ccxt_history import translate_errors
from virtuoso.adapters.feed.governed import URGENCY, Urgency
from virtuoso.adapters.feed.limits import Priority
from virtuoso.domain.errors import FeedError
from virtuoso.domain.instruments import Venue
from virtuoso.domain.market_data import FeedEvent, MarketEvent
from virtuoso.domain.time import MINUTE, SECOND, Millis, Timeframe
from virtuoso.ports import Clock

_log = structlog.get_logger(__name__)

_DELAY_SECONDS: Final = 1.5
"""How long after the minute its candle is asked for."""
_TRIES: Final = 4
_AT_ONCE: Final = 6


class Minutes:
    """Asks for the closed minute of every market, and hands it on as a candle."""

    def __init__(
        self,
        library: Any,  # noqa: ANN401 - its methods are not typed
        venue: Venue,
        dialect: Dialect,
        clock: Clock,
        put: Callable[[list[FeedEvent]], Awaitable[None]],
    ) -> None:
        self._library = library
        self._venue = venue
        self._dialect = dialect
        self._clock = clock
        self._put = put
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self, watched: Callable[[], Collection[Contract]]) -> None:
        """Go on for ever; `watched` gives the markets of the moment."""
        URGENCY.set(Urgency(Priority.BACK_FILL))
        while True:
            past = self._clock.now() % MINUTE
            await asyncio.sleep((MINUTE - past) / SECOND + _DELAY_SECONDS)
            minute = Millis(self._clock.now() // MINUTE * MINUTE - MINUTE)
            await asyncio.gather(*(self._fetch(each, minute) for each in watched()))

    async def _fetch(self, contract: Contract, minute: Millis) -> None:
        """Hand on the candle of a minute once the venue has closed it; give up after some tries.

        A candle that is missing in the end is a hole, which is filled from the past.
        """
        factor = volume_factor(contract, self._dialect)
        if factor is None:
            return
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(2.0**number)
            try:
                async with self._places:
                    with translate_errors(self._venue):
                        rows = await self._library.fetch_ohlcv(
                            contract.symbol, Timeframe.M1.value, minute, 3
                        )
            except FeedError as error:
                _log.warning("no_candle", venue=self._venue, reason=str(error))
                continue
            now = self._clock.now()
            settled = Millis(now - SETTLED_MS)
            for candle in to_closed_candles(rows, Timeframe.M1, factor, settled):
                if candle.open_time == minute:
                    event = MarketEvent(contract.instrument, candle, candle.close_time, now)
                    await self._put([event])
                    return
