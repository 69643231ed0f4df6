"""Both venues on a recorded market: Binance as it was received, Bybit made from it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog

from virtuoso.simulator.binance import frames as binance_frames
from virtuoso.simulator.binance.door import BinanceDoor
from virtuoso.simulator.binance.rest import BAD_SYMBOL, contract_row
from virtuoso.simulator.binance.rest import RefusedError as BinanceRefusedError
from virtuoso.simulator.directory import Directory
from virtuoso.simulator.faults import FaultName, FaultRequest, Faults
from virtuoso.simulator.recorded_market import RecordedMarket, Told
from virtuoso.simulator.recording import Line, Recording
from virtuoso.simulator.rest import BookRest, RefusedError, instrument_row
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.simulator.stream import Stream
from virtuoso.simulator.venues import Answers, Query

_log = structlog.get_logger(__name__)

_LINES_AT_ONCE = 500
_TICK_SECONDS = 0.005
_DEPTH_NAMES: Final = ("depth@0ms", "depth@100ms", "depth", "depth@250ms", "depth@500ms")
_MARK_NAMES: Final = ("markPrice@1s", "markPrice")
_NOT_OF_A_RECORDING: Final[frozenset[FaultName]] = frozenset(
    {
        "burst",
        "crossed_book",
        "locked_book",
        "one_sided_book",
        "empty_book",
        "old_snapshot",
        "book_restart",
        "price_jump",
        "list_symbol",
        "delist_symbol",
        "new_tick",
    }
)


class Recorded:
    """Two venues that play a recording."""

    def __init__(self, recording: Recording, settings: ExchangeSettings) -> None:
        self._recording = recording
        self._market = market = RecordedMarket(recording)
        self.directory = Directory(recording.listings, recording.contracts)
        self.faults = Faults(self.directory)
        self.stream = Stream(market, self.directory, self.faults, settings)
        self.binance_stream = BinanceDoor(
            [listing.symbol for listing in recording.listings], self.faults, settings
        )
        self.bybit: Answers = self._bybit_answers()
        self.binance: Answers = self._binance_answers()
        nothing: Callable[[Query], Any] = self._nothing_of_binance
        self.binance_series: Answers = {
            "openInterestHist": nothing,
            "globalLongShortAccountRatio": nothing,
        }
        self._ended = False

    def now_ms(self) -> int:
        """Return the recorded time."""
        return self._market.now_ms

    async def live(self) -> None:
        """Play all lines in their time, then stay."""
        loop = asyncio.get_running_loop()
        lines = self._recording.lines()
        line = await asyncio.to_thread(next, lines, None)
        first, began = (line.received if line is not None else 0), loop.time()
        while line is not None:
            now = first + (loop.time() - began) * 1_000 * self._recording.speed
            for _ in range(_LINES_AT_ONCE):
                if line is None or line.received > now:
                    break
                self._tell(line)
                line = next(lines, None)
            late = line is not None and line.received <= now
            await asyncio.sleep(0 if late else _TICK_SECONDS)
        self._ended = True
        _log.info("recording_ended", files=len(self._recording.paths))
        await asyncio.Event().wait()

    def check(self, request: FaultRequest) -> None:
        """Raise ValueError, saying what was expected, when a fault makes no sense here."""
        if request.fault in _NOT_OF_A_RECORDING:
            message = f"expected a fault of the wire for a recording, found {request.fault}"
            raise ValueError(message)
        self.faults.check(request)

    async def begin(self, request: FaultRequest) -> None:
        """Let a fault happen. Raises ValueError for a wrong detail."""
        self.check(request)
        self.faults.begin(request)
        if request.concerns("bybit"):
            await self.stream.inject(request)
        if request.concerns("binance"):
            number = self.directory.number_of(request.symbol)
            await self.binance_stream.inject_into_connections(request, number)

    def describe(self) -> dict[str, Any]:
        """Say what market this is."""
        names = [listing.symbol for listing in self._recording.listings]
        return {
            "market": "recording",
            "transcoded": True,
            "recorded_on": "binance",
            "files": [path.name for path in self._recording.paths],
            "speed": self._recording.speed,
            "ended": self._ended,
            "symbols": {"bybit": names, "binance": names},
            "market_time": self._market.now_ms,
        }

    def _tell(self, line: Line) -> None:
        told = self._market.play(line)
        if told is not None:
            self.stream.publish(told.changes)
            self._tell_binance(told)

    def _tell_binance(self, told: Told) -> None:
        number, line = told.number, told.line
        door, name = self.binance_stream, line.symbol.lower()
        if line.kind == "depth":
            for suffix in _DEPTH_NAMES:
                door.relay(number, f"{name}@{suffix}", line.data)
        elif line.kind == "markPrice":
            for suffix in _MARK_NAMES:
                door.relay(number, f"{name}@{suffix}", line.data)
        elif line.kind in {"trade", "bookTicker", "aggTrade", "kline", "forceOrder"}:
            door.relay(number, f"{name}@{line.kind}", line.data, trades=line.kind == "trade")
        if told.take is not None:
            listing = self._recording.listings[number]
            data = binance_frames.aggregate(listing, told.take, told.take.time)
            door.relay(number, f"{name}@aggTrade", data, trades=True)

    def _bybit_answers(self) -> Answers:
        known = BookRest(self._market, self.directory, self.now_ms)
        names = ("kline", "mark-price-kline", "index-price-kline", "open-interest")
        empty = dict.fromkeys((*names, "funding/history", "account-ratio"), self._nothing_of_bybit)
        return {
            **empty,
            "time": known.time,
            "orderbook": known.order_book,
            "recent-trade": known.recent_trades,
            "instruments-info": self._instruments,
            "tickers": self._tickers,
        }

    def _instruments(self, _: Query) -> dict[str, Any]:
        rows = [
            instrument_row(contract, entry, self.now_ms())
            for contract, entry in zip(
                self._recording.contracts, self.directory.entries, strict=True
            )
        ]
        return {"category": "linear", "list": rows, "nextPageCursor": ""}

    def _tickers(self, query: Query) -> dict[str, Any]:
        wanted = query.get("symbol")
        rows = [
            {"symbol": listing.symbol, **self._market.tickers.known(number)}
            for number, listing in enumerate(self._recording.listings)
            if wanted in {None, listing.symbol}
        ]
        return {"category": "linear", "list": rows}

    def _nothing_of_bybit(self, query: Query) -> dict[str, Any]:
        symbol = query.get("symbol", "")
        if self.directory.number_of(symbol) is None:
            message = "params error: symbol invalid"
            raise RefusedError(message)
        return {"symbol": symbol, "category": "linear", "list": [], "nextPageCursor": ""}

    def _binance_answers(self) -> Answers:
        names = ("klines", "markPriceKlines", "indexPriceKlines", "fundingRate", "fundingInfo")
        nothing = dict.fromkeys((*names, "openInterest", "ticker/24hr"), self._nothing_of_binance)
        return {
            **nothing,
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": self.now_ms()},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "aggTrades": self._aggregates,
            "premiumIndex": self._premium,
        }

    def _exchange_info(self, _: Query) -> dict[str, Any]:
        now = self.now_ms()
        rows = [
            contract_row(contract, entry, now)
            for contract, entry in zip(
                self._recording.contracts, self.directory.entries, strict=True
            )
        ]
        return {
            "timezone": "UTC",
            "serverTime": now,
            "futuresType": "U_MARGINED",
            "rateLimits": [],
            "exchangeFilters": [],
            "assets": [],
            "symbols": rows,
        }

    def _number(self, query: Query) -> int:
        number = self.directory.number_of(query.get("symbol", query.get("pair", "")))
        if number is None:
            raise BinanceRefusedError(*BAD_SYMBOL)
        return number

    def _nothing_of_binance(self, query: Query) -> list[Any]:
        if query.get("symbol") or query.get("pair"):
            self._number(query)
        return []

    def _depth(self, query: Query) -> dict[str, Any]:
        number = self._number(query)
        limit = _limit(query, 500)
        listing, live = self._recording.listings[number], self._market.symbols[number]
        known = bool(live.last_update)
        book = live.book
        return {
            "lastUpdateId": live.last_update,
            "E": self.now_ms(),
            "T": live.book_matched_at,
            "bids": binance_frames.levels(listing, book.bids.levels(limit)) if known else [],
            "asks": binance_frames.levels(listing, book.asks.levels(limit)) if known else [],
        }

    def _trades(self, query: Query) -> list[dict[str, Any]]:
        number = self._number(query)
        listing = self._recording.listings[number]
        return [
            {
                "id": take.first,
                "price": listing.price_text(take.ticks),
                "qty": listing.quantity_text(take.steps),
                "quoteQty": binance_frames.money(listing, take.ticks * take.steps),
                "time": take.time,
                "isBuyerMaker": not take.buyer_took,
            }
            for take in list(self._market.symbols[number].takes)[-_limit(query, 500) :]
        ]

    def _aggregates(self, query: Query) -> list[dict[str, Any]]:
        number = self._number(query)
        listing = self._recording.listings[number]
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
            for take in list(self._market.symbols[number].takes)[-_limit(query, 500) :]
        ]

    def _premium(self, query: Query) -> object:
        numbers = [self._number(query)] if query.get("symbol") else range(len(self._market.marks))
        rows = [
            {
                "symbol": self._recording.listings[number].symbol,
                "markPrice": mark.mark,
                "indexPrice": mark.index,
                "estimatedSettlePrice": "",
                "lastFundingRate": mark.rate,
                "interestRate": "",
                "nextFundingTime": mark.next_funding,
                "time": mark.at,
            }
            for number in numbers
            if (mark := self._market.marks[number]) is not None
        ]
        return rows[0] if query.get("symbol") and rows else rows


def _limit(query: Query, default: int) -> int:
    text = query.get("limit", "")
    return min(int(text), 1_000) if text.isascii() and text.isdigit() and text != "0" else default
