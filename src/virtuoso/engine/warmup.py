"""Fetches what a market needs from the past, as events that go into the line of its venue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from virtuoso.domain.errors import FeedError, NotOfferedError, VenueRefusedError
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import (
    BookPolled,
    Candle,
    CandlesLoaded,
    DerivativesLoaded,
    TradesLoaded,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.ports import CandleKind, History, Spacing

log = structlog.get_logger()

CANDLES = 999
"""With the open one a whole page of a thousand: one call a timeframe, not two."""
TRADES = 1_000
FUNDING_RATES = 200
OPEN_INTEREST_HOURS = 200
RATIO_HOURS = 500
NEWEST_RATES = 3
"""Of funding that is polled: the newest, and what a late row may have missed."""
NEWEST_ROWS = 38
"""Of a series each five minutes: three hours, so that a cut leaves no full hour out."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

T = TypeVar("T")


class Warmup:
    """Reads histories with patience: an unreachable venue is asked again, a no is taken as a no.

    `now` says when an answer was here: the receive time of the event that is made of it.
    """

    def __init__(self, history: History, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers in 0..1, to spread the retries of many markets."""
        self._history = history
        self._jitter = jitter
        self.fetched: dict[Instrument, int] = {}
        """Series of candles that are here of histories which the line has not come to."""

    async def patiently(self, what: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer. Raises VenueRefusedError and NotOfferedError only."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await ask()
            except (NotOfferedError, VenueRefusedError):
                raise
            except FeedError as error:
                log.warning("history_unavailable", what=what, error=str(error), retry_s=pause)
                await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
                pause = min(2 * pause, LONGEST_PAUSE)

    async def candles(self, instrument: Instrument, now: Callable[[], Millis]) -> CandlesLoaded:
        """Fetch all timeframes, the shortest last so that it joins the stream."""
        found: dict[Timeframe, Sequence[Candle]] = {}
        self.fetched[instrument] = 0
        for timeframe in reversed(Timeframe):
            rows = await self._series(
                f"{instrument.symbol} {timeframe} candles",
                partial(self._history.candles, instrument, timeframe, CANDLES),
            )
            if rows is not None:
                found[timeframe] = rows
            self.fetched[instrument] += 1
        return CandlesLoaded(instrument, found, now())

    def taken(self, instrument: Instrument) -> None:
        """Know that the line came to a history."""
        self.fetched.pop(instrument, None)

    async def minutes(
        self, instrument: Instrument, count: int, now: Callable[[], Millis]
    ) -> CandlesLoaded:
        """Fetch the last closed minutes, to go on from those that are known."""
        rows = await self._series(
            f"{instrument.symbol} missed minutes",
            lambda: self._history.candles(instrument, Timeframe.M1, count),
        )
        return CandlesLoaded(instrument, {Timeframe.M1: rows or ()}, now())

    async def trades(self, instrument: Instrument, now: Callable[[], Millis]) -> TradesLoaded:
        """Fetch the last trades; what was traded before them in a long cut is gone."""
        rows = await self._series(
            f"{instrument.symbol} missed trades",
            lambda: self._history.trades(instrument, TRADES),
        )
        return TradesLoaded(instrument, rows or (), now())

    async def derivatives(
        self, instrument: Instrument, now: Callable[[], Millis]
    ) -> DerivativesLoaded:
        """Fetch funding, open interest, account ratio, mark and index minutes."""
        history, name = self._history, instrument.symbol
        minute = Timeframe.M1
        mark, index, funding, interest, ratio, newest = await asyncio.gather(
            self._series(
                f"{name} mark candles",
                lambda: history.candles(instrument, minute, CANDLES, CandleKind.MARK),
            ),
            self._series(
                f"{name} index candles",
                lambda: history.candles(instrument, minute, CANDLES, CandleKind.INDEX),
            ),
            self._series(f"{name} funding", lambda: history.funding(instrument, FUNDING_RATES)),
            self._series(
                f"{name} open interest",
                lambda: history.open_interest(instrument, OPEN_INTEREST_HOURS),
            ),
            self._series(
                f"{name} account ratio", lambda: history.long_short_ratio(instrument, RATIO_HOURS)
            ),
            self.newest_series(instrument, now),
        )
        return DerivativesLoaded(
            instrument,
            now(),
            mark=mark or (),
            index=index or (),
            funding=funding or (),
            open_interest=(*(interest or ()), *newest.open_interest),
            ratio=(*(ratio or ()), *newest.ratio),
        )

    async def newest_series(
        self, instrument: Instrument, now: Callable[[], Millis]
    ) -> DerivativesLoaded:
        """Fetch the last hours of open interest and account ratio, a row each five minutes."""
        history, name = self._history, instrument.symbol
        interest = await self._series(
            f"{name} newest open interest",
            lambda: history.open_interest(instrument, NEWEST_ROWS, Spacing.FIVE_MINUTES),
        )
        ratio = await self._series(
            f"{name} newest account ratio",
            lambda: history.long_short_ratio(instrument, NEWEST_ROWS, Spacing.FIVE_MINUTES),
        )
        return DerivativesLoaded(instrument, now(), open_interest=interest or (), ratio=ratio or ())

    async def newest_funding(
        self, instrument: Instrument, now: Callable[[], Millis]
    ) -> DerivativesLoaded:
        """Fetch the funding rates settled last."""
        rows = await self._series(
            f"{instrument.symbol} funding", lambda: self._history.funding(instrument, NEWEST_RATES)
        )
        return DerivativesLoaded(instrument, now(), funding=rows or ())

    async def open_interest_now(
        self, instrument: Instrument, now: Callable[[], Millis]
    ) -> DerivativesLoaded:
        """Fetch the open interest of this moment; one try, for the next one follows soon."""
        row = await self._history.open_interest_now(instrument)
        return DerivativesLoaded(instrument, now(), open_interest=(row,))

    async def book(self, instrument: Instrument, now: Callable[[], Millis]) -> BookPolled:
        """Fetch the whole order book; one try, for the next one follows soon."""
        book = await self._history.book(instrument)
        return BookPolled(instrument, book, now())

    async def _series(
        self, what: str, ask: Callable[[], Awaitable[Sequence[T]]]
    ) -> Sequence[T] | None:
        """Fetch one series; None when the source has no such thing."""
        try:
            return await self.patiently(what, ask)
        except NotOfferedError:
            return None
        except VenueRefusedError as error:
            log.warning("history_refused", what=what, error=str(error))
            return None
