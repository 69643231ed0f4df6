"""CcxtGenericHistory: the past of any other venue, through CCXT's unified calls."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

import aiohttp
from ccxt.async_support.base.exchange import Exchange

from virtuoso.adapters.feed.ccxt.contracts import Catalogue, Contract, read_catalogue
from virtuoso.adapters.feed.ccxt.guard import GuardedLibrary, open_library
from virtuoso.adapters.feed.ccxt.mapping import (
    IncompleteError,
    to_book,
    to_closed_candles,
    to_ticker,
    to_trade,
    volume_factor,
)
from virtuoso.adapters.feed.ccxt.venues import dialect_of, find_library, weight_of
from virtuoso.adapters.feed.ccxt_history import translate_errors
from virtuoso.adapters.feed.governed import URGENCY, Urgency, open_rest_session
from virtuoso.adapters.feed.limits import Priority, RequestBudget
from virtuoso.adapters.feed.listings import Excluded, log_excluded
from virtuoso.adapters.feed.series import to_funding, to_open_interest, to_ratios
from virtuoso.domain.errors import NotOfferedError, VenueRefusedError
from virtuoso.domain.instruments import Instrument, Listing, Venue
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
from virtuoso.ports import CandleKind, Clock, Spacing

SETTLED_MS: Final = 5 * SECOND
"""So long after its end a candle is taken for closed although no later one has begun."""
_MOST_PAGES: Final = 50
_ROWS_A_CALL: Final = 1_000
_FEW_CANDLES: Final = 200
"""So many candles at most fill a hole; more of them are the long past."""
_PRICES: Final[Mapping[CandleKind, tuple[str, Mapping[str, str]]]] = {
    CandleKind.TRADE: ("fetchOHLCV", {}),
    CandleKind.MARK: ("fetchMarkOHLCV", {"price": "mark"}),
    CandleKind.INDEX: ("fetchIndexOHLCV", {"price": "index"}),
}


async def load_catalogue(library: GuardedLibrary, venue: Venue, *, ranked: bool) -> Catalogue:
    """Ask for the markets, and with `ranked` for the turnovers that they are ranked on."""
    markets = await library.load_markets(reload=True)  # type: ignore[no-untyped-call]
    turnovers: dict[str, float] = {}
    if ranked and _offers(library, "fetchTickers"):
        for symbol, row in (await library.fetch_tickers()).items():
            turnover = row.get("quoteVolume")
            if isinstance(turnover, (int, float)) and 0 <= turnover < 1e15:
                turnovers[symbol] = float(turnover)
    mode = library.precisionMode
    return read_catalogue(venue, markets.values(), mode if mode is not None else -1, turnovers)


def _offers(library: Exchange, what: str) -> bool:
    """Whether a venue has a call; CCXT's table also holds None and "emulated"."""
    return bool(library.has.get(what) is True)


class CcxtGenericHistory:
    """The past of one venue's USDT perpetuals."""

    def __init__(
        self, venue: Venue, budget: RequestBudget, clock: Clock, base_url: str | None = None
    ) -> None:
        """`base_url` sends every request to another host, such as the simulator.

        Raises SettingsError for a venue that CCXT does not have.
        """
        self._kind = find_library(venue)
        self._venue = venue
        self._dialect = dialect_of(venue)
        self._budget = budget
        self._clock = clock
        self._base_url = base_url
        self._library: GuardedLibrary | None = None
        self._session: aiohttp.ClientSession | None = None
        self._contracts: Mapping[Instrument, Contract] = {}
        self.excluded: tuple[Excluded, ...] = ()
        """What the last `listings` left out, with the reasons."""

    async def listings(self) -> Sequence[Listing]:
        """Every tradable USDT perpetual; those left out are in `excluded`."""
        with translate_errors(self._venue):
            found = await load_catalogue(self._open(), self._venue, ranked=True)
        log_excluded(self._venue, self.excluded, found.excluded)
        self._contracts, self.excluded = found.contracts, found.excluded
        return found.listings

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` closed candles, from the oldest on, as many calls as it takes.

        Raises NotOfferedError too where the unit of the volume is not known.
        """
        what, parameters = _PRICES[kind]
        self._insist_on(what)
        contract = await self._contract(instrument)
        factor = 1.0 if kind is not CandleKind.TRADE else volume_factor(contract, self._dialect)
        if factor is None:
            msg = f"{self._venue} does not say in which unit it tells the volume of candles"
            raise NotOfferedError(msg)
        rows: dict[int, Sequence[Any]] = {}
        since = self._clock.now() // timeframe.ms * timeframe.ms - limit * timeframe.ms
        urgency = Priority.BACK_FILL if limit <= _FEW_CANDLES else Priority.WARM_UP
        with self._asking(urgency) as library:
            for _ in range(_MOST_PAGES):
                asked = min(_ROWS_A_CALL, limit + 1)
                page = await library.fetch_ohlcv(
                    contract.symbol, timeframe.value, since, asked, dict(parameters)
                )
                fresh = [row for row in page if row and row[0] is not None and row[0] >= since]
                if not fresh:
                    break
                rows |= {int(row[0]): _with_volume(row, kind) for row in fresh}
                since = max(int(row[0]) for row in fresh) + timeframe.ms
                if since > self._clock.now():
                    break
        settled = Millis(self._clock.now() - SETTLED_MS)
        closed = to_closed_candles(list(rows.values()), timeframe, factor, settled)
        return closed[-limit:] if limit > 0 else []

    async def trades(self, instrument: Instrument, limit: int) -> Sequence[MarketEvent[Trade]]:
        """The last trades, oldest first; the venue decides how many at most."""
        self._insist_on("fetchTrades")
        contract = await self._contract(instrument)
        with self._asking(Priority.BACK_FILL) as library:
            rows = await library.fetch_trades(contract.symbol, None, min(limit, _ROWS_A_CALL))
        now = self._clock.now()
        found: list[MarketEvent[Trade]] = []
        for row in rows:
            with suppress(IncompleteError):
                found.append(to_trade(row, contract, self._dialect, now))
        return sorted(found, key=lambda event: event.event_time)[-limit:]

    async def book(self, instrument: Instrument) -> MarketEvent[BookSnapshot]:
        """The order book now."""
        self._insist_on("fetchOrderBook")
        contract = await self._contract(instrument)
        with self._asking(Priority.BOOK) as library:
            book = await library.fetch_order_book(contract.symbol, self._dialect.book_limit)
            return to_book(book, contract, int(book.get("nonce") or 0), self._clock.now())

    async def tickers(self) -> Sequence[MarketEvent[Ticker]]:
        """The tickers of all instruments that have a time of their own."""
        self._insist_on("fetchTickers")
        by_symbol = {each.symbol: each for each in (await self._all_contracts()).values()}
        with self._asking(Priority.BOOK) as library:
            rows: Mapping[str, Any] = await library.fetch_tickers()
        now = self._clock.now()
        found: list[MarketEvent[Ticker]] = []
        for symbol, row in rows.items():
            if symbol in by_symbol:
                with suppress(IncompleteError):
                    found.append(to_ticker(row, by_symbol[symbol], self._dialect, now))
        return found

    async def open_interest_now(self, instrument: Instrument) -> OpenInterest:
        """Open contracts now, in base currency."""
        self._insist_on("fetchOpenInterest")
        contract = await self._contract(instrument)
        self._insist_on_single(contract)
        with self._asking(Priority.BOOK) as library:
            row = await library.fetch_open_interest(contract.symbol)
            return OpenInterest(Millis(int(row["timestamp"])), float(row["openInterestAmount"]))

    async def venue_time(self) -> Millis:
        """The venue's clock."""
        self._insist_on("fetchTime")
        with self._asking(Priority.BOOK) as library:
            return Millis(int(await library.fetch_time()))

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """Settled funding rates, at most 200."""
        self._insist_on("fetchFundingRateHistory")
        contract = await self._contract(instrument)
        with self._asking() as library:
            rows = await library.fetch_funding_rate_history(
                contract.symbol, None, max(1, min(limit, 200))
            )
            found = [(int(row["timestamp"]), float(row["fundingRate"])) for row in rows]
        return to_funding(found)[-limit:]

    async def open_interest(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[OpenInterest]:
        """Open interest in base currency at equal distances, at most 200 rows."""
        self._insist_on("fetchOpenInterestHistory")
        contract = await self._contract(instrument)
        self._insist_on_single(contract)
        with self._asking() as library:
            rows = await library.fetch_open_interest_history(
                contract.symbol, str(spacing), None, max(1, min(limit, 200))
            )
            found = [(int(row["timestamp"]), float(row["openInterestAmount"])) for row in rows]
        return to_open_interest(found, spacing.ms)[-limit:]

    async def long_short_ratio(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[LongShortRatio]:
        """Shares of accounts, at most 500 rows; they follow from the ratio of the two."""
        self._insist_on("fetchLongShortRatioHistory")
        contract = await self._contract(instrument)
        with self._asking() as library:
            rows = await library.fetch_long_short_ratio_history(
                contract.symbol, str(spacing), None, max(1, min(limit, 500))
            )
            ratios = [(int(row["timestamp"]), float(row["longShortRatio"])) for row in rows]
        shares = [(at, ratio / (1 + ratio), 1 / (1 + ratio)) for at, ratio in ratios if ratio >= 0]
        return to_ratios(shares, spacing.ms)[-limit:]

    async def maintenance(self) -> Sequence[Maintenance]:
        """Nothing that all venues would tell in one way: raises NotOfferedError."""
        msg = f"announcements of maintenance of {self._venue} are not known"
        raise NotOfferedError(msg)

    async def close(self) -> None:
        """Release connections."""
        if self._library is not None:
            await self._library.close()  # type: ignore[no-untyped-call]
            self._library = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    @contextmanager
    def _asking(self, priority: Priority = Priority.WARM_UP) -> Iterator[Any]:
        """Give the library; what it or the reading of its answer raises becomes one of ours."""
        token = URGENCY.set(Urgency(priority))
        try:
            with translate_errors(self._venue):
                yield self._open()
        except IncompleteError as error:
            msg = f"{self._venue}: {error}"
            raise NotOfferedError(msg) from error
        finally:
            URGENCY.reset(token)

    def _insist_on(self, what: str) -> None:
        if not _offers(self._open(), what):
            msg = f"{self._venue} does not offer {what} through CCXT"
            raise NotOfferedError(msg)

    def _insist_on_single(self, contract: Contract) -> None:
        """Venues tell open interest in contracts or in base currency: only one of one is sure."""
        if contract.size != 1:
            msg = f"{self._venue} does not say in which unit it tells open interest"
            raise NotOfferedError(msg)

    async def _contract(self, instrument: Instrument) -> Contract:
        contract = (await self._all_contracts()).get(instrument)
        if contract is None:
            msg = f"expected a perpetual of {self._venue}, found {instrument.symbol}"
            raise VenueRefusedError(msg)
        return contract

    async def _all_contracts(self) -> Mapping[Instrument, Contract]:
        if not self._contracts:
            with self._asking() as library:
                found = await load_catalogue(library, self._venue, ranked=False)
            self._contracts = found.contracts
        return self._contracts

    def _open(self) -> GuardedLibrary:
        if self._library is None:
            # made here and not in __init__: a session belongs to the loop that runs
            self._session = open_rest_session()
            self._library = open_library(
                self._kind,
                self._session,
                self._budget,
                self._clock,
                weigh=partial(weight_of, self._venue),
                options=self._dialect.options,
                base_url=self._base_url,
            )
        return self._library


def _with_volume(row: Sequence[Any], kind: CandleKind) -> Sequence[Any]:
    """Give candles of a price nobody trades at the volume that they have: none."""
    return row if kind is CandleKind.TRADE else [*row[:5], 0.0]
