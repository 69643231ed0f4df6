"""Routes about this process itself: its health, and what its cache did."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from fastapi import FastAPI, Request, Response

from virtuoso.domain.scores import State
from virtuoso.ports import Clock
from virtuoso.web.answers import Answer
from virtuoso.web.pages import Pages
from virtuoso.web.routes.api import Api, respond
from virtuoso.web.snapshot import JSON, Snapshot
from virtuoso.wire import keys
from virtuoso.wire.checks import judge, parts_of
from virtuoso.wire.cycles import CYCLE_BOUNDS_MS
from virtuoso.wire.health import HealthDocument, HealthPart
from virtuoso.wire.lists import Alive
from virtuoso.wire.messages import to_json
from virtuoso.wire.metrics import PROMETHEUS, CacheMetrics, cache_exposition
from virtuoso.wire.records import iso
from virtuoso.wire.workings import FiguresDocument, InputsDocument

TAG: Final = "health"


def add_health(
    api: Api,
    snapshot: Snapshot,
    pages: Pages,
    clock: Clock,
    version: str,
    own_parts: Callable[[], tuple[HealthPart, ...]],
) -> None:
    """Add health as people, load balancers and process managers ask for it."""

    def document(request: Request, status: int, health: HealthDocument) -> Response:
        answer = Answer(to_json(health), JSON, cache_control="no-store", status=status)
        return respond(request, answer)

    def pages_part() -> HealthPart:
        if pages.built:
            return HealthPart("pages", "pass", State.LIVE, "built", None, None, None)
        text = "not_built: run make web"
        return HealthPart("pages", "warn", State.ABSENT, text, None, None, None)

    async def health(request: Request) -> Response:
        """Health of every part: 503 with the reasons when nothing true can be said."""
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
        return respond(request, ALIVE)

    async def inputs(request: Request) -> Response:
        """How old every input of every symbol was when the engine looked, each few seconds."""
        return respond(request, await snapshot.document(keys.INPUTS))

    api.get("/api/inputs", inputs, InputsDocument, tag=TAG, errors=(304, 503))
    api.get("/health", health, HealthDocument, tag=TAG, errors=(503,), says_why=True)
    api.get("/health/ready", ready, HealthDocument, tag=TAG, errors=(503,), says_why=True)
    api.get("/health/live", live, Alive, tag=TAG)


def add_figures(
    api: Api, snapshot: Snapshot, clock: Clock, counters: Callable[[], Mapping[str, int]]
) -> None:
    """Add what the engine and this process counted."""

    async def figures(request: Request) -> Response:
        """Counters of the engine and of this process since their start, and how cycles went."""
        follower = snapshot.follower
        silent = follower.engine_silent()
        document = FiguresDocument(
            status="degraded" if silent else "success",
            timestamp=iso(clock.now()),
            engine_ms=follower.engine_ms() if follower.reader.engine_now else None,
            engine=follower.engine,
            reader={
                "undecodable": follower.undecodable,
                "missed_pushes": follower.missed_pushes,
                "push_ms": follower.push_ms,
            },
            sockets=dict(counters()),
            cycle_bounds_ms=CYCLE_BOUNDS_MS,
            reasons=follower.why_nothing() if silent else (),
        )
        return respond(request, Answer(to_json(document), JSON, cache_control="no-store"))

    api.get("/api/figures", figures, FiguresDocument, tag=TAG)


ALIVE: Final = Answer(to_json(Alive()), JSON, cache_control="no-store")


def add_metrics(
    api: Api,
    metrics: Callable[[], CacheMetrics],
    counters: Callable[[], Mapping[str, int]],
) -> None:
    """Add what the cache did, for people and for Prometheus."""

    async def for_people(request: Request) -> Response:
        """Hits, misses, latency, size and evictions of every cache tier since the start."""
        body = msgspec.json.format(to_json(metrics()))
        return respond(request, Answer(body, JSON, cache_control="no-store", gzip_on_demand=True))

    async def for_prometheus(request: Request) -> Response:
        more = {f"websocket_{name}": float(count) for name, count in counters().items()}
        body = cache_exposition(metrics(), more)
        answer = Answer(body, PROMETHEUS, cache_control="no-store", gzip_on_demand=True)
        return respond(request, answer)

    api.get("/cache-metrics", for_people, CacheMetrics, tag=TAG)
    app: FastAPI = api.app
    app.add_api_route(
        "/metrics",
        for_prometheus,
        methods=["GET", "HEAD"],
        response_model=None,
        include_in_schema=False,
    )
