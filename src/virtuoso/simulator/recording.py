"""A recording of Binance USD-M streams, played as a market of both venues.

Binance is told the recorded data, byte for byte; Bybit's frames are made from them. What was not
recorded (open interest, ratios, candles, liquidations) is not there: lists are empty, topics
are silent.
"""

import gzip
import heapq
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from virtuoso.simulator.listings import LISTINGS, Listing, Sector
from virtuoso.simulator.numbers import parsed
from virtuoso.simulator.recorded_frames import BESTS, TRADES

_LINE: Final = re.compile(rb"(\d{13}|\d{16}|\d{19}) (\{.+\})\s*")
_STREAM: Final = re.compile(rb'\{"stream":"([a-z0-9]{2,30})@([A-Za-z]+)(?:@\w+)?","data":(.+)\}')
_TO_MS: Final = {13: 1, 16: 1_000, 19: 1_000_000}
_LONGEST_LINE = 10_000_000
_LOOKED_AT = 3_000
"""Lines that are read to find out what a recording is of."""
_MOST_SCALE = 12


class RecordingError(ValueError):
    """A recording that cannot be played, with what was expected."""


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
        trade = TRADES.decode(line.data)
        texts = [(trade.price, trade.quantity)]
    else:
        best = BESTS.decode(line.data)
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
