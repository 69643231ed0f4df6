"""A history that knows what a test tells it."""

from collections.abc import Mapping, Sequence

from virtuoso.domain.errors import NotOfferedError, VenueUnavailableError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.market_data import Candle, FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import Timeframe
from virtuoso.ports import CandleKind


class FakeHistory:
    """Answers from what it was given; what it was not given is not offered. `dead` fails all."""

    def __init__(
        self,
        listings: Sequence[Listing] = (),
        candles: Mapping[tuple[Instrument, Timeframe], Sequence[Candle]] | None = None,
        funding: Mapping[Instrument, Sequence[FundingRate]] | None = None,
        open_interest: Mapping[Instrument, Sequence[OpenInterest]] | None = None,
        long_short_ratio: Mapping[Instrument, Sequence[LongShortRatio]] | None = None,
    ) -> None:
        self._listings = listings
        self._candles = candles or {}
        self._funding = funding or {}
        self._open_interest = open_interest or {}
        self._long_short_ratio = long_short_ratio or {}
        self.dead = False
        self.closed = False

    def _reach(self) -> None:
        if self.dead:
            message = "expected an answer, found a dead venue"
            raise VenueUnavailableError(message)

    async def listings(self) -> Sequence[Listing]:
        """The catalogue."""
        self._reach()
        return self._listings

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` candles made of trades."""
        self._reach()
        if kind is not CandleKind.TRADE or (instrument, timeframe) not in self._candles:
            message = f"expected {kind} candles of {instrument.symbol} {timeframe}, found none"
            raise NotOfferedError(message)
        return self._candles[instrument, timeframe][-limit:]

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """The last `limit` settled rates."""
        self._reach()
        if instrument not in self._funding:
            message = f"expected funding of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._funding[instrument][-limit:]

    async def open_interest(self, instrument: Instrument, limit: int) -> Sequence[OpenInterest]:
        """The last `limit` hours."""
        self._reach()
        if instrument not in self._open_interest:
            message = f"expected open interest of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._open_interest[instrument][-limit:]

    async def long_short_ratio(
        self, instrument: Instrument, limit: int
    ) -> Sequence[LongShortRatio]:
        """The last `limit` hours."""
        self._reach()
        if instrument not in self._long_short_ratio:
            message = f"expected the ratio of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._long_short_ratio[instrument][-limit:]

    async def close(self) -> None:
        """Note it."""
        self.closed = True
