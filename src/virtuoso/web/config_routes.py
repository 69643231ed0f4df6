"""`/api/config`: the settings in force, what another value would change, saving and going back."""

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from virtuoso.web.asking import Asking
from virtuoso.web.passing import Passing
from virtuoso.web.problems import PROBLEM_TYPE
from virtuoso.wire.config import (
    ConfigDocument,
    ConfigRequest,
    DryRunDocument,
    SavedDocument,
    VersionsDocument,
)

JSON: Final = "application/json"
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


def config_router(asking: Asking[ConfigRequest]) -> APIRouter:
    """Build the routes. Who may use them is judged by the guard in front."""
    router = APIRouter(tags=["config"])
    engine = Passing(asking, "config", "settings")

    async def read(_request: Request) -> Response:
        return await engine.read(ConfigRequest(action="read"))

    async def versions(_request: Request) -> Response:
        return await engine.read(ConfigRequest(action="versions"))

    async def dry_run(request: Request) -> Response:
        return await engine.write(request, ConfigRequest(action="dry_run"))

    async def save(request: Request) -> Response:
        return await engine.write(request, ConfigRequest(action="save"))

    async def restore(request: Request, number: int) -> Response:
        return await engine.write(request, ConfigRequest(action="restore", number=number))

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
