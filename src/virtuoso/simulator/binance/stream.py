"""What Binance's streams tell of the market."""

from dataclasses import dataclass, field
from typing import Final

from virtuoso.simulator.binance import frames
from virtuoso.simulator.binance.changes import (
    BestChanged,
    BinanceChange,
    CandleClosed,
    CandleMoved,
    Differences,
    Forced,
    MarkDue,
    Taken,
)
from virtuoso.simulator.binance.door import BinanceDoor
from virtuoso.simulator.binance.market import BinanceMarket
from virtuoso.simulator.binance.rest import INTERVALS, hidden_sides
from virtuoso.simulator.binance.tickers import day_ticker, ticker_frame
from virtuoso.simulator.book import Level
from virtuoso.simulator.candles import Candles
from virtuoso.simulator.directory import Directory
from virtuoso.simulator.factors import Integers
from virtuoso.simulator.faults import FaultRequest, Faults
from virtuoso.simulator.settings import ExchangeSettings
from virtuoso.simulator.symbol_market import STEP_MS

_SLOW: Final = {"depth": 250, "depth@250ms": 250, "depth@500ms": 500}
_PARTIAL: Final = (5, 10, 20)
_MARK_MS = 3_000


@dataclass(slots=True)
class _Pending:
    """Depth differences that a slower stream has yet to tell."""

    first: int
    previous: int
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)


class BinanceStream(BinanceDoor):
    """Every subscriber of Binance's streams, and what each is told of the market."""

    def __init__(
        self,
        market: BinanceMarket,
        directory: Directory,
        faults: Faults,
        settings: ExchangeSettings,
    ) -> None:
        super().__init__([listing.symbol for listing in market.listings], faults, settings)
        self._market = market
        self._directory = directory
        self._pending: dict[str, _Pending] = {}
        faults.ended.append(self._show_again)

    def publish(self, changes: list[BinanceChange]) -> None:
        """Tell the subscribers what one step of the market brought."""
        if self.hub.subscribers:
            for change in changes:
                if self._directory.trading(change.symbol, change.at):
                    self._publish(change)

    async def inject(self, request: FaultRequest) -> None:
        """Let a fault of one moment happen."""
        name = request.fault
        number = self._directory.number_of(request.symbol)
        await self.inject_into_connections(request, number)
        if number is None:
            return
        if name in {"crossed_book", "locked_book"}:
            ask = self._market.symbols[number].best()[1][0]
            self._tell_false(number, [(ask + (name == "crossed_book"), 1)], [])
        elif name in {"one_sided_book", "empty_book"}:
            self._hide(number)

    def _hide(self, number: int) -> None:
        """Push that every level of the hidden sides is gone."""
        hidden, book = hidden_sides(self._faults, number), self._market.symbols[number].book
        bids = [(ticks, 0) for ticks, _ in book.bids.levels(len(book.bids))]
        asks = [(ticks, 0) for ticks, _ in book.asks.levels(len(book.asks))]
        self._tell_false(number, bids if "bids" in hidden else [], asks if "asks" in hidden else [])

    def _show_again(self, request: FaultRequest) -> None:
        """Push the whole book once a fault that hid a part of it has ended."""
        number = self._directory.number_of(request.symbol)
        if request.fault in {"one_sided_book", "empty_book"} and number is not None:
            if not request.concerns("binance"):
                return
            book = self._market.symbols[number].book
            self._tell_false(
                number, book.bids.levels(len(book.bids)), book.asks.levels(len(book.asks))
            )

    def _tell_false(self, number: int, bids: list[Level], asks: list[Level]) -> None:
        """Push differences that did not happen, numbered as if they had."""
        change = self._market.symbols[number].announce(number, self._market.now_ms, bids, asks)
        self._push_differences(change, frozenset())

    def _publish(self, change: BinanceChange) -> None:
        number, at = change.symbol, change.at
        market, name = self._market, self._names[number]
        listing = market.listings[number]
        if isinstance(change, Differences):
            self._push_differences(change, hidden_sides(self._faults, number))
        elif isinstance(change, BestChanged):
            stream = f"{name}@bookTicker"
            if self._wanted(number, stream) and not hidden_sides(self._faults, number):
                self._push(number, stream, frames.best(listing, change))
        elif isinstance(change, Taken):
            self._publish_trades(change)
        elif isinstance(change, CandleMoved | CandleClosed):
            self._publish_candles(change)
        elif isinstance(change, MarkDue):
            streams = [f"{name}@markPrice@1s"]
            if at % _MARK_MS == 0:
                streams.append(f"{name}@markPrice")
            for stream in streams:
                if self._wanted(number, stream):
                    self._push(number, stream, frames.mark_price(market, number, at))
        elif isinstance(change, Forced):
            stream = f"{name}@forceOrder"
            if self._wanted(number, stream):
                self._push(number, stream, frames.forced_order(listing, change.order, at))
        else:
            stream = f"{name}@ticker"
            if self._wanted(number, stream):
                self._push(number, stream, ticker_frame(day_ticker(market, number), at))

    def _publish_trades(self, change: Taken) -> None:
        number, name = change.symbol, self._names[change.symbol]
        listing = self._market.listings[number]
        whole, single = f"{name}@aggTrade", f"{name}@trade"
        whole_wanted, single_wanted = self._wanted(number, whole), self._wanted(number, single)
        if not whole_wanted and not single_wanted:
            return
        for take in change.takes:
            if self._faults.loses_next_trade("binance"):
                continue
            if whole_wanted:
                data = frames.aggregate(listing, take, change.at)
                self._push(number, whole, data, trades=True)
            if single_wanted:
                for data in frames.trades(listing, take, change.at):
                    self._push(number, single, data, trades=True)

    def _publish_candles(self, change: CandleMoved | CandleClosed) -> None:
        number, name = change.symbol, self._names[change.symbol]
        candles = self._market.trades
        for ours, kept in INTERVALS.items():
            stream = f"{name}@kline_{ours}"
            if not self._wanted(number, stream):
                continue
            opened = _candle_of(candles, number, kept, closed=isinstance(change, CandleClosed))
            if opened is not None:
                data = frames.candle(
                    self._market,
                    number,
                    (ours, kept),
                    opened,
                    change.at,
                    closed=isinstance(change, CandleClosed),
                )
                self._push(number, stream, data)

    def _push_differences(self, change: Differences, hidden: frozenset[str]) -> None:
        number, name = change.symbol, self._names[change.symbol]
        listing = self._market.listings[number]
        bids = [] if "bids" in hidden else change.bids
        asks = [] if "asks" in hidden else change.asks
        if hidden:
            change = _with_levels(change, bids, asks)
        stream = f"{name}@depth@100ms"
        if self._wanted(number, stream):
            self._push(number, stream, frames.differences(listing, change))
        for suffix, period in _SLOW.items():
            stream = f"{name}@{suffix}"
            if self._wanted(number, stream):
                self._collect(stream, change, period)
        for depth in _PARTIAL:
            for stream in (f"{name}@depth{depth}", f"{name}@depth{depth}@100ms"):
                if self._wanted(number, stream):
                    book = self._market.symbols[number].book
                    top = _with_levels(change, book.bids.levels(depth), book.asks.levels(depth))
                    self._push(number, stream, frames.differences(listing, top))

    def _collect(self, stream: str, change: Differences, period: int) -> None:
        """Add differences to those of a slower stream, and push them when their time has come."""
        pending = self._pending.setdefault(stream, _Pending(change.first, change.previous))
        pending.bids.update(change.bids)
        pending.asks.update(change.asks)
        if change.at // period == (change.at - STEP_MS) // period:
            return
        del self._pending[stream]
        listing = self._market.listings[change.symbol]
        together = Differences(
            change.symbol,
            change.at,
            change.matched_at,
            pending.first,
            change.last,
            pending.previous,
            sorted(pending.bids.items()),
            sorted(pending.asks.items()),
        )
        self._push(change.symbol, stream, frames.differences(listing, together))


def _with_levels(change: Differences, bids: list[Level], asks: list[Level]) -> Differences:
    return Differences(
        change.symbol,
        change.at,
        change.matched_at,
        change.first,
        change.last,
        change.previous,
        bids,
        asks,
    )


def _candle_of(
    candles: Candles, number: int, kept: str, *, closed: bool
) -> tuple[int, Integers] | None:
    return candles.closing_now(number, kept) if closed else candles.latest(number, kept)
