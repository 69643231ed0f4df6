"""The REST side: public market data, in the venue's words."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol, TypeAlias
from urllib.parse import quote, unquote

from virtuoso.simulator.book import Book
from virtuoso.simulator.candles import DAY, HOUR, INTERVALS, MINUTE, Candles
from virtuoso.simulator.changes import Trade
from virtuoso.simulator.derivatives import RATE_SCALE, SHARE_SCALE
from virtuoso.simulator.directory import Directory, Entry
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.market import Market
from virtuoso.simulator.numbers import padded, trimmed
from virtuoso.simulator.order_flow import DEPTH

Query: TypeAlias = Mapping[str, str]
Result: TypeAlias = dict[str, Any]

_PARAMETER_ERROR = 10001
_CATEGORIES = frozenset({"linear", "spot", "inverse", "option"})
_PERIODS: Final[Mapping[str, int]] = {
    "5min": 5 * MINUTE,
    "15min": 15 * MINUTE,
    "30min": 30 * MINUTE,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}
_INTEREST_SCALE = 8


class RefusedError(Exception):
    """A request that the venue does not answer, with the code and the message it gives."""

    def __init__(self, message: str, code: int = _PARAMETER_ERROR) -> None:
        super().__init__(message)
        self.code = code


def _refuse(message: str) -> NoReturn:
    raise RefusedError(message)


class BookSymbol(Protocol):
    """What the answers about books and trades need to know of one symbol."""

    book_sequence: int
    book_matched_at: int
    rest_update_id: int
    recent: deque[Trade]

    @property
    def book(self) -> Book:
        """The order book."""


class BookMarket(Protocol):
    """What they need to know of a market, invented or recorded."""

    now_ms: int

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Every symbol."""

    @property
    def symbols(self) -> Sequence[BookSymbol]:
        """The live side of each."""


class BookRest:
    """Answers about time, books and trades. Each raises RefusedError for a bad parameter."""

    def __init__(self, market: BookMarket, directory: Directory, now_ms: Callable[[], int]) -> None:
        self._books = market
        self._directory = directory
        self._now_ms = now_ms
        self._numbers = {listing.symbol: at for at, listing in enumerate(market.listings)}

    def time(self, _: Query) -> Result:
        """Return the venue's time."""
        now = self._now_ms()
        return {"timeSecond": str(now // 1_000), "timeNano": str(now * 1_000_000)}

    def order_book(self, query: Query) -> Result:
        """Return the book as it is now; `u` counts on its own, as only the deepest stream does."""
        number = self._one(query)
        limit = min(_limit(query, default=25, largest=1_000), DEPTH)
        listing, live = self._books.listings[number], self._books.symbols[number]

        def write(levels: list[tuple[int, int]]) -> list[list[str]]:
            return [
                [listing.price_trimmed(ticks), listing.quantity_text(steps)]
                for ticks, steps in levels
            ]

        return {
            "s": listing.symbol,
            "b": write(live.book.bids.levels(limit)),
            "a": write(live.book.asks.levels(limit)),
            "ts": self._books.now_ms,
            "u": live.rest_update_id,
            "seq": live.book_sequence,
            "cts": live.book_matched_at,
        }

    def recent_trades(self, query: Query) -> Result:
        """Return the latest trades, newest first."""
        number = self._one(query)
        limit = _limit(query, default=500, largest=1_000)
        listing = self._books.listings[number]
        newest_first = list(reversed(self._books.symbols[number].recent))
        rows = [
            {
                "execId": trade.id,
                "symbol": listing.symbol,
                "price": listing.price_text(trade.ticks),
                "size": listing.quantity_text(trade.steps),
                "side": "Buy" if trade.buyer_took else "Sell",
                "time": str(trade.time),
                "isBlockTrade": False,
                "isRPITrade": trade.retail_improved,
                "seq": str(trade.sequence),
            }
            for trade in newest_first[:limit]
        ]
        return {"category": "linear", "list": rows}

    def _one(self, query: Query) -> int:
        return self._number(query.get("symbol", ""), _category(query))

    def _number(self, symbol: str, category: str) -> int:
        number = self._numbers.get(symbol) if category == "linear" else None
        if number is None or not self._directory.entries[number].listed:
            _refuse("params error: symbol invalid")
        return number


class Rest(BookRest):
    """Answers to the public market requests. Each raises RefusedError for a bad parameter."""

    def __init__(self, market: Market, directory: Directory, now_ms: Callable[[], int]) -> None:
        super().__init__(market, directory, now_ms)
        self._market = market
        self.answers: Mapping[str, Callable[[Query], Result]] = {
            "time": self.time,
            "instruments-info": self.instruments,
            "tickers": self.tickers,
            "kline": self.candles,
            "mark-price-kline": self.mark_candles,
            "index-price-kline": self.index_candles,
            "orderbook": self.order_book,
            "recent-trade": self.recent_trades,
            "open-interest": self.open_interest,
            "funding/history": self.funding_history,
            "account-ratio": self.account_ratio,
        }
        """By the part of the path after /v5/market/."""

    def instruments(self, query: Query) -> Result:
        """Return what is listed, page by page, by name."""
        category = _category(query)
        rows = sorted(self._chosen(query, category), key=self._symbol)
        now = self._now_ms()
        trading = {at for at in rows if self._directory.trading(at, now)}
        status = query.get("status", "")
        if status == "Closed":
            rows = [at for at in rows if at not in trading]
        elif status not in {"", "Trading"}:
            rows = []
        elif "symbol" not in query:
            rows = [at for at in rows if at in trading]
        if base_coin := query.get("baseCoin"):
            rows = [at for at in rows if self._market.listings[at].base_coin == base_coin]
        limit = _limit(query, default=500, largest=1_000)
        if last := _cursor(query).get("last"):
            rows = [at for at in rows if self._symbol(at) > last]
        page, more = rows[:limit], len(rows) > limit
        cursor = (
            quote(f"first={self._symbol(page[0])}&last={self._symbol(page[-1])}") if more else ""
        )
        listed = [
            instrument_row(self._market.listings[at], self._directory.entries[at], now)
            for at in page
        ]
        return {"category": category, "list": listed, "nextPageCursor": cursor}

    def tickers(self, query: Query) -> Result:
        """Return the ticker of one symbol or of all."""
        category = _category(query)
        now = self._now_ms()
        rows = sorted(self._chosen(query, category), key=self._symbol)
        rows = [at for at in rows if self._directory.trading(at, now)]
        return {"category": category, "list": [self._ticker(at) for at in rows]}

    def candles(self, query: Query) -> Result:
        """Return candles of trades, newest first."""
        return self._candle_page(query, self._market.trades, _traded_candle)

    def mark_candles(self, query: Query) -> Result:
        """Return candles of the mark price, newest first."""

        def write(listing: Listing, row: list[int]) -> list[str]:
            return [trimmed(price, listing.price_scale) for price in row[:4]]

        return self._candle_page(query, self._market.mark, write)

    def index_candles(self, query: Query) -> Result:
        """Return candles of the index price, newest first."""

        def write(listing: Listing, row: list[int]) -> list[str]:
            return [padded(price, listing.price_scale) for price in row[:4]]

        return self._candle_page(query, self._market.index, write)

    def open_interest(self, query: Query) -> Result:
        """Return open interest at equal distances, newest first."""
        number = self._one(query)
        listing = self._market.listings[number]
        times, steps = self._market.derivatives.interest_rows(number)
        page, cursor = _page(query, "intervalTime", times, steps, default=50, largest=200)
        rows = []
        for time, interest in page:
            units = interest * listing.step_units
            both = units * 10 ** (_INTEREST_SCALE - listing.quantity_scale)
            rows.append(
                {
                    "openInterest": padded(both, _INTEREST_SCALE),
                    "singleOpenInterest": trimmed(units // 2, listing.quantity_scale),
                    "timestamp": str(time),
                }
            )
        return {
            "symbol": listing.symbol,
            "category": "linear",
            "list": rows,
            "nextPageCursor": cursor,
        }

    def funding_history(self, query: Query) -> Result:
        """Return settled funding rates, newest first."""
        number = self._one(query)
        start, end = _time(query, "startTime"), _time(query, "endTime")
        if start is not None and (end is None or end < start):
            _refuse("Time Is Invalid")
        limit = _limit(query, default=200, largest=200)
        rows = [
            {
                "symbol": self._symbol(number),
                "fundingRate": trimmed(rate, RATE_SCALE),
                "fundingRateTimestamp": str(time),
            }
            for time, rate in reversed(self._market.derivatives.settlements(number))
            if (start is None or time >= start) and (end is None or time <= end)
        ]
        return {"category": "linear", "list": rows[:limit]}

    def account_ratio(self, query: Query) -> Result:
        """Return the shares of accounts that are long and short, newest first."""
        number = self._one(query)
        times, shares = self._market.derivatives.account_rows(number)
        page, cursor = _page(query, "period", times, shares, default=50, largest=500)
        rows = [
            {
                "symbol": self._symbol(number),
                "buyRatio": trimmed(long, SHARE_SCALE),
                "sellRatio": trimmed(10**SHARE_SCALE - long, SHARE_SCALE),
                "timestamp": str(time),
            }
            for time, long in page
        ]
        return {"list": rows, "nextPageCursor": cursor}

    def _symbol(self, number: int) -> str:
        return self._market.listings[number].symbol

    def _chosen(self, query: Query, category: str) -> list[int]:
        """Return the numbers of the listings that a request is about: one, or all."""
        symbol = query.get("symbol")
        if symbol:
            return [self._number(symbol, category)]
        return self._directory.listed() if category == "linear" else []

    def _candle_page(
        self, query: Query, candles: Candles, write: Callable[[Listing, list[int]], list[str]]
    ) -> Result:
        number = self._one(query)
        interval = query.get("interval", "")
        if interval not in INTERVALS:
            _refuse("params error: interval is invalid")
        start, end = _time(query, "start"), _time(query, "end")
        limit = _limit(query, default=200, largest=1_000)
        listing = self._market.listings[number]
        starts, rows = candles.page(number, interval, start, end, limit)
        born = self._directory.entries[number].listed_at
        if born is not None:
            known = starts >= born // MINUTE * MINUTE
            starts, rows = starts[known], rows[known]
        written = [
            [str(opened), *write(listing, row)]
            for opened, row in zip(starts.tolist(), rows.tolist(), strict=True)
        ]
        return {"symbol": listing.symbol, "category": "linear", "list": written[::-1]}

    def _ticker(self, number: int) -> Result:
        fields = self._market.tickers.fields(number, self._market.now_ms)
        del fields["tickDirection"]
        entry = self._directory.entries[number]
        return fields | {
            "predictedDeliveryPrice": "",
            "basisRate": "",
            "deliveryFeeRate": "",
            "deliveryTime": str(entry.ends_at or 0),
            "basis": "",
            "basisRateYear": "",
        }


def _traded_candle(listing: Listing, row: list[int]) -> list[str]:
    prices = [listing.price_trimmed(price) for price in row[:4]]
    return [*prices, listing.quantity_trimmed(row[4]), listing.money_trimmed(row[5])]


def instrument_row(listing: Listing, entry: Entry, now_ms: int) -> Result:
    """Write one contract of instruments-info."""

    def price(ticks: int) -> str:
        return listing.price_text(ticks)

    def quantity(value: float) -> str:
        """Write about that many USDT in coins, as a round number of steps."""
        steps = max(1, round(value / (listing.price * listing.step)))
        digits = len(str(steps))
        return listing.quantity_text(round(steps, 2 - digits))

    largest = quantity(listing.daily_turnover / 40)
    step = listing.quantity_text(1)
    cap = f"{listing.funding_cap:g}"
    return {
        "symbol": listing.symbol,
        "contractType": "LinearPerpetual",
        "status": "Trading" if entry.trades(now_ms) else "Closed",
        "baseCoin": listing.base_coin,
        "quoteCoin": "USDT",
        "launchTime": str(entry.listed_at or listing.launched),
        "deliveryTime": str(entry.ends_at or 0),
        "deliveryFeeRate": "",
        "priceScale": str(listing.price_scale),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{listing.max_leverage}.00",
            "leverageStep": "0.01",
        },
        "priceFilter": {
            "minPrice": price(1),
            "maxPrice": price(19_999_998),
            "tickSize": _tick(listing, entry.finer),
        },
        "lotSizeFilter": {
            "maxOrderQty": largest,
            "minOrderQty": step,
            "qtyStep": step,
            "postOnlyMaxOrderQty": largest,
            "maxMktOrderQty": quantity(listing.daily_turnover / 200),
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": listing.funding_hours * 60,
        "settleCoin": "USDT",
        "copyTrading": "both",
        "upperFundingRate": cap,
        "lowerFundingRate": f"-{cap}",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.1"},
        "displayName": "SYNTHETIC" if listing.synthetic else "",
        "symbolType": "",
        "forbidUplWithdrawal": False,
    }


def _tick(listing: Listing, finer: int) -> str:
    """Write the tick, announced to be finer by a power of ten; prices keep the grid they are on."""
    return padded(listing.tick_units, listing.price_scale + len(str(finer)) - 1)


def _category(query: Query) -> str:
    category = query.get("category", "")
    if category not in _CATEGORIES:
        _refuse("params error: Category is invalid")
    return category


def _time(query: Query, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        _refuse(f"params error: {name} is invalid")
    return int(text)


def _limit(query: Query, *, default: int, largest: int) -> int:
    text = query.get("limit", "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        _refuse("params error: limit is invalid")
    return min(int(text), largest)


def _cursor(query: Query) -> dict[str, str]:
    """Read `a=1&b=2`; a client may send it as it came, quoted, or decoded."""
    parts = unquote(query.get("cursor", "")).split("&")
    return dict(part.split("=", 1) for part in parts if "=" in part)


def _page(
    query: Query, period_name: str, times: Integers, values: Integers, *, default: int, largest: int
) -> tuple[list[tuple[int, int]], str]:
    """Choose rows of a series kept every 5 minutes: newest first, and the cursor to older ones."""
    period = _PERIODS.get(query.get(period_name, ""))
    if period is None:
        _refuse(f"params error: {period_name} is invalid")
    # a start without an end is ignored, as on the venue
    end = _time(query, "endTime")
    start = _time(query, "startTime") if end is not None else None
    limit = _limit(query, default=default, largest=largest)
    chosen = times % period == 0
    if end is not None:
        chosen &= times <= end
    if start is not None:
        chosen &= times >= start
    last = _cursor(query).get("lasttime", "")
    if last.isascii() and last.isdigit():
        chosen &= times < int(last) * 1_000
    rows = list(zip(times[chosen].tolist(), values[chosen].tolist(), strict=True))
    page = rows[::-1][:limit]
    more = len(rows) > limit
    cursor = quote(f"lastid=0&lasttime={page[-1][0] // 1_000}") if more else ""
    return page, cursor
