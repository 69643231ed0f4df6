"""CcxtHistory: what the venues know about the past, asked through CCXT.

CCXT brings addresses, error codes and the table of costs; the rows are read by our own parsers,
and the waiting is done by our own budget.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import aiohttp
import structlog
from ccxt.async_support.binanceusdm import binanceusdm
from ccxt.async_support.bybit import bybit
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.binance import rest as binance_rest
from virtuoso.adapters.feed.bybit import rest as bybit_rest
from virtuoso.adapters.feed.capabilities import CAPABILITIES
from virtuoso.adapters.feed.governed import (
    DEADLINE_SECONDS,
    URGENCY,
    GovernedLibrary,
    Urgency,
    open_rest_session,
)
from virtuoso.adapters.feed.limits import Pool, Priority, RequestBudget
from virtuoso.adapters.feed.listings import Excluded, log_excluded
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain import errors as ours
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Listing, Venue
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
from virtuoso.domain.time import SECOND, Millis, Timeframe
from virtuoso.ports import CandleKind, Spacing

_log = structlog.get_logger(__name__)

_CANDLES_A_CALL: Final = 1_000
_MOST_PAGES: Final = 50
_TRADES_A_CALL: Final = 1_000
_BYBIT_LEVELS: Final = 200
_BINANCE_LEVELS: Final = 100
"""Levels a side of a book that is asked for; a hundred cost 5 of Binance's weight, 500 cost 10."""
_FEW_CANDLES: Final = 200
"""So many candles at most fill a hole; more of them are the long past."""

_FIRST: Final = Urgency(Priority.BOOK)
_ALL_MARKS: Final = Urgency(Priority.BOOK, weight=10)
_MISSED: Final = Urgency(Priority.BACK_FILL)
_PAST: Final = Urgency(Priority.WARM_UP)
_FUNDING: Final = Urgency(Priority.WARM_UP, Pool.FUNDING)
_BYBIT_SPACING: Final = {Spacing.FIVE_MINUTES: "5min", Spacing.HOUR: "1h"}
_FUTURES_DATA: Final = Urgency(Priority.WARM_UP, Pool.FUTURES_DATA)

_TRANSLATION: Final[tuple[tuple[type[BaseException], type[ours.FeedError]], ...]] = (
    (theirs.InvalidNonce, ours.VenueRefusedError),
    (theirs.RateLimitExceeded, ours.RateLimitedError),
    (theirs.DDoSProtection, ours.RateLimitedError),
    (theirs.OperationFailed, ours.VenueUnavailableError),
    (theirs.BadResponse, ours.VenueUnavailableError),
    (theirs.NotSupported, ours.NotOfferedError),
    (theirs.ExchangeError, ours.VenueRefusedError),
    (theirs.BaseError, ours.VenueUnavailableError),
    (UnreadableFrameError, ours.VenueUnavailableError),
    (TimeoutError, ours.VenueUnavailableError),
    (OSError, ours.VenueUnavailableError),
    (aiohttp.ClientError, ours.VenueUnavailableError),
    (LookupError, ours.VenueUnavailableError),
    (TypeError, ours.VenueUnavailableError),
    (AttributeError, ours.VenueUnavailableError),
    (ArithmeticError, ours.VenueUnavailableError),
    (ValueError, ours.VenueUnavailableError),
)
"""Most specific first. The last ones are what reading a page of HTML as JSON can raise."""


@contextmanager
def translate_errors(venue: Venue) -> Iterator[None]:
    """Turn whatever a call can raise into one of our errors."""
    try:
        yield
    except tuple(kind for kind, _ in _TRANSLATION) as error:
        if isinstance(error, ours.FeedError) and not isinstance(error, UnreadableFrameError):
            raise
        kind = next(mine for foreign, mine in _TRANSLATION if isinstance(error, foreign))
        # the text of a library may hold the address that was asked: public ones only here
        cause = error.__cause__
        said = str(cause if isinstance(cause, OSError | aiohttp.ClientError) else error)
        text = said[:200] or f"no answer within {DEADLINE_SECONDS:g} s"
        msg = f"{venue}: {text}"
        raise kind(msg) from error


class _Bybit(GovernedLibrary, bybit):
    pass


class _Binance(GovernedLibrary, binanceusdm):
    pass


def _count(_cost: float) -> float:
    """Bybit counts requests, whatever they cost in CCXT's table."""
    return 1.0


def _weight(cost: float) -> float:
    """Of Binance CCXT's costs are the venue's weights."""
    return cost


def _redirect(address: Any, base: str) -> Any:  # noqa: ANN401 - CCXT's table of addresses
    """Point every address of a table at another host, keeping the paths."""
    if isinstance(address, dict):
        return {key: _redirect(inner, base) for key, inner in address.items()}
    return base.rstrip("/") + urlsplit(address).path


class CcxtHistory:
    """The past of one venue's perpetuals."""

    def __init__(self, venue: Venue, budget: RequestBudget, base_url: str | None = None) -> None:
        """`base_url` sends every request to another host, such as the simulator.

        Raises SettingsError for a venue that is not known.
        """
        if venue not in {BYBIT, BINANCE}:
            msg = f"expected a venue of bybit, binance, found {venue}"
            raise ours.SettingsError(msg)
        self._venue = venue
        self._budget = budget
        self._base_url = base_url
        self._library: GovernedLibrary | None = None
        self._session: aiohttp.ClientSession | None = None
        self.excluded: tuple[Excluded, ...] = ()
        """What the last `listings` left out, with the reasons."""

    async def listings(self) -> Sequence[Listing]:
        """Every tradable USDT perpetual; those left out are in `excluded`."""
        with translate_errors(self._venue):
            found = await (
                self._bybit_listings() if self._venue == BYBIT else self._binance_listings()
            )
        excluded = tuple(each for each in found if isinstance(each, Excluded))
        log_excluded(self._venue, self.excluded, excluded)
        self.excluded = excluded
        return [each for each in found if isinstance(each, Listing)]

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` closed candles, in pages of a thousand."""
        self._insist_on(Candle)
        if kind not in CAPABILITIES[self._venue].candle_kinds:
            self._not_offered(f"candles of the {kind} price")
        page = self._bybit_candles if self._venue == BYBIT else self._binance_candles
        urgency = _MISSED if limit <= _FEW_CANDLES else _PAST
        candles: list[Candle] = []
        until: int | None = None
        with translate_errors(self._venue):
            for _ in range(_MOST_PAGES):
                missing = limit - len(candles)
                if missing <= 0:
                    break
                asked = min(_CANDLES_A_CALL, missing + (until is None))
                rows = await page(instrument, timeframe, asked, kind, until, urgency)
                older = [row for row in rows if until is None or row.open_time <= until]
                enough = len(rows) >= asked
                if until is None:
                    older = older[:-1]  # the newest one of all is still open
                if not older:
                    break
                candles = older + candles
                until = older[0].open_time - 1
                if not enough:
                    break
        return candles[-limit:] if limit > 0 else []

    async def trades(self, instrument: Instrument, limit: int) -> Sequence[MarketEvent[Trade]]:
        """The last trades, at most 1,000, oldest first, with the ids of the stream."""
        self._insist_on(Trade)
        query = {"symbol": instrument.symbol, "limit": max(1, min(limit, _TRADES_A_CALL))}
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketRecentTrade", query, _MISSED)
                return bybit_rest.to_trades(_list(answer), instrument, self._now())[-limit:]
            rows = await self._ask("fapiPublicGetAggTrades", query, _MISSED)
            return binance_rest.to_trades(rows, instrument, self._now())[-limit:]

    async def book(self, instrument: Instrument) -> MarketEvent[BookSnapshot]:
        """The order book now: 200 levels a side of Bybit, 100 of Binance."""
        self._insist_on(BookSnapshot)
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask(
                    "publicGetV5MarketOrderbook",
                    {"symbol": instrument.symbol, "limit": _BYBIT_LEVELS},
                    _FIRST,
                )
                return bybit_rest.to_book(answer["result"], instrument, _BYBIT_LEVELS, self._now())
            answer = await self._ask(
                "fapiPublicGetDepth",
                {"symbol": instrument.symbol, "limit": _BINANCE_LEVELS},
                _FIRST,
            )
            return binance_rest.to_book(answer, instrument, self._now())

    async def tickers(self) -> Sequence[MarketEvent[Ticker]]:
        """The tickers of all instruments, in one call; of Binance in two, joined by name."""
        self._insist_on(Ticker)
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketTickers", {}, _FIRST)
                return bybit_rest.to_tickers(_list(answer), answer["time"], self._now())
            days = await self._ask("fapiPublicGetTicker24hr", {}, _FIRST)
            premiums = await self._ask("fapiPublicGetPremiumIndex", {}, _ALL_MARKS)
            return binance_rest.to_tickers(days, premiums, self._now())

    async def open_interest_now(self, instrument: Instrument) -> OpenInterest:
        """Open contracts now, of one side or both as `CAPABILITIES` tells."""
        self._insist_on(OpenInterest)
        query = {"symbol": instrument.symbol}
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketTickers", query, _FIRST)
                return bybit_rest.to_open_interest_now(_list(answer), answer["time"])
            answer = await self._ask("fapiPublicGetOpenInterest", query, _FIRST)
            return binance_rest.to_open_interest_now(answer)

    async def venue_time(self) -> Millis:
        """The venue's clock."""
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketTime", {}, _FIRST)
                return bybit_rest.to_time(answer["result"])
            return binance_rest.to_time(await self._ask("fapiPublicGetTime", {}, _FIRST))

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """Settled funding rates, at most 200."""
        self._insist_on(FundingRate)
        query = {"symbol": instrument.symbol, "limit": max(1, min(limit, 200))}
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketFundingHistory", query)
                return bybit_rest.to_funding(_list(answer))[-limit:]
            rows = await self._ask("fapiPublicGetFundingRate", query, _FUNDING)
            return binance_rest.to_funding(rows)[-limit:]

    async def open_interest(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[OpenInterest]:
        """Open interest in contracts at equal distances, at most 200 rows."""
        self._insist_on(OpenInterest)
        query: dict[str, object] = {
            "symbol": instrument.symbol,
            "limit": max(1, min(limit, 200)),
        }
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                query["intervalTime"] = _BYBIT_SPACING[spacing]
                answer = await self._ask("publicGetV5MarketOpenInterest", query)
                return bybit_rest.to_open_interest(_list(answer), spacing.ms)[-limit:]
            query["period"] = str(spacing)
            rows = await self._ask("fapiDataGetOpenInterestHist", query, _FUTURES_DATA)
            return binance_rest.to_open_interest(rows, spacing.ms)[-limit:]

    async def long_short_ratio(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[LongShortRatio]:
        """Shares of accounts at equal distances, at most 500 rows."""
        self._insist_on(LongShortRatio)
        query: dict[str, object] = {
            "symbol": instrument.symbol,
            "limit": max(1, min(limit, 500)),
        }
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                query["period"] = _BYBIT_SPACING[spacing]
                answer = await self._ask("publicGetV5MarketAccountRatio", query)
                return bybit_rest.to_ratios(_list(answer), spacing.ms)[-limit:]
            query["period"] = str(spacing)
            rows = await self._ask("fapiDataGetGlobalLongShortAccountRatio", query, _FUTURES_DATA)
            return binance_rest.to_ratios(rows, spacing.ms)[-limit:]

    async def maintenance(self) -> Sequence[Maintenance]:
        """What the venue announces of pauses that are not over; Bybit only."""
        if not CAPABILITIES[self._venue].announces_maintenance:
            self._not_offered("announcements of maintenance")
        with translate_errors(self._venue):
            answer = await self._ask("publicGetV5SystemStatus", {})
            return bybit_rest.to_maintenance(_list(answer))

    async def close(self) -> None:
        """Release connections; the next question opens new ones."""
        library, self._library = self._library, None
        session, self._session = self._session, None
        if library is not None:
            await library.close()  # type: ignore[no-untyped-call]
        if session is not None:
            await session.close()

    def _insist_on(self, kind: type) -> None:
        """Raises NotOfferedError for a kind of data that is not in the table of capabilities."""
        if kind not in CAPABILITIES[self._venue].polled:
            self._not_offered(kind.__name__)

    def _not_offered(self, what: str) -> NoReturn:
        msg = f"{self._venue} does not offer {what} through REST"
        raise ours.NotOfferedError(msg)

    def _now(self) -> Millis:
        return self._budget.clock.now()

    async def _ask(self, method: str, query: Mapping[str, object], urgency: Urgency = _PAST) -> Any:  # noqa: ANN401 - JSON
        """Call one of CCXT's implicit methods."""
        if self._venue == BYBIT:
            query = {"category": "linear", **query}
        call: Callable[..., Any] = getattr(self._open(), method)
        token = URGENCY.set(urgency)
        try:
            return await call(query)
        except ours.RateLimitedError:
            if self._budget.banned_until is not None:
                await self.close()  # a venue that shut us out wants no open connection either
            raise
        finally:
            URGENCY.reset(token)

    def _open(self) -> GovernedLibrary:
        if self._library is None:
            # made here and not in __init__: a session belongs to the loop that runs
            self._session = open_rest_session()
            kind = _Bybit if self._venue == BYBIT else _Binance
            library = kind(
                {
                    "session": self._session,
                    "timeout": int(DEADLINE_SECONDS * SECOND),
                    "enableRateLimit": True,
                }
            )
            library.budget = self._budget
            library.weigh = _count if self._venue == BYBIT else _weight
            if self._base_url is not None:
                urls = library.urls or {}
                library.urls = urls | {"api": _redirect(urls["api"], self._base_url)}
            self._library = library
        return self._library

    async def _bybit_listings(self) -> list[Listing | Excluded]:
        tickers = await self._ask("publicGetV5MarketTickers", {})
        turnovers = bybit_rest.to_turnovers(_list(tickers))
        found: list[Listing | Excluded] = []
        query: dict[str, object] = {"limit": 1_000}
        for _ in range(_MOST_PAGES):
            answer = await self._ask("publicGetV5MarketInstrumentsInfo", query)
            found += bybit_rest.to_listings(_list(answer), turnovers)
            cursor = answer["result"].get("nextPageCursor")
            if not cursor:
                break
            query["cursor"] = cursor
        return found

    async def _binance_listings(self) -> list[Listing | Excluded]:
        catalogue = await self._ask("fapiPublicGetExchangeInfo", {})
        turnovers = binance_rest.to_turnovers(await self._ask("fapiPublicGetTicker24hr", {}))
        intervals = binance_rest.to_intervals(
            await self._ask("fapiPublicGetFundingInfo", {}, _FUNDING)
        )
        return binance_rest.to_listings(catalogue["symbols"], turnovers, intervals)

    async def _bybit_candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind,
        until: int | None,
        urgency: Urgency,
    ) -> list[Candle]:
        method = {
            CandleKind.TRADE: "publicGetV5MarketKline",
            CandleKind.MARK: "publicGetV5MarketMarkPriceKline",
            CandleKind.INDEX: "publicGetV5MarketIndexPriceKline",
        }[kind]
        query: dict[str, object] = {
            "symbol": instrument.symbol,
            "interval": bybit_rest.INTERVALS[timeframe],
            "limit": limit,
        }
        if until is not None:
            query["end"] = until
        return bybit_rest.to_candles(_list(await self._ask(method, query, urgency)), timeframe)

    async def _binance_candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind,
        until: int | None,
        urgency: Urgency,
    ) -> list[Candle]:
        query: dict[str, object] = {"interval": timeframe.value, "limit": limit}
        if until is not None:
            query["endTime"] = until
        if kind is CandleKind.INDEX:
            query["pair"] = instrument.symbol
            rows = await self._ask("fapiPublicGetIndexPriceKlines", query, urgency)
            return binance_rest.to_price_candles(rows, timeframe)
        query["symbol"] = instrument.symbol
        if kind is CandleKind.MARK:
            rows = await self._ask("fapiPublicGetMarkPriceKlines", query, urgency)
            return binance_rest.to_price_candles(rows, timeframe)
        rows = await self._ask("fapiPublicGetKlines", query, urgency)
        return binance_rest.to_candles(rows, timeframe)


def _list(answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
    rows: list[Any] = answer["result"]["list"]
    return rows
