"""`virtuoso research`: questions to recorded history, answered by the code that runs live."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from virtuoso.adapters.feed.file_history import FileHistory
from virtuoso.domain.errors import NotOfferedError, RecordingError, SettingsError
from virtuoso.domain.instruments import BYBIT, Instrument, parse_symbol
from virtuoso.domain.time import Millis, Timeframe
from virtuoso.market.candles import bars_of
from virtuoso.research.correlations import LIMIT, as_markdown, correlations

EVERYTHING: Final = 10_000_000
FAR_FUTURE: Final = Millis(32_503_680_000_000)
FEWEST: Final = 100
"""Scored candles under which a correlation says nothing."""


@dataclass(frozen=True, slots=True)
class CorrelationOptions:
    """What the command line says."""

    candles: Path
    symbol: str
    timeframe: str


def print_correlations(options: CorrelationOptions) -> int:
    """Print the matrix as Markdown; 1 when two components say the same thing.

    Raises RecordingError and SettingsError.
    """
    try:
        timeframe = Timeframe(options.timeframe)
    except ValueError as error:
        msg = f"expected a timeframe of {', '.join(Timeframe)}, found {options.timeframe[:10]!r}"
        raise SettingsError(msg) from error
    instrument = Instrument(BYBIT, parse_symbol(options.symbol.upper()))
    history = FileHistory.open(str(options.candles), BYBIT, lambda: FAR_FUTURE)
    try:
        rows = asyncio.run(history.candles(instrument, timeframe, EVERYTHING))
    except NotOfferedError as error:
        raise RecordingError(str(error)) from error
    found = correlations(bars_of(rows))
    if found.candles < FEWEST:
        msg = f"expected {FEWEST} candles with every score, found {found.candles}: give more"
        raise RecordingError(msg)
    closest = found.strangest(5)
    title = (
        f"Rank correlations of {len(found.members)} members, {instrument.symbol} {timeframe}, "
        f"{found.candles} candles."
    )
    lines = [
        title,
        "",
        as_markdown(found),
        "",
        f"Most alike across components (limit {LIMIT}):",
        "",
        *(f"- `{a}` and `{b}`: {value:+.2f}" for a, b, value in closest),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(abs(value) > LIMIT for *_, value in closest))
