"""What is drawn and not read: the small lines of the board, and what runs beside candles."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Final

from virtuoso.domain.time import Timeframe
from virtuoso.engine.documents import Edition, rounded
from virtuoso.engine.lane import Lane
from virtuoso.wire.board import RowSymbol
from virtuoso.wire.charts import (
    Sparkline,
    SparklinesDocument,
    TimedValue,
    TrackPoint,
    TracksDocument,
)

SPARK_CANDLES: Final = 48
"""Half-hours: a day."""
SPARK_SCORES: Final = 40
EIGHT_HOURS: Final = 8.0
LINES_AT_ONCE: Final = 50


def sparkline_of(symbol: str, lane: Lane) -> Sparkline:
    """Draw one symbol's closes of a day and its kept scores into 0 to 100."""
    closed = lane.market.candles[Timeframe.M30].closed
    closes = [each.close for each in closed[-SPARK_CANDLES:]]
    low, high = (min(closes), max(closes)) if closes else (None, None)
    span = 0.0 if low is None or high is None else high - low
    prices = tuple(
        round(100.0 * (close - (low or 0.0)) / span) if span > 0.0 else 50 for close in closes
    )
    samples = lane.past.samples
    step = max(1, ceil(len(samples) / SPARK_SCORES))
    # counted from the newest back, or the line would flicker with each new score
    picked = list(islice(reversed(samples), 0, None, step))[::-1]
    return Sparkline(
        symbol=symbol,
        low=low,
        high=high,
        prices=prices,
        scores=tuple(None if score is None else round(score) for _, score in picked),
        since=picked[0][0] if picked else None,
    )


def sparklines(
    edition: Edition, symbols: Sequence[RowSymbol], lanes: Mapping[str, Lane]
) -> Iterator[SparklinesDocument | None]:
    """Build `/api/sparklines` part by part; what is given last is whole."""
    lines: list[Sparkline] = []
    for number, symbol in enumerate(symbols):
        lane = lanes.get(symbol.symbol)
        if lane is not None:
            lines.append(sparkline_of(symbol.symbol, lane))
        if number % LINES_AT_ONCE == LINES_AT_ONCE - 1:
            yield None
    yield SparklinesDocument(
        status="success",
        timestamp=edition.timestamp,
        source=edition.source,
        lines=tuple(lines),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )


def tracks_document(edition: Edition, symbol: RowSymbol, lane: Lane) -> TracksDocument:
    """Build `/api/symbols/{symbol}/tracks`."""
    derivatives = lane.market.derivatives
    return TracksDocument(
        status="success",
        timestamp=edition.timestamp,
        source=symbol.source,
        symbol=symbol.symbol,
        minutes=tuple(
            TrackPoint(each.at, rounded(each.flow, 8), rounded(each.open_interest, 8))
            for each in lane.tracks.minutes
        ),
        open_interest=tuple(
            TimedValue(at, contracts) for at, contracts in derivatives.open_interest
        ),
        funding=tuple(
            TimedValue(at, round(each.rate * EIGHT_HOURS / each.interval_hours, 10))
            for at, each in derivatives.funding
            if each.interval_hours
        ),
        epoch=edition.epoch,
        seq=edition.cycle.seq,
    )
