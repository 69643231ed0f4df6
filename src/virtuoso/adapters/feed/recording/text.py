"""Recordings of others, line by line.

A line is a receive time (16 digits: microseconds, 19: nanoseconds), a space, and a frame of
Binance's combined streams; a line without `stream` is the REST book of that file's instrument.
"""

import gzip
import heapq
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from virtuoso.domain.errors import RecordingError, UnknownSymbolError
from virtuoso.domain.instruments import parse_symbol
from virtuoso.domain.time import Millis

SUFFIXES: Final = (".gz", ".txt", ".jsonl", ".dat")
EXPECTED: Final = "expected lines of a receive time (16 or 19 digits), a space and a JSON frame"
_LINE: Final = re.compile(rb"(\d{16}|\d{19}) (\{.*)")
_STREAM: Final = re.compile(rb'"stream"\s*:\s*"([a-z0-9]{2,30})@(\w+)')
_NAME: Final = re.compile(r"([a-z0-9]{2,20}usdt)(?![a-z])", re.IGNORECASE)
_DIVISOR: Final = {16: 1_000, 19: 1_000_000}
_LONGEST_LINE: Final = 4 * 1024 * 1024


class Line(NamedTuple):
    """One recorded frame."""

    receive_time: int
    file_number: int
    frame: bytes
    sound: bool = True
    """False: it has no time, and stands where it was found."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file that was read through once and found whole."""

    path: Path
    symbol: str
    """Of the instrument that its REST books belong to."""
    symbols: frozenset[str]
    first: Millis
    last: Millis
    lines: int
    liquidated: frozenset[str] = frozenset()
    """The symbols of which it holds liquidations."""


def merged_lines(files: Sequence[TextFile]) -> Iterator[Line]:
    """Every line by receive time. Raises RecordingError when a file changed under us."""
    return heapq.merge(
        *(_lines_of(file.path, number) for number, file in enumerate(files)),
        key=lambda line: line.receive_time,
    )


def open_text(path: Path) -> TextFile:
    """Read a file through. Raises RecordingError."""
    symbols: set[str] = set()
    liquidated: set[str] = set()
    first = last = -1
    lines = 0
    for line in _lines_of(path, 0):
        lines += 1
        if not line.sound:
            if lines > 1:
                continue  # refused when its turn comes; the rest is worth playing
            found = line.frame[:40].decode(errors="replace")
            msg = f"{EXPECTED} in {path.name}, found {found!r}"
            raise RecordingError(msg)
        if first < 0:
            first = line.receive_time
        if line.receive_time < last:
            msg = f"expected receive times in order in {path.name}, found line {lines} out of it"
            raise RecordingError(msg)
        last = line.receive_time
        match = _STREAM.search(line.frame, 0, 100)
        if match is None:
            continue
        if match[2] == b"depth" and b'"pu"' not in line.frame and line.frame.endswith(b"}}"):
            msg = f"expected USD-M futures in {path.name}, found a book that looks like spot"
            raise RecordingError(msg)
        symbols.add(match[1].decode().upper())
        if match[2] == b"forceOrder":
            liquidated.add(match[1].decode().upper())
    if not lines:
        msg = f"{EXPECTED} in {path.name}, found an empty file"
        raise RecordingError(msg)
    named = _NAME.search(path.name)
    if not symbols and named is None:
        msg = f"{EXPECTED} of a stream in {path.name}, found {lines} lines without one"
        raise RecordingError(msg)
    guess = named[1].upper() if named is not None else min(symbols)
    symbol = guess if not symbols or guess in symbols else min(symbols)
    try:
        parsed = frozenset(str(parse_symbol(each)) for each in symbols or {symbol})
    except UnknownSymbolError as error:
        msg = f"expected symbols in {path.name}: {error}"
        raise RecordingError(msg) from error
    found_liquidated = frozenset(liquidated)
    return TextFile(path, symbol, parsed, Millis(first), Millis(last), lines, found_liquidated)


def _lines_of(path: Path, file_number: int) -> Iterator[Line]:
    """Raises RecordingError when the file cannot be read, or is cut short."""
    receive_time = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            while text := file.readline(_LONGEST_LINE):
                match = _LINE.match(text)
                if match is not None:
                    digits = match[1]
                    receive_time = int(digits) // _DIVISOR[len(digits)]
                    yield Line(receive_time, file_number, match[2])
                elif not text.isspace():
                    yield Line(receive_time, file_number, text, sound=False)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"expected a whole file at {path}, found: {error}"
        raise RecordingError(msg) from error
