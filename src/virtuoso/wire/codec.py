"""How a message becomes the bytes under a key, and back: one way for every process and tier.

    0xC1 'V' form [32 bytes of signature] msgpack array
    [schema, epoch, seq, made, as_of, packed, body]

`body` is the message in msgpack, compressed with zstd where `packed` says so. 0xC1 begins neither
msgpack nor JSON, so a value of somebody else's is known by its first byte. The signature is
keyed BLAKE2b over the key and all that follows, so that a value cannot be moved to another key.
"""

from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, Protocol, TypeVar

import msgspec
import zstandard

from virtuoso.domain.errors import SettingsError, ValueRefusedError, WireError
from virtuoso.wire import keys
from virtuoso.wire.asking import Answered, Question
from virtuoso.wire.board import BoardState
from virtuoso.wire.market import Looked
from virtuoso.wire.messages import SCHEMA, Document, pack, unpack
from virtuoso.wire.processes import EngineStatus, LastGood, ProcessReport
from virtuoso.wire.pushes import BoardReplaced, Push, unpack_push

MAGIC: Final = b"\xc1V"
_BARE: Final = MAGIC + b"\x00"
_SIGNED: Final = MAGIC + b"\x01"
_SIGNATURE_BYTES: Final = 32
_SIGNATURE_END: Final = len(_SIGNED) + _SIGNATURE_BYTES
LEAST_SECRET_BYTES: Final = 16
COMPRESS_ABOVE: Final = 10_240
"""Bytes of a body that is still left as it is."""
LARGEST_BYTES: Final = 16 * 1024 * 1024
"""Of a body, unpacked: more is refused before room is made for it."""
OPENED_REMEMBERED: Final = 64
"""Keys whose last verified bytes are known: a tier and its reader check them only once."""

M = TypeVar("M")


class Refusal(StrEnum):
    """Why bytes under a key are taken as missing."""

    FOREIGN = "foreign"
    """Not written by this codec."""
    SIGNATURE = "signature"
    """Not signed with our secret, or signed where we have none."""
    SCHEMA = "schema"
    """Of another version of the messages."""
    DAMAGED = "damaged"
    """The envelope, the compressed body or the message does not decode."""
    TOO_BIG = "too_big"


class Secret:
    """What values are signed with; neither `repr` nor `str` shows it."""

    __slots__ = ("_begun",)

    def __init__(self, text: str) -> None:
        """Take the text of a setting. Raises SettingsError when it is too short to protect."""
        key = text.encode()
        if len(key) < LEAST_SECRET_BYTES:
            message = (
                f"expected a cache secret of at least {LEAST_SECRET_BYTES} bytes, found {len(key)}"
            )
            raise SettingsError(message)
        # a key of at most 64 bytes is what the function takes; a longer one is worth its digest
        self._begun = blake2b(key=blake2b(key).digest(), digest_size=_SIGNATURE_BYTES)

    def __repr__(self) -> str:
        return "Secret(...)"

    def sign(self, key: str, payload: bytes | memoryview) -> bytes:
        """The signature of these bytes under this cache key."""
        signing = self._begun.copy()
        signing.update(key.encode() + b"\0")
        signing.update(payload)
        return signing.digest()


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What can be told of a value without its body."""

    epoch: str
    seq: int
    made: int
    """The engine's clock when it was made."""
    as_of: int | None
    """Venue time of its oldest needed input; None where each part says it for itself."""


class Inspector(Protocol):
    """Judges values that come from outside, before anybody relies on them."""

    def inspect(self, key: str, value: bytes) -> Stamp | None:
        """The stamp, None for a value that has none. Raises ValueRefusedError."""
        ...


class _Sealed(msgspec.Struct, array_like=True, frozen=True, gc=False):
    schema: int
    epoch: str
    seq: int
    made: int
    as_of: int | None
    packed: bool
    body: memoryview
    """Into the value itself, which is as large again."""


Published = BoardState | Document | EngineStatus | LastGood | ProcessReport | Looked
"""What lies in the cache, and what readers tell the engine."""

Asked = Question | Answered
"""What is asked and answered over the broker."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Sealed)


class Codec:
    """Encodes and decodes; signs when there is a secret, and then takes signed values only."""

    def __init__(
        self,
        secret: Secret | None = None,
        compress_above: int | None = COMPRESS_ABOVE,
        schema: int = SCHEMA,
    ) -> None:
        """`compress_above` None never compresses: for values that stay in this process."""
        self._secret = secret
        self._compress_above = compress_above
        self._schema = schema
        self._opened: dict[str, tuple[bytes, _Sealed]] = {}

    @property
    def signs(self) -> bool:
        """Whether what is decoded was encoded by who knows the secret."""
        return self._secret is not None

    def encode(self, key: str, message: Published | Push | Asked) -> bytes:
        """The bytes for this key, or for the channel of this name."""
        about = message.board if isinstance(message, BoardReplaced) else message
        as_of = about.as_of if isinstance(about, Document) else None
        body = pack(message)
        above = self._compress_above
        packed = above is not None and len(body) > above
        if packed:
            body = zstandard.ZstdCompressor(level=1).compress(body)
        sealed = _Sealed(
            self._schema, about.epoch, about.seq, about.now, as_of, packed, memoryview(body)
        )
        payload = _encoder.encode(sealed)
        if self._secret is None:
            return _BARE + payload
        return _SIGNED + self._secret.sign(key, payload) + payload

    def inspect(self, key: str, value: bytes) -> Stamp | None:
        """The stamp of a value; None for the plain keys, whose values say nothing we rely on.

        Raises ValueRefusedError when it is not signed, not whole or of another schema.
        """
        if key in keys.PLAIN:
            return None
        sealed = self._open(key, value)
        if key.startswith(keys.PROCESS):
            # whoever takes a slot writes there: its values have no order
            return None
        return Stamp(sealed.epoch, sealed.seq, sealed.made, sealed.as_of)

    def decode(self, key: str, value: bytes, kind: type[M]) -> M:
        """The message under this key. Raises ValueRefusedError, which says why it is a miss."""
        body = self._body(key, value)
        try:
            return unpack(body, kind)
        except WireError as error:
            raise ValueRefusedError(Refusal.DAMAGED, str(error)) from error

    def decode_push(self, channel: str, value: bytes) -> Push:
        """A message of the push channel. Raises ValueRefusedError."""
        body = self._body(channel, value)
        try:
            return unpack_push(body)
        except WireError as error:
            raise ValueRefusedError(Refusal.DAMAGED, str(error)) from error

    def _open(self, key: str, value: bytes) -> _Sealed:
        """The envelope; the bytes that were verified last for this key are not verified again."""
        known = self._opened.get(key)
        if known is not None and known[0] == value:
            return known[1]
        sealed = self._verify(key, value)
        self._opened[key] = (value, sealed)
        if len(self._opened) > OPENED_REMEMBERED:
            del self._opened[next(iter(self._opened))]
        return sealed

    def _verify(self, key: str, value: bytes) -> _Sealed:
        """The envelope; nothing of it is looked at before its signature is right."""
        form = value[: len(MAGIC) + 1]
        if form not in (_BARE, _SIGNED):
            message = f"expected a value of ours under {key}, found {len(value)} bytes that are not"
            raise ValueRefusedError(Refusal.FOREIGN, message)
        if (form == _SIGNED) != (self._secret is not None):
            message = f"expected {_wanted(self._secret)} under {key}, found the other kind"
            raise ValueRefusedError(Refusal.SIGNATURE, message)
        payload = memoryview(value)[len(_BARE) :]
        if self._secret is not None:
            payload = memoryview(value)[_SIGNATURE_END:]
            found = value[len(_SIGNED) : _SIGNATURE_END]
            if not compare_digest(found, self._secret.sign(key, payload)):
                message = f"expected our signature under {key}, found another"
                raise ValueRefusedError(Refusal.SIGNATURE, message)
        try:
            sealed = _decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"expected a whole envelope under {key}, found: {error}"
            raise ValueRefusedError(Refusal.DAMAGED, message) from error
        if sealed.schema != self._schema:
            message = f"expected schema {self._schema} under {key}, found {sealed.schema}"
            raise ValueRefusedError(Refusal.SCHEMA, message)
        return sealed

    def _body(self, key: str, value: bytes) -> bytes | memoryview:
        sealed = self._open(key, value)
        if not sealed.packed:
            return sealed.body
        try:
            size = zstandard.frame_content_size(sealed.body)
            if size > LARGEST_BYTES:
                message = f"expected at most {LARGEST_BYTES} bytes under {key}, found {size}"
                raise ValueRefusedError(Refusal.TOO_BIG, message)
            # an unknown size is -1, and then the bound is all there is
            return zstandard.ZstdDecompressor().decompress(
                sealed.body, max_output_size=LARGEST_BYTES
            )
        except zstandard.ZstdError as error:
            message = f"expected zstd under {key}, found: {error}"
            raise ValueRefusedError(Refusal.DAMAGED, message) from error


def _wanted(secret: Secret | None) -> str:
    return "an unsigned value" if secret is None else "a signed value"
