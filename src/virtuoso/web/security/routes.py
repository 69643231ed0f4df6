"""`/api/session`: what one may do, signing in, signing out."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.routing import Match
from starlette.types import Scope

from virtuoso.web.answers import Answer
from virtuoso.web.security import refusals
from virtuoso.web.security.access import CLIENT, access_of
from virtuoso.web.security.gate import LONGEST_SECRET, Gate, Locked
from virtuoso.web.security.guard import SESSION_PATH
from virtuoso.web.security.sessions import COOKIE
from virtuoso.wire.messages import to_json
from virtuoso.wire.records import iso

JSON: Final = "application/json"
_INVALID: Final = refusals.refusal(
    422, "invalid", 'Expected {"secret": "..."}: a token, or the password.'
)


class SignInRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token, or the password."""

    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_SECRET)]


class SessionDocument(msgspec.Struct, frozen=True):
    """What one may do here."""

    status: Literal["success"]
    read: bool
    write: bool
    signed_in: bool
    """Whether a session's cookie came with the request."""
    can_sign_in: bool
    """Whether a token or a password is configured at all."""
    writes: bool
    """Whether anybody can be allowed to change something."""
    until: str | None = None
    """When the session ends (ISO 8601, UTC); null without one."""


_DECODER: Final = msgspec.json.Decoder(SignInRequest)


def session_router(gate: Gate) -> APIRouter:
    """Build the routes; the guard has checked Origin, header and form before."""
    router = APIRouter(tags=["session"])
    known = gate.credentials

    def document(*, read: bool, write: bool, until: str | None) -> SessionDocument:
        return SessionDocument(
            "success", read, write, until is not None, bool(known), known.can_write, until
        )

    async def show(request: Request) -> Response:
        access = access_of(request.scope)
        session = gate.by_cookie(request.headers.get("cookie", "").encode("latin-1"))
        until = None if session is None else iso(session.until)
        return _json(document(read=access.read, write=access.write, until=until))

    async def sign_in(request: Request) -> Response:
        try:
            asked = _DECODER.decode(await request.body())
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return _respond(_INVALID)
        found = await gate.sign_in(asked.secret, str(request.scope.get(CLIENT, "")))
        if isinstance(found, Locked):
            return _respond(refusals.locked(found.ms))
        if found is None:
            return _respond(refusals.WRONG_TOKEN)
        cookie, session = found
        response = _json(document(read=True, write=session.write, until=iso(session.until)))
        secure = request.scope["scheme"] == "https"
        _set_cookie(response, cookie, gate.sessions.life_s, secure=secure)
        return response

    async def sign_out(request: Request) -> Response:
        session = gate.by_cookie(request.headers.get("cookie", "").encode("latin-1"))
        if session is not None:
            gate.sessions.end(session)
        open_to_all = gate.anybody.read
        response = _json(document(read=open_to_all, write=False, until=None))
        _set_cookie(response, "", 0, secure=request.scope["scheme"] == "https")
        return response

    asked_schema = msgspec.json.schema(SignInRequest)["$defs"]["SignInRequest"]
    body = {"requestBody": {"required": True, "content": {JSON: {"schema": asked_schema}}}}
    told = msgspec.json.schema(SessionDocument)["$defs"]["SessionDocument"]
    answer = {"description": "What one may do here", "content": {JSON: {"schema": told}}}
    router.add_api_route(
        SESSION_PATH, show, methods=["GET", "HEAD"], response_model=None, responses={200: answer}
    )
    router.add_api_route(
        SESSION_PATH,
        sign_in,
        methods=["POST"],
        response_model=None,
        responses={200: answer, 401: {"description": "Wrong"}, 429: {"description": "Locked"}},
        openapi_extra=body,
    )
    router.add_api_route(
        SESSION_PATH, sign_out, methods=["DELETE"], response_model=None, responses={200: answer}
    )
    return router


def takes_change(app: FastAPI) -> Callable[[Scope], bool]:
    """Tell whether a route of `app` answers a request; what none answers changes nothing."""

    def takes(scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)

    return takes


def _set_cookie(response: Response, value: str, life_s: int, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE, value, max_age=life_s, path="/", secure=secure, httponly=True, samesite="strict"
    )


def _json(document: msgspec.Struct) -> Response:
    return Response(to_json(document), 200, {"cache-control": "no-store"}, JSON)


def _respond(answer: Answer) -> Response:
    status, headers, body = answer.choose(b"", b"")
    response = Response(body, status)
    response.raw_headers = list(headers)
    return response
