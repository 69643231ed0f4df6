"""Ready answers: which form, which validator."""

import gzip

import pytest

from virtuoso.web.answers import Answer, accepts, gzipped

BODY = b'{"score":null}' * 100


@pytest.mark.parametrize(
    ("accepted", "wanted"),
    [
        (b"gzip", True),
        (b"br, gzip;q=0.5", True),
        (b"GZIP", True),
        (b"gzip;q=0", False),
        (b"gzip; q=0.000", False),
        (b"x-gzip", False),
        (b"identity", False),
        (b"", False),
    ],
)
def test_an_encoding_is_used_only_when_it_is_accepted(accepted: bytes, wanted: bool) -> None:  # noqa: FBT001
    """Names are compared whole, a weight of zero is a no."""
    assert accepts(accepted, b"gzip") is wanted


def test_a_body_is_compressed_once_and_reproducibly() -> None:
    """The second request gets the very same object."""
    answer = Answer(BODY, "application/json", cache_control="no-cache", gzip_on_demand=True)
    _, _, first = answer.choose(b"gzip", b"")
    _, _, second = answer.choose(b"gzip", b"")
    assert first is second
    assert gzip.decompress(first) == BODY
    assert first == gzipped(BODY)


def test_a_small_body_is_left_alone() -> None:
    """Compression would only add to it."""
    answer = Answer(b"{}", "application/json", cache_control="no-cache", gzip_on_demand=True)
    assert answer.choose(b"gzip", b"")[2] == b"{}"


@pytest.mark.parametrize(
    ("match", "status"),
    [
        (b'"tag"', 304),
        (b'W/"tag"', 304),
        (b'"tag-gzip"', 304),
        (b'"no", "tag"', 304),
        (b"*", 304),
        (b'"other"', 200),
        (b"tag", 200),
        (b"", 200),
    ],
)
def test_a_validator_is_recognised_in_each_of_its_spellings(match: bytes, status: int) -> None:
    """Lists, weak comparison, the compressed form's own."""
    answer = Answer(
        BODY, "application/json", cache_control="no-cache", etag='"tag"', gzip_on_demand=True
    )
    assert answer.choose(b"", match)[0] == status


def test_an_answer_without_a_validator_is_never_304() -> None:
    """A refusal is always sent whole."""
    answer = Answer(BODY, "application/json", cache_control="no-store", status=503)
    assert answer.choose(b"", b"*")[0] == 503
