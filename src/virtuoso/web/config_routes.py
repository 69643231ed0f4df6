"""`/api/config`: the settings in force, what another value would change, saving and going back."""

import re
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.requests import ClientDisconnect

from virtuoso.web.answers import Answer
from virtuoso.web.config_client import ConfigClient, NoAnswerError
from virtuoso.web.problems import PROBLEM_TYPE
from virtuoso.web.security.access import access_of
from virtuoso.web.security.refusals import refusal
from virtuoso.wire.config import (
    Action,
    ConfigDocument,
    DryRunDocument,
    SavedDocument,
    VersionsDocument,
)

JSON: Final = "application/json"
_ETAG: Final = re.compile(r'(?:W/)?"config-(\d{1,9})"')
_SILENT: Final = refusal(
    503, "engine_silent", "The engine, whose settings these are, does not answer."
)
_WRONG_MATCH: Final = refusal(
    400, "wrong_version", 'Expected If-Match as GET /api/config gave it, such as "config-3".'
)
_CHANGE: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "changes": {
            "type": "object",
            "description": "Values by dotted key; null goes back to what the settings file says.",
            "maxProperties": 200,
            "additionalProperties": True,
        },
        "symbols": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "author": {"type": "string", "maxLength": 60},
        "reason": {"type": "string", "maxLength": 300},
    },
    "example": {
        "changes": {"scoring.coverage_floor": 0.6},
        "reason": "fewer scores, on more evidence",
    },
}
_REFUSED: Final = {
    403: "Read-only, not the write token, or a limit of risk would be looser",
    409: "The settings file is wrong at the moment",
    412: "Somebody saved another version meanwhile",
    422: "Not a change, a key that is not editable, or a value that is none",
    428: "If-Match is missing",
    503: "The engine does not answer",
}


def config_router(client: ConfigClient) -> APIRouter:
    """Build the routes. Who may use them is judged by the guard in front."""
    router = APIRouter(tags=["config"])

    async def read(_request: Request) -> Response:
        return await _ask(client, "read")

    async def versions(_request: Request) -> Response:
        return await _ask(client, "versions")

    async def dry_run(request: Request) -> Response:
        return await _ask(client, "dry_run", request)

    async def save(request: Request) -> Response:
        return await _ask(client, "save", request)

    async def restore(request: Request, number: int) -> Response:
        return await _ask(client, "restore", request, number)

    get: dict[str, Any] = {"methods": ["GET", "HEAD"], "response_model": None}
    put: dict[str, Any] = {"response_model": None, "openapi_extra": _body(required=True)}
    router.add_api_route("/api/config", read, responses=_told(ConfigDocument), **get)
    router.add_api_route("/api/config/versions", versions, responses=_told(VersionsDocument), **get)
    router.add_api_route(
        "/api/config/dry-run", dry_run, methods=["POST"], responses=_told(DryRunDocument), **put
    )
    router.add_api_route(
        "/api/config", save, methods=["PUT"], responses=_told(SavedDocument), **put
    )
    router.add_api_route(
        "/api/config/versions/{number}/restore",
        restore,
        methods=["POST"],
        responses=_told(SavedDocument),
        **put,
    )
    return router


async def _ask(
    client: ConfigClient, action: Action, request: Request | None = None, number: int | None = None
) -> Response:
    body, seen, actor = b"", None, ""
    if request is not None:
        match = request.headers.get("if-match")
        if match is not None:
            found = _ETAG.fullmatch(match.strip())
            if found is None:
                return _respond(_WRONG_MATCH)
            seen = int(found[1])
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response(status_code=400)
        actor = access_of(request.scope).actor
    try:
        answer = await client.ask(action, actor, body, seen, number)
    except NoAnswerError:
        return _respond(_SILENT)
    headers = {"cache-control": "no-store"}
    if answer.status == 200:
        headers["etag"] = f'"config-{answer.version}"'
    kind = JSON if answer.status == 200 else PROBLEM_TYPE
    return Response(answer.body, answer.status, headers, kind)


def _respond(answer: Answer) -> Response:
    status, headers, body = answer.choose(b"", b"")
    response = Response(body, status)
    response.raw_headers = list(headers)
    return response


def _body(*, required: bool) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {JSON: {"schema": _CHANGE}}}}


def _told(document: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of the answers; the schema is whole, without references elsewhere."""
    schema = _inlined(msgspec.json.schema(document))
    found: dict[int | str, dict[str, Any]] = {
        200: {"description": "Done", "content": {JSON: {"schema": schema}}}
    }
    for status, description in _REFUSED.items():
        found[status] = {"description": description, "content": {PROBLEM_TYPE: {"schema": {}}}}
    return found


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    known = schema.get("$defs", {})

    def resolve(part: Any) -> Any:  # noqa: ANN401
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            if name in known:
                return resolve(known[name])
            return {key: resolve(value) for key, value in part.items() if key != "$defs"}
        if isinstance(part, list):
            return [resolve(each) for each in part]
        return part

    found: dict[str, Any] = resolve(schema)
    return found
