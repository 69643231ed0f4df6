"""The routes behind the ready bytes, one file per subject."""

from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from virtuoso.ports import Clock
from virtuoso.web.pages import Pages
from virtuoso.web.problems import ProblemError, problem
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.routes.board import add_board
from virtuoso.web.routes.dashboard import add_dashboard
from virtuoso.web.routes.drawn import add_drawn
from virtuoso.web.routes.health import add_figures, add_health, add_metrics
from virtuoso.web.routes.market import add_market
from virtuoso.web.routes.symbols import Symbols, add_symbols
from virtuoso.web.snapshot import Snapshot
from virtuoso.wire.health import HealthPart

__all__ = ["Api", "add_figures", "add_metrics", "create_api"]


def create_api(
    snapshot: Snapshot,
    pages: Pages,
    clock: Clock,
    version: str,
    own_parts: Callable[[], tuple[HealthPart, ...]] = tuple,
) -> Api:
    """Build the FastAPI application behind the ready bytes; more routes may be added to it."""
    app = FastAPI(
        title="Virtuoso",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    _add_refusals(app)
    api = Api(app)
    symbols = Symbols(snapshot)
    add_symbols(api, snapshot, symbols)
    add_market(api, snapshot, symbols)
    add_dashboard(api, snapshot)
    add_board(api, snapshot)
    add_drawn(api, snapshot, symbols, clock, version)
    add_health(api, snapshot, pages, clock, version, own_parts)
    return api


def methods_of(app: FastAPI, scope: Scope) -> list[str]:
    """The methods by which an address is used."""
    routes = [each for each in app.router.routes if isinstance(each, Route)]
    matching = [each for each in routes if each.matches(scope)[0] is not Match.NONE]
    # an address of its own comes before a pattern that it would fit as well
    same = [each for each in matching if each.path == matching[0].path]
    return sorted({method for each in same for method in each.methods or ()})


def _add_refusals(app: FastAPI) -> None:
    """Give every error the same form. Nothing of the request is repeated."""

    async def on_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):
            raise error
        return respond(request, problem(error.status, error.code, error.detail))

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if error.status_code == 405:
            allow = ", ".join(methods_of(app, request.scope))
            sentence = f"This address is used with {allow}."
            return respond(request, problem(405, "method_not_allowed", sentence, allow))
        sentences = {404: ("not_found", "There is nothing at this address.")}
        code, detail = sentences.get(
            error.status_code, ("refused", "The request cannot be answered.")
        )
        return respond(request, problem(error.status_code, code, detail))

    async def on_invalid(request: Request, error: Exception) -> Response:
        sentence = "A parameter is not of its kind."
        if isinstance(error, RequestValidationError):
            # a declared name: the value is not repeated
            named = sorted({str(each["loc"][-1]) for each in error.errors()})
            sentence = f"Not of its kind: {', '.join(named)}; see /openapi.json."
        return respond(request, problem(422, "invalid", sentence))

    async def on_failure(request: Request, _error: Exception) -> Response:
        return respond(request, problem(500, "failed", "The server failed; its log says why."))

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_failure)
