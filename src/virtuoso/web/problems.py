"""Refusals in one form: `application/problem+json` with a code and a sentence."""

from http import HTTPStatus
from typing import Final

from virtuoso.web.answers import Answer
from virtuoso.wire.health import Problem
from virtuoso.wire.messages import to_json

PROBLEM_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """A request cannot be answered; `status`, `code` and the sentence go to the client."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail


def unknown_place() -> ProblemError:
    """Refuse `before` of no page: an empty one would say that there is nothing more."""
    return ProblemError(422, "unknown_place", "Expected `before` as `next` of the page before.")


def problem(status: int, code: str, detail: str, allow: str = "GET, HEAD") -> Answer:
    """Word a refusal. `detail` must be ours: no exception's text, nothing the client sent.

    `allow`: the methods that a 405 names.
    """
    body = Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
    extra = [(b"allow", allow.encode("ascii"))] if status == HTTPStatus.METHOD_NOT_ALLOWED else []
    return Answer(to_json(body), PROBLEM_TYPE, cache_control="no-store", status=status, extra=extra)
