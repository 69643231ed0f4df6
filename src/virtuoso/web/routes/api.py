"""How a route is added: what it answers, what it may refuse, and which parameters it knows."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Final, TypeAlias

import msgspec
from cachetools import LRUCache
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from virtuoso.web.answers import Answer, header, json_answer
from virtuoso.web.problems import ProblemError
from virtuoso.wire import openapi

READ: Final = ("GET", "HEAD")
ALWAYS: Final = (400, 401, 403, 411, 413, 429, 431, 500)
"""What any request may be refused with."""

OF_CHANGES: Final = (404, 409, 412, 415, 422, 428, 503)
"""What any change may be refused with."""

QUERIES_REMEMBERED: Final = 256
"""Of one route."""
LONGEST_REMEMBERED: Final = 200
"""Bytes of a query; a longer one is read anew each time."""

OWN_HEADER: Final[Mapping[str, Any]] = {
    "name": "X-Virtuoso",
    "in": "header",
    "required": True,
    "description": "No foreign page can send it.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,20}$"},
    "example": "1",
}
IF_MATCH: Final[Mapping[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read; where it must be there, 428 says so.",
    "schema": {"type": "string", "pattern": '^"[a-z]{1,10}-[0-9]{1,9}"$'},
}

Handler: TypeAlias = Callable[..., Awaitable[Response]]


class RememberingRoute(APIRoute):
    """Takes the parameters of a query that was read before from memory.

    Reading and judging them costs FastAPI more than everything else about an answer, and most
    queries are the same few again and again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (FastAPI's)
        super().__init__(*args, **kwargs)
        self._read: LRUCache[bytes, dict[str, Any]] = LRUCache(maxsize=QUERIES_REMEMBERED)
        self.direct: Handler = self.endpoint
        """What answers a query that was judged before."""

    def remember(self, query: bytes, found: Mapping[str, Any]) -> None:
        """Know what a query that passed means."""
        if len(query) <= LONGEST_REMEMBERED:
            self._read[query] = {
                name: value
                for name, value in found.items()
                if name != "request" and name not in self.param_convertors
            }

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, without FastAPI's part where its query is known."""
        known = self._read.get(scope["query_string"])
        if known is None or scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive)
        response = await self.direct(request=request, **scope["path_params"], **known)
        await response(scope, receive, send)


class Api:
    """Adds routes to FastAPI and says in OpenAPI what they answer."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        app.router.route_class = RememberingRoute
        self._kinds: dict[str, type] = {}
        self._document: Answer | None = None
        app.add_api_route(
            "/openapi.json", self._openapi, methods=list(READ), include_in_schema=False
        )

    def get(
        self,
        paths: str | Sequence[str],
        handler: Handler,
        kind: type,
        *,
        tag: str,
        errors: Sequence[int] = (),
        other_forms: Sequence[str] = (),
        says_why: bool = False,
        is_stored: bool = False,
    ) -> None:
        """Answer GET and HEAD at these paths with documents of a kind.

        `errors` beside those that any route may give; `other_forms` are content types beside JSON.
        `says_why`: a 503 is a document of the same kind. `is_stored`: it is read from the store,
        and a 503 is a problem like any other refusal.
        """
        self._kinds[kind.__name__] = kind
        content = openapi.content(kind)
        for each in other_forms:
            binary = not each.startswith("text/")
            content[each] = {
                "schema": {"type": "string", **({"format": "binary"} if binary else {})}
            }
        responses: dict[int | str, dict[str, Any]] = {
            200: {"description": (kind.__doc__ or "").strip().split("\n")[0], "content": content},
            **openapi.refusals(*sorted({*ALWAYS, *errors})),
        }
        if says_why:
            responses[503]["content"] = openapi.content(kind)
        if is_stored:
            responses[503]["content"] = responses[400]["content"]
        for path in (paths,) if isinstance(paths, str) else paths:
            self._add(path, handler, tag, responses)

    def _add(
        self, path: str, handler: Handler, tag: str, responses: dict[int | str, dict[str, Any]]
    ) -> None:
        known: set[str] = set()
        routes: list[RememberingRoute] = []

        @wraps(handler)
        async def strict(request: Request, **kwargs: Any) -> Response:  # noqa: ANN401 (FastAPI's)
            query = request.scope["query_string"]
            if query:
                refuse_unknown(request, known)
            for route in routes:
                route.remember(query, kwargs)
            return await handler(request=request, **kwargs)

        self._route(path, strict, "GET", responses, tag, {"security": openapi.TO_READ})
        route = self.app.routes[-1]
        if isinstance(route, RememberingRoute):
            routes.append(route)
            route.direct = handler
            known.update(each.alias for each in route.dependant.query_params)
            if not (known or "{" in path):
                responses.pop(422, None)
        self.app.add_api_route(
            path, strict, methods=["HEAD"], include_in_schema=False, response_model=None
        )

    def also(self, *kinds: type) -> None:
        """Describe structs that a document holds without saying so."""
        self._kinds |= {each.__name__: each for each in kinds}

    def change(
        self,
        method: str,
        path: str,
        handler: Handler,
        kind: type,
        *,
        tag: str,
        body: dict[str, Any] | None = None,
        versioned: bool = False,
    ) -> None:
        """Answer a change with documents of a kind.

        `body` is the JSON schema of what is sent; `versioned`: If-Match says what was seen.
        """
        self._kinds[kind.__name__] = kind

        @wraps(handler)
        async def strict(request: Request, **kwargs: Any) -> Response:  # noqa: ANN401 (FastAPI's)
            if request.scope["query_string"]:
                refuse_unknown(request, set())
            return await handler(request=request, **kwargs)

        responses: dict[int | str, dict[str, Any]] = {
            200: {
                "description": (kind.__doc__ or "").strip().split("\n")[0],
                "content": openapi.content(kind),
            },
            **openapi.refusals(*ALWAYS, *OF_CHANGES),
        }
        extra: dict[str, Any] = {
            "security": openapi.TO_CHANGE,
            "parameters": [OWN_HEADER, *([IF_MATCH] if versioned else [])],
        }
        if body is not None:
            content = {openapi.JSON: {"schema": body}}
            extra["requestBody"] = {"required": True, "content": content}
        self._route(path, strict, method, responses, tag, extra)

    def _route(
        self,
        path: str,
        handler: Handler,
        method: str,
        responses: dict[int | str, dict[str, Any]],
        tag: str,
        extra: dict[str, Any],
    ) -> None:
        text = " ".join((handler.__doc__ or "").split())
        self.app.add_api_route(
            path,
            handler,
            methods=[method],
            responses=responses,
            response_model=None,
            summary=text.split(". ")[0].rstrip("."),
            description=text,
            response_description="",
            tags=[tag],
            openapi_extra=extra,
        )

    async def _openapi(self, request: Request) -> Response:
        if self._document is None:
            body = await to_thread(self.document)
            self._document = json_answer(body)
        return respond(request, self._document)

    def document(self) -> bytes:
        """The OpenAPI document of every route that was added."""
        app = self.app
        document = get_openapi(
            title=app.title,
            version=app.version or "0",
            openapi_version=openapi.VERSION,
            description=openapi.STATES,
            routes=app.routes,
        )
        openapi.finish(document, self._kinds.values())
        complete(document)
        return msgspec.json.encode(document)


def complete(document: dict[str, Any]) -> None:
    """Say what structs cannot: a page with chosen `fields` leaves out the others."""
    schemas = document["components"]["schemas"]
    if "AlertList" in schemas:
        kinds = [{"$ref": f"#/components/schemas/{name}"} for name in ("AlertRecord", "Alert")]
        schemas["AlertList"]["properties"]["alerts"]["items"] = {"anyOf": kinds}
    if "SymbolsPage" in schemas:
        whole = schemas["SymbolRecord"]
        schemas["SymbolRecordPart"] = {
            **whole,
            "title": "SymbolRecordPart",
            "description": "A symbol's record; with `fields` only those asked for.",
            "required": ["symbol"],
        }
        page = schemas["SymbolsPage"]
        page["properties"]["symbols"]["items"] = {"$ref": "#/components/schemas/SymbolRecordPart"}
        page["required"] = [each for each in page["required"] if each != "page"]


def refuse_unknown(request: Request, known: set[str]) -> None:
    """Refuse a request with a parameter nobody reads: a typo must not look like an answer."""
    if set(request.query_params) <= known:
        return
    names = ", ".join(sorted(known))
    sentence = (
        f"A parameter is not known; known are: {names}." if known else "No parameter is known."
    )
    raise ProblemError(422, "unknown_parameter", sentence)


def respond(request: Request, answer: Answer) -> Response:
    """Hand a ready answer to FastAPI."""
    pairs = request.scope["headers"]
    status, headers, body = answer.choose(
        header(pairs, b"accept-encoding"), header(pairs, b"if-none-match")
    )
    response = Response(body, status)
    response.raw_headers = list(headers)
    return response
