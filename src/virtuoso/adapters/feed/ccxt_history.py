"""CcxtHistory: what the venues know about the past, asked through CCXT.

CCXT brings addresses, error codes and the table of costs; the rows are read by our own parsers,
and the waiting is done by our own budget.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import structlog
from ccxt.async_support.base.exchange import Exchange
from ccxt.async_support.binanceusdm import binanceusdm
from ccxt.async_support.bybit import bybit
from ccxt.base import errors as theirs

from virtuoso.adapters.feed.binance import rest as binance_rest
from virtuoso.adapters.feed.bybit import rest as bybit_rest
from virtuoso.adapters.feed.connection import OwnThreadsResolver
from virtuoso.adapters.feed.limits import RequestBudget, pause_of
from virtuoso.adapters.feed.listings import Excluded
from virtuoso.adapters.feed.unreadable import UnreadableFrameError
from virtuoso.domain import errors as ours
from virtuoso.domain.instruments import BINANCE, BYBIT, Instrument, Listing, Venue
from virtuoso.domain.market_data import Candle, FundingRate, LongShortRatio, OpenInterest
from virtuoso.domain.time import SECOND, Timeframe
from virtuoso.ports import CandleKind

_log = structlog.get_logger(__name__)

DEADLINE_SECONDS: Final = 10.0
_CANDLES_A_CALL: Final = 1_000
_MOST_PAGES: Final = 50

_TRANSLATION: Final[tuple[tuple[type[BaseException], type[ours.FeedError]], ...]] = (
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


class _OurWaiting(Exchange):
    """Replaces CCXT's waiting by our budget, and puts a deadline on every request."""

    budget: RequestBudget
    counts_weight: bool

    async def throttle(self, cost: float | None = None) -> None:
        """Wait for a turn."""
        await self.budget.spend(float(cost or 1) if self.counts_weight else 1.0)

    async def fetch(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - CCXT's own
        """Ask, within the deadline."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await super().fetch(*arguments, **named)  # type: ignore[no-untyped-call]

    def on_rest_response(self, code: int, *rest: Any) -> Any:  # noqa: ANN401 - CCXT's own
        """See whether the venue wants to be left alone; bans come as a status."""
        headers: Mapping[str, str] = rest[3]
        pause = pause_of(code, headers.get("Retry-After"))
        if pause is not None:
            self.budget.pause(pause)
        return super().on_rest_response(code, *rest)  # type: ignore[no-untyped-call]


class _Bybit(_OurWaiting, bybit):
    counts_weight = False


class _Binance(_OurWaiting, binanceusdm):
    counts_weight = True


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
        self._library: _OurWaiting | None = None
        self._session: aiohttp.ClientSession | None = None
        self.excluded: tuple[Excluded, ...] = ()
        """What the last `listings` left out, with the reasons."""

    async def listings(self) -> Sequence[Listing]:
        """Every tradable USDT perpetual; those left out are in `excluded`."""
        with translate_errors(self._venue):
            found = await (
                self._bybit_listings() if self._venue == BYBIT else self._binance_listings()
            )
        self.excluded = tuple(each for each in found if isinstance(each, Excluded))
        return [each for each in found if isinstance(each, Listing)]

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` closed candles, in pages of a thousand."""
        page = self._bybit_candles if self._venue == BYBIT else self._binance_candles
        candles: list[Candle] = []
        until: int | None = None
        with translate_errors(self._venue):
            for _ in range(_MOST_PAGES):
                missing = limit - len(candles)
                if missing <= 0:
                    break
                asked = min(_CANDLES_A_CALL, missing + (until is None))
                rows = await page(instrument, timeframe, asked, kind, until)
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

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """Settled funding rates, at most 200."""
        query = {"symbol": instrument.symbol, "limit": max(1, min(limit, 200))}
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketFundingHistory", query)
                return bybit_rest.to_funding(_list(answer))[-limit:]
            rows = await self._ask("fapiPublicGetFundingRate", query)
            return binance_rest.to_funding(rows)[-limit:]

    async def open_interest(self, instrument: Instrument, limit: int) -> Sequence[OpenInterest]:
        """Hourly open interest in contracts, at most 200 rows."""
        query: dict[str, object] = {
            "symbol": instrument.symbol,
            "limit": max(1, min(limit, 200)),
        }
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                query["intervalTime"] = "1h"
                answer = await self._ask("publicGetV5MarketOpenInterest", query)
                return bybit_rest.to_open_interest(_list(answer))[-limit:]
            rows = await self._ask("fapiDataGetOpenInterestHist", query | {"period": "1h"})
            return binance_rest.to_open_interest(rows)[-limit:]

    async def long_short_ratio(
        self, instrument: Instrument, limit: int
    ) -> Sequence[LongShortRatio]:
        """Hourly shares of accounts, at most 500 rows."""
        query = {
            "symbol": instrument.symbol,
            "limit": max(1, min(limit, 500)),
            "period": "1h",
        }
        with translate_errors(self._venue):
            if self._venue == BYBIT:
                answer = await self._ask("publicGetV5MarketAccountRatio", query)
                return bybit_rest.to_ratios(_list(answer))[-limit:]
            rows = await self._ask("fapiDataGetGlobalLongShortAccountRatio", query)
            return binance_rest.to_ratios(rows)[-limit:]

    async def close(self) -> None:
        """Release connections."""
        if self._library is not None:
            await self._library.close()  # type: ignore[no-untyped-call]
            self._library = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, query: Mapping[str, object]) -> Any:  # noqa: ANN401 - JSON
        """Call one of CCXT's implicit methods."""
        library = self._open()
        if self._venue == BYBIT:
            query = {"category": "linear", **query}
        call: Callable[[Mapping[str, object]], Any] = getattr(library, method)
        answer = await call(query)
        if not isinstance(answer, (dict, list)):  # CCXT hands on what is not JSON as text
            msg = f"expected JSON, found {str(answer)[:40]!r}"
            raise UnreadableFrameError(msg)
        return answer

    def _open(self) -> _OurWaiting:
        if self._library is None:
            # made here and not in __init__: a session belongs to the loop that runs
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=OwnThreadsResolver())
            )
            kind = _Bybit if self._venue == BYBIT else _Binance
            library = kind(
                {
                    "session": self._session,
                    "timeout": int(DEADLINE_SECONDS * SECOND),
                    "enableRateLimit": True,
                }
            )
            library.budget = self._budget
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
        intervals = binance_rest.to_intervals(await self._ask("fapiPublicGetFundingInfo", {}))
        return binance_rest.to_listings(catalogue["symbols"], turnovers, intervals)

    async def _bybit_candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind,
        until: int | None,
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
        return bybit_rest.to_candles(_list(await self._ask(method, query)), timeframe)

    async def _binance_candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind,
        until: int | None,
    ) -> list[Candle]:
        query: dict[str, object] = {"interval": timeframe.value, "limit": limit}
        if until is not None:
            query["endTime"] = until
        if kind is CandleKind.INDEX:
            query["pair"] = instrument.symbol
            rows = await self._ask("fapiPublicGetIndexPriceKlines", query)
            return binance_rest.to_price_candles(rows, timeframe)
        query["symbol"] = instrument.symbol
        if kind is CandleKind.MARK:
            rows = await self._ask("fapiPublicGetMarkPriceKlines", query)
            return binance_rest.to_price_candles(rows, timeframe)
        return binance_rest.to_candles(await self._ask("fapiPublicGetKlines", query), timeframe)


def _list(answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
    rows: list[Any] = answer["result"]["list"]
    return rows
