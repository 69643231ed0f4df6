"""`/api/config`: the settings in force, what another value would change, saving and going back."""

from typing import Annotated, Any, Final

from fastapi import Path, Request, Response

from virtuoso.web.asking import Asking
from virtuoso.web.passing import Passing
from virtuoso.web.routes.api import Api
from virtuoso.wire.config import (
    ConfigDocument,
    ConfigRequest,
    DryRunDocument,
    SavedDocument,
    VersionsDocument,
)

TAG: Final = "config"
_SYMBOLS: Final = {"type": "array", "items": {"type": "string"}, "maxItems": 5}
_WHY: Final[dict[str, Any]] = {
    "author": {"type": "string", "maxLength": 60},
    "reason": {"type": "string", "maxLength": 300, "description": "Needed to save."},
}
CHANGE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "changes": {
            "type": "object",
            "description": "Values by dotted key; null goes back to what the settings file says.",
            "maxProperties": 200,
            "additionalProperties": True,
        },
        "symbols": {**_SYMBOLS, "description": "Of a dry run: whose scores to compute."},
        **_WHY,
    },
    "required": ["changes"],
    "example": {
        "changes": {"scoring.coverage_floor": 0.6},
        "reason": "fewer scores, on more evidence",
    },
}
RESTORE: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": _WHY,
    "example": {"reason": "too strict"},
}
VersionNumber = Annotated[
    int, Path(ge=1, le=999_999_999, description="Number of a saved version.", examples=[1])
]


def add_config(api: Api, asking: Asking[ConfigRequest]) -> None:
    """Add the routes. Who may use them is judged by the guard in front."""
    engine = Passing(asking, "config", "settings")

    async def read(request: Request) -> Response:  # noqa: ARG001 (what a handler is given)
        """Every setting with its value, default, source and schema. Secrets are never told."""
        return await engine.read(ConfigRequest(action="read"))

    async def versions(request: Request) -> Response:  # noqa: ARG001
        """Saved versions of the settings, the newest first."""
        return await engine.read(ConfigRequest(action="versions"))

    async def dry_run(request: Request) -> Response:
        """What a change would change, and five symbols' scores by both definitions."""
        return await engine.write(request, ConfigRequest(action="dry_run"))

    async def save(request: Request) -> Response:
        """Save a change as a new version. If-Match must be the ETag of `GET /api/config`."""
        return await engine.write(request, ConfigRequest(action="save"))

    async def restore(request: Request, number: VersionNumber) -> Response:
        """Save an older version's values as a new version."""
        return await engine.write(request, ConfigRequest(action="restore", number=number))

    api.get("/api/config", read, ConfigDocument, tag=TAG, errors=(409, 503))
    api.get("/api/config/versions", versions, VersionsDocument, tag=TAG, errors=(409, 503))
    api.change("POST", "/api/config/dry-run", dry_run, DryRunDocument, tag=TAG, body=CHANGE)
    api.change("PUT", "/api/config", save, SavedDocument, tag=TAG, body=CHANGE, versioned=True)
    path = "/api/config/versions/{number}/restore"
    api.change("POST", path, restore, SavedDocument, tag=TAG, body=RESTORE, versioned=True)
