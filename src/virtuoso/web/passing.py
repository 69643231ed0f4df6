"""Passes a request on to the engine, and hands back what it answers."""

import re
from typing import Final, Generic, TypeVar

import msgspec
from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from virtuoso.web.asking import Asking, NoAnswerError
from virtuoso.web.problems import PROBLEM_TYPE, ProblemError
from virtuoso.web.security.access import access_of
from virtuoso.web.snapshot import JSON
from virtuoso.wire.asking import Question

NO_STORE: Final = {"cache-control": "no-store"}

Q = TypeVar("Q", bound=Question)


class Passing(Generic[Q]):
    """Knows nothing of what is asked; the engine judges it."""

    def __init__(self, asking: Asking[Q], tag: str, whose: str) -> None:
        """`tag` begins the ETag of an answer, as `config` does `"config-3"`."""
        self._asking = asking
        self._tag = tag
        self._whose = whose
        self._match: Final = re.compile(rf'(?:W/)?"{tag}-(\d{{1,9}})"')

    async def read(self, question: Q) -> Response:
        """Ask what needs nothing of the request."""
        try:
            answer = await self._asking.ask(question)
        except NoAnswerError:
            sentence = f"The engine, whose {self._whose} these are, does not answer."
            raise ProblemError(503, "engine_silent", sentence) from None
        if answer.status != 200:
            return Response(answer.body, answer.status, NO_STORE, PROBLEM_TYPE)
        headers = {**NO_STORE, "etag": f'"{self._tag}-{answer.version}"'}
        return Response(answer.body, 200, headers, JSON)

    async def write(self, request: Request, question: Q) -> Response:
        """Ask with the body of the request, the version it has seen, and who it comes from."""
        seen = None
        match = request.headers.get("if-match")
        if match is not None:
            found = self._match.fullmatch(match.strip())
            if found is None:
                sentence = f'Expected If-Match as GET gave the ETag, such as "{self._tag}-3".'
                raise ProblemError(400, "wrong_version", sentence)
            seen = int(found[1])
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        actor = access_of(request.scope).actor
        asked = msgspec.structs.replace(question, actor=actor, version=seen, body=body)
        return await self.read(asked)
