"""The monitoring API as OpenAPI says it."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from virtuoso.wire import openapi

ALWAYS: Final = (400, 500)
Handler = Callable[..., Awaitable[Response]]


class Described:
    """Adds routes that answer GET and HEAD, and serves what is said of them."""

    def __init__(self, app: FastAPI, headers: dict[str, str]) -> None:
        self._app = app
        self._headers = headers
        self._kinds: dict[str, type] = {}
        self._body: bytes | None = None
        app.add_api_route(
            "/openapi.json", self._serve, methods=["GET", "HEAD"], include_in_schema=False
        )

    def get(
        self, path: str, handler: Handler, kind: type, *errors: int, says_why: bool = False
    ) -> None:
        """Answer with documents of a kind; `says_why`: a 503 is one of the same kind."""
        self._kinds[kind.__name__] = kind
        text = (kind.__doc__ or "").strip().split("\n")[0]
        responses: dict[int | str, dict[str, Any]] = {
            200: {"description": text, "content": openapi.content(kind)},
            **openapi.refusals(*ALWAYS, *errors),
        }
        if says_why:
            responses[503]["content"] = openapi.content(kind)
        self._app.add_api_route(
            path,
            handler,
            methods=["GET"],
            response_model=None,
            responses=responses,
            description=text,
        )
        self._app.add_api_route(
            path, handler, methods=["HEAD"], response_model=None, include_in_schema=False
        )

    async def _serve(self, _request: Request) -> Response:
        if self._body is None:
            self._body = await to_thread(self.document)
        return Response(self._body, 200, self._headers, openapi.JSON)

    def document(self) -> bytes:
        """The OpenAPI document of every route that was added."""
        app = self._app
        document = get_openapi(
            title=app.title,
            version=app.version or "0",
            openapi_version=openapi.VERSION,
            description=openapi.STATES,
            routes=app.routes,
        )
        return msgspec.json.encode(openapi.finish(document, self._kinds.values()))
