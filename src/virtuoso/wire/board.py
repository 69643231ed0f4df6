"""The board: one row a symbol, as the socket and the cache hold it.

Rows are arrays, which only grow at the end.
"""

from typing import Final

import msgspec

from virtuoso.domain.scores import ComponentName, Direction, Reason, Source, State

COMPONENT_ORDER: Final = tuple(ComponentName)
"""The order of the six values of a row: OB OF TA VOL SEN PS."""


class ScoreRow(msgspec.Struct, array_like=True, frozen=True):
    """One symbol of the board as an array: the socket's shape."""

    row: int
    """The number the snapshot gave this symbol."""
    score: float | None
    """0..100, or null, and then `reason` says why."""
    reason: Reason | None
    confidence: float | None
    """0..100."""
    direction: Direction | None
    components: tuple[float | None, ...]
    """Six values in COMPONENT_ORDER, 0..100 or null."""
    reasons: tuple[Reason | None, ...] | None
    """Why a component is null; null when all six are there."""
    price: float | None
    change_24h: float | None
    """Percent."""
    volume_24h: float | None
    """24 h turnover in quote currency."""
    funding: float | None
    """The coming rate converted to 8 hours, a fraction."""
    oi_change_1h: float | None
    """Percent, in contracts."""
    score_change_1h: float | None
    """Points."""
    cell: int | None
    """Number of an outlook in the snapshot's `cells`; null while there is no evidence."""
    as_of: int | None
    """Venue time of the oldest input the score needed."""
    price_as_of: int | None
    live_score: float | None = None
    """The score if every forming candle closed now; never stored, never alerted on."""
    coverage: float = 0.0
    """Share of the score's weight that was present, 0..1."""
    state: State = State.ABSENT
    """Of the score: the worst of the inputs it used."""
    price_state: State = State.ABSENT
    price_reason: Reason | None = None
    oldest_input: str | None = None
    """Which input `as_of` belongs to, such as `price_structure 4h`."""


class RowSymbol(msgspec.Struct, frozen=True):
    """What stays the same for one row between snapshots."""

    row: int
    symbol: str
    venue: str
    source: Source
    definition: str = ""
    """Hash of what its score is computed by."""
    coverage_floor: float | None = None
    """Under this coverage its score is null; null where it is that of the limits."""


class Limits(msgspec.Struct, frozen=True):
    """Ages from which a reader marks numbers, milliseconds."""

    heartbeat_ms: int
    price_delayed_ms: int
    price_stale_ms: int
    coverage_floor: float


class ReplayInfo(msgspec.Struct, frozen=True):
    """Which recording is being played."""

    recorded_from: int
    speed: str
    """`1`, `10`, ... or `max`."""
    ended: bool


class Notice(msgspec.Struct, frozen=True):
    """Something a reader must know about the whole: a venue out of reach, warming up."""

    code: str
    text: str
    since: int | None = None


class BoardState(msgspec.Struct, frozen=True):
    """Everything the socket serves, as of one engine cycle. Kept in the cache under keys.BOARD."""

    epoch: str
    seq: int
    now: int
    """The engine's clock corrected to the venue's."""
    source: Source
    limits: Limits
    symbols: tuple[RowSymbol, ...]
    rows: tuple[ScoreRow, ...]
    notices: tuple[Notice, ...] = ()
    replay: ReplayInfo | None = None
