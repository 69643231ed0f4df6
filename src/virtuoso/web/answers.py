"""Answers whose bytes are ready before anybody asks: bodies, their compressed forms, validators."""

import zlib
from collections.abc import Iterable
from typing import Final, TypeAlias

from virtuoso.wire.documents import etag_of

Headers: TypeAlias = list[tuple[bytes, bytes]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'; "
    "trusted-types svelte-trusted-html virtuoso"
)

SECURITY_HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""What every answer of the web process carries."""

SMALL: Final = 500
"""Bytes below which compression gains nothing."""


class Answer:
    """One resource with everything a request for it may get."""

    __slots__ = ("_forms", "_heads", "_unchanged_heads", "body", "etag", "gzip_on_demand", "status")

    def __init__(
        self,
        body: bytes,
        content_type: str,
        *,
        cache_control: str,
        status: int = 200,
        etag: str = "",
        forms: dict[bytes, bytes] | None = None,
        gzip_on_demand: bool = False,
        extra: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        """Hold a body, its strong validator (quoted, or none) and its forms by encoding."""
        self.body = body
        self.etag = etag.encode("ascii")
        self.status = status
        self.gzip_on_demand = gzip_on_demand and len(body) >= SMALL
        self._forms = dict(forms or {})
        self._unchanged_heads: dict[bytes, Headers] = {}
        common: Headers = [
            (b"content-type", content_type.encode("ascii")),
            (b"cache-control", cache_control.encode("ascii")),
            *SECURITY_HEADERS,
            *extra,
        ]
        if self.gzip_on_demand or self._forms:
            common.append((b"vary", b"accept-encoding"))
        self._heads = {b"": self._head(common, b"", len(body))}
        for encoding, form in self._forms.items():
            self._heads[encoding] = self._head(common, encoding, len(form))
        if self.gzip_on_demand:
            self._heads[b"gzip"] = common

    def _head(self, common: Headers, encoding: bytes, length: int) -> Headers:
        head = [(b"content-length", b"%d" % length), *common]
        if self.etag:
            head.append((b"etag", self._etag(encoding)))
        if encoding:
            head.append((b"content-encoding", encoding))
        return head

    def _etag(self, encoding: bytes) -> bytes:
        """Every form has a validator of its own: strong ones promise equal bytes."""
        return self.etag[:-1] + b"-" + encoding + b'"' if encoding else self.etag

    def choose(self, accepted: bytes, match: bytes) -> tuple[int, Headers, bytes]:
        """Status, headers and body for these values of Accept-Encoding and If-None-Match."""
        encoding = self._encoding(accepted) if accepted else b""
        if encoding == b"gzip" and self.gzip_on_demand and b"gzip" not in self._forms:
            form = gzipped(self.body)
            self._forms[b"gzip"] = form
            self._heads[b"gzip"] = self._head(self._heads[b"gzip"], b"gzip", len(form))
        head = self._heads[encoding]
        if match and self.etag and self._matches(match):
            return 304, self._unchanged(encoding, head), b""
        return self.status, head, self._forms[encoding] if encoding else self.body

    def _unchanged(self, encoding: bytes, head: Headers) -> Headers:
        """The headers of a 304, made once for each encoding."""
        known = self._unchanged_heads.get(encoding)
        if known is None:
            body = {b"content-length", b"content-encoding"}
            known = [pair for pair in head if pair[0] not in body]
            self._unchanged_heads[encoding] = known
        return known

    def _encoding(self, accepted: bytes) -> bytes:
        if b"br" in self._forms and accepts(accepted, b"br"):
            return b"br"
        if (self.gzip_on_demand or b"gzip" in self._forms) and accepts(accepted, b"gzip"):
            return b"gzip"
        return b""

    def _matches(self, match: bytes) -> bool:
        if match == self.etag:
            return True
        known = {self.etag, self._etag(b"gzip"), self._etag(b"br"), b"*"}
        return any(tag.strip().removeprefix(b"W/") in known for tag in match.split(b","))


def json_answer(body: bytes) -> Answer:
    """A JSON document made for one request, with its validator."""
    return Answer(
        body,
        "application/json",
        cache_control="no-cache",
        etag=etag_of(body),
        gzip_on_demand=True,
    )


def accepts(accepted: bytes, encoding: bytes) -> bool:
    """Whether an Accept-Encoding value allows this encoding."""
    for item in accepted.lower().split(b","):
        name, *parameters = (part.strip() for part in item.split(b";"))
        if name == encoding:
            return not any(
                parameter.startswith(b"q=") and parameter[2:].strip(b"0.") == b""
                for parameter in parameters
            )
    return False


def gzipped(body: bytes) -> bytes:
    """Compress quickly and reproducibly: the same body gives the same bytes."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """The value of a request header (lower-case name), or nothing."""
    for key, value in headers:
        if key == name:
            return value
    return b""
