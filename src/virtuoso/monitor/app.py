"""The monitoring API: what the engine and this process say of themselves, on a port of its own."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from virtuoso.domain.scores import Reason, State
from virtuoso.monitor.described import Described
from virtuoso.monitor.metrics import CONTENT_TYPE, exposition
from virtuoso.monitor.readings import Readings
from virtuoso.monitor.roster import Roster
from virtuoso.ports import Clock
from virtuoso.wire import keys
from virtuoso.wire.board import COMPONENT_ORDER
from virtuoso.wire.checks import judge, parts_of
from virtuoso.wire.cycles import CyclesDocument
from virtuoso.wire.documents import Served
from virtuoso.wire.follower import Follower
from virtuoso.wire.health import HealthDocument, HealthPart, Problem
from virtuoso.wire.lists import Alive
from virtuoso.wire.measures import Measure, measures_exposition
from virtuoso.wire.messages import to_json
from virtuoso.wire.metrics import CacheMetrics, cache_exposition
from virtuoso.wire.monitoring import MOST_MINUTES, SERIES_PATTERN, MonitoringHistory
from virtuoso.wire.processes import EngineStatus, ProcessReport
from virtuoso.wire.records import iso
from virtuoso.wire.refusals import RefusalsDocument
from virtuoso.wire.symbols import SymbolsDocument

READ: Final = ["GET", "HEAD"]
JSON: Final = "application/json"
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

Counters = Callable[[], Mapping[str, int]]


class StatusDocument(msgspec.Struct, frozen=True):
    """`/api/monitoring/status`."""

    status: str
    timestamp: str
    engine_ms: int | None
    """How long ago the engine was heard of; null when it never was."""
    engine: EngineStatus | None
    parts: tuple[HealthPart, ...]
    reasons: tuple[str, ...]
    processes: tuple[ProcessReport, ...] = ()
    """What each process that serves said last, its cache tiers among it."""


class MetricsDocument(msgspec.Struct, frozen=True):
    """`/api/monitoring/metrics`; a figure nobody measured yet is null."""

    status: str
    timestamp: str
    as_of: int | None
    cycle_ms: float | None
    symbols: int | None
    symbols_scored: int | None
    engine: dict[str, int]
    """The engine's counters."""
    reader: dict[str, int]
    """What this process met while it followed the engine."""
    websocket: dict[str, int] | None
    """Null when the sockets are served by another process."""
    measures: tuple[Measure, ...]
    """Everything that is measured, by the names of `/metrics` without `virtuoso_`."""
    reasons: tuple[str, ...]


class SymbolAges(msgspec.Struct, frozen=True):
    """One monitored symbol. Ages are by the engine's clock as far as it was heard."""

    symbol: str
    venue: str
    score: float | None
    state: State
    reason: Reason | None
    coverage: float
    as_of: int | None
    age_ms: int | None
    oldest_input: str | None
    price_state: State
    price_as_of: int | None
    price_age_ms: int | None
    missing: dict[str, Reason]
    """Components without a number, and why."""


class SymbolsMonitored(msgspec.Struct, frozen=True):
    """`/api/monitoring/symbols`."""

    status: str
    timestamp: str
    now: int | None
    symbols: tuple[SymbolAges, ...]
    reasons: tuple[str, ...]


class MonitorApp:
    """An ASGI callable: a Host check in front of the routes."""

    def __init__(self, routes: FastAPI, hosts: frozenset[str]) -> None:
        self.routes = routes
        self._routes = routes
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; refuse a Host that is not ours."""
        if scope["type"] == "http":
            called = [value for name, value in scope["headers"] if name == b"host"]
            name = called[0].decode("latin-1").lower() if len(called) == 1 else ""
            end = name.find("]") + 1 if name.startswith("[") else name.find(":")
            if (name[:end] if end > 0 else name) not in self._hosts:
                sentence = "This server does not go by the name it was called by."
                await _problem(400, "wrong_host", sentence)(scope, receive, send)
                return
        if scope["type"] != "websocket":
            await self._routes(scope, receive, send)


def create_app(
    follower: Follower,
    clock: Clock,
    *,
    version: str = "",
    websocket_counters: Counters | None = None,
    hosts: tuple[str, ...] = (),
    cache_metrics: Callable[[], CacheMetrics] | None = None,
    own_parts: Callable[[], tuple[HealthPart, ...]] = tuple,
    roster: Roster | None = None,
    readings: Readings | None = None,
    routers: Sequence[APIRouter] = (),
) -> MonitorApp:
    """Put the monitor together. `follower.run()` and `roster.run()` must run beside it."""
    app = FastAPI(
        title="Virtuoso monitor",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )

    def health() -> tuple[int, HealthDocument]:
        processes = () if roster is None else roster.parts()
        measured = () if readings is None else readings.parts()
        parts = (*parts_of(follower, clock), *processes, *own_parts(), *measured)
        return judge(parts, follower, clock, version)

    async def status(_request: Request) -> Response:
        code, said = health()
        engine_ms = follower.engine_ms() if follower.reader.engine_now else None
        document = StatusDocument(
            said.status,
            said.timestamp,
            engine_ms,
            follower.engine,
            said.parts,
            said.reasons,
            () if roster is None else roster.reports(),
        )
        return _respond(document, code)

    async def metrics(_request: Request) -> Response:
        _, said = health()
        engine = follower.engine
        reader = {
            "undecodable": follower.undecodable,
            "missed_pushes": follower.missed_pushes,
            "push_ms": follower.push_ms,
        }
        document = MetricsDocument(
            status="success" if said.status == "success" else "degraded",
            timestamp=said.timestamp,
            as_of=None if engine is None else engine.now,
            cycle_ms=None if engine is None else engine.cycle_ms,
            symbols=None if engine is None else engine.symbols,
            symbols_scored=None if engine is None else engine.symbols_scored,
            engine={} if engine is None else engine.counters,
            reader=reader,
            websocket=None if websocket_counters is None else dict(websocket_counters()),
            measures=() if readings is None else readings.measures(),
            reasons=said.reasons,
        )
        return _respond(document, 200)

    async def symbols(_request: Request) -> Response:
        return _symbols(follower, clock)

    async def document(_request: Request) -> Response:
        return _served(follower.hot(keys.SYMBOLS))

    async def refusals(_request: Request) -> Response:
        return _served(await follower.document(keys.REFUSALS))

    async def cycles(_request: Request) -> Response:
        return _served(await follower.document(keys.CYCLES))

    async def history(
        _request: Request,
        minutes: Annotated[
            int, Query(ge=1, le=MOST_MINUTES, description="So far back.", examples=[60])
        ] = 60,
        series: Annotated[
            str,
            Query(
                pattern=SERIES_PATTERN,
                description="Figures or single series, separated by commas; without it all.",
                examples=["loop_lag_seconds,process_cpu_ratio/engine"],
            ),
        ] = "",
    ) -> Response:
        if readings is None:
            return _problem(404, "not_found", "There is nothing at this address.")
        wanted = tuple(each for each in series.split(",") if each)
        return _respond(readings.record.history(minutes, wanted), 200)

    async def prometheus(_request: Request) -> Response:
        engine_ms = follower.engine_ms() if follower.reader.engine_now else None
        text = exposition(follower.engine, engine_ms)
        if readings is not None:
            text += measures_exposition(readings.measures())
        if cache_metrics is not None:
            text += cache_exposition(cache_metrics(), _figures(follower, roster)).decode()
        return Response(text, 200, {**HEADERS, "content-type": CONTENT_TYPE})

    async def live(_request: Request) -> Response:
        return Response(b'{"status":"success"}', 200, HEADERS, JSON)

    async def cache(_request: Request) -> Response:
        if cache_metrics is None:
            return _problem(404, "not_found", "There is nothing at this address.")
        body = msgspec.json.format(to_json(cache_metrics()))
        return Response(body, 200, HEADERS, JSON)

    described = Described(app, HEADERS)
    described.get("/cache-metrics", cache, CacheMetrics, 404)
    described.get("/api/monitoring/status", status, StatusDocument, 503, says_why=True)
    described.get("/api/monitoring/metrics", metrics, MetricsDocument)
    described.get("/api/monitoring/symbols", symbols, SymbolsMonitored, 503, says_why=True)
    described.get("/api/monitoring/history", history, MonitoringHistory, 404, 422)
    described.get("/api/monitoring/refusals", refusals, RefusalsDocument, 503)
    described.get("/api/monitoring/cycles", cycles, CyclesDocument, 503)
    described.get("/api/symbols", document, SymbolsDocument, 503)
    described.get("/health/live", live, Alive)
    app.add_api_route(
        "/metrics", prometheus, methods=READ, response_model=None, include_in_schema=False
    )

    for each in routers:
        app.include_router(each, include_in_schema=False)

    async def on_http(_request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if error.status_code == 405:
            sentence = "This address can only be read: use GET or HEAD."
            response = _problem(405, "method_not_allowed", sentence)
            response.headers["allow"] = ", ".join(READ)
            return response
        return _problem(error.status_code, "not_found", "There is nothing at this address.")

    async def on_invalid(_request: Request, _error: Exception) -> Response:
        return _problem(422, "invalid", "A parameter is not of its kind; see /openapi.json.")

    async def on_failure(_request: Request, _error: Exception) -> Response:
        return _problem(500, "failed", "The server failed; its log says why.")

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(Exception, on_failure)
    return MonitorApp(app, LOOPBACK | {host.lower() for host in hosts})


def _figures(follower: Follower, roster: Roster | None) -> dict[str, float]:
    """What the monitor knows of the others, for Prometheus."""
    found = {
        "engine_up": float(not follower.engine_silent()),
        "pushes_missed": float(follower.missed_pushes),
    }
    if roster is not None:
        found["processes_up"] = float(sum(each.status != "fail" for each in roster.parts()))
    return found


def _symbols(follower: Follower, clock: Clock) -> Response:
    reader = follower.reader
    if reader.board is None:
        reasons = follower.why_nothing()
        return _respond(SymbolsMonitored("error", iso(clock.now()), None, (), reasons), 503)
    silent = follower.engine_silent()
    now = follower.engine_now()
    ages: list[SymbolAges] = []
    for symbol in reader.board.symbols:
        row = reader.rows[symbol.row]
        names = zip(COMPONENT_ORDER, row.reasons or (), strict=False)
        ages.append(
            SymbolAges(
                symbol=symbol.symbol,
                venue=symbol.venue,
                score=row.score,
                state=_aged(row.state, silent=silent),
                reason=row.reason,
                coverage=row.coverage,
                as_of=row.as_of,
                age_ms=None if row.as_of is None else max(0, now - row.as_of),
                oldest_input=row.oldest_input,
                price_state=_aged(row.price_state, silent=silent),
                price_as_of=row.price_as_of,
                price_age_ms=None if row.price_as_of is None else max(0, now - row.price_as_of),
                missing={name.value: reason for name, reason in names if reason is not None},
            )
        )
    reasons = follower.why_nothing() if silent else ()
    said = SymbolsMonitored(
        "degraded" if silent else "success", iso(clock.now()), now, tuple(ages), reasons
    )
    return _respond(said, 200)


def _aged(state: State, *, silent: bool) -> State:
    """Call nothing live that a silent engine said."""
    return State.STALE if silent and state in {State.LIVE, State.DELAYED} else state


def _served(served: Served) -> Response:
    headers = dict(HEADERS)
    if served.etag:
        headers["etag"] = served.etag
    return Response(served.body, served.status, headers, JSON)


def _respond(document: msgspec.Struct, status: int) -> Response:
    return Response(to_json(document), status, HEADERS, JSON)


def _problem(status: int, code: str, detail: str) -> Response:
    body = to_json(
        Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=detail)
    )
    return Response(body, status, HEADERS, "application/problem+json")
