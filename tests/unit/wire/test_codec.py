"""Values between processes: what was written is read, and nothing else is believed."""

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from virtuoso.domain.errors import SettingsError, ValueRefusedError
from virtuoso.testing import wire_messages as make
from virtuoso.wire import keys
from virtuoso.wire.board import BoardState
from virtuoso.wire.codec import COMPRESS_ABOVE, LARGEST_BYTES, Codec, Refusal, Secret, Stamp
from virtuoso.wire.messages import Document, pack
from virtuoso.wire.pushes import Beat, BoardReplaced

SECRET = Secret("a secret of this machine")
OTHER_SECRET = Secret("a secret of another machine")
CODECS = {
    "bare": Codec(),
    "signed": Codec(SECRET),
    "never compressed": Codec(SECRET, None),
    "always compressed": Codec(SECRET, 0),
}
ALL = pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))

documents = st.builds(
    Document,
    schema=st.just(1),
    epoch=st.text(max_size=20),
    seq=st.integers(0, 2**53),
    now=st.integers(0, 2**53),
    as_of=st.none() | st.integers(0, 2**53),
    etag=st.text(max_size=30),
    body=st.binary(max_size=400) | st.binary(max_size=400).map(lambda part: 60 * part),
)


def refusal(codec: Codec, key: str, value: bytes) -> str:
    """Why these bytes are refused, by inspection and by decoding alike."""
    with pytest.raises(ValueRefusedError, match="expected") as decoded:
        codec.decode(key, value, Document)
    return decoded.value.reason


def a_document(body: bytes = b"{}") -> Document:
    """A document of some sequence."""
    return Document(1, "epoch", 7, 1_000, 900, "tag", body)


@ALL
@settings(deadline=None)
@given(document=documents)
def test_what_was_encoded_is_decoded_exactly(codec: Codec, document: Document) -> None:
    """Any document, signed or not, compressed or not; and the stamp tells of it without it."""
    value = codec.encode(keys.SYMBOLS, document)
    assert codec.decode(keys.SYMBOLS, value, Document) == document
    expected = Stamp(document.epoch, document.seq, document.now, document.as_of)
    assert codec.inspect(keys.SYMBOLS, value) == expected


@ALL
def test_boards_and_pushes_go_the_same_way(codec: Codec) -> None:
    """One way for everything that leaves the engine."""
    board = make.a_board()
    assert codec.decode(keys.BOARD, codec.encode(keys.BOARD, board), BoardState) == board
    for push in (BoardReplaced(board), Beat("epoch", 3, 1_000, board.source)):
        assert codec.decode_push(keys.PUSH, codec.encode(keys.PUSH, push)) == push


@ALL
@settings(deadline=None)
@given(value=st.binary(max_size=200))
def test_f33_foreign_bytes_are_refused_with_a_reason(codec: Codec, value: bytes) -> None:
    """Whatever somebody wrote under our key."""
    assert refusal(codec, keys.SYMBOLS, value) in set(Refusal)


@ALL
@settings(deadline=None)
@given(data=st.data())
def test_f33_one_changed_byte_is_seen(codec: Codec, data: st.DataObject) -> None:
    """A signed value with a changed byte is refused; an unsigned one too, or is a document."""
    document = a_document(b"x" * 50)
    value = bytearray(codec.encode(keys.SYMBOLS, document))
    place = data.draw(st.integers(0, len(value) - 1))
    value[place] ^= data.draw(st.integers(1, 255))
    if codec is not CODECS["bare"]:
        assert refusal(codec, keys.SYMBOLS, bytes(value)) in {
            Refusal.FOREIGN,
            Refusal.SIGNATURE,
        }
        return
    try:
        assert isinstance(codec.decode(keys.SYMBOLS, bytes(value), Document), Document)
    except ValueRefusedError as error:
        reason = error.reason
        assert reason in set(Refusal)


def test_f33_a_value_cut_short_is_damaged() -> None:
    """Every prefix of an unsigned value."""
    value = Codec().encode(keys.SYMBOLS, a_document())
    reasons = {refusal(Codec(), keys.SYMBOLS, value[:end]) for end in range(len(value))}
    assert reasons == {Refusal.FOREIGN, Refusal.DAMAGED}


def test_f33_values_of_another_schema_are_refused() -> None:
    """Older and newer: neither is guessed at."""
    for schema in (0, 2, 99):
        value = Codec(SECRET, schema=schema).encode(keys.SYMBOLS, a_document())
        assert refusal(Codec(SECRET), keys.SYMBOLS, value) == Refusal.SCHEMA


def test_f33_a_signature_of_another_secret_is_refused() -> None:
    """And so is none where one is needed, and one where nobody can check it."""
    document = a_document()
    foreign = Codec(OTHER_SECRET).encode(keys.SYMBOLS, document)
    bare = Codec().encode(keys.SYMBOLS, document)
    assert refusal(Codec(SECRET), keys.SYMBOLS, foreign) == Refusal.SIGNATURE
    assert refusal(Codec(SECRET), keys.SYMBOLS, bare) == Refusal.SIGNATURE
    assert refusal(Codec(), keys.SYMBOLS, foreign) == Refusal.SIGNATURE


def test_f33_a_signed_value_cannot_be_moved_to_another_key() -> None:
    """What was said of one symbol is not taken for another's."""
    value = Codec(SECRET).encode(keys.SYMBOLS, a_document())
    assert refusal(Codec(SECRET), keys.DASHBOARD, value) == Refusal.SIGNATURE


def test_f33_another_message_in_a_whole_envelope_is_damaged() -> None:
    """The signature is right, the content is not what the key promises."""
    codec = Codec(SECRET)
    value = codec.encode(keys.BOARD, make.a_board())
    with pytest.raises(ValueRefusedError) as caught:
        codec.decode(keys.BOARD, value, Document)
    assert caught.value.reason == Refusal.DAMAGED
    with pytest.raises(ValueRefusedError):
        codec.decode_push(keys.BOARD, value)


@pytest.mark.parametrize("size", [LARGEST_BYTES + 1, 10 * LARGEST_BYTES])
def test_f33_a_compressed_bomb_is_refused_before_it_is_unpacked(size: int) -> None:
    """A few kilobytes that would be many megabytes."""
    packed = zstandard.ZstdCompressor().compress(b"\0" * size)
    inner = msgspec.msgpack.encode([1, "epoch", 1, 1, None, True, packed])
    assert refusal(Codec(), keys.SYMBOLS, b"\xc1V\x00" + inner) == Refusal.TOO_BIG


def test_f33_a_bomb_that_hides_its_size_is_refused_too() -> None:
    """A frame without its content's size."""
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    packed = stream.compress(b"\0" * (LARGEST_BYTES + 1)) + stream.flush()
    inner = msgspec.msgpack.encode([1, "epoch", 1, 1, None, True, packed])
    assert refusal(Codec(), keys.SYMBOLS, b"\xc1V\x00" + inner) == Refusal.DAMAGED


def test_only_large_bodies_are_compressed() -> None:
    """Small ones would gain nothing; large ones of JSON shrink to a fraction."""
    small = a_document(b"x" * 1_000)
    assert len(Codec().encode(keys.SYMBOLS, small)) > len(pack(small))
    large = a_document(b'{"symbol": "BTCUSDT"}' * (COMPRESS_ABOVE // 10))
    assert len(Codec().encode(keys.SYMBOLS, large)) < len(pack(large)) / 10
    assert len(Codec(compress_above=None).encode(keys.SYMBOLS, large)) > len(pack(large))


def test_the_plain_key_holds_what_it_likes() -> None:
    """Nobody of ours reads it, so nothing in it is relied on."""
    assert Codec(SECRET).inspect(keys.SYMBOLS_PLAIN, b'{"status": "success"}') is None


def test_a_secret_never_shows_itself() -> None:
    """Neither printed nor in an error."""
    assert "machine" not in f"{SECRET!r} {SECRET}"
    with pytest.raises(SettingsError, match="at least 16 bytes, found 5") as caught:
        Secret("short")
    assert "short" not in str(caught.value)


def test_the_same_bytes_are_verified_once() -> None:
    """A tier that inspects and a reader that decodes share the work; other bytes do not."""
    codec = Codec(SECRET)
    value = codec.encode(keys.SYMBOLS, a_document())
    assert codec.inspect(keys.SYMBOLS, value) is not None
    changed = value[:-1] + bytes([value[-1] ^ 1])
    assert refusal(codec, keys.SYMBOLS, changed) == Refusal.SIGNATURE
    assert codec.decode(keys.SYMBOLS, value, Document) == a_document()
