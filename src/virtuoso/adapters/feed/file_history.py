"""FileHistory: candles from CSV files, and nothing that was not closed yet."""

import csv
import gzip
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from virtuoso.domain.errors import NotOfferedError, RecordingError, UnknownSymbolError
from virtuoso.domain.instruments import Instrument, Listing, Symbol, Venue, parse_symbol
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
from virtuoso.domain.time import MINUTE, Millis, Timeframe
from virtuoso.ports import CandleKind, Spacing

_NAME: Final = re.compile(r"([A-Za-z0-9]{2,30})[-_](\d{1,2})([mh])\.csv(?:\.gz)?")
_COLUMNS: Final = ("ts", "open", "high", "low", "close", "volume")
_LARGEST: Final = 1e15


@dataclass(frozen=True, slots=True)
class CandleFile:
    """A file as its name describes it."""

    path: Path
    symbol: Symbol
    length_ms: int


@dataclass(frozen=True, slots=True)
class Row:
    """One interval of a file."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class FileHistory:
    """The candles of a folder, as far as they were closed at the time that `until` gives.

    Timeframes that have no file are made of the finest one that divides them, out of complete
    intervals only.
    """

    def __init__(
        self, files: Sequence[CandleFile], venue: Venue, until: Callable[[], Millis]
    ) -> None:
        self._files = tuple(files)
        self._venue = venue
        self._until = until
        self._rows: dict[Path, list[Row]] = {}

    @classmethod
    def open(cls, path: str, venue: Venue, until: Callable[[], Millis]) -> "FileHistory":
        """Find the files: one, several joined by commas, or a folder. Raises RecordingError."""
        files = [file for part in path.split(",") for file in _find(Path(part.strip()))]
        if not files:
            msg = f"expected files named like BTCUSDT-1m.csv.gz at {path}, found none"
            raise RecordingError(msg)
        return cls(files, venue, until)

    async def listings(self) -> Sequence[Listing]:
        """Files say nothing of tick sizes: raises NotOfferedError."""
        self._not_offered("listings")

    async def candles(
        self,
        instrument: Instrument,
        timeframe: Timeframe,
        limit: int,
        kind: CandleKind = CandleKind.TRADE,
    ) -> Sequence[Candle]:
        """The last `limit` candles closed before `until`. Raises NotOfferedError, RecordingError.

        The whole file is read at the first call and kept.
        """
        if kind is not CandleKind.TRADE:
            self._not_offered(f"candles of the {kind} price")
        usable = [
            file
            for file in self._files
            if file.symbol == instrument.symbol and timeframe.ms % file.length_ms == 0
        ]
        if instrument.venue != self._venue or not usable:
            self._not_offered(f"{timeframe} candles of {instrument.symbol}")
        # its own length if there is such a file, else the finest that divides it
        exact = [file for file in usable if file.length_ms == timeframe.ms]
        finest = min(file.length_ms for file in usable)
        chosen = exact or [file for file in usable if file.length_ms == finest]
        length = chosen[0].length_ms
        rows = self._read(chosen)
        closed = bisect_right(rows, self._until() - length, key=lambda row: row.open_time)
        per_candle = timeframe.ms // length
        newest = rows[max(0, closed - (limit + 1) * per_candle) : closed]
        candles = list(_aggregate(newest, timeframe, length))
        return candles[-limit:] if limit > 0 else []

    async def trades(self, instrument: Instrument, limit: int) -> Sequence[MarketEvent[Trade]]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"{limit} trades of {instrument.symbol}")

    async def book(self, instrument: Instrument) -> MarketEvent[BookSnapshot]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"the order book of {instrument.symbol}")

    async def tickers(self) -> Sequence[MarketEvent[Ticker]]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered("tickers")

    async def open_interest_now(self, instrument: Instrument) -> OpenInterest:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"open interest of {instrument.symbol}")

    async def venue_time(self) -> Millis:
        """Files have no clock: raises NotOfferedError."""
        self._not_offered("a clock")

    async def funding(self, instrument: Instrument, limit: int) -> Sequence[FundingRate]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"{limit} funding rates of {instrument.symbol}")

    async def open_interest(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[OpenInterest]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"{limit} rows of open interest each {spacing} of {instrument.symbol}")

    async def long_short_ratio(
        self, instrument: Instrument, limit: int, spacing: Spacing = Spacing.HOUR
    ) -> Sequence[LongShortRatio]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered(f"{limit} account ratios each {spacing} of {instrument.symbol}")

    async def maintenance(self) -> Sequence[Maintenance]:
        """Not in these files: raises NotOfferedError."""
        self._not_offered("announcements of maintenance")

    async def close(self) -> None:
        """Forget what was read."""
        self._rows.clear()

    def _not_offered(self, what: str) -> NoReturn:
        names = ", ".join(sorted({file.path.name for file in self._files})[:10])
        msg = f"expected {what} in the candle files, found only {names}"
        raise NotOfferedError(msg)

    def _read(self, files: Sequence[CandleFile]) -> list[Row]:
        """The rows of files of one length, each interval once."""
        merged: dict[int, Row] = {}
        for file in files:
            if file.path not in self._rows:
                self._rows[file.path] = list(_rows_of(file))
            if len(files) == 1:
                return self._rows[file.path]
            merged |= {row.open_time: row for row in self._rows[file.path]}
        return [merged[at] for at in sorted(merged)]


def _find(place: Path) -> list[CandleFile]:
    if place.is_dir():
        return [file for each in sorted(place.iterdir()) if (file := _name(each)) is not None]
    named = _name(place)
    if named is None or not place.is_file():
        msg = f"expected a file named like BTCUSDT-1m.csv.gz, found {str(place)!r}"
        raise RecordingError(msg)
    return [named]


def _name(path: Path) -> CandleFile | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    try:
        symbol = parse_symbol(match[1].upper())
    except UnknownSymbolError:
        return None
    return CandleFile(path, symbol, int(match[2]) * (60 if match[3] == "h" else 1) * MINUTE)


def _rows_of(file: CandleFile) -> Iterator[Row]:
    """Raises RecordingError for a file that is cut, out of order, or no candles."""
    path, last = file.path, -1
    try:
        with (
            gzip.open(path, "rt", encoding="ascii", newline="")
            if path.suffix == ".gz"
            else path.open(encoding="ascii", newline="")
        ) as text:
            for line in csv.DictReader(text):
                row = Row(int(line["ts"]), *(float(line[name]) for name in _COLUMNS[1:]))
                if row.open_time <= last or not _is_sound(row, file.length_ms):
                    msg = f"expected sound candles in order in {path.name}, found {row}"
                    raise RecordingError(msg)
                last = row.open_time
                yield row
    except (KeyError, TypeError, ValueError) as error:
        msg = f"expected numbers in columns {', '.join(_COLUMNS)} in {path.name}, found: {error}"
        raise RecordingError(msg) from error
    except (OSError, EOFError, zlib.error) as error:
        msg = f"expected a whole file at {path}, found: {error}"
        raise RecordingError(msg) from error


def _is_sound(row: Row, length_ms: int) -> bool:
    return (
        row.open_time % length_ms == 0
        and 0 < row.low <= min(row.open, row.close)
        and max(row.open, row.close) <= row.high < _LARGEST
        and 0 <= row.volume < _LARGEST
    )


def _aggregate(rows: Sequence[Row], timeframe: Timeframe, length_ms: int) -> Iterator[Candle]:
    """Candles of which every part is there."""
    per_candle = timeframe.ms // length_ms
    group: list[Row] = []
    for row in rows:
        if group and timeframe.floor(row.open_time) != timeframe.floor(group[0].open_time):
            group = []
        group.append(row)
        if len(group) == per_candle:
            yield Candle(
                timeframe,
                timeframe.floor(row.open_time),
                group[0].open,
                max(each.high for each in group),
                min(each.low for each in group),
                row.close,
                sum(each.volume for each in group),
            )
            group = []
