"""What the engine tells those who serve, as it happens: changed rows, alerts, that it lives."""

from typing import Literal, TypeAlias

import msgspec

from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import Source
from virtuoso.wire.board import BoardState, Notice, ScoreRow


class RowsChanged(msgspec.Struct, frozen=True, tag="rows"):
    """Push: the rows that changed in one cycle."""

    epoch: str
    seq: int
    previous: int
    """The sequence before this one: another value means something was missed, read the board."""
    now: int
    source: Source
    rows: tuple[ScoreRow, ...]
    documents: tuple[str, ...]
    """Cache keys that were written in this cycle."""
    notices: tuple[Notice, ...] = ()


class BoardReplaced(msgspec.Struct, frozen=True, tag="board"):
    """Push: symbols, limits or the epoch changed; the whole board."""

    board: BoardState


class Beat(msgspec.Struct, frozen=True, tag="beat"):
    """Push: the engine lives; sent each second even when nothing else is."""

    epoch: str
    seq: int
    now: int
    source: Source


AlertLevel: TypeAlias = Literal["info", "warning", "critical"]
AlertState: TypeAlias = Literal["active", "acknowledged", "resolved"]


class Alert(msgspec.Struct, frozen=True):
    """A rule that fired, as it stands now: the same `id` comes again when its state changes."""

    id: str
    level: AlertLevel
    symbol: str | None
    """Null: about the whole."""
    rule: str
    message: str
    timestamp: str
    """When it fired, ISO 8601 UTC."""
    state: AlertState
    source: Source
    signal: str | None = None
    """Id of the signal it is about; null: its rule looks at none."""


class AlertsChanged(msgspec.Struct, frozen=True, tag="alerts"):
    """Push: alerts that fired or changed their state, oldest first."""

    epoch: str
    seq: int
    """Of the board as it was then; alerts do not move it."""
    now: int
    source: Source
    number: int
    """How many changes of alerts this epoch has seen with these: a hole means some were missed."""
    alerts: tuple[Alert, ...]


Push: TypeAlias = RowsChanged | BoardReplaced | Beat | AlertsChanged

_push: msgspec.msgpack.Decoder[Push] = msgspec.msgpack.Decoder(
    RowsChanged | BoardReplaced | Beat | AlertsChanged
)


def unpack_push(body: bytes | memoryview) -> Push:
    """Decode a message of the push channel. Raises WireError when it is not one."""
    try:
        return _push.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected a push message, found bytes that are not: {error}"
        raise WireError(message) from error
