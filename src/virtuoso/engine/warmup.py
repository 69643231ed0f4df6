"""Fetches what a market needs from the past before its stream can be understood."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from virtuoso.domain.errors import FeedError, NotOfferedError, VenueRefusedError
from virtuoso.domain.instruments import Instrument
from virtuoso.domain.market_data import Candle, FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import Timeframe
from virtuoso.ports import CandleKind, History

log = structlog.get_logger()

CANDLES = 1_000
FUNDING_RATES = 200
OPEN_INTEREST_HOURS = 200
RATIO_HOURS = 500
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

T = TypeVar("T")


@dataclass(slots=True)
class CandleHistory:
    """Closed candles per timeframe; one that the source does not have is missing."""

    candles: dict[Timeframe, Sequence[Candle]] = field(default_factory=dict)


@dataclass(slots=True)
class DerivativesHistory:
    """What sentiment looks back on; what the source does not have stays empty."""

    mark: Sequence[Candle] = ()
    index: Sequence[Candle] = ()
    funding: Sequence[FundingRate] = ()
    open_interest: Sequence[OpenInterest] = ()
    ratio: Sequence[LongShortRatio] = ()


class Warmup:
    """Reads histories with patience: an unreachable venue is asked again, a no is taken as a no."""

    def __init__(self, history: History, jitter: Callable[[], float]) -> None:
        """`jitter` gives numbers in 0..1, to spread the retries of many markets."""
        self._history = history
        self._jitter = jitter

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

    async def candles(self, instrument: Instrument) -> CandleHistory:
        """Fetch all timeframes, the shortest last so that it joins the stream."""
        found = CandleHistory()
        for timeframe in reversed(Timeframe):
            rows = await self._series(
                f"{instrument.symbol} {timeframe} candles",
                partial(self._history.candles, instrument, timeframe, CANDLES),
            )
            if rows is not None:
                found.candles[timeframe] = rows
        return found

    async def derivatives(self, instrument: Instrument) -> DerivativesHistory:
        """Fetch funding, open interest, account ratio, mark and index minutes."""
        history, name = self._history, instrument.symbol
        minute = Timeframe.M1
        mark, index, funding, interest, ratio = await asyncio.gather(
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
        )
        return DerivativesHistory(
            mark=mark or (),
            index=index or (),
            funding=funding or (),
            open_interest=interest or (),
            ratio=ratio or (),
        )

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
