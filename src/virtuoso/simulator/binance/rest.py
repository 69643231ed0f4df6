"""The REST side: public market data, in Binance's words."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias

from virtuoso.simulator.binance import frames
from virtuoso.simulator.binance.changes import Take
from virtuoso.simulator.binance.market import MARK_SCALE, BinanceMarket
from virtuoso.simulator.binance.tickers import day_ticker, ticker_row
from virtuoso.simulator.candles import (
    CLOSE,
    COUNT,
    DAY,
    HOUR,
    MINUTE,
    TAKER_TURNOVER,
    TAKER_VOLUME,
    TURNOVER,
    VOLUME,
    Candles,
    closing_of,
)
from virtuoso.simulator.derivatives import RATE_SCALE, SHARE_SCALE
from virtuoso.simulator.directory import Directory, Entry
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.faults import Faults
from virtuoso.simulator.listings import Listing, Sector
from virtuoso.simulator.numbers import padded, rescaled

Query: TypeAlias = Mapping[str, str]
Row: TypeAlias = dict[str, Any]

BAD_SYMBOL = (-1121, "Invalid symbol.")
_BAD_INTERVAL = (-1120, "Invalid interval.")
_FAR_FUTURE = 4_133_404_800_000
"""Delivery of a contract that has none: 2100-12-25."""
_USUAL_FUNDING_HOURS = 8
_DEPTHS = frozenset({5, 10, 20, 50, 100, 500, 1_000})
_DATA_DAYS = 30

INTERVALS: Final[Mapping[str, str]] = {
    "1m": "1",
    "3m": "3",
    "5m": "5",
    "15m": "15",
    "30m": "30",
    "1h": "60",
    "2h": "120",
    "4h": "240",
    "6h": "360",
    "8h": "480",
    "12h": "720",
    "1d": "D",
    "1w": "W",
    "1M": "M",
}
"""Its names of intervals, and those the candles are kept under."""
_PERIODS: Final[Mapping[str, int]] = {
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
}
_KINDS: Final[Mapping[Sector, str]] = {
    Sector.MAJOR: "PoW",
    Sector.PLATFORM: "Layer-1",
    Sector.FINANCE: "DeFi",
    Sector.MEME: "Meme",
}


class RefusedError(Exception):
    """A request that is not answered, with the code and the message that the venue gives."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def _refuse(code: int, message: str) -> NoReturn:
    raise RefusedError(code, message)


class BinanceRest:
    """Answers to the public market requests. Each raises RefusedError for a bad parameter."""

    def __init__(
        self,
        market: BinanceMarket,
        directory: Directory,
        faults: Faults,
        now_ms: Callable[[], int],
    ) -> None:
        self._market = market
        self._directory = directory
        self._faults = faults
        self._now_ms = now_ms
        self._numbers = {listing.symbol: at for at, listing in enumerate(market.listings)}
        self.old_books: dict[int, Row] = {}
        """Books that are answered in place of the present ones, by number."""
        self.answers: Mapping[str, Callable[[Query], Any]] = {
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": self._now_ms()},
            "exchangeInfo": self.exchange_info,
            "depth": self.depth,
            "trades": self.trades,
            "aggTrades": self.aggregate_trades,
            "klines": self.candles,
            "markPriceKlines": self.mark_candles,
            "indexPriceKlines": self.index_candles,
            "premiumIndex": self.premium_index,
            "fundingRate": self.funding_rates,
            "fundingInfo": self.funding_info,
            "ticker/24hr": self.tickers,
            "openInterest": self.open_interest,
        }
        """By the part of the path after /fapi/v1/."""
        self.data: Mapping[str, Callable[[Query], Any]] = {
            "openInterestHist": self.open_interest_series,
            "globalLongShortAccountRatio": self.account_ratios,
        }
        """By the part of the path after /futures/data/."""

    def exchange_info(self, _: Query) -> Row:
        """Return what is listed."""
        limits = (("REQUEST_WEIGHT", "MINUTE", 1, 2_400), ("ORDERS", "MINUTE", 1, 1_200))
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": kind, "interval": interval, "intervalNum": length, "limit": limit}
                for kind, interval, length, limit in limits
            ],
            "exchangeFilters": [],
            "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
            "symbols": [self._contract(number) for number in self._directory.listed()],
        }

    def depth(self, query: Query) -> Row:
        """Return the book as of the last update."""
        number = self._one(query)
        limit = _limit(query, default=500, largest=1_000)
        if limit not in _DEPTHS:
            _refuse(-4021, f"{limit} is not valid depth limit.")
        old = self.old_books.get(number)
        book = self.whole_book(number) if old is None else old
        hidden = hidden_sides(self._faults, number)
        return book | {
            side: [] if side in hidden else book[side][:limit] for side in ("bids", "asks")
        }

    def whole_book(self, number: int) -> Row:
        """Return every level of a book."""
        listing, live = self._market.listings[number], self._market.symbols[number]
        return {
            "lastUpdateId": live.last_update,
            "E": self._market.now_ms,
            "T": live.matched_at or self._market.now_ms,
            "bids": frames.levels(listing, live.book.bids.levels(1_000)),
            "asks": frames.levels(listing, live.book.asks.levels(1_000)),
        }

    def trades(self, query: Query) -> list[Row]:
        """Return the latest single trades, oldest first."""
        number = self._one(query)
        limit = _limit(query, default=500, largest=1_000)
        listing = self._market.listings[number]
        rows = [
            {
                "id": take.first + offset,
                "price": listing.price_text(take.ticks),
                "qty": listing.quantity_text(steps),
                "quoteQty": padded(
                    rescaled(
                        take.ticks * steps * listing.money_units,
                        listing.money_scale,
                        listing.price_scale,
                    ),
                    listing.price_scale,
                ),
                "time": take.time,
                "isBuyerMaker": not take.buyer_took,
            }
            for take in self._market.symbols[number].takes
            for offset, steps in enumerate(take.fills)
        ]
        return rows[-limit:]

    def aggregate_trades(self, query: Query) -> list[Row]:
        """Return aggregate trades, oldest first: from an id, from a time, or the latest."""
        number = self._one(query)
        limit = _limit(query, default=500, largest=1_000)
        start, end, first = (_whole(query, name) for name in ("startTime", "endTime", "fromId"))
        listing = self._market.listings[number]
        takes: list[Take] = [
            take
            for take in self._market.symbols[number].takes
            if (first is None or take.id >= first)
            and (start is None or take.time >= start)
            and (end is None or take.time <= end)
        ]
        chosen = takes[-limit:] if first is None and start is None else takes[:limit]
        return [
            {
                "a": take.id,
                "p": listing.price_text(take.ticks),
                "q": listing.quantity_text(take.steps),
                "f": take.first,
                "l": take.last,
                "T": take.time,
                "m": not take.buyer_took,
            }
            for take in chosen
        ]

    def candles(self, query: Query) -> list[list[Any]]:
        """Return candles of trades, oldest first."""

        def write(listing: Listing, row: list[int], closing: int) -> list[Any]:
            return [
                *(listing.price_text(price) for price in row[:4]),
                listing.quantity_text(row[VOLUME]),
                closing,
                frames.money(listing, row[TURNOVER]),
                row[COUNT],
                listing.quantity_text(row[TAKER_VOLUME]),
                frames.money(listing, row[TAKER_TURNOVER]),
                "0",
            ]

        return self._candle_page(query, "symbol", self._market.trades, write)

    def mark_candles(self, query: Query) -> list[list[Any]]:
        """Return candles of the mark price, oldest first."""
        return self._candle_page(query, "symbol", self._market.mark, _price_row)

    def index_candles(self, query: Query) -> list[list[Any]]:
        """Return candles of the index price, oldest first; asked for by `pair`."""
        return self._candle_page(query, "pair", self._market.index, _price_row)

    def premium_index(self, query: Query) -> Row | list[Row]:
        """Return mark and index price and the coming funding of one contract, or of all."""
        if "symbol" in query:
            return self._premium(self._one(query))
        return [self._premium(number) for number in self._trading()]

    def tickers(self, query: Query) -> Row | list[Row]:
        """Return the day's figures of one contract, or of all."""
        if "symbol" in query:
            return ticker_row(day_ticker(self._market, self._one(query)))
        return [ticker_row(day_ticker(self._market, number)) for number in self._trading()]

    def funding_rates(self, query: Query) -> list[Row]:
        """Return settled rates, oldest first; without a symbol the latest of all contracts."""
        numbers = [self._one(query)] if "symbol" in query else self._trading()
        limit = _limit(query, default=100, largest=1_000)
        start, end = _whole(query, "startTime"), _whole(query, "endTime")
        rows: list[Row] = [
            {
                "symbol": self._market.listings[number].symbol,
                # stamps are some milliseconds off the hour, as on the venue
                "fundingTime": time + time // HOUR % 8,
                "fundingRate": padded(rate, RATE_SCALE),
                "markPrice": self._mark_at(number, time),
            }
            for number in numbers
            for time, rate in self._market.derivatives.settlements(number)
            if (start is None or time + 7 >= start) and (end is None or time <= end)
        ]
        rows.sort(key=lambda row: row["fundingTime"])
        return rows[:limit] if start is not None else rows[-limit:]

    def funding_info(self, _: Query) -> list[Row]:
        """Return the contracts whose funding interval is not 8 hours."""
        rows = []
        for number in self._directory.listed():
            listing = self._market.listings[number]
            if listing.funding_hours != _USUAL_FUNDING_HOURS:
                cap = padded(round(listing.funding_cap * 10**RATE_SCALE), RATE_SCALE)
                rows.append(
                    {
                        "symbol": listing.symbol,
                        "adjustedFundingRateCap": cap,
                        "adjustedFundingRateFloor": f"-{cap}",
                        "fundingIntervalHours": listing.funding_hours,
                        "disclaimer": False,
                    }
                )
        return rows

    def open_interest(self, query: Query) -> Row:
        """Return the present open interest."""
        number = self._one(query)
        listing = self._market.listings[number]
        return {
            "symbol": listing.symbol,
            "openInterest": listing.quantity_text(self._one_sided(number)),
            "time": self._market.now_ms,
        }

    def open_interest_series(self, query: Query) -> list[Row]:
        """Return open interest at equal distances, oldest first."""
        number = self._one(query)
        listing = self._market.listings[number]
        times, steps = self._market.derivatives.interest_rows(number)
        rows = []
        for time, interest in self._series_page(query, times, steps):
            units = interest // 2 * listing.step_units
            value = interest // 2 * listing.step * float(self._mark_at(number, time) or 0.0)
            amount = units * 10 ** (MARK_SCALE - listing.quantity_scale)
            rows.append(
                {
                    "symbol": listing.symbol,
                    "sumOpenInterest": padded(amount, MARK_SCALE),
                    "sumOpenInterestValue": f"{value:.8f}",
                    "timestamp": time,
                }
            )
        return rows

    def account_ratios(self, query: Query) -> list[Row]:
        """Return the shares of accounts that are long and short, oldest first."""
        number = self._one(query)
        times, shares = self._market.derivatives.account_rows(number)
        whole = 10**SHARE_SCALE
        return [
            {
                "symbol": self._market.listings[number].symbol,
                "longAccount": padded(long, SHARE_SCALE),
                "longShortRatio": f"{long / (whole - long):.4f}",
                "shortAccount": padded(whole - long, SHARE_SCALE),
                "timestamp": time,
            }
            for time, long in self._series_page(query, times, shares)
        ]

    def _one(self, query: Query, name: str = "symbol") -> int:
        symbol = query.get(name, "")
        if not symbol:
            text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            _refuse(-1102, text)
        number = self._numbers.get(symbol)
        if number is None or not self._directory.entries[number].listed:
            _refuse(*BAD_SYMBOL)
        return number

    def _trading(self) -> list[int]:
        now = self._now_ms()
        return [at for at in self._directory.listed() if self._directory.trading(at, now)]

    def _one_sided(self, number: int) -> int:
        return self._market.derivatives.interest_steps[number] // 2

    def _mark_at(self, number: int, time: int) -> str:
        """Return the mark price of a moment, from its candles; empty when they are gone."""
        for interval in ("1", "240"):
            starts, rows = self._market.mark.page(number, interval, time, time, 1)
            if len(starts):
                return padded(int(rows[0][0]), MARK_SCALE)
        return ""

    def _premium(self, number: int) -> Row:
        market = self._market
        index = padded(market.index.forming[number][CLOSE], MARK_SCALE)
        return {
            "symbol": market.listings[number].symbol,
            "markPrice": padded(market.mark.forming[number][CLOSE], MARK_SCALE),
            "indexPrice": index,
            "estimatedSettlePrice": index,
            "lastFundingRate": padded(market.derivatives.funding_rates[number], RATE_SCALE),
            "interestRate": "0.00010000",
            "nextFundingTime": market.derivatives.next_funding(number, market.now_ms),
            "time": market.now_ms,
        }

    def _candle_page(
        self,
        query: Query,
        name: str,
        candles: Candles,
        write: Callable[[Listing, list[int], int], list[Any]],
    ) -> list[list[Any]]:
        number = self._one(query, name)
        interval = INTERVALS.get(query.get("interval", ""))
        if interval is None:
            _refuse(*_BAD_INTERVAL)
        start, end = _whole(query, "startTime"), _whole(query, "endTime")
        limit = _limit(query, default=500, largest=1_500)
        born = self._directory.entries[number].listed_at
        if start is None:
            starts, rows = candles.page(number, interval, None, end, limit)
        else:
            # from the first candle that opens then, not from the one that contains it
            starts, rows = candles.page(number, interval, start, None, limit + 1)
            chosen = starts >= start
            if end is not None:
                chosen &= starts <= end
            starts, rows = starts[chosen][:limit], rows[chosen][:limit]
        if born is not None:
            known = starts >= born // MINUTE * MINUTE
            starts, rows = starts[known], rows[known]
        listing = self._market.listings[number]
        return [
            [opened, *write(listing, row, closing_of(interval, opened) - 1)]
            for opened, row in zip(starts.tolist(), rows.tolist(), strict=True)
        ]

    def _series_page(
        self, query: Query, times: Integers, values: Integers
    ) -> list[tuple[int, int]]:
        period = _PERIODS.get(query.get("period", ""))
        if period is None:
            _refuse(-1130, "Data sent for parameter 'period' is not valid.")
        start, end = _whole(query, "startTime"), _whole(query, "endTime")
        limit = _limit(query, default=30, largest=500)
        kept_from = self._now_ms() - _DATA_DAYS * DAY
        if start is not None and start < kept_from - DAY:
            _refuse(-1130, "parameter 'startTime' is invalid.")
        chosen = (times % period == 0) & (times >= kept_from)
        if start is not None:
            chosen &= times >= start
        if end is not None:
            chosen &= times <= end
        rows = list(zip(times[chosen].tolist(), values[chosen].tolist(), strict=True))
        return rows[:limit] if start is not None and end is None else rows[-limit:]

    def _contract(self, number: int) -> Row:
        listing, entry = self._market.listings[number], self._directory.entries[number]
        return contract_row(listing, entry, self._now_ms())


def contract_row(listing: Listing, entry: Entry, now_ms: int) -> Row:
    """Write one contract of exchangeInfo."""
    trading = entry.trades(now_ms)
    ended = _FAR_FUTURE if entry.ends_at is None else entry.ends_at
    scale = listing.price_scale + len(str(entry.finer)) - 1
    tick = padded(listing.tick_units, scale)

    def quantity(value: float) -> str:
        """Write about that many USDT in coins, as a round number of steps."""
        steps = max(1, round(value / (listing.price * listing.step)))
        return listing.quantity_trimmed(round(steps, 2 - len(str(steps))))

    step = listing.quantity_trimmed(1)
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": ended,
        "onboardDate": entry.listed_at or listing.launched,
        "status": "TRADING" if trading else "SETTLING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.base_coin,
        "quoteAsset": "USDT",
        "marginAsset": "USDT",
        "pricePrecision": scale,
        "quantityPrecision": listing.quantity_scale,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["Synthetic" if listing.synthetic else _KINDS[listing.sector]],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "minPrice": tick,
                "filterType": "PRICE_FILTER",
                "maxPrice": listing.price_trimmed(19_999_998),
                "tickSize": tick,
            },
            {
                "maxQty": quantity(listing.daily_turnover / 40),
                "stepSize": step,
                "filterType": "LOT_SIZE",
                "minQty": step,
            },
            {
                "maxQty": quantity(listing.daily_turnover / 200),
                "filterType": "MARKET_LOT_SIZE",
                "minQty": step,
                "stepSize": step,
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
            {
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
                "filterType": "PERCENT_PRICE",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": [
            "LIMIT",
            "MARKET",
            "STOP",
            "STOP_MARKET",
            "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET",
            "TRAILING_STOP_MARKET",
        ],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    }


def hidden_sides(faults: Faults, number: int) -> frozenset[str]:
    """Return the sides of a book that a fault hides."""
    if faults.lasting("empty_book", "binance", number) is not None:
        return frozenset({"bids", "asks"})
    one = faults.lasting("one_sided_book", "binance", number)
    return frozenset() if one is None else frozenset({one.side})


def _price_row(_: Listing, row: list[int], closing: int) -> list[Any]:
    prices = [padded(price, MARK_SCALE) for price in row[:4]]
    return [*prices, "0", closing, "0", 60, "0", "0", "0"]


def _whole(query: Query, name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        _refuse(-1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _limit(query: Query, *, default: int, largest: int) -> int:
    limit = _whole(query, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= largest:
        _refuse(-1130, "Data sent for parameter 'limit' is not valid.")
    return limit
