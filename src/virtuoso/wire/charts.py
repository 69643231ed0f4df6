"""Series that are drawn: candles, scores, flow, open interest, funding, small lines."""

import msgspec

from virtuoso.domain.scores import Reason, Source
from virtuoso.wire.messages import Status


class FormingBar(msgspec.Struct, array_like=True, frozen=True):
    """The open candle of a timeframe: `[open time, open, high, low, close, volume]`."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class CandleGap(msgspec.Struct, frozen=True):
    """Minutes that the stream did not bring."""

    start: int
    end: int
    """Opening time of the first minute that is there again."""
    filled_at: int | None
    """Null while they are missing."""


class CandlesDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/candles`: closed candles, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    timeframe: str
    candles: tuple[FormingBar, ...]
    """`[open time, open, high, low, close, volume]`, all closed."""
    reason: Reason | None = None
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
    gaps: tuple[CandleGap, ...] = ()
    """Of the minutes, the newest of this run."""
    backfilled: tuple[int, ...] = ()
    """Opening times of candles that were fetched after a gap."""


class ScorePoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, score or null]`."""

    at: int
    score: float | None


class DefinitionSince(msgspec.Struct, array_like=True, frozen=True):
    """`[time, hash]`: by what the scores from this time on were computed."""

    at: int
    """0 for the first since the start."""
    definition: str


class ScoreHistoryDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/scores`: sampled scores since this engine started, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    step_ms: int
    points: tuple[ScorePoint, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
    definitions: tuple[DefinitionSince, ...] = ()
    """Scores on two sides of a change were measured with different rules."""


class TrackPoint(msgspec.Struct, array_like=True, frozen=True):
    """`[time, flow, open interest]` of one minute that is over, each number or null."""

    at: int
    """Venue time at which it ended."""
    flow: float | None
    """Taker buys less sells, base currency; null where trades were not received throughout."""
    open_interest: float | None
    """Contracts in base currency."""


class TimedValue(msgspec.Struct, array_like=True, frozen=True):
    """`[time, value]`."""

    at: int
    value: float


class TracksDocument(msgspec.Struct, frozen=True):
    """`/api/symbols/{symbol}/tracks`: what runs beside the candles of one symbol, oldest first."""

    status: Status
    timestamp: str
    source: Source
    symbol: str
    minutes: tuple[TrackPoint, ...]
    """Of the last 6 hours, since this engine started."""
    open_interest: tuple[TimedValue, ...]
    """At full hours, contracts in base currency."""
    funding: tuple[TimedValue, ...]
    """Settled rates converted to 8 hours, a fraction."""
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()


class Sparkline(msgspec.Struct, array_like=True, frozen=True):
    """Two small lines of one symbol: `[symbol, low, high, prices, scores, scores since]`."""

    symbol: str
    low: float | None
    """Lowest and highest of the closes drawn; null without any."""
    high: float | None
    prices: tuple[int, ...]
    """Closes of the last 48 half-hours, 0 at `low` and 100 at `high`."""
    scores: tuple[int | None, ...]
    """At most 40 at equal distances, 0..100, null where there was none."""
    since: int | None
    """Venue time of the first of the scores."""


class SparklinesDocument(msgspec.Struct, frozen=True):
    """`/api/sparklines`: the lines in a row of the board; `?symbols=A,B` gives only these."""

    status: Status
    timestamp: str
    source: Source
    lines: tuple[Sparkline, ...]
    epoch: str = ""
    seq: int = 0
    reasons: tuple[str, ...] = ()
