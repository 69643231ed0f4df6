"""Every symbol of a recording as far as it was played, in the words of both venues."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from virtuoso.simulator.binance.changes import Take
from virtuoso.simulator.book import BestView, Book, DepthView
from virtuoso.simulator.candles import Candles
from virtuoso.simulator.changes import BookChanged, BookReset, Change, TickerChanged, Trade, Traded
from virtuoso.simulator.listings import Listing
from virtuoso.simulator.order_flow import DEPTH
from virtuoso.simulator.recorded_frames import (
    BESTS,
    DEPTHS,
    MARKS,
    REST_BOOKS,
    TRADES,
    BestFrame,
    DepthFrame,
    MarkFrame,
    RestBookFrame,
    TradeFrame,
)
from virtuoso.simulator.recording import Line, Recording

_EARLY = 2_000
_RECENT = 1_000
_QUIET_MS = 3_000
_TICKER_MS = 100


class RecordedSymbol:
    """One symbol: its book as far as it is known, and what Bybit would have told of it."""

    def __init__(self, number: int, listing: Listing) -> None:
        self._number = number
        self._listing = listing
        self.book = Book()
        self.best_view = BestView(self.book, 1, _QUIET_MS)
        self.depth_views: tuple[DepthView, ...] = ()
        self.book_sequence = 0
        self.book_matched_at = 0
        self.rest_update_id = 0
        self.last_update = 0
        """Of Binance; 0 while the book is not known."""
        self.recent: deque[Trade] = deque(maxlen=_RECENT)
        self.takes: deque[Take] = deque(maxlen=_RECENT)
        self._early: deque[DepthFrame] = deque(maxlen=_EARLY)
        self._bridged = False
        self._last_ticks = 0
        self._take_id = 0

    def begin(self, rest: RestBookFrame) -> list[Change]:
        """Take a REST book, then what was told since it was made."""
        for side in self.book.sides():
            for key in list(side.keys):
                side.remove(key)
        self._put(rest.bids, rest.asks)
        self.last_update, self._bridged = rest.last, False
        early, self._early = list(self._early), deque(maxlen=_EARLY)
        for depth in early:
            self._apply(depth)
        if not self.last_update:
            return []
        self._count(rest.time)
        at = early[-1].at if early else rest.at
        if self.depth_views:
            return [*self._changes(at), BookReset(self._number, at)]
        self.book.take_touched()
        first = 1_000
        self.depth_views = tuple(DepthView(depth, self.book, first) for depth in (50, DEPTH))
        for view in self.depth_views:
            view.advance((set(), set()), self.book_sequence, rest.time)
        self.best_view.advance(self.book_sequence, rest.time, at)
        return [BookReset(self._number, at)]

    def move(self, depth: DepthFrame) -> list[Change]:
        """Take a depth update."""
        if not self.last_update:
            self._early.append(depth)
            return []
        if not self._apply(depth):
            return []
        self._count(depth.time)
        return self._changes(depth.at)

    def trade(self, trade: TradeFrame) -> tuple[list[Change], Take | None]:
        """Take a trade; one off the market is none."""
        if trade.X != "MARKET":
            return [], None
        ticks = _units(trade.price, self._listing.price_scale)
        steps = _units(trade.quantity, self._listing.quantity_scale)
        direction = "ZeroPlusTick"
        if self._last_ticks and ticks != self._last_ticks:
            direction = "PlusTick" if ticks > self._last_ticks else "MinusTick"
        self._last_ticks = ticks
        self.book_sequence += 1
        digits = f"{trade.id:032x}"
        told = Trade(
            time=trade.time,
            buyer_took=not trade.seller_took,
            ticks=ticks,
            steps=steps,
            direction=direction,
            id="-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])),
            sequence=self.book_sequence,
            retail_improved=False,
        )
        self.recent.append(told)
        self._take_id += 1
        took = not trade.seller_took
        take = Take(self._take_id, trade.time, took, ticks, steps, trade.id, (steps,))
        self.takes.append(take)
        return [Traded(self._number, trade.at, [told])], take

    def _apply(self, depth: DepthFrame) -> bool:
        """Apply an update by the venue's rules; a break in its numbers ends the book."""
        if not self._bridged:
            if depth.last < self.last_update:
                return False
            follows = depth.first <= self.last_update <= depth.last or depth.pu == self.last_update
        else:
            follows = depth.pu == self.last_update
        if not follows:
            self.last_update = 0
            return False
        self._bridged = True
        self.last_update = depth.last
        self._put(depth.b, depth.a)
        return True

    def _put(self, bids: Sequence[tuple[str, str]], asks: Sequence[tuple[str, str]]) -> None:
        listing = self._listing
        for side, rows in ((self.book.bids, bids), (self.book.asks, asks)):
            for price, size in rows:
                key = side.sign * _units(price, listing.price_scale)
                steps = _units(size, listing.quantity_scale)
                if steps:
                    side.put(key, steps)
                elif key in side.sizes:
                    side.remove(key)

    def _count(self, time: int) -> None:
        self.book_sequence += 1
        self.rest_update_id += 1
        self.book_matched_at = time

    def _changes(self, at: int) -> list[Change]:
        touched = self.book.take_touched()
        sequence, time = self.book_sequence, self.book_matched_at
        updates = [
            self.best_view.advance(sequence, time, at) or self.best_view.repeat(at),
            *(view.advance(touched, sequence, time) for view in self.depth_views),
        ]
        return [BookChanged(self._number, at, update) for update in updates if update is not None]


class RecordedTickers:
    """The fields of Bybit's tickers that a recording tells of."""

    def __init__(self, count: int) -> None:
        self._known: list[dict[str, str]] = [{} for _ in range(count)]
        self._told: list[dict[str, str]] = [{} for _ in range(count)]
        self._told_at = [0] * count

    def known(self, symbol: int) -> Mapping[str, str]:
        """Return all fields as the subscribers of the symbol know them."""
        return self._told[symbol]

    def see(self, symbol: int, fields: Mapping[str, str]) -> None:
        """Take note of new values."""
        self._known[symbol].update(fields)

    def due(self, symbol: int, at: int) -> dict[str, str]:
        """Return what changed since it was last told, at most every 0.1 s."""
        if at - self._told_at[symbol] < _TICKER_MS:
            return {}
        told = self._told[symbol]
        changed = {
            name: text for name, text in self._known[symbol].items() if told.get(name) != text
        }
        if changed:
            self._told_at[symbol] = at
            told.update(changed)
        return changed


@dataclass(frozen=True, slots=True)
class Told:
    """What one recorded line brings to both venues."""

    line: Line
    number: int
    changes: list[Change]
    """On Bybit."""
    take: Take | None
    """Of a trade that was of the market."""


class RecordedMarket:
    """Every symbol of a recording, as far as it has been played."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.listings = recording.listings
        self.symbols = [
            RecordedSymbol(number, listing) for number, listing in enumerate(self.listings)
        ]
        self.tickers = RecordedTickers(len(self.listings))
        self.trades: Candles | None = None
        self.now_ms = 0
        self.marks: list[MarkFrame | None] = [None for _ in self.listings]
        self._numbers = {listing.symbol: at for at, listing in enumerate(self.listings)}

    def play(self, line: Line) -> Told | None:
        """Take one line; None when it is of no symbol that is known."""
        number = self._numbers.get(line.symbol)
        if number is None:
            return None
        self.now_ms = max(self.now_ms, line.received)
        symbol, take = self.symbols[number], None
        changes: list[Change] = []
        try:
            if line.kind == "depth":
                changes = symbol.move(DEPTHS.decode(line.data))
            elif line.kind == "rest":
                changes = symbol.begin(REST_BOOKS.decode(line.data))
            elif line.kind == "trade":
                trade = TRADES.decode(line.data)
                changes, take = symbol.trade(trade)
                if take is not None:
                    self.tickers.see(number, {"lastPrice": trade.price})
            elif line.kind == "bookTicker":
                best = BESTS.decode(line.data)
                self.tickers.see(number, _best_fields(best))
            elif line.kind == "markPrice":
                mark = self.marks[number] = MARKS.decode(line.data)
                self.tickers.see(number, _mark_fields(mark))
        except msgspec.MsgspecError:
            return None
        fields = self.tickers.due(number, self.now_ms)
        if fields:
            changes.append(TickerChanged(number, self.now_ms, symbol.book_sequence, fields))
        return Told(line, number, changes, take)


def _best_fields(best: BestFrame) -> dict[str, str]:
    return {
        "bid1Price": best.bid,
        "bid1Size": best.bid_size,
        "ask1Price": best.ask,
        "ask1Size": best.ask_size,
    }


def _mark_fields(mark: MarkFrame) -> dict[str, str]:
    return {
        "markPrice": mark.mark,
        "indexPrice": mark.index,
        "nextFundingTime": str(mark.next_funding),
        "fundingRate": mark.rate,
    }


def _units(text: str, scale: int) -> int:
    """Read decimal text as a whole number of units of `10**-scale`."""
    whole, _, part = text.partition(".")
    if len(part) > scale:
        part = part[:scale]
    return int(whole + part.ljust(scale, "0"))
