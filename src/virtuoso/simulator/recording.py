"""A recording of Binance USD-M streams, played as a market of both venues.

Binance is told the recorded data, byte for byte; Bybit's frames are made from them. What was not
recorded (open interest, ratios, candles, liquidations) is not there: lists are empty, topics
are silent.
"""

import gzip
import heapq
import re
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from virtuoso.simulator.binance.changes import Take
from virtuoso.simulator.book import BestView, Book, DepthView
from virtuoso.simulator.candles import Candles
from virtuoso.simulator.changes import BookChanged, BookReset, Change, TickerChanged, Trade, Traded
from virtuoso.simulator.listings import LISTINGS, Listing, Sector
from virtuoso.simulator.numbers import parsed
from virtuoso.simulator.order_flow import DEPTH

_LINE: Final = re.compile(rb"(\d{13}|\d{16}|\d{19}) (\{.+\})\s*")
_STREAM: Final = re.compile(rb'\{"stream":"([a-z0-9]{2,30})@([A-Za-z]+)(?:@\w+)?","data":(.+)\}')
_TO_MS: Final = {13: 1, 16: 1_000, 19: 1_000_000}
_LONGEST_LINE = 10_000_000
_LOOKED_AT = 3_000
"""Lines that are read to find out what a recording is of."""
_EARLY = 2_000
_RECENT = 1_000
_QUIET_MS = 3_000
_TICKER_MS = 100
_MOST_SCALE = 12


class RecordingError(ValueError):
    """A recording that cannot be played, with what was expected."""


class _Depth(msgspec.Struct, rename={"at": "E", "time": "T", "first": "U", "last": "u"}):
    at: int
    time: int
    first: int
    last: int
    pu: int
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]


class _RestBook(msgspec.Struct, rename={"last": "lastUpdateId", "at": "E", "time": "T"}):
    last: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]
    at: int = 0
    time: int = 0


class _Trade(
    msgspec.Struct,
    rename={"at": "E", "time": "T", "id": "t", "price": "p", "quantity": "q", "seller_took": "m"},
):
    at: int
    time: int
    id: int
    price: str
    quantity: str
    seller_took: bool
    X: str = "MARKET"


class _Best(
    msgspec.Struct,
    rename={"at": "E", "bid": "b", "bid_size": "B", "ask": "a", "ask_size": "A"},
):
    at: int
    bid: str
    bid_size: str
    ask: str
    ask_size: str


class _Mark(
    msgspec.Struct,
    rename={"at": "E", "mark": "p", "index": "i", "rate": "r", "next_funding": "T"},
):
    at: int
    mark: str
    index: str
    rate: str
    next_funding: int


_DEPTH: Final = msgspec.json.Decoder(_Depth)
_REST_BOOK: Final = msgspec.json.Decoder(_RestBook)
_TRADE: Final = msgspec.json.Decoder(_Trade)
_BEST: Final = msgspec.json.Decoder(_Best)
_MARK: Final = msgspec.json.Decoder(_Mark)


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded frame."""

    received: int
    """Milliseconds UTC."""
    file: int
    symbol: str
    """Upper case."""
    kind: str
    """depth, trade, bookTicker, markPrice, or rest: a REST book."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Recording:
    """Files that were looked at and can be played."""

    paths: tuple[Path, ...]
    listings: tuple[Listing, ...]
    """One a symbol, counted in the finest units that were recorded."""
    contracts: tuple[Listing, ...]
    """The same with the ticks of the venue, where they are known."""
    speed: float

    @classmethod
    def open(cls, text: str, speed: float = 1.0) -> "Recording":
        """Look at the files, joined by commas. Raises RecordingError."""
        paths = tuple(Path(part.strip()).expanduser() for part in text.split(","))
        scales: dict[str, tuple[int, int]] = {}
        for number, path in enumerate(paths):
            if not path.is_file():
                message = f"expected a recording at {path}, found nothing"
                raise RecordingError(message)
            lines = 0
            for line in _lines_of(path, number):
                lines += 1
                if line.kind in {"trade", "bookTicker"}:
                    scales[line.symbol] = _finer(scales.get(line.symbol, (0, 0)), line)
                if lines == _LOOKED_AT:
                    break
            if not lines:
                message = f"expected frames of Binance USD-M in {path.name}, found none"
                raise RecordingError(message)
        if not scales:
            message = "expected trades or best prices among the first lines, found none"
            raise RecordingError(message)
        known = {listing.symbol: listing for listing in LISTINGS}
        contracts, listings = [], []
        for symbol, (price_scale, quantity_scale) in sorted(scales.items()):
            finest = _unknown(symbol, price_scale, quantity_scale)
            listings.append(finest)
            contracts.append(_with_ticks(known[symbol], finest) if symbol in known else finest)
        return cls(paths, tuple(listings), tuple(contracts), speed)

    def lines(self) -> Iterator[Line]:
        """Yield every line of every file in the order of their times. Raises RecordingError."""
        streams = [_lines_of(path, number) for number, path in enumerate(self.paths)]
        return heapq.merge(*streams, key=lambda line: line.received)


def _finer(scale: tuple[int, int], line: Line) -> tuple[int, int]:
    if line.kind == "trade":
        trade = _TRADE.decode(line.data)
        texts = [(trade.price, trade.quantity)]
    else:
        best = _BEST.decode(line.data)
        texts = [(best.bid, best.bid_size), (best.ask, best.ask_size)]
    prices = max(parsed(price)[1] for price, _ in texts)
    sizes = max(parsed(size)[1] for _, size in texts)
    return min(max(scale[0], prices), _MOST_SCALE), min(max(scale[1], sizes), _MOST_SCALE)


def _unknown(symbol: str, price_scale: int, quantity_scale: int) -> Listing:
    """Make a listing of which only the name and the decimals are known."""
    return Listing(
        symbol=symbol,
        price=1.0,
        price_scale=price_scale,
        tick_units=1,
        quantity_scale=quantity_scale,
        step_units=1,
        volatility=0.001,
        market_load=0.5,
        sector=Sector.MAJOR,
        daily_turnover=1e8,
        orders_per_second=1.0,
        gap_ticks=1,
        spread_ticks=1,
        funding_hours=8,
        funding_cap=0.02,
        long_share=0.5,
        max_leverage=50,
        launched=0,
    )


def _with_ticks(listing: Listing, finest: Listing) -> Listing:
    """Give a known listing the decimals of the recording, and its tick if that fits them."""
    if listing.price_scale > finest.price_scale:
        return finest
    tick = listing.tick_units * 10 ** (finest.price_scale - listing.price_scale)
    return replace(
        listing,
        price_scale=finest.price_scale,
        tick_units=tick,
        quantity_scale=finest.quantity_scale,
        step_units=1,
    )


def _lines_of(path: Path, number: int) -> Iterator[Line]:
    """Read one file; lines that are not frames of a known kind are left out."""
    own = ""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while text := file.readline(_LONGEST_LINE):
                match = _LINE.fullmatch(text)
                if match is None:
                    continue
                received = int(match[1]) // _TO_MS[len(match[1])]
                stream = _STREAM.fullmatch(match[2])
                if stream is not None:
                    own = stream[1].decode().upper()
                    yield Line(received, number, own, stream[2].decode(), stream[3])
                elif own and b'"lastUpdateId"' in match[2]:
                    yield Line(received, number, own, "rest", match[2])
    except (OSError, EOFError, zlib.error) as error:
        message = f"expected a whole file at {path}, found: {error}"
        raise RecordingError(message) from error


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
        self._early: deque[_Depth] = deque(maxlen=_EARLY)
        self._bridged = False
        self._last_ticks = 0
        self._take_id = 0

    def begin(self, rest: _RestBook) -> list[Change]:
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

    def move(self, depth: _Depth) -> list[Change]:
        """Take a depth update."""
        if not self.last_update:
            self._early.append(depth)
            return []
        if not self._apply(depth):
            return []
        self._count(depth.time)
        return self._changes(depth.at)

    def trade(self, trade: _Trade) -> tuple[list[Change], Take | None]:
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

    def _apply(self, depth: _Depth) -> bool:
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
        self.marks: list[_Mark | None] = [None for _ in self.listings]
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
                changes = symbol.move(_DEPTH.decode(line.data))
            elif line.kind == "rest":
                changes = symbol.begin(_REST_BOOK.decode(line.data))
            elif line.kind == "trade":
                trade = _TRADE.decode(line.data)
                changes, take = symbol.trade(trade)
                if take is not None:
                    self.tickers.see(number, {"lastPrice": trade.price})
            elif line.kind == "bookTicker":
                best = _BEST.decode(line.data)
                self.tickers.see(number, _best_fields(best))
            elif line.kind == "markPrice":
                mark = self.marks[number] = _MARK.decode(line.data)
                self.tickers.see(number, _mark_fields(mark))
        except msgspec.MsgspecError:
            return None
        fields = self.tickers.due(number, self.now_ms)
        if fields:
            changes.append(TickerChanged(number, self.now_ms, symbol.book_sequence, fields))
        return Told(line, number, changes, take)


def _best_fields(best: _Best) -> dict[str, str]:
    return {
        "bid1Price": best.bid,
        "bid1Size": best.bid_size,
        "ask1Price": best.ask,
        "ask1Size": best.ask_size,
    }


def _mark_fields(mark: _Mark) -> dict[str, str]:
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
