"""The websocket protocol between browser (or any client) and web process, JSON text frames.

A client says Subscribe, then gets one Snapshot and after it Updates and Heartbeats. `form: "rows"`
gives compact ScoreRow arrays; `form: "records"` (the default) gives one MarketUpdate per symbol.
`previous` is the sequence of the message sent to this client before: another value than the one
it holds means it missed something and should say Resync. Sequences never go back in one epoch.
"""

from typing import Literal

import msgspec

from virtuoso.domain.scores import Source
from virtuoso.wire.messages import Limits, Notice, ReplayInfo, RowSymbol, ScoreRow, SymbolRecord


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", forbid_unknown_fields=True):
    """Client: send me these symbols (all when null) in this form, at most `hz` times a second."""

    symbols: tuple[str, ...] | None = None
    form: Literal["rows", "records"] = "records"
    hz: float = 4.0


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe", forbid_unknown_fields=True):
    """Client: send me these symbols no more (none at all when null)."""

    symbols: tuple[str, ...] | None = None


class Resync(msgspec.Struct, frozen=True, tag="resync", forbid_unknown_fields=True):
    """Client: send me a new snapshot."""


class Ping(msgspec.Struct, frozen=True, tag="ping", forbid_unknown_fields=True):
    """Client: answer with Pong."""

    id: int = 0


class FirstPaint(msgspec.Struct, frozen=True, tag="timing", forbid_unknown_fields=True):
    """Client: how long this page took, milliseconds since navigation; once per page."""

    page: Literal["desktop", "mobile"]
    first_paint_ms: float
    first_row_ms: float


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Server: everything subscribed, replacing whatever the client held."""

    epoch: str
    seq: int
    now: int
    source: Source
    limits: Limits
    cells: tuple[object, ...]
    symbols: tuple[RowSymbol, ...]
    rows: tuple[ScoreRow, ...]
    notices: tuple[Notice, ...] = ()
    replay: ReplayInfo | None = None
    unknown: tuple[str, ...] = ()
    """Subscribed symbols that do not exist."""


class Update(msgspec.Struct, frozen=True, tag="update"):
    """Server: rows that changed."""

    epoch: str
    seq: int
    previous: int
    now: int
    source: Source
    rows: tuple[ScoreRow, ...]
    notices: tuple[Notice, ...] | None = None
    """Present when they changed."""


class MarketUpdate(msgspec.Struct, frozen=True, tag="market_update"):
    """Server, form `records`: one symbol changed."""

    symbol: str
    data: SymbolRecord
    timestamp: str
    epoch: str
    seq: int
    as_of: int | None
    source: Source


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Server: each second. `engine_ms` is how long ago the engine was heard of last."""

    epoch: str
    seq: int
    now: int
    source: Source
    engine_ms: int
    """Above Limits.heartbeat_ms the engine must be taken for dead and everything for stale."""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Server: answer to Ping."""

    id: int


class Refused(msgspec.Struct, frozen=True, tag="error"):
    """Server: what the client sent was not understood; the connection stays."""

    code: str
    text: str


ClientMessage = Subscribe | Unsubscribe | Resync | Ping | FirstPaint
ServerMessage = Snapshot | Update | MarketUpdate | Heartbeat | Pong | Refused
