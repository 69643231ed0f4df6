"""The routes that are not ready bytes: one symbol's documents, the overview, health."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from virtuoso.domain.errors import UnknownSymbolError
from virtuoso.domain.instruments import Symbol, parse_symbol
from virtuoso.domain.scores import State
from virtuoso.domain.time import Timeframe
from virtuoso.ports import Clock
from virtuoso.web.about import about_answer
from virtuoso.web.answers import Answer, header
from virtuoso.web.pages import Pages
from virtuoso.web.problems import ProblemError, problem
from virtuoso.web.snapshot import JSON, Snapshot
from virtuoso.wire import keys
from virtuoso.wire.checks import judge, parts_of
from virtuoso.wire.documents import etag_of
from virtuoso.wire.health import HealthDocument, HealthPart
from virtuoso.wire.messages import to_json
from virtuoso.wire.metrics import PROMETHEUS, CacheMetrics, cache_exposition

READ: Final = ["GET", "HEAD"]


class _Overview(msgspec.Struct):
    """The part of the dashboard's document that `/api/market/overview` answers."""

    status: str
    timestamp: str
    as_of: int | None
    source: str
    data_source: str
    market_overview: msgspec.Raw
    reasons: tuple[str, ...] = ()
    epoch: str = ""
    seq: int = 0


def create_routes(
    snapshot: Snapshot,
    pages: Pages,
    clock: Clock,
    version: str,
    own_parts: Callable[[], tuple[HealthPart, ...]] = tuple,
) -> FastAPI:
    """Build the FastAPI application behind the ready bytes."""
    app = FastAPI(
        title="Virtuoso",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    _add_refusals(app)
    _add_symbols(app, snapshot)
    _add_health(app, snapshot, pages, clock, version, own_parts)

    async def about(request: Request) -> Response:
        return respond(request, about_answer(version, clock.now()))

    app.add_api_route("/api/about", about, methods=READ, response_model=None)

    async def overview(request: Request) -> Response:
        whole = snapshot.hot(keys.DASHBOARD)
        if whole.status != 200:
            return respond(request, whole)
        body = msgspec.json.encode(msgspec.json.decode(whole.body, type=_Overview))
        answer = Answer(
            body, JSON, cache_control="no-cache", etag=etag_of(body), gzip_on_demand=True
        )
        return respond(request, answer)

    for path in (
        "/api/market/overview",
        "/api/dashboard/market-overview",
        "/market-overview",
    ):
        app.add_api_route(path, overview, methods=READ, response_model=None)
    return app


def _cut(whole: Answer, wanted: Sequence[Symbol]) -> Answer:
    """Leave of a matrix the rows and columns of some symbols, in the order asked for."""
    document = msgspec.json.decode(whole.body, type=dict[str, Any])
    places = {symbol: place for place, symbol in enumerate(document["symbols"])}
    absent = [each for each in wanted if each not in places]
    if absent:
        raise ProblemError(
            404,
            "not_in_matrix",
            f"{absent[0]} is not in the matrix: it holds the {len(places)} most traded symbols.",
        )
    chosen = [places[each] for each in dict.fromkeys(wanted)]
    document["symbols"] = [document["symbols"][place] for place in chosen]
    for field in ("correlations", "samples"):
        rows = document[field]
        document[field] = [[rows[row][column] for column in chosen] for row in chosen]
    body = msgspec.json.encode(document)
    return Answer(body, JSON, cache_control="no-cache", etag=etag_of(body), gzip_on_demand=True)


def _lines_of(whole: Answer, wanted: Collection[str]) -> Answer:
    """Leave of the small lines those of some symbols; unknown ones are left out."""
    document = msgspec.json.decode(whole.body, type=dict[str, Any])
    document["lines"] = [each for each in document["lines"] if each[0] in wanted]
    body = msgspec.json.encode(document)
    return Answer(body, JSON, cache_control="no-cache", etag=etag_of(body), gzip_on_demand=True)


def respond(request: Request, answer: Answer) -> Response:
    """Hand a ready answer to FastAPI."""
    pairs = request.scope["headers"]
    status, headers, body = answer.choose(
        header(pairs, b"accept-encoding"), header(pairs, b"if-none-match")
    )
    response = Response(body, status)
    response.raw_headers = list(headers)
    return response


def _add_refusals(app: FastAPI) -> None:
    """Give every error the same form. Nothing of the request is repeated."""

    async def on_problem(request: Request, error: Exception) -> Response:
        if not isinstance(error, ProblemError):
            raise error
        return respond(request, problem(error.status, error.code, error.detail))

    async def on_http(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        sentences = {
            404: ("not_found", "There is nothing at this address."),
            405: ("method_not_allowed", "This address can only be read: use GET or HEAD."),
        }
        code, detail = sentences.get(
            error.status_code, ("refused", "The request cannot be answered.")
        )
        return respond(request, problem(error.status_code, code, detail))

    async def on_invalid(request: Request, _error: Exception) -> Response:
        return respond(request, problem(422, "invalid", "A parameter is not of its kind."))

    async def on_failure(request: Request, _error: Exception) -> Response:
        return respond(request, problem(500, "failed", "The server failed; its log says why."))

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_failure)


def _add_symbols(app: FastAPI, snapshot: Snapshot) -> None:
    def known(text: str) -> Symbol:
        """Read a symbol and find it on the board."""
        try:
            symbol = parse_symbol(text)
        except UnknownSymbolError as error:
            sentence = "Expected a symbol such as BTCUSDT: capitals and digits."
            raise ProblemError(400, "impossible_symbol", sentence) from error
        board = snapshot.follower.reader.board
        if board is not None and all(each.symbol != symbol for each in board.symbols):
            raise ProblemError(404, "unknown_symbol", f"{symbol} is not among the symbols watched.")
        return symbol

    async def answer(request: Request, key: str) -> Response:
        return respond(request, await snapshot.document(key))

    async def betas(request: Request) -> Response:
        return await answer(request, keys.BITCOIN_BETA)

    app.add_api_route("/api/bitcoin-beta", betas, methods=READ, response_model=None)

    async def matrix(request: Request, symbols: str = "") -> Response:
        whole = await snapshot.document(keys.BITCOIN_BETA_MATRIX)
        if whole.status != 200 or not symbols:
            return respond(request, whole)
        wanted = [known(each) for each in symbols.split(",") if each]
        return respond(request, _cut(whole, wanted))

    app.add_api_route("/api/bitcoin-beta/matrix", matrix, methods=READ, response_model=None)

    async def lines(request: Request, symbols: str = "") -> Response:
        whole = await snapshot.document(keys.SPARKLINES)
        if whole.status != 200 or not symbols:
            return respond(request, whole)
        return respond(request, _lines_of(whole, frozenset(symbols.split(","))))

    app.add_api_route("/api/sparklines", lines, methods=READ, response_model=None)

    async def tracks(request: Request, symbol: str) -> Response:
        return await answer(request, keys.tracks(known(symbol)))

    async def detail(request: Request, symbol: str) -> Response:
        return await answer(request, keys.symbol_detail(known(symbol)))

    async def candles(request: Request, symbol: str, timeframe: str = "5m") -> Response:
        try:
            chosen = Timeframe(timeframe)
        except ValueError as error:
            names = ", ".join(Timeframe)
            raise ProblemError(
                400, "unknown_timeframe", f"Expected a timeframe out of {names}."
            ) from error
        return await answer(request, keys.candles(known(symbol), chosen))

    async def scores(request: Request, symbol: str) -> Response:
        return await answer(request, keys.score_history(known(symbol)))

    async def looked_at(request: Request, text: str, key: Callable[[Symbol], str]) -> Response:
        symbol = known(text)
        return respond(request, await snapshot.looked_at(key(symbol), symbol))

    async def order_book(request: Request, symbol: str) -> Response:
        return await looked_at(request, symbol, keys.order_book)

    async def trades(request: Request, symbol: str) -> Response:
        return await looked_at(request, symbol, keys.trades)

    async def liquidations(request: Request, symbol: str) -> Response:
        return await looked_at(request, symbol, keys.liquidations)

    async def derivatives(request: Request, symbol: str) -> Response:
        return await looked_at(request, symbol, keys.derivatives)

    handlers: dict[str, Callable[..., Any]] = {
        "": detail,
        "/candles": candles,
        "/scores": scores,
        "/tracks": tracks,
        "/orderbook": order_book,
        "/trades": trades,
        "/liquidations": liquidations,
        "/derivatives": derivatives,
    }
    for tail, handler in handlers.items():
        app.add_api_route(
            f"/api/symbols/{{symbol}}{tail}", handler, methods=READ, response_model=None
        )


def add_metrics(
    app: FastAPI,
    metrics: Callable[[], CacheMetrics],
    counters: Callable[[], Mapping[str, int]],
) -> None:
    """Add what the cache did, for people and for Prometheus."""

    async def for_people(request: Request) -> Response:
        body = msgspec.json.format(to_json(metrics()))
        return respond(request, Answer(body, JSON, cache_control="no-store", gzip_on_demand=True))

    async def for_prometheus(request: Request) -> Response:
        more = {f"websocket_{name}": float(count) for name, count in counters().items()}
        body = cache_exposition(metrics(), more)
        answer = Answer(body, PROMETHEUS, cache_control="no-store", gzip_on_demand=True)
        return respond(request, answer)

    app.add_api_route("/cache-metrics", for_people, methods=READ, response_model=None)
    app.add_api_route("/metrics", for_prometheus, methods=READ, response_model=None)


def _add_health(
    app: FastAPI,
    snapshot: Snapshot,
    pages: Pages,
    clock: Clock,
    version: str,
    own_parts: Callable[[], tuple[HealthPart, ...]],
) -> None:
    def document(request: Request, status: int, health: HealthDocument) -> Response:
        answer = Answer(to_json(health), JSON, cache_control="no-store", status=status)
        return respond(request, answer)

    def pages_part() -> HealthPart:
        if pages.built:
            return HealthPart("pages", "pass", State.LIVE, "built", None, None, None)
        text = "not_built: run make web"
        return HealthPart("pages", "warn", State.ABSENT, text, None, None, None)

    async def health(request: Request) -> Response:
        parts = (*parts_of(snapshot.follower, clock), *own_parts(), pages_part())
        return document(request, *judge(parts, snapshot.follower, clock, version))

    async def ready(request: Request) -> Response:
        """Say 200 as soon as something true can be shown, if only with its age."""
        parts = parts_of(snapshot.follower, clock)
        _, said = judge(parts, snapshot.follower, clock, version)
        can = snapshot.follower.reader.board is not None
        return document(request, 200 if can else 503, said)

    async def live(request: Request) -> Response:
        """Say that this process answers, and ask nobody else."""
        body = b'{"status":"success"}'
        return respond(request, Answer(body, JSON, cache_control="no-store"))

    for path, handler in (("/health", health), ("/health/ready", ready), ("/health/live", live)):
        app.add_api_route(path, handler, methods=READ, response_model=None)
