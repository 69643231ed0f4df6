"""A history that knows what a test tells it."""

from collections.abc import Mapping, Sequence

from virtuoso.domain.errors import NotOfferedError, VenueUnavailableError
from virtuoso.domain.instruments import Instrument, Listing
from virtuoso.domain.maintenance import Maintenance
from virtuoso.domain.market_data import (
    BookSnapshot,
    Candle,
    FundingRate,
    LongShortRatio,
    MarketEvent,
    OpenInterest,
    Ticker,
    Trade,
)
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.ports import CandleKind, Spacing


class FakeHistory:
    """Answers from what it was given; what it was not given is not offered. `dead` fails all."""

    def __init__(
        self,
        listings: Sequence[Listing] = (),
        candles: Mapping[tuple[Instrument, Timeframe], Sequence[Candle]] | None = None,
        funding: Mapping[Instrument, Sequence[FundingRate]] | None = None,
        open_interest: Mapping[Instrument, Sequence[OpenInterest]] | None = None,
        long_short_ratio: Mapping[Instrument, Sequence[LongShortRatio]] | None = None,
        *,
        trades: Mapping[Instrument, Sequence[MarketEvent[Trade]]] | None = None,
        books: Mapping[Instrument, MarketEvent[BookSnapshot]] | None = None,
        tickers: Sequence[MarketEvent[Ticker]] | None = None,
        open_interest_now: Mapping[Instrument, OpenInterest] | None = None,
        venue_time: Millis | None = None,
    ) -> None:
        self._listings = listings
        self._candles = candles or {}
        self._funding = funding or {}
        self._open_interest = open_interest or {}
        self._long_short_ratio = long_short_ratio or {}
        self._trades = trades or {}
        self._books = books or {}
        self._tickers = tickers
        self._open_interest_now = open_interest_now or {}
        self._venue_time = venue_time
        self.announced: Sequence[Maintenance] | None = None
        """What it says of maintenance; None: it announces nothing."""
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

    async def trades(self, instrument: Instrument, limit: int) -> Sequence[MarketEvent[Trade]]:
        """The last `limit` trades."""
        self._reach()
        if instrument not in self._trades:
            message = f"expected trades of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._trades[instrument][-limit:]

    async def book(self, instrument: Instrument) -> MarketEvent[BookSnapshot]:
        """The book it was given."""
        self._reach()
        if instrument not in self._books:
            message = f"expected a book of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._books[instrument]

    async def tickers(self) -> Sequence[MarketEvent[Ticker]]:
        """The tickers it was given."""
        self._reach()
        if self._tickers is None:
            message = "expected tickers, found none"
            raise NotOfferedError(message)
        return self._tickers

    async def open_interest_now(self, instrument: Instrument) -> OpenInterest:
        """The open interest it was given for now."""
        self._reach()
        if instrument not in self._open_interest_now:
            message = f"expected open interest of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._open_interest_now[instrument]

    async def venue_time(self) -> Millis:
        """The time it was given."""
        self._reach()
        if self._venue_time is None:
            message = "expected the venue's time, found none"
            raise NotOfferedError(message)
        return self._venue_time

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """The last `limit` settled rates."""
        self._reach()
        if instrument not in self._funding:
            message = f"expected funding of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        return self._funding[instrument][-limit:]

    async def open_interest(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[OpenInterest]:
        """The last `limit` rows at full hours or five minutes."""
        self._reach()
        if instrument not in self._open_interest:
            message = f"expected open interest of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        rows = self._open_interest[instrument]
        return [row for row in rows if row.at % spacing.ms == 0][-limit:]

    async def long_short_ratio(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[LongShortRatio]:
        """The last `limit` rows at full hours or five minutes."""
        self._reach()
        if instrument not in self._long_short_ratio:
            message = f"expected the ratio of {instrument.symbol}, found none"
            raise NotOfferedError(message)
        rows = self._long_short_ratio[instrument]
        return [row for row in rows if row.at % spacing.ms == 0][-limit:]

    async def maintenance(self) -> Sequence[Maintenance]:
        """What a test lets it announce."""
        self._reach()
        if self.announced is None:
            message = "expected announcements of maintenance, found none"
            raise NotOfferedError(message)
        return self.announced

    async def close(self) -> None:
        """Note it."""
        self.closed = True
