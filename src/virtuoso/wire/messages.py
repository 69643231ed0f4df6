"""What every message has in common: the envelope of a published document, and two encodings.

msgpack between processes, JSON to clients, of the same structs: one class per message, used by
writer and reader, in the module of its theme beside this one. Times are integer milliseconds UTC
of the venue unless a field says otherwise; `timestamp` is ISO 8601 UTC. Percentages are percent,
shares are 0..1.
"""

from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from virtuoso.domain.errors import WireError
from virtuoso.domain.scores import Reason, State
from virtuoso.wire.finite import is_suspect, without_nonfinite

SCHEMA: Final = 1


class Document(msgspec.Struct, frozen=True):
    """A published document: ready JSON bytes with what a reader needs to judge them."""

    schema: int
    epoch: str
    seq: int
    now: int
    as_of: int | None
    etag: str
    body: bytes


class Quality(msgspec.Struct, frozen=True):
    """State, time and reason of one field."""

    state: State
    as_of: int | None
    reason: Reason | None = None
    basis: str | None = None


Status: TypeAlias = Literal["success", "degraded", "error"]
DataSource: TypeAlias = Literal["cache", "live", "store"]

M = TypeVar("M")

_json = msgspec.json.Encoder()
_pack = msgspec.msgpack.Encoder()


def to_json(message: msgspec.Struct) -> bytes:
    """Encode for a client. A number that is not finite becomes null, and `reasons` say so."""
    if is_suspect(_pack.encode(message)):
        return _json.encode(without_nonfinite(message))
    return _json.encode(message)


def pack(message: msgspec.Struct) -> bytes:
    """Encode for another process."""
    return _pack.encode(message)


def unpack(body: bytes | memoryview, kind: type[M]) -> M:
    """Decode what `pack` wrote. Raises WireError when it is anything else."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"expected {getattr(kind, '__name__', kind)}, found bytes that are not: {error}"
        raise WireError(message) from error
