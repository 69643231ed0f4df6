"""What the guard says to whom it does not let through: `application/problem+json`, always."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from virtuoso.web.answers import Answer
from virtuoso.web.problems import PROBLEM_TYPE
from virtuoso.web.security.lockout import seconds
from virtuoso.wire.health import Problem
from virtuoso.wire.messages import to_json


def refusal(
    status: int, code: str, detail: str, extra: Sequence[tuple[bytes, bytes]] = ()
) -> Answer:
    """Word a refusal; nothing of the request is repeated in it."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
    return Answer(to_json(body), PROBLEM_TYPE, cache_control="no-store", status=status, extra=extra)


_CHALLENGE: Final = ((b"www-authenticate", b'Bearer realm="virtuoso"'),)

WRONG_HOST: Final = refusal(
    400, "wrong_host", "This server does not go by the name it was called by."
)
REPEATED_HEADER: Final = refusal(
    400, "repeated_header", "A header that may be there once is there twice."
)
TOKEN_IN_URL: Final = refusal(
    400, "token_in_url", "A token belongs into the Authorization header, never into an address."
)
UNDECLARED_PROXY: Final = refusal(
    403,
    "undeclared_proxy",
    "This came through a proxy that security.trusted_proxies does not name.",
)
NOT_FORWARDED: Final = refusal(
    400,
    "not_forwarded",
    "The proxy must say who asks and over what: X-Forwarded-For and X-Forwarded-Proto.",
)
NOT_SECURE: Final = refusal(
    403, "not_secure", "This server is only reached over TLS, through its proxy."
)
TOO_LARGE: Final = refusal(413, "body_too_large", "The body is larger than this server accepts.")
NO_LENGTH: Final = refusal(411, "length_required", "A body needs a Content-Length.")
WRONG_ORIGIN: Final = refusal(
    403, "wrong_origin", "This may only be asked for by this server's own pages."
)
NO_HEADER: Final = refusal(
    403,
    "header_missing",
    "A change needs the header X-Virtuoso: 1, which no foreign page can send.",
)
NOT_JSON: Final = refusal(415, "not_json", "A change needs a body of the type application/json.")
SIGN_IN: Final = refusal(
    401, "sign_in", "Sign in, or show a token in the Authorization header.", _CHALLENGE
)
WRONG_TOKEN: Final = refusal(401, "wrong_token", "This token is not known.", _CHALLENGE)
READ_ONLY: Final = refusal(403, "read_only", "Changing something needs the write token.")
WRITES_OFF: Final = refusal(
    403, "writes_off", "Nothing can be changed here: no write token and no password is configured."
)
NOT_WRITTEN_DOWN: Final = refusal(
    503, "not_written_down", "Nothing is changed, because it cannot be written down who did it."
)


def locked(ms: int) -> Answer:
    """Word that there are no more tries for a while."""
    wait = (b"retry-after", b"%d" % max(1, seconds(ms)))
    return refusal(429, "locked", "Too many wrong tries from this address. Wait.", (wait,))


def too_often(ms: int) -> Answer:
    """Word that this is asked too often."""
    wait = (b"retry-after", b"%d" % max(1, seconds(ms)))
    return refusal(429, "too_often", "This is asked for too often from this address.", (wait,))
