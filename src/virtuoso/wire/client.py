"""The websocket protocol between browser (or any client) and web process, JSON text frames.

A client says Subscribe, then gets one Snapshot and after it changes and Heartbeats. `form: "rows"`
gives compact ScoreRow arrays in Updates; `form: "records"` (the default) gives one MarketUpdate per
symbol. `previous` is the sequence of the message sent to this client before: another value than
the one it holds means it missed something and should say Resync. Sequences never go back in one
epoch. `docs/websocket.md` tells the whole of it.
"""

from typing import Any, Final, Literal, TypeAlias

import msgspec

from virtuoso.domain.scores import Reason, Source, State
from virtuoso.wire.board import Limits, Notice, ReplayInfo, RowSymbol, ScoreRow
from virtuoso.wire.details import SymbolDetail
from virtuoso.wire.messages import Quality
from virtuoso.wire.overview import OverviewDocument
from virtuoso.wire.pushes import Alert
from virtuoso.wire.signals import SignalRecord
from virtuoso.wire.symbols import SymbolRecord

PROTOCOL: Final = 1
"""Grows when a client of before would misunderstand; additions do not count."""

Group: TypeAlias = Literal["board", "overview", "alerts", "signals"]
Form: TypeAlias = Literal["rows", "records"]


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client holds of the same subscription, from a connection that was cut."""

    epoch: str
    seq: int
    """Of the last snapshot, update or heartbeat."""
    alerts: int | None = None
    """`number` of the last alert message; null: none was held."""


class Subscribe(msgspec.Struct, frozen=True, tag="subscribe", forbid_unknown_fields=True):
    """Client: all that it wants, in place of what it wanted before."""

    symbols: tuple[str, ...] | None = None
    """Null with neither `groups` nor `details`: the whole board."""
    form: Form = "records"
    hz: float = 4.0
    """How often at most, rounded down to one of `Hello.hz`; what changes between is conflated."""
    groups: tuple[Group, ...] | None = None
    """`board` (all symbols), `overview`, `alerts`, `signals`."""
    details: tuple[str, ...] = ()
    """Symbols whose score is wanted taken apart, each time it is published."""
    fields: tuple[str, ...] | None = None
    """Of a SymbolRecord, form `records` only: FieldsUpdates, when one of these changes."""
    resume: Resume | None = None
    """Continue where the last connection was cut, without a snapshot if that can be."""


class Unsubscribe(msgspec.Struct, frozen=True, tag="unsubscribe", forbid_unknown_fields=True):
    """Client: send me these no more; nothing at all when all three are null."""

    symbols: tuple[str, ...] | None = None
    groups: tuple[Group, ...] | None = None
    details: tuple[str, ...] | None = None


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


class SocketLimits(msgspec.Struct, frozen=True):
    """What a client may do at most."""

    message_bytes: int
    """Of one message; a longer one closes with 1009."""
    messages_per_second: int
    """More close with 4429."""
    symbols: int
    """Named in one subscription; `board` is all of them and counts none."""
    details: int
    waiting_bytes: int
    """That may wait for a client before it is cut off."""
    send_deadline_ms: int
    """A client that takes nothing for this long is cut off."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """Server: the first message of a connection."""

    client: int
    """Number of this connection, never used again by this process."""
    protocol: int
    heartbeat_ms: int
    hz: tuple[float, ...]
    """The rhythms there are, fastest first."""
    limits: SocketLimits


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """Server: everything subscribed, replacing whatever the client held."""

    epoch: str
    seq: int
    now: int
    source: Source
    limits: Limits
    cells: tuple[Any, ...]
    """Outlooks, by the number that a row names; none are proven yet."""
    symbols: tuple[RowSymbol, ...]
    rows: tuple[ScoreRow, ...]
    """Empty in the form `records`: a MarketUpdate for each symbol follows."""
    notices: tuple[Notice, ...] = ()
    replay: ReplayInfo | None = None
    unknown: tuple[str, ...] = ()
    """Subscribed symbols that do not exist."""


class Update(msgspec.Struct, frozen=True, tag="update"):
    """Server: rows that changed, those whose score changed first."""

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


class FieldsUpdate(msgspec.Struct, frozen=True, tag="fields_update"):
    """Server, form `records` with `fields`: one of them changed."""

    symbol: str
    data: dict[str, Any]
    """The fields asked for, as they stand in a SymbolRecord."""
    quality: dict[str, Quality]
    """Of these fields, where the record has it."""
    timestamp: str
    epoch: str
    seq: int
    as_of: int | None
    source: Source
    state: State
    """Of the score."""
    reason: Reason | None


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Server: each second. `engine_ms` is how long ago the engine was heard of last."""

    epoch: str
    seq: int
    """Everything up to it was sent to this client."""
    now: int
    source: Source
    engine_ms: int
    """Above Limits.heartbeat_ms the engine must be taken for dead and everything for stale."""


class Pong(msgspec.Struct, frozen=True, tag="pong"):
    """Server: answer to Ping."""

    id: int


class Refused(msgspec.Struct, frozen=True, tag="error"):
    """Server: what the client sent cannot be done; the connection stays."""

    code: str
    text: str


class Resumed(msgspec.Struct, frozen=True, tag="resumed"):
    """Server: what the client holds still holds; what it missed follows."""

    epoch: str
    seq: int
    """As the client named it."""
    now: int
    source: Source


class OverviewChanged(msgspec.Struct, frozen=True, tag="overview"):
    """Server, group `overview`: the market as a whole."""

    data: OverviewDocument | None
    """Null while there is none."""
    reasons: tuple[str, ...] = ()
    """Why there is none."""


class DetailChanged(msgspec.Struct, frozen=True, tag="detail"):
    """Server: the score of one symbol, taken apart."""

    symbol: str
    data: SymbolDetail | None
    """Null while there is none."""
    reasons: tuple[str, ...] = ()
    """Why there is none."""


class AlertsHeld(msgspec.Struct, frozen=True, tag="alerts"):
    """Server, group `alerts`: what this server knows of them, replacing what the client held."""

    epoch: str
    number: int
    since: int
    """Engine's clock: what fired before it is not known here."""
    alerts: tuple[Alert, ...]
    """Each as it stands now, oldest first."""


class AlertRaised(msgspec.Struct, frozen=True, tag="alert"):
    """Server, group `alerts`: one fired, or changed its state. None is left out."""

    epoch: str
    number: int
    """One more than the alert message before."""
    alert: Alert


class SignalsHeld(msgspec.Struct, frozen=True, tag="signals"):
    """Server, group `signals`: which are open, replacing what the client held.

    Each of them follows as a SignalChanged.
    """

    epoch: str
    open: tuple[str, ...]
    """Their ids, oldest first."""
    reasons: tuple[str, ...]
    """Why they are not known; empty when they are."""


class SignalChanged(msgspec.Struct, frozen=True, tag="signal"):
    """Server, group `signals`: one as it is now; once more when it ends.

    What changes while something waits for the client is told with its newest values.
    """

    epoch: str
    signal: SignalRecord


ClientMessage = Subscribe | Unsubscribe | Resync | Ping | FirstPaint
ServerMessage = (
    Snapshot
    | Update
    | MarketUpdate
    | Heartbeat
    | Pong
    | Refused
    | Hello
    | Resumed
    | FieldsUpdate
    | OverviewChanged
    | DetailChanged
    | AlertsHeld
    | AlertRaised
    | SignalsHeld
    | SignalChanged
)
